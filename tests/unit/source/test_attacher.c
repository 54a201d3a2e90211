/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attacher does with what the kernel answers: the objects are the real ones, opened; the
 * calls that need a kernel are the host's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "bpf/abi.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"

#include "bpf/socket_storage.skel.h"

#define SENDERS 101
#define RECEIVERS 102
#define OTHER_MAP 100
#define SECOND_NS 1000000000ULL

static struct host {
    int load_result;
    int update_result;    /* of the second slot */
    int sent, received;   /* descriptors of the loaded programs; -1: none */
    int sender, receiver; /* what the slots hold; -1: nothing */
    size_t loads;
    size_t shared; /* maps */
    size_t lines;  /* logged */
    uint64_t now_ns;
} host;

static int host_map_fd(const struct bpf_map *map)
{
    const char *name = bpf_map__name(map);
    return strcmp(name, "senders") == 0     ? SENDERS
           : strcmp(name, "receivers") == 0 ? RECEIVERS
                                            : OTHER_MAP;
}

static int host_program_fd(const struct bpf_program *program)
{
    return strcmp(bpf_program__name(program), "http_sent") == 0 ? host.sent : host.received;
}

static int host_reuse(const struct bpf_map *map, int fd)
{
    assert_false(bpf_map__is_internal(map));
    assert_int_equal(fd, OTHER_MAP);
    host.shared++;
    return 0;
}

static int host_load(const struct bpf_object *object)
{
    assert_non_null(object);
    host.loads++;
    return host.load_result;
}

static int host_update(int map, const uint32_t *key, const int *value)
{
    assert_int_equal(*key, EYE_PROTOCOL_HTTP);
    if (map == RECEIVERS && host.update_result != 0) {
        return host.update_result;
    }
    *(map == SENDERS ? &host.sender : &host.receiver) = *value;
    return 0;
}

static int host_delete(int map, const uint32_t *key)
{
    assert_int_equal(*key, EYE_PROTOCOL_HTTP);
    *(map == SENDERS ? &host.sender : &host.receiver) = -1;
    return 0;
}

static struct ring_buffer *host_ring(void)
{
    static char ring;
    return (struct ring_buffer *)&ring;
}

#undef eye_log_info
#undef eye_log_warning
#define eye_log_info(...) ((void)0)
#define eye_log_warning(...) host.lines++
#define eye_clock_monotonic_ns() host.now_ns
#define bpf_map__fd host_map_fd
#define bpf_program__fd host_program_fd
#define bpf_map__reuse_fd host_reuse
#define bpf_object__load host_load
#define bpf_map_update_elem(map, key, value, flags) host_update(map, key, value)
#define bpf_map_delete_elem(map, key) host_delete(map, key)
#define ring_buffer__new(fd, handler, context, options) ((void)(handler), host_ring())
#define ring_buffer__free(ring) ((void)(ring))

#include "collector/source/socket_storage/attacher.c" /* NOLINT: with the calls above */

static struct socket_storage *tier;
static struct eye_attacher *attacher;

static int set_up(void **state)
{
    (void)state;
    struct eye_error error;
    host = (struct host){.sender = -1, .receiver = -1, .now_ns = SECOND_NS};
    host.sent = open("/dev/null", O_RDONLY | O_CLOEXEC);
    host.received = open("/dev/null", O_RDONLY | O_CLOEXEC);
    tier = socket_storage__open();
    return tier == NULL || eye_attacher_open(tier, &attacher, &error) != 0;
}

static int tear_down(void **state)
{
    (void)state;
    eye_attacher_close(attacher);
    socket_storage__destroy(tier);
    close(host.sent);
    if (host.received >= 0) {
        close(host.received);
    }
    return 0;
}

static bool is_wished(void)
{
    return tier->bss->eye_protocols_wished & 1U << EYE_PROTOCOL_HTTP;
}

/* As the kernel side tells it. */
static void wish(void)
{
    __u32 protocol = EYE_PROTOCOL_HTTP;
    tier->bss->eye_protocols_wished |= 1U << EYE_PROTOCOL_HTTP;
    take_wish(attacher, &protocol, sizeof(protocol));
}

