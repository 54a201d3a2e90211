/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/replay/connections.h"

#include <string.h>
#include <sys/queue.h>

#include "bpf/abi.h"
#include "collector/base/base.h"
#include "collector/base/hash.h"
#include "collector/base/table.h"
#include "collector/replay/stream.h"

/* Both ends, the one with the lower bytes first. */
struct pair {
    struct eye_endpoint ends[2];
};

/* Of a connection that is over: bytes that end so far before its last one are repeated ones. More
 * than is ever under way. */
#define REPEATED_BYTES (64U << 20)

/* What one end has sent. */
struct sender {
    bool known;           /* `end` is one of its sequence numbers */
    bool begun;           /* its SYN was seen, or acknowledged: `first` is known */
    bool closed;          /* by a FIN, at `end` */
    bool closed_for_good; /* which the other end has acknowledged */
    uint32_t first;       /* sequence number of its first byte */
    uint32_t end;         /* behind the last byte that is known */
};

struct connection {
    struct pair pair;
    struct sender senders[2]; /* by index in the pair */
    uint8_t client;           /* index of who has connected */
    uint8_t closer;           /* index of who closed first, when somebody did */
    bool guessed;             /* who it is */
    bool spoke;               /* payload was seen */
    bool over;                /* nothing else of it counts */
    uint64_t hash;
    uint64_t time_ns;                 /* of its last packet */
    struct eye_replay_stream *stream; /* NULL: no payload yet, or over */
    TAILQ_ENTRY(connection) place;
};

TAILQ_HEAD(connection_list, connection);

struct eye_connections {
    const struct eye_replay_sink *sink;
    struct eye_questions *questions;
    struct eye_table table;      /* struct connection, owned */
    struct connection_list used; /* the one that was silent for longest first */
    struct eye_connection_counts counts;
};

struct eye_connections *eye_connections_new(const struct eye_replay_sink *sink,
                                            struct eye_questions *questions)
{
    struct eye_connections *connections = calloc(1, sizeof(*connections));
    if (connections != NULL) {
        connections->sink = sink;
        connections->questions = questions;
        TAILQ_INIT(&connections->used);
    }
    return connections;
}

/* ---- One connection's life ---- */

static bool is_behind(uint32_t a, uint32_t b)
{
    return (int32_t)(b - a) > 0;
}

/* Index of the end that is looked at. */
static unsigned local_of(const struct eye_connections *connections,
                         const struct connection *connection)
{
    return connections->sink->client_end ? connection->client : connection->client ^ 1U;
}

/* What ended the connection, seen from a request that waits for its answer: as the kernel side has
 * it (eye_request_error_of()). @reset_by: index of who sent an RST; 2: nobody did. */
static uint8_t error_of(const struct eye_connections *connections,
                        const struct connection *connection, unsigned reset_by)
{
    unsigned local = local_of(connections, connection);
    bool closed = connection->senders[0].closed || connection->senders[1].closed;
    bool peer_first = closed && connection->closer != local;
    if (reset_by == (local ^ 1)) {
        return EYE_REQUEST_RESET;
    }
    if (connections->sink->client_end != peer_first) {
        return EYE_REQUEST_CANCELLED;
    }
    return reset_by == local && !closed ? EYE_REQUEST_RESET : EYE_REQUEST_CLOSED;
}

/* Its requests are told of with @error; 0: nobody knows what became of them. */
static void finish(struct eye_connections *connections, struct connection *connection,
                   uint8_t error)
{
    unsigned local = local_of(connections, connection);
    connection->over = true;
    if (connection->stream == NULL) {
        return;
    }
    const struct eye_replay_ending ending = {
        .time_ns = connection->time_ns,
        .error = error,
        .sent_end = connection->senders[local].end,
        .received_end = connection->senders[local ^ 1].end,
    };
    connections->counts.unrecognised += eye_replay_stream_is_unrecognised(connection->stream);
    eye_replay_stream_end(connection->stream, &ending);
    eye_replay_stream_free(EYE_TAKE(connection->stream));
}

/* Nothing else of it will be seen. */
static void abandon(struct eye_connections *connections, struct connection *connection)
{
    if (connection->stream != NULL) {
        connections->counts.waiting += eye_replay_stream_waiting(connection->stream);
        connections->counts.unrecognised += eye_replay_stream_is_unrecognised(connection->stream);
        eye_replay_stream_free(EYE_TAKE(connection->stream));
    }
}

static void remove_connection(struct eye_connections *connections, struct connection *connection)
{
    eye_table_remove(&connections->table, connection->hash, connection);
    TAILQ_REMOVE(&connections->used, connection, place);
    free(connection);
}

void eye_connections_free(struct eye_connections *connections)
{
    if (connections == NULL) {
        return;
    }
    struct connection *connection;
    while ((connection = TAILQ_FIRST(&connections->used)) != NULL) {
        eye_replay_stream_free(connection->stream);
        remove_connection(connections, connection);
    }
    eye_table_done(&connections->table);
    free(connections);
}

