/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/sock_diag/connections.h"

#include <stdlib.h>
#include <string.h>

#include "bpf/tracer/states.h"
#include "collector/base/base.h"
#include "collector/base/hash.h"

/* A dump passes over sockets when others come and go in their bucket; who is in two of them not
 * there is gone. */
#define LOOKS_UNMET_MAX 2

struct connection {
    uint64_t cookie;
    struct eye_diag_counters now;
    struct eye_diag_counters reported;
    uint64_t owner;
    uint64_t counted_owner; /* under whom it is active in `pass` */
    uint32_t pass;          /* in which it was counted active last; 0: none yet */
    uint32_t look;          /* that met it last */
    uint32_t inode;
    uint32_t rtt_us;
    uint16_t port; /* of the service */
    uint16_t local_port;
    uint16_t remote_port;
    uint8_t direction;
    uint8_t family;
    bool older;
    bool told;  /* a record was made */
    bool fin;   /* its counter of received bytes has the FIN in it */
    bool asked; /* for its owner */
    bool ended; /* during this look: whatever of the dump comes later is from before */
    uint8_t remote[EYE_ADDRESS_BYTES];
    uint8_t local[EYE_ADDRESS_BYTES];
};

struct listener {
    uint16_t port;
    bool asked;
    uint32_t inode;
    uint32_t look;
    uint64_t owner;
};

static uint64_t hash_of(uint64_t number)
{
    return eye_hash_bytes(&number, sizeof(number));
}

static bool has_cookie(const void *item, const void *key)
{
    const struct connection *connection = item;
    const uint64_t *cookie = key;
    return connection->cookie == *cookie;
}

static bool has_port(const void *item, const void *key)
{
    const struct listener *listener = item;
    const uint16_t *port = key;
    return listener->port == *port;
}

static struct connection *find(const struct eye_diag_connections *connections, uint64_t cookie)
{
    return eye_table_find(&connections->open, hash_of(cookie), has_cookie, &cookie);
}

static struct listener *find_listener(const struct eye_diag_connections *connections, uint16_t port)
{
    return eye_table_find(&connections->listeners, hash_of(port), has_port, &port);
}

static void lose(struct eye_diag_connections *connections, enum eye_loss loss)
{
    connections->totals->losses[loss]++;
}

void eye_diag_connections_init(struct eye_diag_connections *connections,
                               struct eye_diag_totals *totals, uint32_t netns)
{
    *connections = (struct eye_diag_connections){.totals = totals, .netns = netns};
}

static void forget(struct eye_diag_connections *connections, struct connection *connection)
{
    eye_table_remove(&connections->open, hash_of(connection->cookie), connection);
    connections->totals->connections--;
    free(connection);
}

void eye_diag_connections_done(struct eye_diag_connections *connections)
{
    void *item;
    eye_table_for_each (&connections->open, item) {
        free(item);
    }
    eye_table_for_each (&connections->listeners, item) {
        free(item);
    }
    if (connections->totals != NULL) {
        connections->totals->connections -= connections->open.count;
    }
    eye_table_done(&connections->open);
    eye_diag_queues_done(&connections->queues);
    eye_table_done(&connections->listeners);
}

void eye_diag_connections_begin(struct eye_diag_connections *connections, uint32_t pass, bool older)
{
    connections->pass = pass;
    connections->older = older;
    connections->looking = true;
    connections->look++;
}

/* ---- What is met ---- */

static void meet_listener(struct eye_diag_connections *connections,
                          const struct eye_diag_socket *socket)
{
    struct listener *listener = find_listener(connections, socket->local_port);
    if (listener == NULL) {
        listener = calloc(1, sizeof(*listener));
        if (listener == NULL ||
            eye_table_insert(&connections->listeners, hash_of(socket->local_port), listener) != 0) {
            free(listener);
            lose(connections, EYE_LOSS_DIAG_TABLE);
            return;
        }
        listener->port = socket->local_port;
        listener->look = connections->look - 1;
    }
    if (listener->inode != socket->inode && listener->look != connections->look) {
        listener->inode = socket->inode;
        listener->asked = false;
        listener->owner = EYE_OWNER_UNKNOWN;
    }
    listener->look = connections->look;
}

static void meet_queue(struct eye_diag_connections *connections,
                       const struct eye_diag_socket *socket)
{
    if (!eye_diag_queues_meet(&connections->queues, connections->look, connections->older,
                              socket)) {
        lose(connections, EYE_LOSS_DIAG_TABLE);
    }
}

