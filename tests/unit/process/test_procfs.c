/* SPDX-License-Identifier: Apache-2.0 */
/* Names of one process: environment, unit, container, executable, command, and hostile bytes. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "collector/base/base.h"
#include "collector/process/names.h"
#include "collector/process/procfs.h"
#include "tests/unit/process/fake_proc.h"

#define ID "4f6d9ac25a1b4a36a6f1d3e0c9b8a7564f6d9ac25a1b4a36a6f1d3e0c9b8a756"
#define ID_12 "4f6d9ac25a1b"
#define OTHER_ID "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define PID 4242
#define START 98765
#define TICK_NS UINT64_C(10000000)
#define OWNER eye_owner_key(PID, START *TICK_NS, 7)

struct fixture {
    struct fake_proc proc;
    struct eye_procfs procfs;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    fake_proc_init(&fixture->proc);
    eye_procfs_init(&fixture->procfs, fixture->proc.root);
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    eye_procfs_done(&fixture->procfs);
    fake_proc_done(&fixture->proc);
    free(fixture);
    return 0;
}

/* All names of the program with the key OWNER. Returns what was read. */
static unsigned describe(struct fixture *fixture, struct eye_process *ret_process)
{
    *ret_process = (struct eye_process){.owner = OWNER};
    unsigned got = eye_procfs_describe(&fixture->procfs, EYE_NAMES_ALL, ret_process);
    eye_names_finish(ret_process);
    return got;
}

static void describe__knows_nothing_of_what_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct eye_process process;
    assert_int_equal(describe(fixture, &process), 0);
    assert_string_equal(process.service, "unknown");
    assert_string_equal(process.executable, "unknown");
    assert_string_equal(process.container.text, "");
}

/* A pid that was given to another, and the smallest differences in time. A tick of /proc is 10 ms,
 * a unit of the key about one. */
static void describe__wants_the_start_of_the_key(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        int64_t later_ns;
        bool same;
    } cases[] = {
        {0, true},
        {9999999, true},
        {(int64_t)1 << 20, true},
        {-((int64_t)2 << 20), false},
        {11 * ((int64_t)1 << 20), false},
        {-(int64_t)TICK_NS, false},
        {2 * (int64_t)TICK_NS, false},
        {(int64_t)1 << 40, false},
    };
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_set_executable(&fixture->proc, PID, "/bin/other");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        uint64_t start_ns = (uint64_t)((int64_t)(START * TICK_NS) + cases[i].later_ns);
        struct eye_process process = {.owner = eye_owner_key(PID, start_ns, 1)};
        unsigned got = eye_procfs_describe(&fixture->procfs, EYE_NAMES_EXECUTABLE, &process);
        assert_int_equal(got, cases[i].same ? EYE_NAMES_EXECUTABLE : 0);
        assert_string_equal(process.executable, cases[i].same ? "other" : "");
    }
}

/* Wherever ticks and units meet. */
static void describe__knows_the_last_moment_of_every_tick(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t ticks = START; ticks < START + 200; ticks++) {
        uint64_t start_ns = (ticks + 1) * TICK_NS - 1;
        struct eye_process process = {.owner = eye_owner_key(PID, start_ns, 1)};
        fake_proc_start(&fixture->proc, PID, ticks);
        fake_proc_set_executable(&fixture->proc, PID, "/bin/exe");
        assert_int_equal(eye_procfs_describe(&fixture->procfs, EYE_NAMES_EXECUTABLE, &process),
                         EYE_NAMES_EXECUTABLE);
    }
}

static void describe__reads_only_what_is_wanted(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_set_executable(&fixture->proc, PID, "/bin/exe");
    fake_proc_write_text(&fixture->proc, PID, "environ", "DD_SERVICE=shop");
    fake_proc_write_text(&fixture->proc, PID, "cgroup", "0::/a.service/" ID "\n");
    for (unsigned wanted = 0; wanted <= EYE_NAMES_ALL; wanted++) {
        struct eye_process process = {.owner = OWNER};
        assert_int_equal(eye_procfs_describe(&fixture->procfs, wanted, &process), wanted);
        const char *service = wanted & EYE_NAMES_ENVIRONMENT ? "shop"
                              : wanted & EYE_NAMES_CGROUP    ? "a"
                                                             : "";
        assert_string_equal(process.service, service);
        assert_string_equal(process.container.text, wanted & EYE_NAMES_CGROUP ? ID : "");
        assert_string_equal(process.executable, wanted & EYE_NAMES_EXECUTABLE ? "exe" : "");
    }
}

