/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The process events connector: datagrams as the kernel writes them and others, and the real one,
 * which tells of a child's end, and counts what it has no room for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/source/connector.h"

#define EVENT_BYTES (NLMSG_HDRLEN + sizeof(struct cn_msg) + sizeof(struct proc_event))
#define EVENTS_MAX 8

/* What was handed on. */
struct heard {
    struct eye_connector_event events[EVENTS_MAX];
    size_t count;
};

static void hear(void *context, const struct eye_connector_event *event)
{
    struct heard *heard = context;
    assert_true(heard->count < EVENTS_MAX);
    heard->events[heard->count++] = *event;
}

/* One message of the kernel's. */
static struct proc_event event_of(uint32_t what, int pid, int tgid)
{
    struct proc_event event;
    memset(&event, 0, sizeof(event));
    memcpy(&event.what, &what, sizeof(what));
    event.timestamp_ns = 1234;
    event.event_data.exit.process_pid = pid; /* in the place of exec's, too */
    event.event_data.exit.process_tgid = tgid;
    return event;
}

static void write_message(unsigned char *ret_bytes, const struct proc_event *event)
{
    const struct cn_msg message = {.id = {.idx = CN_IDX_PROC, .val = CN_VAL_PROC},
                                   .len = sizeof(*event)};
    const struct nlmsghdr header = {.nlmsg_len = EVENT_BYTES, .nlmsg_type = NLMSG_DONE};
    memcpy(ret_bytes, &header, sizeof(header));
    memcpy(ret_bytes + NLMSG_HDRLEN, &message, sizeof(message));
    memcpy(ret_bytes + NLMSG_HDRLEN + sizeof(message), event, sizeof(*event));
}

static void parse__tells_processes_from_threads(void **state)
{
    (void)state;
    static const struct {
        uint32_t what;
        int pid;
        int tgid;
        enum eye_connector_what is;
    } cases[] = {
        {PROC_EVENT_EXEC, 7, 7, EYE_CONNECTOR_EXEC},  {PROC_EVENT_EXIT, 7, 7, EYE_CONNECTOR_EXIT},
        {PROC_EVENT_EXIT, 8, 7, EYE_CONNECTOR_OTHER}, {PROC_EVENT_FORK, 7, 7, EYE_CONNECTOR_OTHER},
        {PROC_EVENT_COMM, 7, 7, EYE_CONNECTOR_OTHER}, {12345, 7, 7, EYE_CONNECTOR_OTHER},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        unsigned char bytes[EVENT_BYTES];
        struct heard heard = {0};
        const struct proc_event event = event_of(cases[i].what, cases[i].pid, cases[i].tgid);
        write_message(bytes, &event);
        assert_true(eye_connector_parse(bytes, sizeof(bytes), hear, &heard));
        assert_int_equal(heard.count, 1);
        assert_int_equal(heard.events[0].what, cases[i].is);
        assert_int_equal(heard.events[0].monotonic_ns, 1234);
        if (cases[i].is != EYE_CONNECTOR_OTHER) {
            assert_int_equal(heard.events[0].pid, 7);
        }
    }
}

static void parse__takes_the_answer(void **state)
{
    (void)state;
    unsigned char bytes[EVENT_BYTES];
    struct heard heard = {0};
    struct proc_event event = event_of(PROC_EVENT_NONE, 0, 0);
    event.event_data.ack.err = EPERM;
    write_message(bytes, &event);
    assert_true(eye_connector_parse(bytes, sizeof(bytes), hear, &heard));
    assert_int_equal(heard.events[0].what, EYE_CONNECTOR_ANSWER);
    assert_int_equal(heard.events[0].error, EPERM);
}

static void parse__takes_several_messages(void **state)
{
    (void)state;
    unsigned char bytes[3 * EVENT_BYTES];
    struct heard heard = {0};
    for (int i = 0; i < 3; i++) {
        const struct proc_event event = event_of(PROC_EVENT_EXEC, i + 1, i + 1);
        write_message(bytes + (size_t)i * EVENT_BYTES, &event);
    }
    assert_true(eye_connector_parse(bytes, sizeof(bytes), hear, &heard));
    assert_int_equal(heard.count, 3);
    assert_int_equal(heard.events[2].pid, 3);
}