/* Where nobody listens any more, the ports tell what they can. */
static bool is_incoming(const struct listener *listener, const struct eye_diag_socket *socket)
{
    return listener != NULL ||
           (socket->local_port < EYE_EPHEMERAL_FIRST && socket->remote_port >= EYE_EPHEMERAL_FIRST);
}

static void describe(const struct eye_diag_connections *connections,
                     const struct eye_diag_socket *socket, struct connection *connection)
{
    const struct listener *listener = find_listener(connections, socket->local_port);
    bool incoming = is_incoming(listener, socket);
    connection->cookie = socket->cookie;
    connection->direction = incoming ? EYE_INCOMING : EYE_OUTGOING;
    connection->port = incoming ? socket->local_port : socket->remote_port;
    connection->local_port = socket->local_port;
    connection->remote_port = socket->remote_port;
    connection->family = socket->family;
    connection->owner = listener != NULL ? listener->owner : EYE_OWNER_UNKNOWN;
    memcpy(connection->remote, socket->remote, sizeof(connection->remote));
    memcpy(connection->local, socket->local, sizeof(connection->local));
}

static struct connection *add(struct eye_diag_connections *connections,
                              const struct connection *described)
{
    struct eye_diag_totals *totals = connections->totals;
    bool room = totals->connections < EYE_DIAG_CONNECTIONS_MAX;
    struct connection *connection = room ? calloc(1, sizeof(*connection)) : NULL;
    if (connection == NULL ||
        eye_table_insert(&connections->open, hash_of(described->cookie), connection) != 0) {
        free(connection);
        lose(connections, EYE_LOSS_DIAG_TABLE);
        return NULL;
    }
    *connection = *described;
    totals->connections++;
    return connection;
}

/* The states in which the other end's FIN has come. */
static bool has_fin(uint8_t state)
{
    return state == TCP_CLOSE_WAIT || state == TCP_LAST_ACK || state == TCP_CLOSING;
}

static void take_off_fin(struct eye_diag_counters *counters, bool fin)
{
    counters->received_bytes -= fin && counters->received_bytes > 0;
}

static void meet_connection(struct eye_diag_connections *connections,
                            const struct eye_diag_socket *socket)
{
    struct connection *connection = find(connections, socket->cookie);
    if (connection == NULL) {
        struct connection described = {.older = connections->older};
        describe(connections, socket, &described);
        connection = add(connections, &described);
    }
    if (connection == NULL || connection->ended) {
        return;
    }
    connection->fin |= has_fin(socket->state);
    connection->now = socket->counters;
    take_off_fin(&connection->now, connection->fin);
    connection->rtt_us = socket->rtt_us;
    connection->look = connections->look;
    if (connection->inode != socket->inode && socket->inode != 0) {
        connection->inode = socket->inode;
        connection->asked = false;
    }
    if (!connection->told && connection->older) {
        connection->reported = connection->now;
        connection->told = true;
    }
}

void eye_diag_connections_meet(void *context, const struct eye_diag_socket *socket)
{
    struct eye_diag_connections *connections = context;
    if (socket->state == TCP_LISTEN) {
        meet_listener(connections, socket);
        if (connections->looking) {
            meet_queue(connections, socket);
        }
    } else if (eye_is_open(socket->state)) {
        meet_connection(connections, socket);
    }
}

bool eye_diag_connections_misses(const struct eye_diag_connections *connections, uint16_t port)
{
    const struct listener *listener = find_listener(connections, port);
    return listener == NULL || !listener->asked;
}

/* ---- Owners ---- */

void eye_diag_connections_want(struct eye_diag_connections *connections, bool all,
                               void (*want)(void *context, uint32_t inode), void *context)
{
    struct connection *connection;
    struct listener *listener;
    eye_diag_queues_want(&connections->queues, all, want, context);
    eye_table_for_each (&connections->listeners, listener) {
        listener->asked &= !all;
        if (!listener->asked && listener->inode != 0) {
            want(context, listener->inode);
        }
    }
    eye_table_for_each (&connections->open, connection) {
        connection->asked &= !all;
        if (!connection->asked && connection->inode != 0) {
            want(context, connection->inode);
        }
    }
}