static void expect_nothing(int error)
{
    assert_int_equal(host.sender, -1);
    assert_int_equal(host.receiver, -1);
    assert_int_equal(eye_attacher_program(attacher, EYE_PROGRAM_http_sent), error);
    assert_int_equal(eye_attacher_program(attacher, EYE_PROGRAM_http_received), error);
    assert_int_equal(eye_attacher_is_whole(attacher), error == 0);
}

static void bring__fills_each_slot_with_its_program(void **state)
{
    struct eye_error error;
    (void)state;
    expect_nothing(0);
    assert_int_equal(eye_attacher_bring(attacher, EYE_PROTOCOL_HTTP, &error), 0);
    int sent = eye_attacher_program(attacher, EYE_PROGRAM_http_sent);
    int received = eye_attacher_program(attacher, EYE_PROGRAM_http_received);
    assert_true(sent > 0 && received > 0 && sent != received);
    assert_int_equal(host.sender, sent);
    assert_int_equal(host.receiver, received);
    assert_true(host.shared > 0);
    assert_true(eye_attacher_is_whole(attacher));
    assert_int_equal(eye_attacher_bring(attacher, EYE_PROTOCOL_HTTP, &error), 0);
    assert_int_equal(host.loads, 1);
    assert_int_equal(tier->bss->eye_epochs[EYE_PROTOCOL_HTTP], 1);
    eye_attacher_close(attacher);
    attacher = NULL;
    assert_int_equal(fcntl(sent, F_GETFD), -1);
    assert_int_equal(fcntl(received, F_GETFD), -1);
}

static void bring__leaves_no_half(void **state)
{
    struct eye_error error;
    (void)state;
    int next = dup(host.sent);
    close(next);
    host.update_result = -ENOMEM;
    assert_int_equal(eye_attacher_bring(attacher, EYE_PROTOCOL_HTTP, &error), -ENOMEM);
    expect_nothing(-ENOMEM);
    close(host.received);
    host.received = -1;
    assert_int_equal(eye_attacher_bring(attacher, EYE_PROTOCOL_HTTP, &error), -EBADF);
    expect_nothing(-EBADF);
    assert_int_equal(fcntl(next, F_GETFD), -1);
}

static void bring__names_what_libbpf_does_not(void **state)
{
    struct eye_error error;
    (void)state;
    host.load_result = -ESRCH;
    assert_int_equal(eye_attacher_bring(attacher, EYE_PROTOCOL_HTTP, &error), -ESRCH);
    assert_non_null(strstr(error.text, "HTTP/1: cannot be loaded: the kernel's BTF"));
}

/* Told once, and wished for again after 5 s, 10 s, ... 320 s. */
static void wish__is_taken_back_ever_later(void **state)
{
    static const unsigned int waits[] = {5, 10, 20, 40, 80, 160, 320, 320};
    (void)state;
    assert_int_equal(let_wish_again(attacher), -1);
    host.load_result = -ENOMEM;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(waits); i++) {
        wish();
        assert_int_equal(let_wish_again(attacher), waits[i] * 1000 + 1);
        host.now_ns += waits[i] * SECOND_NS - 1;
        assert_int_equal(let_wish_again(attacher), 1);
        assert_true(is_wished());
        host.now_ns++;
        tier->bss->eye_protocols_wished |= 1U << 31;
        assert_int_equal(let_wish_again(attacher), -1);
        assert_int_equal(tier->bss->eye_protocols_wished, 1U << 31);
    }
    assert_int_equal(host.lines, 1);
    host.load_result = -EPERM;
    wish();
    assert_int_equal(host.lines, 2);
    host.load_result = 0;
    wish();
    assert_true(eye_attacher_is_whole(attacher));
}

static void switch_off(void)
{
    tier->bss->eye_protocols_off |= 1U << EYE_PROTOCOL_HTTP;
}

