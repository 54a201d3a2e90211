/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The same conversations through the same parser from three sources of bytes: memory of the host,
 * memory of a process (a uprobe on carry()), and the buffers of a TCP connection over loopback. The
 * records must be the same. Moves into a cgroup of its own, whose sockets alone are watched. Root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "tests/support/http_conversations.h"
#include "tests/support/http_host.h"
#include "tests/support/own_cgroup.h"

#include "bpf/sources.skel.h"

/* Below the ephemeral ports, so that no client's own port is taken for the test's. */
#define FIRST_PORT 20000
#define LAST_PORT 32000
#define RECORDS_MAX 16

/* What one end made of a conversation. */
struct told {
    size_t count;
    struct http_host_record records[RECORDS_MAX];
};

static struct {
    struct sources *programs;
    struct ring_buffer *ring;
    struct bpf_link *links[5];
    size_t link_count;
    struct own_cgroup cgroup;
    struct told server;
    struct told client;
    uint64_t lost;
} world;

/* ---- The world ---- */

static void keep(const struct eye_request_head *head)
{
    struct told *told = (head->flags & EYE_REQUEST_CLIENT) != 0 ? &world.client : &world.server;
    const struct eye_http_body *body = (const void *)(head + 1);
    size_t path_bytes = (size_t)head->body_bytes - EYE_HTTP_BODY_FIXED;
    if (told->count < RECORDS_MAX) {
        struct http_host_record *record = &told->records[told->count];
        *record = (struct http_host_record){.head = *head, .method = body->method};
        memcpy(record->path, body->path, path_bytes);
    }
    told->count++;
}

static int on_record(void *context, void *bytes, size_t size)
{
    (void)context;
    if (size == sizeof(struct eye_loss_record)) {
        world.lost++;
    } else {
        const struct eye_request_head *head = bytes;
        assert_int_equal(size, sizeof(*head) + head->body_bytes);
        assert_int_equal(head->protocol, EYE_PROTOCOL_HTTP);
        keep(head);
    }
    return 0;
}

static void attach(struct bpf_link *link)
{
    assert_int_equal(libbpf_get_error(link), 0);
    assert_true(world.link_count < EYE_ARRAY_LENGTH(world.links));
    world.links[world.link_count++] = link;
}

__attribute__((noinline)) void carry(unsigned int side, const void *bytes, unsigned int size);

static void attach_uprobe(struct bpf_program *program)
{
    LIBBPF_OPTS(bpf_uprobe_opts, options, .func_name = "carry");
    attach(bpf_program__attach_uprobe_opts(program, getpid(), "/proc/self/exe", 0, &options));
}

/* What the daemon does when a protocol is first seen. */
static void fill_slot(const struct bpf_map *slots, const struct bpf_program *program)
{
    __u32 key = EYE_PROTOCOL_HTTP;
    int fd = bpf_program__fd(program);
    assert_int_equal(bpf_map_update_elem(bpf_map__fd(slots), &key, &fd, BPF_ANY), 0);
}

static void attach_all(void)
{
    fill_slot(world.programs->maps.senders, world.programs->progs.http_sent);
    fill_slot(world.programs->maps.receivers, world.programs->progs.http_received);
    int cgroup = open(world.cgroup.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(cgroup >= 0);
    attach(bpf_program__attach(world.programs->progs.tcp_state));
    attach(bpf_program__attach(world.programs->progs.tcp_state_again));
    attach(bpf_program__attach_cgroup(world.programs->progs.payload_sent, cgroup));
    attach(bpf_program__attach_cgroup(world.programs->progs.payload_received, cgroup));
    attach_uprobe(world.programs->progs.payload_carried);
    close(cgroup);
}

static int make_world(void **state)
{
    (void)state;
    own_cgroup_enter(&world.cgroup);
    world.programs = sources__open();
    assert_non_null(world.programs);
    bpf_program__set_autoload(world.programs->progs.tcp_live, false);
    bpf_program__set_autoload(world.programs->progs.udp_live, false);
    bpf_program__set_autoload(world.programs->progs.tcp_seed, false);
    bpf_program__set_autoload(world.programs->progs.owner_seed, false);
    assert_int_equal(sources__load(world.programs), 0);
    attach_all();
    world.ring =
        ring_buffer__new(bpf_map__fd(world.programs->maps.requests), on_record, NULL, NULL);
    assert_non_null(world.ring);
    return 0;
}

static int end_world(void **state)
{
    (void)state;
    for (size_t i = 0; i < world.link_count; i++) {
        bpf_link__destroy(world.links[i]);
    }
    ring_buffer__free(world.ring);
    sources__destroy(world.programs);
    return own_cgroup_leave(&world.cgroup);
}

static void forget_told(void)
{
    assert_true(ring_buffer__consume(world.ring) >= 0);
    world.server.count = 0;
    world.client.count = 0;
    world.lost = 0;
}

/* ---- Sources ---- */

/* Where the bytes of a conversation go; @side as the end sees it that listens. */
typedef void source_fn(void *context, __u32 side, const char *bytes, size_t size);

/* @client: the end that listens. */
static void play(const struct conversation *conversation, bool client, size_t piece,
                 source_fn *source, void *context)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversation->parts); i++) {
        const struct part *part = &conversation->parts[i];
        if (part->bytes == NULL) {
            break;
        }
        size_t bytes = strlen(part->bytes);
        for (size_t at = 0; at < bytes; at += piece) {
            size_t size = bytes - at < piece ? bytes - at : piece;
            source(context, (part->from == 'C') == client ? EYE_SENT : EYE_RECEIVED,
                   part->bytes + at, size);
        }
    }
}

