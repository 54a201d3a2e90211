/* SPDX-License-Identifier: Apache-2.0 */
/* The whole exporter against real UDP sockets on loopback that come, go and move. */
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "collector/base/text.h"
#include "exporters/dogstatsd/datagram.h"
#include "tests/unit/exporters/dogstatsd_world.h"

extern const struct eye_exporter_type eye_exporter_dogstatsd;

#define PAYLOAD_BYTES 600
#define ROUTES 60

struct fixture {
    struct world world;
    struct eye_config config;
    struct eye_exporter_config own;
    char values[256]; /* of the exporter, filled through its keys */
    char url[64];
    char prefix[16];
    struct eye_export_stats stats;
    struct eye_datagram datagram;
    void *exporter;
    struct eye_snapshot *before;
    struct eye_snapshot *now;
    struct tally tally;
    int receiver;
    uint16_t port;
    size_t largest;
    size_t datagrams;
    atomic_bool ending; /* of the listener */
};

/* ---- Receiver ---- */

static int bind_receiver(uint16_t port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    /* A whole snapshot waits here while the test delivers; 212992 bytes would just do. */
    int buffer_bytes = 1 << 20;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &buffer_bytes, sizeof(buffer_bytes));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static uint16_t port_of(int fd)
{
    struct sockaddr_in address;
    socklen_t length = sizeof(address);
    getsockname(fd, (struct sockaddr *)&address, &length);
    return ntohs(address.sin_port);
}

static void read_datagrams(struct fixture *fixture)
{
    char bytes[65536];
    for (;;) {
        ssize_t length = recv(fixture->receiver, bytes, sizeof(bytes), 0);
        if (length < 0) {
            return;
        }
        assert_true(tally_read(&fixture->tally, bytes, (size_t)length));
        fixture->largest = (size_t)length > fixture->largest ? (size_t)length : fixture->largest;
        fixture->datagrams++;
    }
}

static void close_receiver(struct fixture *fixture)
{
    read_datagrams(fixture);
    close(fixture->receiver);
    fixture->receiver = -1;
}

/* ---- Fixture ---- */

static const struct eye_config_key *find_key(const char *path)
{
    const struct eye_config_key *key = eye_exporter_dogstatsd.section.keys;
    const struct eye_config_key *end = key + eye_exporter_dogstatsd.section.key_count;
    while (key < end && strcmp(key->path, path) != 0) {
        key++;
    }
    assert_true(key < end);
    return key;
}

static void set_payload(struct fixture *fixture, uint64_t bytes)
{
    memcpy(fixture->values + find_key("payload")->offset, &bytes, sizeof(bytes));
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    world_init(&fixture->world);
    fixture->receiver = bind_receiver(0);
    fixture->port = port_of(fixture->receiver);
    fixture->datagram.fd = -1;
    snprintf(fixture->url, sizeof(fixture->url), "udp://127.0.0.1:%u", (unsigned)fixture->port);
    snprintf(fixture->prefix, sizeof(fixture->prefix), "sockeye.");
    char *url = fixture->url;
    assert_true(eye_exporter_dogstatsd.section.values_size <= sizeof(fixture->values));
    memcpy(fixture->values + find_key("url")->offset, &url, sizeof(url));
    set_payload(fixture, PAYLOAD_BYTES);
    fixture->own = (struct eye_exporter_config){
        .section = &eye_exporter_dogstatsd.section,
        .common = {.prefix = fixture->prefix},
        .values = fixture->values,
    };
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_exporter_dogstatsd.close(fixture->exporter);
    eye_datagram_done(&fixture->datagram);
    eye_snapshot_unref(fixture->before);
    eye_snapshot_unref(fixture->now);
    world_done(&fixture->world);
    tally_done(&fixture->tally);
    if (fixture->receiver >= 0) {
        close(fixture->receiver);
    }
    free(fixture);
    return 0;
}