/* Whom nobody finds any more keeps the one that it had: it has ended, or may not be read now. */
void eye_diag_connections_own(struct eye_diag_connections *connections,
                              uint64_t (*find_owner)(void *context, uint32_t inode), void *context)
{
    struct connection *connection;
    struct listener *listener;
    eye_diag_queues_own(&connections->queues, find_owner, context);
    eye_table_for_each (&connections->listeners, listener) {
        uint64_t owner = listener->asked ? EYE_OWNER_UNKNOWN : find_owner(context, listener->inode);
        listener->owner = owner != EYE_OWNER_UNKNOWN ? owner : listener->owner;
        listener->asked = true;
    }
    eye_table_for_each (&connections->open, connection) {
        uint64_t owner =
            connection->asked ? EYE_OWNER_UNKNOWN : find_owner(context, connection->inode);
        listener = owner == EYE_OWNER_UNKNOWN && connection->owner == EYE_OWNER_UNKNOWN &&
                           connection->direction == EYE_INCOMING
                       ? find_listener(connections, connection->port)
                       : NULL;
        owner = listener != NULL ? listener->owner : owner;
        connection->owner = owner != EYE_OWNER_UNKNOWN ? owner : connection->owner;
        connection->asked = true;
    }
}

/* ---- Records ---- */

static uint64_t increase(struct eye_diag_connections *connections, uint64_t now, uint64_t before)
{
    if (now < before) {
        lose(connections, EYE_LOSS_TCP_COUNTERS);
        return 0;
    }
    return now - before;
}

static void fill_record(struct eye_diag_connections *connections,
                        const struct connection *connection, struct eye_connection_record *record)
{
    const struct eye_diag_counters *now = &connection->now;
    const struct eye_diag_counters *before = &connection->reported;
    *record = (struct eye_connection_record){
        .nat = EYE_NAT_UNKNOWN,
        .sent_bytes = increase(connections, now->sent_bytes, before->sent_bytes),
        .received_bytes = increase(connections, now->received_bytes, before->received_bytes),
        .owner = connection->owner,
        .previous_owner = connection->counted_owner,
        .sent_segments = now->sent_segments - before->sent_segments,
        .received_segments = now->received_segments - before->received_segments,
        .retransmits = now->retransmits - before->retransmits,
        .rtt_us = connection->rtt_us,
        .pass = connections->pass,
        .netns = connections->netns,
        .port = connection->port,
        .flags = connection->told ? 0 : EYE_CONNECTION_OPENED,
        .direction = connection->direction,
        .family = connection->family,
        .local_port = connection->local_port,
        .remote_port = connection->remote_port,
    };
    memcpy(record->remote, connection->remote, sizeof(record->remote));
    memcpy(record->local, connection->local, sizeof(record->local));
}

static bool is_counted(const struct eye_diag_connections *connections,
                       const struct connection *connection)
{
    return connection->pass != 0 && connection->pass == connections->pass;
}

static void report_end(struct eye_diag_connections *connections,
                       const struct connection *connection, eye_record_handler *handler,
                       void *context)
{
    struct eye_connection_record record;
    fill_record(connections, connection, &record);
    record.kind = EYE_CONNECTION_CLOSED;
    record.flags |= is_counted(connections, connection) ? EYE_CONNECTION_LEAVES : 0;
    handler(context, &record, sizeof(record));
}

/* A dump that goes on may still show it as it was: until the end of the look it is known as ended.
 */
static void end_known(struct eye_diag_connections *connections, struct connection *connection)
{
    if (connections->looking) {
        connection->ended = true;
    } else {
        forget(connections, connection);
    }
}

static void end_unknown(struct eye_diag_connections *connections,
                        const struct eye_diag_socket *socket, eye_record_handler *handler,
                        void *context)
{
    struct connection described = {.now = socket->counters, .rtt_us = socket->rtt_us};
    describe(connections, socket, &described);
    report_end(connections, &described, handler, context);
    if (connections->looking) {
        described.ended = true;
        add(connections, &described);
    }
}

/* The kernel forgot what a connection that is reset by its own end has done since the last look. */
void eye_diag_connections_end(struct eye_diag_connections *connections,
                              const struct eye_diag_socket *socket, eye_record_handler *handler,
                              void *context)
{
    struct connection *connection = find(connections, socket->cookie);
    if (!socket->was_established || (connection != NULL && connection->ended)) {
        return;
    }
    if (socket->is_reset) {
        lose(connections, EYE_LOSS_DIAG_RESET);
    }
    if (connection == NULL) {
        end_unknown(connections, socket, handler, context);
        return;
    }
    if (!socket->is_reset) {
        connection->now = socket->counters;
        take_off_fin(&connection->now, connection->fin);
        connection->rtt_us = socket->rtt_us;
    }
    report_end(connections, connection, handler, context);
    end_known(connections, connection);
}