/* Its slots are filled before anything is told to be for them. */
static void prepare__fills_the_slots_of_one_that_is_off(void **state)
{
    struct eye_error error;
    (void)state;
    switch_off();
    assert_int_equal(eye_attacher_prepare(attacher, EYE_PROTOCOL_HTTP, &error), 0);
    assert_true(host.sender > 0 && host.receiver > 0);
    assert_int_equal(eye_attacher_prepare(attacher, EYE_PROTOCOL_HTTP, &error), 0);
    assert_int_equal(host.loads, 1);
}

static void prepare__that_fails_changes_nothing(void **state)
{
    struct eye_error error;
    (void)state;
    host.load_result = -EPERM;
    assert_int_equal(eye_attacher_prepare(attacher, EYE_PROTOCOL_HTTP, &error), -EPERM);
    assert_non_null(strstr(error.text, "kernel programs of HTTP/1: cannot be loaded: "));
    expect_nothing(0);
    assert_int_equal(tier->bss->eye_protocols_refused, 0);
}

/* Whoever loads them while it is switched off finds that nobody wants them. */
static void bring__leaves_one_that_is_off_alone(void **state)
{
    struct eye_error error;
    (void)state;
    int next = dup(host.sent);
    close(next);
    switch_off();
    assert_int_equal(eye_attacher_bring(attacher, EYE_PROTOCOL_HTTP, &error), -ECANCELED);
    expect_nothing(0);
    assert_int_equal(fcntl(next, F_GETFD), -1);
    host.load_result = -ENOMEM;
    assert_int_equal(eye_attacher_bring(attacher, EYE_PROTOCOL_HTTP, &error), -ECANCELED);
    expect_nothing(0);
    size_t loads = host.loads;
    wish();
    assert_int_equal(host.loads, loads);
    assert_int_equal(host.lines, 0);
}

/* As if it had never been seen. */
static void drop__forgets_programs_and_refusals(void **state)
{
    struct eye_error error;
    (void)state;
    assert_int_equal(eye_attacher_bring(attacher, EYE_PROTOCOL_HTTP, &error), 0);
    int sent = eye_attacher_program(attacher, EYE_PROGRAM_http_sent);
    int received = eye_attacher_program(attacher, EYE_PROGRAM_http_received);
    switch_off();
    eye_attacher_drop(attacher, EYE_PROTOCOL_HTTP);
    expect_nothing(0);
    assert_int_equal(fcntl(sent, F_GETFD), -1);
    assert_int_equal(fcntl(received, F_GETFD), -1);
    tier->bss->eye_protocols_off = 0;
    host.load_result = -ENOMEM;
    wish();
    assert_true(is_wished());
    assert_int_not_equal(tier->bss->eye_protocols_refused, 0);
    switch_off();
    eye_attacher_drop(attacher, EYE_PROTOCOL_HTTP);
    expect_nothing(0);
    assert_false(is_wished());
    assert_int_equal(tier->bss->eye_protocols_refused, 0);
    assert_int_equal(let_wish_again(attacher), -1);
    tier->bss->eye_protocols_off = 0;
    wish();
    assert_int_equal(let_wish_again(attacher), 5001);
}

static void wish__of_nothing_is_ignored(void **state)
{
    static const __u32 protocols[] = {EYE_PROTOCOL_UNKNOWN, EYE_PROTOCOL_COUNT, ~0U};
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(protocols); i++) {
        __u32 protocol = protocols[i];
        take_wish(attacher, &protocol, sizeof(protocol));
        take_wish(attacher, &protocol, 1);
    }
    assert_int_equal(host.loads, 0);
}

int main(void)
{
#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        TEST(bring__fills_each_slot_with_its_program),
        TEST(bring__leaves_no_half),
        TEST(bring__names_what_libbpf_does_not),
        TEST(wish__is_taken_back_ever_later),
        TEST(prepare__fills_the_slots_of_one_that_is_off),
        TEST(prepare__that_fails_changes_nothing),
        TEST(bring__leaves_one_that_is_off_alone),
        TEST(drop__forgets_programs_and_refusals),
        TEST(wish__of_nothing_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