static void open_exporter(struct fixture *fixture)
{
    const struct eye_exporter_setup setup = {&fixture->config, &fixture->own, &fixture->stats};
    struct eye_error error = {0};
    assert_int_equal(eye_exporter_dogstatsd.open(&setup, &fixture->exporter, &error), 0);
}

static int deliver(struct fixture *fixture, bool *ret_started)
{
    struct eye_error message = {0};
    *ret_started = false;
    int result = eye_exporter_dogstatsd.deliver(fixture->exporter, fixture->now, fixture->before,
                                                ret_started, &message);
    assert_true((result == 0) == (message.text[0] == '\0'));
    return result;
}

static void take(struct fixture *fixture)
{
    eye_snapshot_unref(fixture->now);
    fixture->now = world_snapshot(&fixture->world);
}

static void delivered(struct fixture *fixture)
{
    eye_snapshot_unref(fixture->before);
    fixture->before = fixture->now;
    fixture->now = NULL;
}

/* ---- Truth ---- */

static struct eye_series *route(struct fixture *fixture, size_t index, enum eye_metric_id metric)
{
    char value[32];
    snprintf(value, sizeof(value), "/%zu", index);
    return world_series(&fixture->world, metric,
                        metric == EYE_METRIC_TCP_SENT_BYTES ? EYE_TAG_SERVICE : EYE_TAG_ROUTE,
                        value);
}

/* Some counters, and distributions of which each needs several datagrams. */
static void count_something(struct fixture *fixture, size_t round)
{
    for (size_t i = 0; i < ROUTES; i++) {
        eye_counter_add(route(fixture, i, EYE_METRIC_TCP_SENT_BYTES), 100 * i + round + 1);
        struct eye_series *series = route(fixture, i, EYE_METRIC_HTTP_SERVER_DURATION);
        for (size_t j = 0; j < 40; j++) {
            eye_distribution_add(series, 0.001 * exp((double)j * 0.1), j % 7 == 0 ? 50 + j : 1);
        }
    }
}

static void assert_tally_is_truth(struct fixture *fixture)
{
    char key[256];
    assert_int_equal(fixture->tally.count, 2 * ROUTES);
    for (size_t i = 0; i < ROUTES; i++) {
        snprintf(key, sizeof(key), "sockeye.tcp.sent.bytes|c|#service:/%zu", i);
        const struct tally_entry *bytes = tally_find(&fixture->tally, key);
        assert_true(bytes->sum == (double)route(fixture, i, EYE_METRIC_TCP_SENT_BYTES)->counter);
        snprintf(key, sizeof(key), "sockeye.http.server.request.duration|d|#route:/%zu", i);
        const struct tally_entry *duration = tally_find(&fixture->tally, key);
        struct eye_series *series = route(fixture, i, EYE_METRIC_HTTP_SERVER_DURATION);
        assert_int_equal(duration->weight, series->distribution.count);
    }
}

/* ---- Tests ---- */

static void dogstatsd__delivers_everything_once(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture);
    bool started;
    for (size_t round = 0; round < 3; round++) {
        count_something(fixture, round);
        take(fixture);
        assert_int_equal(deliver(fixture, &started), 0);
        delivered(fixture);
        read_datagrams(fixture);
    }
    assert_tally_is_truth(fixture);
    assert_in_range(fixture->largest, PAYLOAD_BYTES / 2, PAYLOAD_BYTES);
    assert_int_equal(atomic_load(&fixture->stats.points), 3 * 2 * ROUTES);
    assert_true(atomic_load(&fixture->stats.bytes) > 3 * ROUTES * 40);
}

static void dogstatsd__fills_datagrams_of_every_size(void **state)
{
    struct fixture *fixture = *state;
    count_something(fixture, 0);
    take(fixture);
    bool started;
    for (size_t payload = 512; payload < 560; payload++) {
        set_payload(fixture, payload);
        open_exporter(fixture);
        fixture->largest = 0;
        tally_done(&fixture->tally);
        assert_int_equal(deliver(fixture, &started), 0);
        read_datagrams(fixture);
        assert_in_range(fixture->largest, payload - 60, payload);
        assert_tally_is_truth(fixture);
        eye_exporter_dogstatsd.close(fixture->exporter);
        fixture->exporter = NULL;
    }
}