static void from_host(void *host, __u32 side, const char *bytes, size_t size)
{
    http_host_send(host, side, bytes, size);
}

/* The probe reads its arguments. */
__attribute__((noinline)) void carry(unsigned int side, const void *bytes, unsigned int size)
{
    __asm__ volatile("" ::"r"(side), "r"(bytes), "r"(size) : "memory");
}

/* So that no compiler makes a copy of it for constant arguments, which has no probe. */
static void (*volatile const carried)(unsigned int, const void *, unsigned int) = carry;

static void from_process(void *context, __u32 side, const char *bytes, size_t size)
{
    (void)context;
    carried(side, bytes, (unsigned int)size);
}

struct connection {
    int client;
    int server;
};

static void from_socket(void *context, __u32 side, const char *bytes, size_t size)
{
    const struct connection *connection = context;
    char received[4096];
    bool client = side == EYE_SENT;
    assert_true(size <= sizeof(received));
    assert_int_equal(send(client ? connection->client : connection->server, bytes, size, 0), size);
    assert_int_equal(
        recv(client ? connection->server : connection->client, received, size, MSG_WAITALL), size);
}

static int listen_somewhere(struct sockaddr_in *address)
{
    static int port = FIRST_PORT;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    if (port == FIRST_PORT) {
        port += (int)getpid() % (LAST_PORT - FIRST_PORT);
    }
    do {
        port = port < LAST_PORT ? port + 1 : FIRST_PORT + 1;
        *address = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((uint16_t)port),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    } while (bind(listener, (const struct sockaddr *)address, sizeof(*address)) != 0);
    assert_int_equal(listen(listener, 1), 0);
    return listener;
}