/* Its environment and executable are given back: an empty environment would be a lie. */
static void describe__knows_nothing_of_a_zombie(void **state)
{
    struct fixture *fixture = *state;
    struct eye_process process;
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "stat",
                         "4242 (a) Z 1 2 2 0 -1 0 3 4 5 6 7 8 9 10 20 0 1 0 98765 1 2 3 4 5 6");
    fake_proc_write_text(&fixture->proc, PID, "environ", "");
    assert_int_equal(describe(fixture, &process), 0);
}

/* A thread may go on when the first one has ended: the process is a zombie by its state. */
static void life__is_told_by_the_start_and_the_threads(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *stat;
        enum eye_life life;
    } cases[] = {
        {"4242 (a) Z Z) S 1 2 2 0 -1 0 3 4 5 6 7 8 9 10 20 0 1 0 98765 1", EYE_LIFE_GOES_ON},
        {"4242 (a) Z 1 2 2 0 -1 0 3 4 5 6 7 8 9 10 20 0 1 0 98765 1", EYE_LIFE_OVER},
        {"4242 (a) Z 1 2 2 0 -1 0 3 4 5 6 7 8 9 10 20 0 2 0 98765 1", EYE_LIFE_GOES_ON},
        {"4242 (a) S 1 2 2 0 -1 0 3 4 5 6 7 8 9 10 20 0 1 0 98763 1", EYE_LIFE_OVER},
        {"4242 (a) S 1 2 2 0 -1 0", EYE_LIFE_UNCERTAIN},
        {"", EYE_LIFE_UNCERTAIN},
    };
    assert_int_equal(eye_procfs_life(&fixture->procfs, OWNER), EYE_LIFE_OVER);
    fake_proc_start(&fixture->proc, PID, START);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        fake_proc_write_text(&fixture->proc, PID, "stat", cases[i].stat);
        assert_int_equal(eye_procfs_life(&fixture->procfs, OWNER), cases[i].life);
    }
}

/* What is absent may be hidden. What can be seen is known all the same. */
static void life__is_uncertain_where_processes_are_hidden(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_end(&fixture->proc, 2);
    eye_procfs_look(&fixture->procfs);
    assert_int_equal(eye_procfs_life(&fixture->procfs, OWNER), EYE_LIFE_UNCERTAIN);
    fake_proc_start(&fixture->proc, PID, START);
    assert_int_equal(eye_procfs_life(&fixture->procfs, OWNER), EYE_LIFE_GOES_ON);
    fake_proc_start(&fixture->proc, PID, START + 100);
    assert_int_equal(eye_procfs_life(&fixture->procfs, OWNER), EYE_LIFE_OVER);
}

struct environment_case {
    const char *bytes;
    size_t length;
    const char *service;
};

#define ENVIRONMENT(text, name)                                                                    \
    {                                                                                              \
        text, sizeof(text) - 1, name                                                               \
    }

