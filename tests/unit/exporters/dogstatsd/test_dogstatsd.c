/* SPDX-License-Identifier: Apache-2.0 */
/* The whole exporter against real sockets that come, go, and speak of their own kind. */
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
#include <sys/un.h>

#include <cmocka.h>

#include "collector/base/text.h"
#include "exporters/link/link.h"
#include "tests/unit/exporters/dogstatsd/world.h"

extern const struct eye_exporter_type eye_exporter_dogstatsd;

#define PAYLOAD_BYTES 600
#define ROUTES 60

struct fixture {
    struct world world;
    struct eye_config config;
    struct eye_exporter_config own;
    char values[256]; /* of the exporter, filled through its keys */
    char url[128];
    char prefix[16];
    struct eye_export_stats stats;
    struct eye_deadline deadline;
    struct eye_exporter_setup setup;
    void *exporter;
    struct eye_export_failure failure; /* of the last delivery */
    const struct eye_snapshot *before;
    const struct eye_snapshot *now;
    struct tally tally;
    struct tally client;
    int receiver;
    uint16_t port;
    char folder[32]; /* of a Unix socket; empty: there is none */
    char path[64];
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

/* Without the newlines that fill a datagram up. */
static size_t own_length(const char *bytes, size_t length)
{
    while (length >= 2 && bytes[length - 1] == '\n' && bytes[length - 2] == '\n') {
        length--;
    }
    return length;
}

static void read_datagrams(struct fixture *fixture)
{
    char bytes[65536];
    for (;;) {
        ssize_t received = recv(fixture->receiver, bytes, sizeof(bytes), 0);
        if (received < 0) {
            return;
        }
        size_t length = own_length(bytes, (size_t)received);
        assert_true(tally_read(&fixture->tally, bytes, length));
        fixture->largest = length > fixture->largest ? length : fixture->largest;
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

static void set_text(struct fixture *fixture, const char *path, char *text)
{
    memcpy(fixture->values + find_key(path)->offset, &text, sizeof(text));
}

static void set_bool(struct fixture *fixture, const char *path, bool value)
{
    memcpy(fixture->values + find_key(path)->offset, &value, sizeof(value));
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    world_init(&fixture->world);
    fixture->receiver = bind_receiver(0);
    fixture->port = port_of(fixture->receiver);
    snprintf(fixture->url, sizeof(fixture->url), "udp://127.0.0.1:%u", (unsigned)fixture->port);
    snprintf(fixture->prefix, sizeof(fixture->prefix), "sockeye.");
    assert_true(eye_exporter_dogstatsd.section.values_size <= sizeof(fixture->values));
    set_text(fixture, "url", fixture->url);
    set_payload(fixture, PAYLOAD_BYTES);
    set_bool(fixture, "telemetry", true);
    fixture->tally.client = &fixture->client;
    atomic_store(&fixture->deadline.at_ns, UINT64_MAX);
    fixture->own = (struct eye_exporter_config){
        .section = &eye_exporter_dogstatsd.section,
        .common = {.prefix = fixture->prefix},
        .values = fixture->values,
    };
    fixture->setup = (struct eye_exporter_setup){.config = &fixture->config,
                                                 .own = &fixture->own,
                                                 .stats = &fixture->stats,
                                                 .deadline = &fixture->deadline};
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_exporter_close(&eye_exporter_dogstatsd, fixture->exporter);
    eye_snapshot_unref(fixture->before);
    eye_snapshot_unref(fixture->now);
    world_done(&fixture->world);
    tally_done(&fixture->tally);
    tally_done(&fixture->client);
    if (fixture->receiver >= 0) {
        close(fixture->receiver);
    }
    if (fixture->folder[0] != '\0') {
        unlink(fixture->path);
        rmdir(fixture->folder);
    }
    free(fixture);
    return 0;
}

static void open_exporter(struct fixture *fixture)
{
    struct eye_error error = {0};
    assert_int_equal(
        eye_exporter_open(&eye_exporter_dogstatsd, &fixture->setup, &fixture->exporter, &error), 0);
}

static int deliver(struct fixture *fixture)
{
    fixture->failure = (struct eye_export_failure){0};
    int result = eye_exporter_dogstatsd.deliver(fixture->exporter, fixture->now, fixture->before,
                                                &fixture->failure);
    assert_true(result == 0 || fixture->failure.cause.text[0] != '\0');
    return result;
}

static int finish(struct fixture *fixture)
{
    fixture->failure = (struct eye_export_failure){0};
    return eye_exporter_dogstatsd.finish(fixture->exporter, fixture->before, &fixture->failure);
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
    for (size_t round = 0; round < 3; round++) {
        count_something(fixture, round);
        take(fixture);
        assert_int_equal(deliver(fixture), 0);
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
    for (size_t payload = 512; payload < 560; payload++) {
        set_payload(fixture, payload);
        open_exporter(fixture);
        fixture->largest = 0;
        tally_done(&fixture->tally);
        assert_int_equal(deliver(fixture), 0);
        read_datagrams(fixture);
        assert_in_range(fixture->largest, payload - 60, payload);
        assert_tally_is_truth(fixture);
        eye_exporter_close(&eye_exporter_dogstatsd, fixture->exporter);
        fixture->exporter = NULL;
    }
}

static void dogstatsd__absent_receiver_is_refused_without_a_start(void **state)
{
    struct fixture *fixture = *state;
    close_receiver(fixture);
    open_exporter(fixture);
    count_something(fixture, 0);
    for (size_t i = 0; i < 3; i++) {
        take(fixture); /* newer each time */
        assert_true(deliver(fixture) < 0);
        assert_int_equal(fixture->failure.reason, EYE_EXPORT_REFUSED);
        assert_false(fixture->failure.started);
    }
    assert_int_equal(atomic_load(&fixture->stats.points), 0);
    fixture->receiver = bind_receiver(fixture->port);
    take(fixture);
    assert_int_equal(deliver(fixture), 0);
    read_datagrams(fixture);
    assert_tally_is_truth(fixture);
}

/* More than the pause after a burst: the next one meets nobody. */
#define AWAY_US 8000

/* Stops hearing between two bursts: what came before, or is being put into the socket on another
 * CPU, is still read; what comes is refused. */
static void go_away(struct fixture *fixture)
{
    const struct sockaddr_in nobody = {
        .sin_family = AF_INET,
        .sin_port = htons(1),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    connect(fixture->receiver, (const struct sockaddr *)&nobody, sizeof(nobody));
    usleep(AWAY_US / 2);
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
        usleep(AWAY_US / 2);
        fixture->receiver = bind_receiver(fixture->port);
    }
    read_datagrams(fixture);
    return NULL;
}

/* What the worker does: the same snapshot while a part of it was sent, else the newest. */
static void deliver_stubbornly(struct fixture *fixture, size_t *resumed)
{
    take(fixture);
    for (size_t attempt = 0; deliver(fixture) != 0; attempt++) {
        assert_true(attempt < 10000);
        *resumed += fixture->failure.started ? 1 : 0;
        if (!fixture->failure.started) {
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
    char second[sizeof(value)];
    memcpy(second, value, sizeof(value));
    second[0] = 'K';
    char *tags[] = {value, second};
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
    assert_true(deliver(fixture) < 0);
    fixture->receiver = bind_receiver(fixture->port);
    assert_int_equal(deliver(fixture), 0);
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
    assert_int_equal(deliver(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->tally.count, ROUTES);
}

static void dogstatsd__open_refuses_tags_longer_than_a_datagram(void **state)
{
    struct fixture *fixture = *state;
    char texts[40][40];
    char *tags[EYE_ARRAY_LENGTH(texts)];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(tags); i++) {
        snprintf(texts[i], sizeof(texts[i]), "tag-of-some-length-%zu:and-its-value", i);
        tags[i] = texts[i];
    }
    fixture->config.tags = (struct eye_text_list){.items = tags, .count = EYE_ARRAY_LENGTH(tags)};
    struct eye_error error = {0};
    assert_int_equal(
        eye_exporter_open(&eye_exporter_dogstatsd, &fixture->setup, &fixture->exporter, &error),
        -EMSGSIZE);
    assert_null(fixture->exporter);
    assert_non_null(strstr(error.text, "payload"));
}

/* ---- What goes behind the metrics ---- */

static double client_total(const struct fixture *fixture, const char *name)
{
    double sum = 0;
    char start[64];
    size_t length = (size_t)snprintf(start, sizeof(start), "datadog.dogstatsd.client.%s|", name);
    for (size_t i = 0; i < fixture->client.count; i++) {
        const struct tally_entry *entry = &fixture->client.entries[i];
        sum += strncmp(entry->key, start, length) == 0 ? entry->sum : 0;
    }
    return sum;
}

static void dogstatsd__says_that_it_is_up(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture);
    for (size_t i = 1; i <= 3; i++) {
        take(fixture);
        assert_int_equal(deliver(fixture), 0);
        delivered(fixture);
        read_datagrams(fixture);
        assert_int_equal(fixture->tally.checks, i);
        assert_int_equal(fixture->tally.events, 1);
        assert_string_equal(fixture->tally.event, "sockeye started");
    }
    assert_int_equal(finish(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->tally.events, 2);
    assert_string_equal(fixture->tally.event, "sockeye stopped");
    assert_int_equal(fixture->tally.lines, 0);
}

/* The one before it said no goodbye. */
static void dogstatsd__that_goes_on_for_another_one_tells_of_a_reload(void **state)
{
    struct fixture *fixture = *state;
    fixture->setup.successor = true;
    open_exporter(fixture);
    take(fixture);
    assert_int_equal(deliver(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->tally.events, 1);
    assert_string_equal(fixture->tally.event, "sockeye reloaded");
}

/* `run --once` would tell of a start each time, and of no end. */
static void dogstatsd__of_a_job_tells_of_no_start(void **state)
{
    struct fixture *fixture = *state;
    fixture->config.once = true;
    open_exporter(fixture);
    take(fixture);
    assert_int_equal(deliver(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->tally.checks, 1);
    assert_int_equal(fixture->tally.events, 0);
}

static void dogstatsd__client_counts_are_the_truth(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture);
    for (size_t i = 0; i < 3; i++) {
        count_something(fixture, i);
        take(fixture);
        assert_int_equal(deliver(fixture), 0);
        delivered(fixture);
        read_datagrams(fixture);
    }
    size_t before_last = fixture->datagrams;
    assert_int_equal(finish(fixture), 0);
    read_datagrams(fixture);
    assert_true(client_total(fixture, "metrics") == 3 * 2 * ROUTES);
    assert_true(client_total(fixture, "metrics_by_type") == 3 * 2 * ROUTES);
    assert_true(client_total(fixture, "service_checks") == 3);
    assert_true(client_total(fixture, "events") == 2);
    /* The last lines cannot tell of the datagrams that carry them. */
    assert_in_range((size_t)client_total(fixture, "packets_sent"), before_last + 1,
                    fixture->datagrams - 1);
    assert_true(client_total(fixture, "packets_dropped") == 0);
}

static void dogstatsd__client_counts_can_be_switched_off(void **state)
{
    struct fixture *fixture = *state;
    set_bool(fixture, "telemetry", false);
    open_exporter(fixture);
    count_something(fixture, 0);
    take(fixture);
    assert_int_equal(deliver(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->client.count, 0);
    assert_int_equal(fixture->tally.checks, 1);
}

static void dogstatsd__tells_of_the_start_when_somebody_hears_it(void **state)
{
    struct fixture *fixture = *state;
    open_exporter(fixture);
    close_receiver(fixture);
    take(fixture); /* there is nothing to deliver, so nobody is missed */
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(finish(fixture), 0);
    fixture->receiver = bind_receiver(fixture->port);
    assert_int_equal(deliver(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->tally.events, 1);
    assert_true(client_total(fixture, "packets_dropped") > 0);
}

static void dogstatsd__time_goes_along_when_asked_for(void **state)
{
    struct fixture *fixture = *state;
    set_bool(fixture, "timestamps", true);
    fixture->config.interval_ns = UINT64_C(10000000000);
    open_exporter(fixture);
    count_something(fixture, 0);
    take(fixture);
    assert_int_equal(deliver(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->tally.times, ROUTES);
}

/* ---- Unix sockets ---- */

static void bind_unix(struct fixture *fixture, int type, const char *scheme)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/eye-dsd-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->path, sizeof(fixture->path), "%s/socket", fixture->folder);
    snprintf(fixture->url, sizeof(fixture->url), "%s://%s", scheme, fixture->path);
    eye_copy_string(address.sun_path, sizeof(address.sun_path), fixture->path);
    close(fixture->receiver);
    fixture->receiver = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    assert_true(fixture->receiver >= 0);
    assert_int_equal(bind(fixture->receiver, (struct sockaddr *)&address, sizeof(address)), 0);
}

/* Reads what comes until told to end; the queue of a Unix socket is short. */
static void *read_unix_datagrams(void *argument)
{
    struct fixture *fixture = argument;
    bool more = true;
    while (more) {
        more = !atomic_load(&fixture->ending);
        struct pollfd readable = {.fd = fixture->receiver, .events = POLLIN};
        char bytes[65536];
        while (poll(&readable, 1, 10) == 1) {
            ssize_t length = recv(fixture->receiver, bytes, sizeof(bytes), 0);
            assert_true(length > 0 && tally_read(&fixture->tally, bytes, (size_t)length));
            size_t taken = (size_t)length;
            fixture->largest = taken > fixture->largest ? taken : fixture->largest;
        }
    }
    return NULL;
}

static bool receive(int fd, void *bytes, size_t length)
{
    return recv(fd, bytes, length, MSG_WAITALL) == (ssize_t)length;
}

/* Frames of 4 bytes of length, little-endian, until the stream ends. */
static void *read_frames(void *argument)
{
    struct fixture *fixture = argument;
    int fd = accept(fixture->receiver, NULL, NULL);
    uint8_t frame[4];
    char bytes[65536];
    while (receive(fd, frame, sizeof(frame))) {
        size_t length = frame[0] | (size_t)frame[1] << 8 | (size_t)frame[2] << 16;
        assert_int_equal(frame[3], 0);
        assert_in_range(length, 1, sizeof(bytes));
        assert_true(receive(fd, bytes, length));
        assert_true(tally_read(&fixture->tally, bytes, length));
        fixture->largest = length > fixture->largest ? length : fixture->largest;
    }
    close(fd);
    return NULL;
}

static void deliver_over_unix(struct fixture *fixture, void *(*reader)(void *argument))
{
    pthread_t thread;
    set_payload(fixture, 0);
    open_exporter(fixture);
    pthread_create(&thread, NULL, reader, fixture);
    int result = 0;
    for (size_t round = 0; result == 0 && round < 3; round++) {
        count_something(fixture, round);
        take(fixture);
        result = deliver(fixture);
        delivered(fixture);
    }
    assert_int_equal(finish(fixture), 0);
    eye_exporter_close(&eye_exporter_dogstatsd, fixture->exporter);
    fixture->exporter = NULL;
    atomic_store(&fixture->ending, true);
    pthread_join(thread, NULL);
    assert_int_equal(result, 0);
    assert_tally_is_truth(fixture);
    assert_in_range(fixture->largest, 8000, 8192);
    assert_int_equal(fixture->tally.events, 2);
}

static void dogstatsd__speaks_unix_datagrams(void **state)
{
    struct fixture *fixture = *state;
    bind_unix(fixture, SOCK_DGRAM, "unix");
    deliver_over_unix(fixture, read_unix_datagrams);
    assert_non_null(strstr(fixture->client.entries[0].key, "client_transport:uds"));
}

static void speak_stream(struct fixture *fixture, const char *scheme)
{
    bind_unix(fixture, SOCK_STREAM, scheme);
    assert_int_equal(listen(fixture->receiver, 1), 0);
    deliver_over_unix(fixture, read_frames);
    assert_non_null(strstr(fixture->client.entries[0].key, "client_transport:uds-stream"));
}

static void dogstatsd__speaks_unix_streams(void **state)
{
    speak_stream(*state, "unixstream");
}

static void dogstatsd__finds_a_unix_stream(void **state)
{
    speak_stream(*state, "unix");
}

/* ---- Settings ---- */

static void assert_refused(struct fixture *fixture, const char *word)
{
    struct eye_error error = {0};
    int result =
        eye_exporter_open(&eye_exporter_dogstatsd, &fixture->setup, &fixture->exporter, &error);
    assert_int_equal(result, -EINVAL);
    assert_null(fixture->exporter);
    assert_non_null(strstr(error.text, word));
}

static void dogstatsd__open_refuses_what_cannot_work(void **state)
{
    struct fixture *fixture = *state;
    set_bool(fixture, "timestamps", true);
    fixture->config.interval_ns = UINT64_C(15000000000);
    assert_refused(fixture, "interval: 10s");
}

static void dogstatsd__environment_counts_without_a_url(void **state)
{
    struct fixture *fixture = *state;
    set_text(fixture, "url", NULL);
    setenv("DD_DOGSTATSD_URL", fixture->url, 1);
    open_exporter(fixture);
    unsetenv("DD_DOGSTATSD_URL");
    count_something(fixture, 0);
    take(fixture);
    assert_int_equal(deliver(fixture), 0);
    read_datagrams(fixture);
    assert_tally_is_truth(fixture);
}

static void dogstatsd__sends_nothing_when_it_is_switched_off(void **state)
{
    struct fixture *fixture = *state;
    setenv("DD_DOGSTATSD_DISABLE", "true", 1);
    open_exporter(fixture);
    unsetenv("DD_DOGSTATSD_DISABLE");
    count_something(fixture, 0);
    take(fixture);
    assert_int_equal(deliver(fixture), 0);
    assert_int_equal(finish(fixture), 0);
    read_datagrams(fixture);
    assert_int_equal(fixture->datagrams, 0);
    assert_int_equal(atomic_load(&fixture->stats.points), 0);
}

static void dogstatsd__url_has_our_schemes(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        bool valid;
    } urls[] = {
        {"udp://127.0.0.1:8125", true},
        {"udp://agent", true},
        {"unix:///run/dsd.socket", true},
        {"unixgram:///run/dsd.socket", true},
        {"unixstream:///run/dsd.st", true},
        {"tcp://127.0.0.1:8125", false},
        {"tls://127.0.0.1:8125", false},
        {"udp://127.0.0.1:8125/", false},
        {"", false},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(urls); i++) {
        assert_int_equal(find_key("url")->valid(urls[i].url), urls[i].valid);
    }
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
        TEST(dogstatsd__says_that_it_is_up),
        TEST(dogstatsd__that_goes_on_for_another_one_tells_of_a_reload),
        TEST(dogstatsd__of_a_job_tells_of_no_start),
        TEST(dogstatsd__client_counts_are_the_truth),
        TEST(dogstatsd__client_counts_can_be_switched_off),
        TEST(dogstatsd__tells_of_the_start_when_somebody_hears_it),
        TEST(dogstatsd__time_goes_along_when_asked_for),
        TEST(dogstatsd__speaks_unix_datagrams),
        TEST(dogstatsd__speaks_unix_streams),
        TEST(dogstatsd__finds_a_unix_stream),
        TEST(dogstatsd__open_refuses_what_cannot_work),
        TEST(dogstatsd__environment_counts_without_a_url),
        TEST(dogstatsd__sends_nothing_when_it_is_switched_off),
        cmocka_unit_test(dogstatsd__url_has_our_schemes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