void eye_connections_end(struct eye_connections *connections,
                         struct eye_connection_counts *ret_counts)
{
    struct connection *connection;
    TAILQ_FOREACH(connection, &connections->used, place)
    {
        abandon(connections, connection);
    }
    *ret_counts = connections->counts;
}

/* ---- Who has connected ---- */

static void set_client(struct eye_connections *connections, struct connection *connection,
                       unsigned client, bool guessed)
{
    connection->client = (uint8_t)client;
    connection->guessed = guessed;
    connections->counts.seen++;
    connections->counts.guessed += guessed;
}

/* Where the ports begin that hosts give to who connects (ip_local_port_range of Linux; other
 * systems begin above). */
#define CLIENT_PORTS_FROM 32768

/* One port alone is a client's. */
static bool is_likely(const struct connection *connection)
{
    const struct eye_endpoint *ends = connection->pair.ends;
    return (eye_endpoint_port(&ends[0]) >= CLIENT_PORTS_FROM) !=
           (eye_endpoint_port(&ends[1]) >= CLIENT_PORTS_FROM);
}

/* Of @source, whose packet is the first one that is seen. Who asks takes any port, a high one. */
static unsigned guess_client(const struct connection *connection, unsigned source)
{
    uint16_t own = eye_endpoint_port(&connection->pair.ends[source]);
    uint16_t other = eye_endpoint_port(&connection->pair.ends[source ^ 1]);
    return own >= other ? source : source ^ 1;
}

/* A connection begins with the packet of @source, as far as the capture goes. */
static void begin(struct eye_connections *connections, struct connection *connection,
                  const struct eye_packet *packet, unsigned source)
{
    memset(connection->senders, 0, sizeof(connection->senders));
    connection->spoke = false;
    connection->over = false;
    if (packet->flags & EYE_SYN) {
        set_client(connections, connection, packet->flags & EYE_ACK ? source ^ 1 : source, false);
    } else {
        set_client(connections, connection, guess_client(connection, source), true);
    }
}

/* ---- Finding them ---- */

static struct pair pair_of(const struct eye_packet *packet, unsigned *ret_source)
{
    bool swapped = memcmp(&packet->source, &packet->destination, sizeof(packet->source)) > 0;
    *ret_source = swapped;
    return (struct pair){{swapped ? packet->destination : packet->source,
                          swapped ? packet->source : packet->destination}};
}

static bool has_pair(const void *item, const void *key)
{
    const struct connection *connection = item;
    return memcmp(&connection->pair, key, sizeof(connection->pair)) == 0;
}

static void make_room(struct eye_connections *connections)
{
    struct connection *silent = TAILQ_FIRST(&connections->used);
    if (connections->table.count < EYE_REPLAY_CONNECTIONS_MAX || silent == NULL) {
        return;
    }
    connections->counts.evicted += !silent->over;
    abandon(connections, silent);
    remove_connection(connections, silent);
}

static struct connection *add(struct eye_connections *connections, const struct pair *pair,
                              uint64_t hash)
{
    make_room(connections);
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL) {
        return NULL;
    }
    connection->pair = *pair;
    connection->hash = hash;
    if (eye_table_insert(&connections->table, hash, connection) != 0) {
        free(connection);
        return NULL;
    }
    TAILQ_INSERT_TAIL(&connections->used, connection, place);
    return connection;
}

/* ---- Packets ---- */

/* A SYN of a connection that is not the one we know under these ports. */
static bool begins_another(const struct connection *connection, const struct eye_packet *packet,
                           unsigned source)
{
    const struct sender *sender = &connection->senders[source];
    bool syn = (packet->flags & (EYE_SYN | EYE_ACK)) == EYE_SYN;
    return syn && (connection->over || !sender->begun || sender->first != packet->sequence + 1);
}

static void note_first(struct sender *sender, uint32_t first)
{
    if (!sender->begun) {
        *sender = (struct sender){.known = true, .begun = true, .first = first, .end = first};
    }
}

static void note_end(struct sender *sender, uint32_t end)
{
    if (!sender->known || is_behind(sender->end, end)) {
        sender->known = true;
        sender->end = end;
    }
}

/* What the headers tell of both ends. @sequence: of the payload's first byte. */
static void note_headers(struct connection *connection, const struct eye_packet *packet,
                         unsigned source, uint32_t sequence)
{
    struct sender *sender = &connection->senders[source];
    struct sender *other = &connection->senders[source ^ 1];
    if (packet->flags & EYE_SYN) {
        note_first(sender, sequence);
        if (packet->flags & EYE_ACK) {
            note_first(other, packet->acknowledged);
        }
    }
    if (!sender->closed) { /* a FIN has a number as well */
        note_end(sender, sequence + (uint32_t)packet->size);
    }
    if (packet->flags & EYE_ACK && other->closed && packet->acknowledged == other->end + 1) {
        other->closed_for_good = true;
    }
    if (packet->flags & EYE_FIN && !sender->closed) {
        sender->closed = true;
        if (!other->closed) {
            connection->closer = (uint8_t)source;
        }
    }
}