static void describe__takes_the_service_of_the_environment(void **state)
{
    struct fixture *fixture = *state;
    static const struct environment_case cases[] = {
        ENVIRONMENT("PATH=/bin\0DD_SERVICE=shop\0HOME=/\0", "shop"),
        ENVIRONMENT("OTEL_SERVICE_NAME=otel\0DD_SERVICE=dd\0", "dd"),
        ENVIRONMENT("DD_SERVICE=\0OTEL_SERVICE_NAME=otel\0", "otel"),
        ENVIRONMENT("DD_SERVICE=first\0DD_SERVICE=second\0", "first"),
        ENVIRONMENT("DD_SERVICE= padded \0", "padded"),
        ENVIRONMENT("DD_SERVICE=a=b\0", "a=b"),
        ENVIRONMENT("DD_SERVICE=no-nul", "no-nul"),
        ENVIRONMENT("OTEL_RESOURCE_ATTRIBUTES=host=h,service.name=res,x=y\0", "res"),
        ENVIRONMENT("OTEL_RESOURCE_ATTRIBUTES=a=b, service.name= a%20b%2Cc \0", "a b,c"),
        ENVIRONMENT("OTEL_RESOURCE_ATTRIBUTES=service.name=100%,x=1\0", "100%"),
        ENVIRONMENT("OTEL_RESOURCE_ATTRIBUTES=service.name=%0a%zz%c3%a4%00%4\0", "_%zz\xc3\xa4_%4"),
        ENVIRONMENT("OTEL_RESOURCE_ATTRIBUTES=service.name=res\0OTEL_SERVICE_NAME=o\0", "o"),
        ENVIRONMENT("OTEL_RESOURCE_ATTRIBUTES=service.namespace=ns\0", "fallback"),
        ENVIRONMENT("XDD_SERVICE=x\0DD_SERVICES=y\0dd_service=z\0", "fallback"),
        ENVIRONMENT("", "fallback"),
        ENVIRONMENT("\0\0\0=\0", "fallback"),
        ENVIRONMENT("DD_SERVICE=a\nb\x1b[0m\x7f\0", "a_b_[0m_"),
        ENVIRONMENT("DD_SERVICE=\xff\xc3\xe2\x82\0", "____"),
        ENVIRONMENT("DD_SERVICE=\xc0\xaf\xed\xa0\x80\xf4\x90\x80\x80\0", "_________"),
        ENVIRONMENT("DD_SERVICE=\xc2\x85|\xc2\xa0\0", "_|_"),
        ENVIRONMENT("DD_SERVICE=sh\xe2\x80\x8bop\xe2\x80\xae\0", "sh_op_"),
        ENVIRONMENT("DD_SERVICE=kernel\0", "kernel_"),
        ENVIRONMENT("DD_SERVICE=unknown\0", "unknown_"),
        ENVIRONMENT("DD_SERVICE=__other__\0", "__other___"),
        ENVIRONMENT("DD_SERVICE=kernels\0", "kernels"),
        ENVIRONMENT("DD_SERVICE=\xe2\x82\xac\xf0\x9f\x90\x9f\0", "\xe2\x82\xac\xf0\x9f\x90\x9f"),
    };
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_set_executable(&fixture->proc, PID, "/bin/fallback");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_process process;
        fake_proc_write(&fixture->proc, PID, "environ", cases[i].bytes, cases[i].length);
        describe(fixture, &process);
        assert_string_equal(process.service, cases[i].service);
        assert_string_equal(process.executable, "fallback");
    }
}

static void describe__cuts_a_service_between_characters(void **state)
{
    struct fixture *fixture = *state;
    struct eye_process process;
    char environment[256] = "DD_SERVICE=";
    memset(environment + 11, 's', 200);
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "environ", environment);
    describe(fixture, &process);
    assert_int_equal(strlen(process.service), sizeof(process.service) - 1);

    memcpy(environment + 11 + 125, "\xe2\x82\xac", 3);
    fake_proc_write_text(&fixture->proc, PID, "environ", environment);
    describe(fixture, &process);
    assert_int_equal(strlen(process.service), 125);
}

static void describe__reads_no_more_environment_than_its_bound(void **state)
{
    struct fixture *fixture = *state;
    static char environment[EYE_PROCFS_FILE_BYTES + 64];
    struct eye_process process;
    memset(environment, 'x', EYE_PROCFS_FILE_BYTES);
    memcpy(environment + EYE_PROCFS_FILE_BYTES - 14, "\0DD_SERVICE=abc", 15);
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write(&fixture->proc, PID, "environ", environment, sizeof(environment));
    describe(fixture, &process);
    assert_string_equal(process.service, "unknown"); /* not "ab": a part of a name is another */

    memcpy(environment + EYE_PROCFS_FILE_BYTES - 15, "\0DD_SERVICE=ab\0", 15);
    fake_proc_write(&fixture->proc, PID, "environ", environment, sizeof(environment));
    describe(fixture, &process);
    assert_string_equal(process.service, "ab");

    memcpy(environment + EYE_PROCFS_FILE_BYTES - 14, "xxxxxxxxxxxxxx\0DD_SERVICE=abc", 29);
    fake_proc_write(&fixture->proc, PID, "environ", environment, sizeof(environment));
    describe(fixture, &process);
    assert_string_equal(process.service, "unknown");
}

struct cgroup_case {
    const char *cgroup;
    const char *service;
    const char *container;
};

#define SLICE "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234_5.slice/"