static void connect_both(struct connection *ret_connection)
{
    struct sockaddr_in address;
    int on = 1;
    int listener = listen_somewhere(&address);
    ret_connection->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(
        connect(ret_connection->client, (const struct sockaddr *)&address, sizeof(address)), 0);
    ret_connection->server = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_true(ret_connection->server >= 0);
    close(listener);
    setsockopt(ret_connection->client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(ret_connection->server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

/* ---- What they make of it ---- */

static void assert_answers(const char *source, const struct conversation *conversation,
                           const struct http_host_record *records, size_t count)
{
    size_t expected = 0;
    while (expected < EYE_ARRAY_LENGTH(conversation->answers) &&
           conversation->answers[expected].status != 0) {
        expected++;
    }
    if (count != expected) {
        fail_msg("%s: %s: %zu records, expected %zu", source, conversation->name, count, expected);
    }
    for (size_t i = 0; i < expected; i++) {
        const struct answer *answer = &conversation->answers[i];
        if (records[i].method != answer->method || records[i].head.code != answer->status ||
            strcmp(records[i].path, answer->path) != 0) {
            fail_msg("%s: %s: record %zu is %u %s %u", source, conversation->name, i,
                     records[i].method, records[i].path, records[i].head.code);
        }
    }
}

/* Records of two sources, but for what only a socket has: owner, port, time. */
static void assert_same(const char *source, const struct conversation *conversation,
                        const struct told *told, const struct http_host *host)
{
    assert_answers(source, conversation, told->records, told->count);
    for (size_t i = 0; i < told->count; i++) {
        const struct eye_request_head *one = &told->records[i].head;
        const struct eye_request_head *other = &host->records[i].head;
        assert_int_equal(one->protocol, other->protocol);
        assert_int_equal(one->body_bytes, other->body_bytes);
        assert_int_equal(one->flags & ~EYE_REQUEST_CLIENT, other->flags);
    }
    assert_int_equal(world.lost, 0);
}

static struct http_host *play_to_host(const struct conversation *conversation, bool client,
                                      size_t piece)
{
    struct http_host *host = http_host_new();
    play(conversation, client, piece, from_host, host);
    assert_answers("memory", conversation, host->records, host->record_count);
    return host;
}

static void play_to_process(const struct conversation *conversation, bool client, size_t piece)
{
    uint32_t process = (uint32_t)getpid();
    struct http_host *host = play_to_host(conversation, client, piece);
    forget_told();
    play(conversation, client, piece, from_process, NULL);
    assert_true(ring_buffer__consume(world.ring) >= 0);
    assert_int_equal((client ? &world.server : &world.client)->count, 0);
    assert_same("process", conversation, client ? &world.client : &world.server, host);
    assert_int_equal(bpf_map_delete_elem(bpf_map__fd(world.programs->maps.sessions), &process), 0);
    free(host);
}

static void play_to_socket(const struct conversation *conversation, size_t piece)
{
    struct connection connection;
    struct http_host *host = play_to_host(conversation, true, piece);
    forget_told();
    connect_both(&connection);
    play(conversation, true, piece, from_socket, &connection);
    assert_true(ring_buffer__consume(world.ring) >= 0);
    close(connection.client);
    close(connection.server);
    assert_same("socket, client", conversation, &world.client, host);
    assert_same("socket, server", conversation, &world.server, host);
    free(host);
}

static void sources__give_the_same_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversations); i++) {
        play_to_process(&conversations[i], true, SIZE_MAX);
        play_to_process(&conversations[i], false, SIZE_MAX);
        play_to_socket(&conversations[i], SIZE_MAX);
    }
}

static void sources__give_the_same_in_pieces(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 2, 3, 7, 16, 61, 64, 65};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(conversations); i++) {
        for (size_t k = 0; k < EYE_ARRAY_LENGTH(pieces); k++) {
            play_to_process(&conversations[i], k % 2 == 0, pieces[k]);
            play_to_socket(&conversations[i], pieces[k]);
        }
    }
}

/* Both sources at once: neither's state is the other's. */
static void sources__do_not_share_state(void **state)
{
    (void)state;
    struct connection connection;
    static const char request[] = "GET /socket HTTP/1.1\r\n\r\n";
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    uint32_t process = (uint32_t)getpid();
    forget_told();
    connect_both(&connection);
    for (size_t i = 0; i < sizeof(request) - 1; i++) {
        from_socket(&connection, EYE_SENT, request + i, 1);
        carried(EYE_RECEIVED, &"PUT /process HTTP/1.1\r\n\r\n"[i], 1);
    }
    carried(EYE_RECEIVED, "\n", 1);
    from_socket(&connection, EYE_RECEIVED, answer, sizeof(answer) - 1);
    carried(EYE_SENT, answer, sizeof(answer) - 1);
    assert_true(ring_buffer__consume(world.ring) >= 0);
    close(connection.client);
    close(connection.server);
    assert_int_equal(world.client.count, 1);
    assert_string_equal(world.client.records[0].path, "/socket");
    assert_int_equal(world.server.count, 2);
    assert_string_equal(world.server.records[0].path, "/socket");
    assert_string_equal(world.server.records[1].path, "/process");
    assert_int_equal(world.server.records[1].method, EYE_HTTP_PUT);
    assert_int_equal(world.lost, 0);
    assert_int_equal(bpf_map_delete_elem(bpf_map__fd(world.programs->maps.sessions), &process), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources__give_the_same_whole),
        cmocka_unit_test(sources__give_the_same_in_pieces),
        cmocka_unit_test(sources__do_not_share_state),
    };
    return cmocka_run_group_tests(tests, make_world, end_world);
}