static void dogstatsd__absent_receiver_is_refused_without_a_start(void **state)
{
    struct fixture *fixture = *state;
    close_receiver(fixture);
    open_exporter(fixture);
    count_something(fixture, 0);
    bool started;
    for (size_t i = 0; i < 3; i++) {
        take(fixture); /* newer each time */
        assert_int_equal(deliver(fixture, &started), -ECONNREFUSED);
        assert_false(started);
    }
    assert_int_equal(atomic_load(&fixture->stats.failures[EYE_EXPORT_REFUSED]), 3);
    assert_int_equal(atomic_load(&fixture->stats.points), 0);
    fixture->receiver = bind_receiver(fixture->port);
    take(fixture);
    assert_int_equal(deliver(fixture, &started), 0);
    read_datagrams(fixture);
    assert_tally_is_truth(fixture);
}

/* Stops hearing between two datagrams: what came before is still read, what comes is refused. */
static void go_away(struct fixture *fixture)
{
    const struct sockaddr_in nobody = {
        .sin_family = AF_INET,
        .sin_port = htons(1),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    connect(fixture->receiver, (const struct sockaddr *)&nobody, sizeof(nobody));
    close_receiver(fixture);
}

/* Listens for a few datagrams, goes away, comes back, until told to end. */
static void *listen_now_and_then(void *argument)
{
    struct fixture *fixture = argument;
    for (size_t turn = 1; !atomic_load(&fixture->ending); turn++) {
        size_t goal = fixture->datagrams + 1 + turn % 9;
        while (fixture->datagrams < goal && !atomic_load(&fixture->ending)) {
            struct pollfd readable = {.fd = fixture->receiver, .events = POLLIN};
            poll(&readable, 1, 10);
            read_datagrams(fixture);
        }
        go_away(fixture);
        usleep(2000);
        fixture->receiver = bind_receiver(fixture->port);
    }
    read_datagrams(fixture);
    return NULL;
}

/* What the worker does: the same snapshot while a part of it was sent, else the newest. */
static void deliver_stubbornly(struct fixture *fixture, size_t *resumed)
{
    bool started;
    take(fixture);
    for (size_t attempt = 0; deliver(fixture, &started) != 0; attempt++) {
        assert_true(attempt < 10000);
        *resumed += started ? 1 : 0;
        if (!started) {
            take(fixture);
        }
        usleep(1000);
    }
    delivered(fixture);
}

static void dogstatsd__counts_are_exact_when_the_receiver_comes_and_goes(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture);
    pthread_t listener;
    pthread_create(&listener, NULL, listen_now_and_then, fixture);
    size_t resumed = 0;
    size_t rounds = 0;
    while (resumed < 5 && rounds < 500) {
        count_something(fixture, rounds++);
        deliver_stubbornly(fixture, &resumed);
    }
    atomic_store(&fixture->ending, true);
    pthread_join(listener, NULL);
    assert_in_range(resumed, 5, SIZE_MAX);
    assert_tally_is_truth(fixture);
    assert_int_equal(atomic_load(&fixture->stats.points), rounds * 2 * ROUTES);
}