static const struct cgroup_case cgroup_cases[] = {
    /* systemd */
    {"0::/system.slice/nginx.service\n", "nginx", ""},
    {"0::/system.slice/nginx.service", "nginx", ""},
    {"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1", ""},
    {"0::/system.slice/foo\\x2dbar\\x40.service\n", "foo-bar@", ""},
    {"0::/system.slice/bad\\x2\\xzz\\x0a.service\n", "bad\\x2\\xzz_", ""},
    {"0::/system.slice/_cpu.service\n", "cpu", ""},
    {"0::/system.slice/__x.service\n", "_x", ""},
    {"0::/system.slice/db.service/payload\n", "db", ""},
    {"0::/system.slice/outer.service/inner.service\n", "inner", ""},
    {"0::/system.slice/gone.service (deleted)\n", "gone", ""},
    {"12:pids:/x\n1:name=systemd:/system.slice/v1.service\n0::/\n", "v1", ""},
    {"5:cpu:/system.slice/not-systemd.service\n0::/\n", "exe", ""},
    {"0::/system.slice/boot.mount\n", "exe", ""},
    {"0::/system.slice\n", "exe", ""},
    {"0::/init.scope\n", "exe", ""},
    {"0::/system.slice/.service\n", "exe", ""},
    /* user sessions */
    {"0::/user.slice/user-1000.slice/session-3.scope\n", "exe", ""},
    {"0::/user.slice/user-1000.slice/user@1000.service/init.scope\n", "exe", ""},
    {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/mail.service\n", "mail", ""},
    {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-x-7.scope\n", "exe", ""},
    {"0::/system.slice/user@me.service\n", "user@me", ""},
    /* docker */
    {"0::/system.slice/docker-" ID ".scope\n", ID_12, ID_12},
    {"0::/docker/" ID "\n", ID_12, ID_12},
    {"3:memory:/docker/" ID "\n1:name=systemd:/docker/" ID "\n0::/\n", ID_12, ID_12},
    {"3:memory:/docker/" ID "\n1:name=systemd:/\n0::/\n", ID_12, ID_12},
    {"0::/docker/" OTHER_ID "/docker/" ID "\n", ID_12, ID_12},
    {"0::/system.slice/docker-" ID ".scope/system.slice/sshd.service\n", "sshd", ID_12},
    /* containerd, cri-o, kubernetes */
    {"0::/default/" ID "\n", ID_12, ID_12},
    {SLICE "cri-containerd-" ID ".scope\n", ID_12, ID_12},
    {SLICE "crio-" ID ".scope\n", ID_12, ID_12},
    {SLICE "docker-" ID ".scope\n", ID_12, ID_12},
    {SLICE "cri-containerd-" ID ".scope/system.slice/cron.service\n", "cron", ID_12},
    {"0::/kubepods/besteffort/pod1234-5/" ID "\n", ID_12, ID_12},
    {"11:cpu:/kubepods/pod1/" ID "\n1:name=systemd:/kubepods/pod1/" ID "\n", ID_12, ID_12},
    {"0::/system.slice/containerd.service/kubepods-pod1.slice:cri-containerd:" ID "\n", ID_12,
     ID_12},
    /* podman */
    {"0::/machine.slice/libpod-" ID ".scope/container\n", ID_12, ID_12},
    {"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" ID ".scope\n", ID_12,
     ID_12},
    {"0::/system.slice/quadlet.service/libpod-payload-" ID "\n", "quadlet", ID_12},
    /* neither */
    {"0::/\n", "exe", ""},
    {"0::/../../app\n", "exe", ""},
    {"0::/x/" ID "0\n", "exe", ""},
    {"0::/x/4f6d9ac25a1b4a36a6f1d3e0c9b8a756\n", "exe", ""},
    {"", "exe", ""},
    {"\n\n:\n::\n0:\n", "exe", ""},
    {"nonsense", "exe", ""},
};

static void describe__takes_unit_and_container_of_the_cgroup(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_set_executable(&fixture->proc, PID, "/usr/bin/exe");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cgroup_cases); i++) {
        const struct cgroup_case *wanted = &cgroup_cases[i];
        struct eye_process process;
        char tag[EYE_CONTAINER_ID_BYTES];
        fake_proc_write_text(&fixture->proc, PID, "cgroup", wanted->cgroup);
        describe(fixture, &process);
        eye_container_tag(&process.container, tag);
        if (strcmp(process.service, wanted->service) != 0 || strcmp(tag, wanted->container) != 0) {
            fail_msg("%s: service \"%s\", container \"%s\"", wanted->cgroup, process.service, tag);
        }
    }
}

static void describe__prefers_the_environment_to_the_cgroup(void **state)
{
    struct fixture *fixture = *state;
    struct eye_process process;
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "environ", "DD_SERVICE=shop");
    fake_proc_write_text(&fixture->proc, PID, "cgroup", "0::/system.slice/a.service/" ID "\n");
    describe(fixture, &process);
    assert_string_equal(process.service, "shop");
    assert_string_equal(process.container.text, ID);
}