/* Nothing was missed before it, in either direction. */
static bool is_first(const struct connection *connection, const struct eye_packet *packet,
                     unsigned source, uint32_t sequence)
{
    const struct sender *sender = &connection->senders[source];
    const struct sender *other = &connection->senders[source ^ 1];
    bool opening = (packet->flags & EYE_ACK) == 0;
    return !connection->spoke && sender->begun && sequence == sender->first &&
           (opening || !other->begun || packet->acknowledged == other->first);
}

static void take_payload(struct eye_connections *connections, struct connection *connection,
                         const struct eye_packet *packet, unsigned source, uint32_t sequence)
{
    unsigned local = local_of(connections, connection);
    const struct sender *other = &connection->senders[source ^ 1];
    bool first = is_first(connection, packet, source, sequence);
    connection->spoke = true;
    connections->counts.cut += packet->captured < packet->size;
    if (packet->captured == 0) {
        return;
    }
    if (connection->stream == NULL) {
        const struct eye_replay_ends ends = {
            .guessed = connection->guessed,
            .likely = is_likely(connection),
            .local = eye_endpoint_port(&connection->pair.ends[local]),
            .remote = eye_endpoint_port(&connection->pair.ends[local ^ 1]),
        };
        connection->stream =
            eye_replay_stream_new(connections->sink, connections->questions, &ends);
    }
    if (connection->stream == NULL) {
        connections->counts.lost_memory++;
        return;
    }
    bool fin = other->closed && packet->acknowledged == other->end + 1;
    const struct eye_replay_segment segment = {
        .time_ns = packet->time_ns,
        .bytes = packet->payload,
        .size = (uint32_t)packet->captured,
        .sequence = sequence,
        .acknowledged = packet->acknowledged - fin,
        .sent = source == local,
        .opening = (packet->flags & (EYE_SYN | EYE_ACK)) == EYE_SYN,
        .first = first,
    };
    eye_replay_stream_take(connection->stream, &segment);
}

static void look_for_end(struct eye_connections *connections, struct connection *connection,
                         const struct eye_packet *packet, unsigned source)
{
    if (packet->flags & EYE_RST) {
        finish(connections, connection, error_of(connections, connection, source));
    } else if (connection->senders[0].closed_for_good && connection->senders[1].closed_for_good) {
        finish(connections, connection, error_of(connections, connection, 2));
    }
}

/* An RST may be nobody's (its number is not held against a window), and a SYN may be missing: what
 * was over goes on, or another one does, when it brings bytes that were not there before. */
static bool goes_on(const struct connection *connection, const struct eye_packet *packet,
                    unsigned source)
{
    uint32_t end = packet->sequence + (uint32_t)packet->size;
    const struct sender *sender = &connection->senders[source];
    return connection->over && packet->size > 0 && (packet->flags & (EYE_SYN | EYE_RST)) == 0 &&
           (!sender->known || sender->end - end > REPEATED_BYTES);
}

/* The connection that @packet belongs to, made when it is the first of one; NULL: none. */
static struct connection *find(struct eye_connections *connections, const struct eye_packet *packet,
                               unsigned *ret_source)
{
    const struct pair pair = pair_of(packet, ret_source);
    uint64_t hash = eye_hash_bytes(&pair, sizeof(pair));
    struct connection *connection = eye_table_find(&connections->table, hash, has_pair, &pair);
    if (connection != NULL && begins_another(connection, packet, *ret_source)) {
        if (!connection->over) {
            finish(connections, connection, 0);
        }
        begin(connections, connection, packet, *ret_source);
    } else if (connection != NULL && goes_on(connection, packet, *ret_source)) {
        begin(connections, connection, packet, *ret_source);
    }
    if (connection == NULL && (packet->flags & EYE_SYN || packet->size > 0)) {
        connection = add(connections, &pair, hash);
        if (connection == NULL) {
            connections->counts.lost_memory++;
        } else {
            begin(connections, connection, packet, *ret_source);
        }
    }
    return connection;
}

void eye_connections_take(struct eye_connections *connections, const struct eye_packet *packet)
{
    unsigned source;
    struct connection *connection = find(connections, packet, &source);
    if (connection == NULL || connection->over) {
        return;
    }
    /* A SYN takes a number of its own, which the data of a fast open come behind (RFC 7413). */
    uint32_t sequence = packet->sequence + (packet->flags & EYE_SYN ? 1 : 0);
    connection->time_ns = packet->time_ns;
    TAILQ_REMOVE(&connections->used, connection, place);
    TAILQ_INSERT_TAIL(&connections->used, connection, place);
    /* Numbers of an RST may be anybody's, and its bytes are words about why (RFC 9293, 3.5.3). */
    bool reset = (packet->flags & EYE_RST) != 0;
    if (!reset) {
        note_headers(connection, packet, source, sequence);
    }
    if (!reset && packet->size > 0) {
        take_payload(connections, connection, packet, source, sequence);
    }
    look_for_end(connections, connection, packet, source);
}