/* Cut anywhere, of others, or with a length that leads out of it. */
static void parse__refuses_what_is_no_message(void **state)
{
    (void)state;
    const struct proc_event event = event_of(PROC_EVENT_EXIT, 7, 7);
    unsigned char bytes[EVENT_BYTES];
    struct heard heard = {0};
    write_message(bytes, &event);
    for (size_t length = 0; length < sizeof(bytes); length++) {
        assert_false(eye_connector_parse(bytes, length, hear, &heard));
    }
    static const struct {
        size_t at;
        uint32_t value;
    } changes[] = {
        {offsetof(struct nlmsghdr, nlmsg_len), 0},
        {offsetof(struct nlmsghdr, nlmsg_len), NLMSG_HDRLEN - 1},
        {offsetof(struct nlmsghdr, nlmsg_len), UINT32_MAX},
        {NLMSG_HDRLEN + offsetof(struct cn_msg, id.idx), CN_IDX_PROC + 1},
        {NLMSG_HDRLEN + offsetof(struct cn_msg, id.val), 0},
        {NLMSG_HDRLEN + offsetof(struct cn_msg, len), 4},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(changes); i++) {
        write_message(bytes, &event);
        memcpy(bytes + changes[i].at, &changes[i].value, sizeof(changes[i].value));
        assert_false(eye_connector_parse(bytes, sizeof(bytes), hear, &heard));
    }
    assert_int_equal(heard.count, 0);
}

/* ---- The kernel's ---- */

struct search {
    uint32_t pid;
    bool answered;
    bool ended;
};

/* Elsewhere nobody is answered, and pids are others. */
static bool is_in_root_pid_namespace(void)
{
    static const ino_t root = 0xEFFFFFFC; /* include/linux/proc_ns.h: PROC_PID_INIT_INO */
    struct stat info;
    return stat("/proc/self/ns/pid", &info) == 0 && info.st_ino == root;
}

static void look_for(void *context, const struct eye_connector_event *event)
{
    struct search *search = context;
    search->answered |= event->what == EYE_CONNECTOR_ANSWER && event->error == 0;
    search->ended |= event->what == EYE_CONNECTOR_EXIT && event->pid == search->pid;
}

static void read_until(struct eye_connector *connector, struct search *search, const bool *found)
{
    for (int i = 0; i < 100 && !*found; i++) {
        struct pollfd ready = {.fd = connector->fd, .events = POLLIN};
        poll(&ready, 1, 100);
        assert_int_equal(eye_connector_read(connector, look_for, search), 0);
    }
    assert_true(*found);
}

/* Waits until it is gone. */
static uint32_t end_a_child(void)
{
    pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return (uint32_t)child;
}

static void connector__tells_of_a_child(void **state)
{
    (void)state;
    struct eye_connector connector;
    struct search search = {0};
    struct eye_error why;
    if (geteuid() != 0 || !is_in_root_pid_namespace()) {
        skip();
    }
    assert_int_equal(eye_connector_open("/proc", &connector, &why), 0);
    read_until(&connector, &search, &search.answered);
    eye_connector_narrow(&connector);
    search.pid = end_a_child();
    read_until(&connector, &search, &search.ended);
    assert_int_equal(connector.malformed, 0);
    assert_int_equal(eye_connector_lost(&connector), 0);
    eye_connector_close(&connector);
    assert_int_equal(eye_connector_read(&connector, look_for, &search), -EBADF);
}

/* Nothing that is lost ends the socket, and all of it is counted. */
static void connector__counts_what_has_no_room(void **state)
{
    (void)state;
    struct eye_connector connector;
    struct search search = {0};
    struct eye_error why;
    const int least = 1;
    if (geteuid() != 0 || !is_in_root_pid_namespace()) {
        skip();
    }
    assert_int_equal(eye_connector_open(NULL, &connector, &why), 0);
    read_until(&connector, &search, &search.answered);
    eye_connector_narrow(&connector);
    setsockopt(connector.fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof(least));
    for (int i = 0; i < 20; i++) {
        end_a_child();
    }
    assert_true(eye_connector_lost(&connector) > 0);
    assert_int_equal(eye_connector_read(&connector, look_for, &search), 0);
    /* Others end, too, and may take the little room. */
    for (int i = 0; i < 100 && !search.ended; i++) {
        struct pollfd ready = {.fd = connector.fd, .events = POLLIN};
        search.pid = end_a_child();
        poll(&ready, 1, 100);
        assert_int_equal(eye_connector_read(&connector, look_for, &search), 0);
    }
    assert_true(search.ended);
    eye_connector_close(&connector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse__tells_processes_from_threads),
        cmocka_unit_test(parse__takes_the_answer),
        cmocka_unit_test(parse__takes_several_messages),
        cmocka_unit_test(parse__refuses_what_is_no_message),
        cmocka_unit_test(connector__tells_of_a_child),
        cmocka_unit_test(connector__counts_what_has_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