static void describe__takes_the_name_of_the_executable(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *target, *name;
    } cases[] = {
        {"/usr/sbin/nginx", "nginx"},
        {"/usr/sbin/nginx (deleted)", "nginx"},
        {"/usr/bin/python3.11", "python3.11"},
        {"/memfd:payload (deleted)", "memfd:payload"},
        {"/opt/my app/a\nb\xfe", "a_b_"},
        {"relative", "relative"},
        {"/", "unknown"},
        {"/bin/" ID, ID},
    };
    fake_proc_start(&fixture->proc, PID, START);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_process process;
        fake_proc_set_executable(&fixture->proc, PID, cases[i].target);
        describe(fixture, &process);
        assert_int_equal(strncmp(process.executable, cases[i].name, 63), 0);
        assert_string_equal(process.service, process.executable);
    }
}

/* Not the command name: any thread may write it, and it is not what the same program is called
 * when its executable can be read. */
static void describe__takes_no_command_name(void **state)
{
    struct fixture *fixture = *state;
    struct eye_process process;
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "comm", "kworker/0:1\n");
    describe(fixture, &process);
    assert_string_equal(process.executable, "unknown");
}

/* A directory in the place of a file opens, and then refuses to be read. */
static void describe__tells_what_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    struct eye_process process;
    char path[128];
    fake_proc_start(&fixture->proc, PID, START);
    snprintf(path, sizeof(path), "%s/%u/environ", fixture->proc.root, PID);
    assert_int_equal(mkdir(path, 0700), 0);
    fake_proc_write_text(&fixture->proc, PID, "cgroup", "0::/system.slice/a.service\n");
    assert_int_equal(describe(fixture, &process), EYE_NAMES_CGROUP);
    assert_string_equal(process.service, "a");
}

static void describe__finds_the_start_behind_any_command(void **state)
{
    struct fixture *fixture = *state;
    static const char *const comms[] = {"a", "a b", ") S 1 2 3", "((", "))", "", "x) (y", ") Z ("};
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_set_executable(&fixture->proc, PID, "/bin/exe");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(comms); i++) {
        struct eye_process process;
        fake_proc_write_stat(&fixture->proc, PID, comms[i], START);
        assert_int_equal(describe(fixture, &process), EYE_NAMES_EXECUTABLE);
    }
}

static void describe__leaves_output_when_the_start_cannot_be_read(void **state)
{
    struct fixture *fixture = *state;
    static const char *const stats[] = {
        "",
        "4242",
        "4242 (a)",
        "4242 (a) S 1 2 2 0 -1 4194560 3 4 5 6 7 8 9 10 20 0 1 0",
        "4242 (a) S 1 2 2 0 -1 4194560 3 4 5 6 7 8 9 10 20 0 1 0 x 1",
        "4242 (a) S 1 2 2 0 -1 4194560 3 4 5 6 7 8 9 10 20 0 1 0  1",
        "4242 (a) S 1 2 2 0 -1 4194560 3 4 5 6 7 8 9 10 20 0 1 0 99999999999999999999 1",
    };
    const struct eye_process before = {.owner = OWNER, .service = "before"};
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_set_executable(&fixture->proc, PID, "/bin/exe");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(stats); i++) {
        struct eye_process process = before;
        fake_proc_write_text(&fixture->proc, PID, "stat", stats[i]);
        assert_int_equal(eye_procfs_describe(&fixture->procfs, EYE_NAMES_ALL, &process), 0);
        assert_memory_equal(&process, &before, sizeof(before));
    }
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(describe__knows_nothing_of_what_is_gone),
        TEST(describe__wants_the_start_of_the_key),
        TEST(describe__knows_the_last_moment_of_every_tick),
        TEST(describe__reads_only_what_is_wanted),
        TEST(describe__knows_nothing_of_a_zombie),
        TEST(life__is_told_by_the_start_and_the_threads),
        TEST(life__is_uncertain_where_processes_are_hidden),
        TEST(describe__takes_the_service_of_the_environment),
        TEST(describe__cuts_a_service_between_characters),
        TEST(describe__reads_no_more_environment_than_its_bound),
        TEST(describe__takes_unit_and_container_of_the_cgroup),
        TEST(describe__prefers_the_environment_to_the_cgroup),
        TEST(describe__takes_the_name_of_the_executable),
        TEST(describe__takes_no_command_name),
        TEST(describe__tells_what_cannot_be_read),
        TEST(describe__finds_the_start_behind_any_command),
        TEST(describe__leaves_output_when_the_start_cannot_be_read),
    };
    return cmocka_run_group_tests_name("procfs", tests, NULL, NULL);
}