/* How its record changes what is counted active. */
static uint8_t pass_flags(const struct eye_diag_connections *connections,
                          const struct connection *connection)
{
    if (!is_counted(connections, connection)) {
        return EYE_CONNECTION_ENTERS;
    }
    return connection->counted_owner != connection->owner ? EYE_CONNECTION_MOVES : 0;
}

static bool has_moved(const struct connection *connection)
{
    const struct eye_diag_counters *now = &connection->now;
    const struct eye_diag_counters *before = &connection->reported;
    return now->sent_segments != before->sent_segments ||
           now->received_segments != before->received_segments ||
           now->sent_bytes != before->sent_bytes || now->received_bytes != before->received_bytes;
}

static bool report_live(struct eye_diag_connections *connections, struct connection *connection,
                        eye_record_handler *handler, void *context)
{
    struct eye_connection_record record;
    uint8_t flags = pass_flags(connections, connection);
    if (flags == 0 && !has_moved(connection)) {
        return false;
    }
    fill_record(connections, connection, &record);
    record.kind = EYE_CONNECTION_LIVE;
    record.flags |= flags;
    connection->reported = connection->now;
    connection->told = true;
    connection->pass = connections->pass;
    connection->counted_owner = connection->owner;
    handler(context, &record, sizeof(record));
    return true;
}

static bool is_gone(const struct eye_diag_connections *connections,
                    const struct connection *connection)
{
    return connection->ended || connections->look - connection->look >= LOOKS_UNMET_MAX;
}

/* Whose end nobody told of has moved since its last record by what nobody knows. */
static void report_vanished(struct eye_diag_connections *connections, struct connection *connection,
                            eye_record_handler *handler, void *context)
{
    connection->now = connection->reported;
    connection->rtt_us = 0;
    lose(connections, EYE_LOSS_DIAG_VANISHED);
    report_end(connections, connection, handler, context);
}

/* A removal moves others into its slot, so the same slot is looked at until it holds who stays. */
static size_t sweep(struct eye_diag_connections *connections, eye_record_handler *handler,
                    void *context)
{
    size_t vanished = 0;
    for (size_t slot = 0; slot < connections->open.capacity;) {
        struct connection *connection = connections->open.slots[slot].item;
        if (connection == NULL || !is_gone(connections, connection)) {
            slot++;
            continue;
        }
        if (!connection->ended) {
            report_vanished(connections, connection, handler, context);
            vanished++;
        }
        forget(connections, connection);
    }
    return vanished;
}

/* Children of a listener that has gone may end later: it is remembered as long as a connection. */
static void sweep_listeners(struct eye_diag_connections *connections)
{
    for (size_t slot = 0; slot < connections->listeners.capacity;) {
        struct listener *listener = connections->listeners.slots[slot].item;
        if (listener == NULL || connections->look - listener->look < LOOKS_UNMET_MAX) {
            slot++;
            continue;
        }
        eye_table_remove(&connections->listeners, hash_of(listener->port), listener);
        free(listener);
    }
}

uint64_t eye_diag_connections_report(struct eye_diag_connections *connections,
                                     eye_record_handler *handler, void *context)
{
    struct connection *connection;
    uint64_t records = sweep(connections, handler, context);
    sweep_listeners(connections);
    eye_table_for_each (&connections->open, connection) {
        if (connection->look == connections->look && !connection->ended) {
            records += report_live(connections, connection, handler, context);
        }
    }
    connections->looking = false;
    return records;
}

uint64_t eye_diag_connections_report_queues(struct eye_diag_connections *connections,
                                            eye_record_handler *handler, void *context)
{
    return eye_diag_queues_report(&connections->queues, connections->look, connections->netns,
                                  handler, context);
}

void eye_diag_connections_give_up(struct eye_diag_connections *connections)
{
    connections->look--;
    connections->looking = false;
}

void eye_diag_connections_vanish(struct eye_diag_connections *connections,
                                 eye_record_handler *handler, void *context)
{
    struct connection *connection;
    eye_table_for_each (&connections->open, connection) {
        report_vanished(connections, connection, handler, context);
    }
}