static void dogstatsd__refused_points_are_counted_once(void **state)
{
    struct fixture *fixture = *state;
    char value[196] = "key:";
    memset(value + 4, 'v', sizeof(value) - 5);
    value[sizeof(value) - 1] = '\0';
    char *tags[] = {value, value};
    fixture->config.tags = (struct eye_text_list){.items = tags, .count = 2};
    open_exporter(fixture);
    char service[200] = {0};
    memset(service, 's', sizeof(service) - 1);
    eye_counter_add(world_series(&fixture->world, EYE_METRIC_TCP_SENT_BYTES, EYE_TAG_SERVICE, "x"),
                    1);
    eye_counter_add(
        world_series(&fixture->world, EYE_METRIC_TCP_SENT_BYTES, EYE_TAG_SERVICE, service), 1);
    eye_gauge_set(world_series(&fixture->world, EYE_METRIC_SELF_MEMORY, EYE_TAG_COUNT, NULL), NAN);
    take(fixture);
    close_receiver(fixture);
    bool started;
    assert_int_equal(deliver(fixture, &started), -ECONNREFUSED);
    fixture->receiver = bind_receiver(fixture->port);
    assert_int_equal(deliver(fixture, &started), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->tally.lines, 1);
    assert_int_equal(atomic_load(&fixture->stats.points), 1);
    assert_int_equal(atomic_load(&fixture->stats.dropped[EYE_EXPORT_TOO_LONG]), 1);
    assert_int_equal(atomic_load(&fixture->stats.dropped[EYE_EXPORT_INVALID]), 1);
}

static void dogstatsd__denied_metrics_stay_away(void **state)
{
    struct fixture *fixture = *state;
    char pattern[] = "http.*";
    char *items[] = {pattern};
    fixture->own.common.deny = (struct eye_text_list){.items = items, .count = 1};
    open_exporter(fixture);
    count_something(fixture, 0);
    take(fixture);
    bool started;
    assert_int_equal(deliver(fixture, &started), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->tally.count, ROUTES);
}

static void dogstatsd__open_refuses_tags_longer_than_a_datagram(void **state)
{
    struct fixture *fixture = *state;
    char tag[] = "a-tag-of-some-length:and-its-value";
    char *tags[40];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(tags); i++) {
        tags[i] = tag;
    }
    fixture->config.tags = (struct eye_text_list){.items = tags, .count = EYE_ARRAY_LENGTH(tags)};
    const struct eye_exporter_setup setup = {&fixture->config, &fixture->own, &fixture->stats};
    struct eye_error error = {0};
    assert_int_equal(eye_exporter_dogstatsd.open(&setup, &fixture->exporter, &error), -EMSGSIZE);
    assert_null(fixture->exporter);
    assert_non_null(strstr(error.text, "payload"));
}

/* ---- The transport alone ---- */

static void datagram_url_valid__judges(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool valid;
    } urls[] = {
        {"udp://127.0.0.1:8125", true},
        {"udp://[::1]:8125", true},
        {"udp://[fe80::1%eth0]:8125", true},
        {"udp://agent.example_1.com:1", true},
        {"udp://localhost:65535", true},
        {"", false},
        {"127.0.0.1:8125", false},
        {"udp://", false},
        {"udp://127.0.0.1", false},
        {"udp://:8125", false},
        {"udp://host:", false},
        {"udp://host:0", false},
        {"udp://host:65536", false},
        {"udp://host:+1", false},
        {"udp://host:8125/", false},
        {"udp://ho st:8125", false},
        {"udp://::1:8125", false},
        {"udp://[]:8125", false},
        {"udp://[localhost]:8125", false},
        {"udp://[::1:8125", false},
        {"tcp://127.0.0.1:8125", false},
        {"unix:///run/agent.sock", false},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(urls); i++) {
        assert_int_equal(eye_datagram_url_valid(urls[i].url), urls[i].valid);
        assert_true(find_key("url")->valid(urls[i].url) == urls[i].valid);
    }
    char long_host[400] = "udp://";
    memset(long_host + 6, 'h', 300);
    memcpy(long_host + 306, ":8125", 6);
    assert_false(eye_datagram_url_valid(long_host));
}

static int send_line(struct fixture *fixture)
{
    static const char line[] = "a:1|c\n";
    struct eye_error message = {0};
    int result = eye_datagram_open(&fixture->datagram, &message);
    return result != 0 ? result
                       : eye_datagram_send(&fixture->datagram, line, sizeof(line) - 1, &message);
}

static void datagram_send__reopens_after_a_refusal(void **state)
{
    struct fixture *fixture = *state;
    eye_datagram_init(&fixture->datagram, fixture->url, &fixture->stats);
    assert_int_equal(send_line(fixture), 0);
    close_receiver(fixture);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(send_line(fixture), -ECONNREFUSED);
        assert_int_equal(fixture->datagram.fd, -1);
    }
    fixture->receiver = bind_receiver(fixture->port);
    assert_int_equal(send_line(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->datagrams, 2);
    assert_int_equal(atomic_load(&fixture->stats.bytes), 2 * 6);
    assert_int_equal(atomic_load(&fixture->stats.failures[EYE_EXPORT_REFUSED]), 3);
}

/* A name that no resolver is asked for: its interface does not exist. */
#define UNRESOLVABLE "fe80::1%no-such-if"

static void datagram_open__keeps_the_last_good_address(void **state)
{
    struct fixture *fixture = *state;
    struct eye_datagram *datagram = &fixture->datagram;
    eye_datagram_init(datagram, fixture->url, &fixture->stats);
    assert_int_equal(send_line(fixture), 0);
    eye_copy_string(datagram->host, sizeof(datagram->host), UNRESOLVABLE);
    assert_int_equal(send_line(fixture), 0);
    assert_int_equal(atomic_load(&fixture->stats.failures[EYE_EXPORT_UNRESOLVED]), 0);
    datagram->resolve_at_ns = 0;
    assert_int_equal(send_line(fixture), 0);
    assert_int_equal(atomic_load(&fixture->stats.failures[EYE_EXPORT_UNRESOLVED]), 1);
    read_datagrams(fixture);
    assert_int_equal(fixture->datagrams, 3);
}

static void datagram_open__without_any_address_is_unresolved(void **state)
{
    struct fixture *fixture = *state;
    eye_datagram_init(&fixture->datagram, "udp://[" UNRESOLVABLE "]:8125", &fixture->stats);
    assert_int_equal(send_line(fixture), -EDESTADDRREQ);
    assert_int_equal(atomic_load(&fixture->stats.failures[EYE_EXPORT_UNRESOLVED]), 1);
}

static void datagram_open__follows_a_name_to_a_new_address(void **state)
{
    struct fixture *fixture = *state;
    struct eye_datagram *datagram = &fixture->datagram;
    eye_datagram_init(datagram, fixture->url, &fixture->stats);
    eye_copy_string(datagram->host, sizeof(datagram->host), "127.0.0.2");
    assert_int_equal(send_line(fixture), -ECONNREFUSED);
    eye_copy_string(datagram->host, sizeof(datagram->host), "127.0.0.1");
    assert_int_equal(send_line(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->datagrams, 1);
}

/* "localhost" is ::1 and 127.0.0.1 on most hosts; the receiver listens on the latter only. */
static void datagram_open__tries_the_next_address_of_a_name(void **state)
{
    struct fixture *fixture = *state;
    char url[64];
    snprintf(url, sizeof(url), "udp://localhost:%u", (unsigned)fixture->port);
    eye_datagram_init(&fixture->datagram, url, &fixture->stats);
    int result = send_line(fixture);
    for (size_t i = 0; result != 0 && i < 3; i++) {
        result = send_line(fixture);
    }
    assert_int_equal(result, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(dogstatsd__delivers_everything_once),
        TEST(dogstatsd__fills_datagrams_of_every_size),
        TEST(dogstatsd__absent_receiver_is_refused_without_a_start),
        TEST(dogstatsd__counts_are_exact_when_the_receiver_comes_and_goes),
        TEST(dogstatsd__refused_points_are_counted_once),
        TEST(dogstatsd__denied_metrics_stay_away),
        TEST(dogstatsd__open_refuses_tags_longer_than_a_datagram),
        cmocka_unit_test(datagram_url_valid__judges),
        TEST(datagram_send__reopens_after_a_refusal),
        TEST(datagram_open__keeps_the_last_good_address),
        TEST(datagram_open__without_any_address_is_unresolved),
        TEST(datagram_open__follows_a_name_to_a_new_address),
        TEST(datagram_open__tries_the_next_address_of_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
