/* SPDX-License-Identifier: Apache-2.0 */
/* Owners by key: introductions, /proc in their place, corrections, the limits, the real /proc. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "bpf/abi.h"
#include "collector/base/base.h"
#include "collector/base/text.h"
#include "collector/process/containers.h"
#include "collector/process/process.h"
#include "tests/unit/process/fake_proc.h"
#include "tests/unit/process/fake_root.h"

#define PID 4242
#define START 98765
#define TICK_NS UINT64_C(10000000)
#define DAY_NS UINT64_C(86400000000000)
#define OWNER eye_owner_key(PID, START *TICK_NS, 7)
#define PARENT eye_owner_key(PID - 1, START * TICK_NS, 7)
#define ID "4f6d9ac25a1b4a36a6f1d3e0c9b8a7564f6d9ac25a1b4a36a6f1d3e0c9b8a756"

struct fixture {
    struct fake_proc proc;
    struct fake_root root;
    struct eye_processes *processes;
    struct eye_processes *real; /* of /proc */
    pid_t child;
    uint64_t waiting; /* its introduction comes when it is asked for; 0: none */
    unsigned asked;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    fake_proc_init(&fixture->proc);
    fake_root_init(&fixture->root);
    fixture->processes = eye_processes_new(fixture->proc.root, fixture->root.path);
    fixture->real = eye_processes_new("/proc", "/nonexistent");
    assert_non_null(fixture->processes);
    assert_non_null(fixture->real);
    return 0;
}

static void end_child(struct fixture *fixture)
{
    if (fixture->child > 0) {
        kill(fixture->child, SIGKILL);
        waitpid(fixture->child, NULL, 0);
        fixture->child = 0;
    }
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    end_child(fixture);
    eye_processes_free(fixture->processes);
    eye_processes_free(fixture->real);
    fake_root_done(&fixture->root);
    fake_proc_done(&fixture->proc);
    free(fixture);
    return 0;
}

/* An owner record in parts. */
struct introduction {
    uint64_t owner, parent;
    uint32_t flags;
    const char *executable;
    const char *cgroups[EYE_CGROUP_LEVELS];
    const char *environment; /* one variable, without its NUL */
};

static void introduce(struct eye_processes *processes, const struct introduction *who)
{
    struct {
        struct eye_owner_record head;
        char environment[256];
    } record = {.head = {.owner = who->owner, .parent = who->parent, .flags = who->flags}};
    const char *environment = who->environment == NULL ? "" : who->environment;
    eye_copy_string(record.head.executable, sizeof(record.head.executable),
                    who->executable == NULL ? "" : who->executable);
    for (size_t i = 0; i < EYE_CGROUP_LEVELS; i++) {
        eye_copy_string(record.head.cgroups[i], sizeof(record.head.cgroups[i]),
                        who->cgroups[i] == NULL ? "" : who->cgroups[i]);
    }
    record.head.environment_bytes = (uint32_t)strlen(environment);
    eye_copy_string(record.environment, sizeof(record.environment), environment);
    eye_processes_take(processes, &record, sizeof(record));
    assert_int_equal(eye_processes_malformed(processes), 0);
}

static const char *service_of(struct eye_processes *processes, uint64_t owner)
{
    return eye_processes_find(processes, owner)->service;
}

static void free__takes_null(void **state)
{
    (void)state;
    eye_processes_free(NULL);
}

/* The parts are where the kernel side puts them, cut to what there is room for. */
static void key__has_its_parts(void **state)
{
    (void)state;
    assert_int_equal(eye_owner_key(1, 0, 0), UINT64_C(1) << 42);
    assert_int_equal(eye_owner_key(0, UINT64_C(1) << 20, 0), UINT64_C(1) << 12);
    assert_int_equal(eye_owner_key(0, (UINT64_C(1) << 20) - 1, 5), 5);
    assert_int_equal(eye_owner_key(0, UINT64_C(1) << 50, 4096), 0);
    assert_int_equal(eye_owner_key((1U << 22) - 1, UINT64_MAX, UINT64_MAX), UINT64_MAX);
}

static void find__knows_the_kernel_and_nobody(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_process *kernel = eye_processes_find(fixture->processes, EYE_OWNER_KERNEL);
    assert_string_equal(kernel->service, "kernel");
    assert_string_equal(kernel->executable, "kernel");
    assert_string_equal(kernel->container.text, "");
    assert_string_equal(service_of(fixture->processes, EYE_OWNER_UNKNOWN), "unknown");
    assert_int_equal(eye_processes_count(fixture->processes), 0);
    assert_true(eye_processes_knows(fixture->processes, EYE_OWNER_KERNEL));
    assert_true(eye_processes_knows(fixture->processes, EYE_OWNER_UNKNOWN));
}

static void take__names_the_program(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct introduction who;
        const char *service, *executable, *container;
    } cases[] = {
        {{.executable = "nginx"}, "nginx", "nginx", ""},
        {{.executable = "nginx", .environment = "DD_SERVICE=shop"}, "shop", "nginx", ""},
        {{.executable = "python3.11", .cgroups = {"job.service", "system.slice"}},
         "job",
         "python3.11",
         ""},
        {{.executable = "a", .cgroups = {"inner", "db.service", "system.slice"}}, "db", "a", ""},
        {{.executable = "a", .cgroups = {"docker-" ID ".scope", "system.slice"}},
         "4f6d9ac25a1b",
         "a",
         "4f6d9ac25a1b"},
        {{.executable = "a",
          .cgroups = {"cri-containerd-" ID ".scope", "kubepods-pod1.slice", "kubepods.slice",
                      "containerd.service"}},
         "4f6d9ac25a1b",
         "a",
         "4f6d9ac25a1b"},
        {{.executable = "a", .environment = "OTEL_SERVICE_NAME=o", .cgroups = {"b.service"}},
         "o",
         "a",
         ""},
        {{.executable = "a\n\xe2\x80\xae"}, "a__", "a__", ""},
        {{.executable = "kernel"}, "kernel_", "kernel_", ""},
        {{.executable = ""}, "unknown", "unknown", ""},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct introduction who = cases[i].who;
        who.owner = OWNER + i;
        introduce(fixture->processes, &who);
        const struct eye_process *process = eye_processes_find(fixture->processes, who.owner);
        assert_string_equal(process->service, cases[i].service);
        assert_string_equal(process->executable, cases[i].executable);
        assert_int_equal(strncmp(process->container.text, cases[i].container, 12), 0);
        assert_int_equal(process->owner, who.owner);
    }
    assert_int_equal(eye_processes_renamed(fixture->processes), 0);
}

#define DOCKER_FILE "var/lib/docker/containers/" ID "/config.v2.json"

/* Environment, unit, the container's name, its id, executable. */
static void take__calls_a_program_by_its_container(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        struct introduction who;
        const char *service;
    } cases[] = {
        {{.executable = "a", .cgroups = {"docker-" ID ".scope", "system.slice"}}, "shop-web-1"},
        {{.executable = "a", .environment = "DD_SERVICE=shop", .cgroups = {"docker-" ID ".scope"}},
         "shop"},
        {{.executable = "a", .cgroups = {"nginx.service", "docker-" ID ".scope"}}, "nginx"},
        {{.executable = "a", .cgroups = {"libpod-payload-" ID, "quadlet.service"}}, "quadlet"},
        {{.executable = "a", .cgroups = {"lxc.payload.web"}}, "web"},
        {{.executable = "a", .cgroups = {"lxc.payload.kernel"}}, "kernel_"},
        {{.executable = "a", .cgroups = {"payload", "systemd-nspawn@my\\x2dweb.service"}},
         "my-web"},
        {{.executable = "conmon", .cgroups = {"libpod-conmon-" ID ".scope"}}, "conmon"},
    };
    fake_root_write(&fixture->root, DOCKER_FILE, "{\"Name\":\"/shop-web-1\"}");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct introduction who = cases[i].who;
        who.owner = OWNER + i;
        introduce(fixture->processes, &who);
        assert_string_equal(service_of(fixture->processes, who.owner), cases[i].service);
    }
}

static void refresh__renames_the_programs_of_a_container(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction who = {
        .owner = OWNER, .executable = "a", .cgroups = {"docker-" ID ".scope"}};
    const struct introduction named = {.owner = OWNER + 1,
                                       .executable = "a",
                                       .environment = "DD_SERVICE=own",
                                       .cgroups = {"docker-" ID ".scope"}};
    const struct introduction apart = {.owner = OWNER + 2, .executable = "a"};
    introduce(fixture->processes, &who);
    introduce(fixture->processes, &named);
    introduce(fixture->processes, &apart);
    assert_string_equal(service_of(fixture->processes, OWNER), "4f6d9ac25a1b");
    uint64_t id = eye_processes_find(fixture->processes, OWNER)->id;
    uint64_t apart_id = eye_processes_find(fixture->processes, OWNER + 2)->id;
    uint64_t generation = eye_processes_generation(fixture->processes);
    fake_root_write(&fixture->root, DOCKER_FILE, "{\"Name\":\"/web\"}");
    eye_processes_refresh(fixture->processes, EYE_CONTAINER_LOOK_NS);
    assert_string_equal(service_of(fixture->processes, OWNER), "web");
    assert_string_equal(service_of(fixture->processes, OWNER + 1), "own");
    assert_true(eye_processes_find(fixture->processes, OWNER)->id != id);
    assert_int_equal(eye_processes_find(fixture->processes, OWNER + 2)->id, apart_id);
    assert_true(eye_processes_generation(fixture->processes) > generation);
    assert_int_equal(eye_processes_renamed(fixture->processes), 1);
    fake_root_write(&fixture->root, DOCKER_FILE, "{\"Name\":\"/shop\"}");
    eye_processes_refresh(fixture->processes, 2 * EYE_CONTAINER_LOOK_NS);
    assert_string_equal(service_of(fixture->processes, OWNER), "shop");
    assert_int_equal(eye_processes_renamed(fixture->processes), 2);
    assert_int_equal(eye_processes_containers(fixture->processes).named, 1);
}

static void take__counts_what_is_no_record(void **state)
{
    struct fixture *fixture = *state;
    struct {
        struct eye_owner_record head;
        char environment[8];
    } record = {.head = {.owner = OWNER, .executable = "a", .environment_bytes = 8}};
    eye_processes_take(fixture->processes, &record, sizeof(record.head) - 1);
    eye_processes_take(fixture->processes, &record, sizeof(record) - 1);
    record.head.owner = EYE_OWNER_KERNEL;
    eye_processes_take(fixture->processes, &record, sizeof(record));
    record.head.owner = OWNER;
    memset(record.head.executable, 'x', sizeof(record.head.executable));
    eye_processes_take(fixture->processes, &record, sizeof(record));
    record.head.executable[1] = '\0';
    memset(record.head.cgroups[3], 'x', sizeof(record.head.cgroups[3]));
    eye_processes_take(fixture->processes, &record, sizeof(record));
    assert_int_equal(eye_processes_malformed(fixture->processes), 5);
    assert_int_equal(eye_processes_count(fixture->processes), 0);
    record.head.cgroups[3][0] = '\0';
    eye_processes_take(fixture->processes, &record, sizeof(record));
    assert_int_equal(eye_processes_count(fixture->processes), 1);
}

/* nginx and others write their title over their environment after the start. */
static void take__keeps_the_first_whole_answer(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction first = {
        .owner = OWNER, .executable = "nginx", .environment = "DD_SERVICE=shop"};
    const struct introduction again = {.owner = OWNER, .executable = "nginx"};
    introduce(fixture->processes, &first);
    introduce(fixture->processes, &again);
    assert_string_equal(service_of(fixture->processes, OWNER), "shop");
    assert_int_equal(eye_processes_renamed(fixture->processes), 0);
}

/* A worker that was forked from it is the same program. */
static void take__asks_the_parent(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction parent = {
        .owner = PARENT, .executable = "nginx", .environment = "DD_SERVICE=shop"};
    const struct introduction child = {.owner = OWNER, .parent = PARENT, .executable = "nginx"};
    const struct introduction named = {.owner = OWNER + 1,
                                       .parent = PARENT,
                                       .executable = "nginx",
                                       .environment = "DD_SERVICE=own"};
    const struct introduction ended = {
        .owner = OWNER + 2, .parent = PARENT, .flags = EYE_OWNER_NO_ENVIRONMENT};
    const struct introduction orphan = {.owner = OWNER + 3, .executable = "nginx"};
    introduce(fixture->processes, &parent);
    introduce(fixture->processes, &child);
    introduce(fixture->processes, &named);
    introduce(fixture->processes, &ended);
    introduce(fixture->processes, &orphan);
    assert_string_equal(service_of(fixture->processes, OWNER), "shop");
    assert_string_equal(service_of(fixture->processes, OWNER + 1), "own");
    assert_string_equal(service_of(fixture->processes, OWNER + 2), "shop");
    assert_string_equal(eye_processes_find(fixture->processes, OWNER + 2)->executable, "nginx");
    assert_string_equal(service_of(fixture->processes, OWNER + 3), "nginx");
}

/* What the kernel side could not read is asked of /proc, if it is the same process. */
static void take__completes_with_proc(void **state)
{
    struct fixture *fixture = *state;
    static const uint32_t flags[] = {EYE_OWNER_NO_ENVIRONMENT, EYE_OWNER_CUT_ENVIRONMENT};
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "environ", "DD_SERVICE=of-proc");
    fake_proc_write_text(&fixture->proc, PID, "cgroup", "0::/of-proc.service/" ID "\n");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(flags); i++) {
        const struct introduction who = {
            .owner = OWNER + i, .flags = flags[i], .executable = "exe", .cgroups = {"own.service"}};
        introduce(fixture->processes, &who);
        assert_string_equal(service_of(fixture->processes, who.owner), "of-proc");
    }
    const struct introduction half = {.owner = OWNER + 9,
                                      .flags = EYE_OWNER_CUT_ENVIRONMENT,
                                      .executable = "exe",
                                      .environment = "DD_SERVICE=of-h"};
    introduce(fixture->processes, &half);
    assert_string_equal(service_of(fixture->processes, OWNER + 9), "of-proc");
    const struct introduction cut = {.owner = OWNER + 10,
                                     .flags = EYE_OWNER_CUT_CGROUP,
                                     .executable = "exe",
                                     .cgroups = {"cut", "off"}};
    introduce(fixture->processes, &cut);
    assert_string_equal(service_of(fixture->processes, OWNER + 10), "of-proc");
    assert_string_equal(eye_processes_find(fixture->processes, OWNER + 10)->container.text, ID);
    const struct introduction other = {.owner = OWNER + (UINT64_C(1000) << EYE_OWNER_START_SHIFT),
                                       .flags = EYE_OWNER_NO_ENVIRONMENT,
                                       .executable = "exe"};
    introduce(fixture->processes, &other);
    assert_string_equal(service_of(fixture->processes, other.owner), "exe");
}

/* Under the pid of the key another program runs by now: an exec in between. */
static void take__asks_proc_for_the_same_program_only(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction who = {
        .owner = OWNER, .flags = EYE_OWNER_NO_ENVIRONMENT, .executable = "before"};
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_set_executable(&fixture->proc, PID, "/bin/after");
    fake_proc_write_text(&fixture->proc, PID, "environ", "DD_SERVICE=after");
    introduce(fixture->processes, &who);
    assert_string_equal(service_of(fixture->processes, OWNER), "before");
}

static void ask(void *context)
{
    struct fixture *fixture = context;
    const struct introduction who = {.owner = fixture->waiting, .executable = "waited"};
    fixture->asked++;
    if (fixture->waiting != 0) {
        introduce(fixture->processes, &who);
    }
}

static void find__asks_for_introductions_that_wait(void **state)
{
    struct fixture *fixture = *state;
    eye_processes_on_unknown(fixture->processes, ask, fixture);
    fixture->waiting = OWNER;
    assert_string_equal(service_of(fixture->processes, OWNER), "waited");
    assert_string_equal(service_of(fixture->processes, OWNER), "waited");
    assert_int_equal(fixture->asked, 1);
    fixture->waiting = 0;
    assert_string_equal(service_of(fixture->processes, OWNER + 1), "unknown");
    assert_int_equal(fixture->asked, 2);
    assert_int_equal(eye_processes_renamed(fixture->processes), 0);
}

static void find__asks_proc_without_introduction(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "environ", "DD_SERVICE=shop");
    assert_string_equal(service_of(fixture->processes, OWNER), "shop");
    fake_proc_write_text(&fixture->proc, PID, "environ", "DD_SERVICE=after");
    assert_string_equal(service_of(fixture->processes, OWNER), "shop");
    assert_int_equal(eye_processes_count(fixture->processes), 1);
}

/* A pid that is used again is another key: it neither gets the old name nor takes it away. */
static void find__keeps_both_users_of_a_pid_apart(void **state)
{
    struct fixture *fixture = *state;
    uint64_t successor = eye_owner_key(PID, (START + 3) * TICK_NS, 7);
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "environ", "DD_SERVICE=old");
    assert_string_equal(service_of(fixture->processes, OWNER), "old");
    fake_proc_start(&fixture->proc, PID, START + 3);
    fake_proc_write_text(&fixture->proc, PID, "environ", "DD_SERVICE=new");
    assert_string_equal(service_of(fixture->processes, successor), "new");
    assert_string_equal(service_of(fixture->processes, OWNER), "old");
    assert_string_equal(service_of(fixture->processes, OWNER - (UINT64_C(99) << 12)), "unknown");
}

static void take__corrects_what_was_not_known(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction who = {
        .owner = OWNER, .executable = "exe", .environment = "DD_SERVICE=late"};
    uint64_t id = eye_processes_find(fixture->processes, OWNER)->id;
    uint64_t generation = eye_processes_generation(fixture->processes);
    introduce(fixture->processes, &who);
    assert_string_equal(service_of(fixture->processes, OWNER), "late");
    assert_int_not_equal(eye_processes_find(fixture->processes, OWNER)->id, id);
    assert_int_equal(eye_processes_generation(fixture->processes), generation + 1);
    assert_int_equal(eye_processes_renamed(fixture->processes), 1);
    assert_int_equal(eye_processes_count(fixture->processes), 1);
}

/* One that is ending has nothing left to tell. */
static void take__never_exchanges_a_name_for_none(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction seeded = {
        .owner = OWNER, .flags = EYE_OWNER_NO_ENVIRONMENT, .executable = "exe"};
    const struct introduction ending = {.owner = OWNER, .flags = EYE_OWNER_NO_ENVIRONMENT};
    const struct introduction whole = {
        .owner = OWNER, .executable = "exe", .environment = "DD_SERVICE=shop"};
    introduce(fixture->processes, &seeded);
    introduce(fixture->processes, &ending);
    assert_string_equal(service_of(fixture->processes, OWNER), "exe");
    introduce(fixture->processes, &whole);
    assert_string_equal(service_of(fixture->processes, OWNER), "shop");
    introduce(fixture->processes, &ending);
    assert_string_equal(service_of(fixture->processes, OWNER), "shop");
}

static void sweep__forgets_who_was_not_heard_of(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction who = {.owner = OWNER, .executable = "exe"};
    introduce(fixture->processes, &who);
    eye_processes_sweep(fixture->processes, EYE_PROCESS_KEEP_PASSES);
    assert_true(eye_processes_knows(fixture->processes, OWNER));
    assert_string_equal(service_of(fixture->processes, OWNER), "exe");
    eye_processes_sweep(fixture->processes, 2 * EYE_PROCESS_KEEP_PASSES);
    introduce(fixture->processes, &who);
    eye_processes_sweep(fixture->processes, 3 * EYE_PROCESS_KEEP_PASSES);
    assert_int_equal(eye_processes_generation(fixture->processes), 0);
    eye_processes_sweep(fixture->processes, 3 * EYE_PROCESS_KEEP_PASSES + 1);
    assert_int_equal(eye_processes_count(fixture->processes), 0);
    assert_false(eye_processes_knows(fixture->processes, OWNER));
    assert_int_equal(eye_processes_generation(fixture->processes), 1);
}

/* gunicorn, postgres and others write their title over their environment, and may be quiet. */
static void sweep__keeps_who_lives(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction first = {
        .owner = OWNER, .executable = "exe", .environment = "DD_SERVICE=quiet"};
    const struct introduction again = {.owner = OWNER, .executable = "exe"};
    fake_proc_start(&fixture->proc, PID, START);
    introduce(fixture->processes, &first);
    for (uint32_t pass = 0; pass < 2 * EYE_PROCESS_UNCERTAIN_PASSES; pass++) {
        eye_processes_sweep(fixture->processes, pass);
    }
    introduce(fixture->processes, &again);
    assert_string_equal(service_of(fixture->processes, OWNER), "quiet");
    assert_int_equal(eye_processes_generation(fixture->processes), 0);
    fake_proc_end(&fixture->proc, PID);
    uint32_t end = 2 * EYE_PROCESS_UNCERTAIN_PASSES - 1 + EYE_PROCESS_KEEP_PASSES;
    eye_processes_sweep(fixture->processes, end);
    assert_true(eye_processes_knows(fixture->processes, OWNER));
    eye_processes_sweep(fixture->processes, end + 1);
    assert_false(eye_processes_knows(fixture->processes, OWNER));
    assert_int_equal(eye_processes_given_up(fixture->processes), 0);
}

/* Without /proc, or when it shows nothing of others (hidepid=). */
static void sweep__waits_long_for_who_may_live(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction who = {.owner = OWNER, .executable = "exe"};
    struct eye_processes *nowhere = eye_processes_new(NULL, "/nonexistent");
    struct eye_processes *all[] = {nowhere, fixture->processes};
    fake_proc_end(&fixture->proc, 2);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(all); i++) {
        introduce(all[i], &who);
        for (uint32_t pass = 0; pass <= EYE_PROCESS_UNCERTAIN_PASSES; pass++) {
            eye_processes_sweep(all[i], pass);
        }
        assert_true(eye_processes_knows(all[i], OWNER));
        assert_int_equal(eye_processes_given_up(all[i]), 0);
        eye_processes_sweep(all[i], EYE_PROCESS_UNCERTAIN_PASSES + EYE_PROCESS_KEEP_PASSES + 1);
        assert_int_equal(eye_processes_count(all[i]), 0);
        assert_int_equal(eye_processes_given_up(all[i]), 1);
    }
    eye_processes_free(nowhere);
}

static void tell_end(struct eye_processes *processes, uint64_t owner)
{
    const struct eye_ended_record record = {.owner = owner};
    eye_processes_take_end(processes, &record, sizeof(record));
}

static bool is_known_after(struct eye_processes *processes, uint32_t pass)
{
    eye_processes_sweep(processes, pass);
    return eye_processes_knows(processes, OWNER);
}

/* Its sockets are closed behind it, and tell of it: it stays as long as any that is silent. */
static void take_end__holds_it_and_then_asks_nobody(void **state)
{
    struct fixture *fixture = *state;
    const struct introduction who = {
        .owner = OWNER, .executable = "exe", .environment = "DD_SERVICE=shop"};
    fake_proc_start(&fixture->proc, PID, START); /* another program runs under its number */
    introduce(fixture->processes, &who);
    tell_end(fixture->processes, OWNER);
    tell_end(fixture->processes, OWNER + 1); /* nobody's */
    assert_string_equal(service_of(fixture->processes, OWNER), "shop");
    assert_true(is_known_after(fixture->processes, EYE_PROCESS_KEEP_PASSES));
    assert_false(is_known_after(fixture->processes, EYE_PROCESS_KEEP_PASSES + 1));
    assert_int_equal(eye_processes_given_up(fixture->processes), 0);
}

/* Where /proc does not tell, who is known to have ended is not kept for a day. */
static void take_end__is_enough_without_proc(void **state)
{
    (void)state;
    const struct introduction who = {.owner = OWNER, .executable = "exe"};
    struct eye_processes *processes = eye_processes_new(NULL, "/nonexistent");
    introduce(processes, &who);
    tell_end(processes, OWNER);
    assert_false(is_known_after(processes, EYE_PROCESS_KEEP_PASSES + 1));
    assert_int_equal(eye_processes_given_up(processes), 0);
    eye_processes_free(processes);
}

static void take_end__counts_what_is_no_record(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t bytes[2] = {OWNER, 0};
    eye_processes_take_end(fixture->processes, bytes, sizeof(bytes));
    eye_processes_take_end(fixture->processes, bytes, 1);
    assert_int_equal(eye_processes_malformed(fixture->processes), 2);
}

/* By its number alone: whoever has it again began later. */
static void end__is_that_of_programs_that_began_before(void **state)
{
    (void)state;
    static const struct {
        uint64_t boottime_ns;
        uint32_t pid;
        bool over;
    } cases[] = {
        {START * TICK_NS, PID, true},          {START * TICK_NS + 1, PID, true},
        {START * TICK_NS + DAY_NS, PID, true}, {START * TICK_NS - TICK_NS, PID, false},
        {START * TICK_NS + 1, PID + 1, false}, {START * TICK_NS + 1, PID + 1024, false},
    };
    const struct introduction who = {.owner = OWNER, .executable = "exe"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        struct eye_processes *processes = eye_processes_new(NULL, "/nonexistent");
        introduce(processes, &who);
        eye_processes_end(processes, cases[i].pid, cases[i].boottime_ns);
        assert_int_equal(is_known_after(processes, EYE_PROCESS_KEEP_PASSES + 1), !cases[i].over);
        eye_processes_free(processes);
    }
}

/* All entries that there may be, in steps, and no more than once. */
static void scan__finds_who_has_ended(void **state)
{
    struct fixture *fixture = *state;
    const uint32_t count = 3 * EYE_PROCESS_SCAN_STEP;
    for (uint32_t i = 0; i < count; i++) {
        eye_processes_find(fixture->processes, OWNER + ((uint64_t)i << EYE_OWNER_PID_SHIFT));
    }
    fake_proc_start(&fixture->proc, PID + 1, START);
    eye_processes_doubt(fixture->processes);
    for (uint32_t i = 0; i <= count / EYE_PROCESS_SCAN_STEP + 1; i++) {
        eye_processes_scan(fixture->processes);
    }
    fake_proc_start(&fixture->proc, PID, START); /* too late for it */
    eye_processes_scan(fixture->processes);
    eye_processes_sweep(fixture->processes, EYE_PROCESS_KEEP_PASSES + 1);
    assert_int_equal(eye_processes_count(fixture->processes), 1);
    assert_true(
        eye_processes_knows(fixture->processes, OWNER + (UINT64_C(1) << EYE_OWNER_PID_SHIFT)));
    assert_int_equal(eye_processes_scans_failed(fixture->processes), 0);
}

static void scan__fails_where_proc_does_not_tell(void **state)
{
    struct fixture *fixture = *state;
    eye_processes_find(fixture->processes, OWNER);
    fake_proc_end(&fixture->proc, 2); /* hidepid= */
    for (int i = 0; i < 3; i++) {
        eye_processes_scan(fixture->processes);
    }
    assert_int_equal(eye_processes_scans_failed(fixture->processes), 0);
    for (uint64_t i = 1; i <= 2; i++) {
        eye_processes_doubt(fixture->processes);
        eye_processes_scan(fixture->processes);
        eye_processes_scan(fixture->processes);
        assert_int_equal(eye_processes_scans_failed(fixture->processes), i);
    }
}

static uint64_t executed(uint32_t number)
{
    return OWNER + ((uint64_t)(number + 1) << EYE_OWNER_PID_SHIFT);
}

static void introduce_executed(struct eye_processes *processes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const struct introduction who = {.owner = executed(i),
                                         .executable = "exe",
                                         .flags = EYE_OWNER_EXECUTED,
                                         .environment = "DD_SERVICE=short"};
        introduce(processes, &who);
    }
}

/* Who only was executed takes no room from who uses sockets, and is nobody's cached id. */
static void take__keeps_only_the_latest_that_were_executed(void **state)
{
    struct fixture *fixture = *state;
    eye_processes_find(fixture->processes, OWNER);
    introduce_executed(fixture->processes, EYE_PROCESS_EXECUTED_MAX);
    assert_string_equal(service_of(fixture->processes, executed(0)), "short");
    introduce_executed(fixture->processes, EYE_PROCESS_EXECUTED_MAX + 2);
    assert_int_equal(eye_processes_count(fixture->processes), EYE_PROCESS_EXECUTED_MAX + 2);
    assert_int_equal(eye_processes_generation(fixture->processes), 0);
    assert_true(eye_processes_knows(fixture->processes, OWNER));
    assert_true(eye_processes_knows(fixture->processes, executed(0)));
    assert_false(eye_processes_knows(fixture->processes, executed(1)));
    assert_true(eye_processes_knows(fixture->processes, executed(2)));
}

static void fill(struct eye_processes *processes, uint64_t first, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        eye_processes_find(processes, first + i);
    }
}

/* In a full table, too. */
static void find__throws_out_who_was_executed_first(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->processes, PARENT, EYE_PROCESS_MAX - 1);
    introduce_executed(fixture->processes, 1);
    uint64_t generation = eye_processes_generation(fixture->processes);
    eye_processes_find(fixture->processes, OWNER);
    assert_int_equal(eye_processes_count(fixture->processes), EYE_PROCESS_MAX);
    assert_int_equal(eye_processes_generation(fixture->processes), generation);
    assert_false(eye_processes_knows(fixture->processes, executed(0)));
    assert_true(eye_processes_knows(fixture->processes, PARENT));
}

static void find__throws_out_the_least_used(void **state)
{
    struct fixture *fixture = *state;
    fill(fixture->processes, OWNER, EYE_PROCESS_MAX);
    eye_processes_sweep(fixture->processes, 1);
    eye_processes_find(fixture->processes, OWNER);
    uint64_t generation = eye_processes_generation(fixture->processes);
    eye_processes_find(fixture->processes, OWNER + EYE_PROCESS_MAX);
    assert_int_equal(eye_processes_count(fixture->processes), EYE_PROCESS_MAX);
    assert_int_equal(eye_processes_generation(fixture->processes), generation + 1);
    assert_true(eye_processes_knows(fixture->processes, OWNER));
    assert_false(eye_processes_knows(fixture->processes, OWNER + 1));
    assert_true(eye_processes_knows(fixture->processes, OWNER + 2));
}

/* A crowd of short processes takes no name from who lives, as long as that is few. */
static void find__spares_who_lives(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t i = 0; i < EYE_PROCESS_SPARE + 1; i++) {
        fake_proc_start(&fixture->proc, PID + i, START);
        eye_processes_find(fixture->processes, OWNER + ((uint64_t)i << EYE_OWNER_PID_SHIFT));
    }
    fake_proc_end(&fixture->proc, PID);
    fill(fixture->processes, OWNER + 1, EYE_PROCESS_MAX - EYE_PROCESS_SPARE - 1);
    eye_processes_find(fixture->processes, PARENT);
    assert_false(eye_processes_knows(fixture->processes, OWNER));
    eye_processes_find(fixture->processes, PARENT + 1);
    assert_false(eye_processes_knows(fixture->processes, OWNER + 1));
    for (uint64_t i = 1; i <= EYE_PROCESS_SPARE; i++) {
        assert_true(eye_processes_knows(fixture->processes, OWNER + (i << EYE_OWNER_PID_SHIFT)));
    }
    assert_int_equal(eye_processes_given_up(fixture->processes), 0);
}

/* Asking has an end when all live. */
static void find__gives_up_who_lives_when_nobody_is_gone(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    fill(fixture->processes, OWNER, EYE_PROCESS_MAX + 1);
    assert_int_equal(eye_processes_count(fixture->processes), EYE_PROCESS_MAX);
    assert_int_equal(eye_processes_given_up(fixture->processes), 1);
    assert_false(eye_processes_knows(fixture->processes, OWNER + EYE_PROCESS_SPARE));
    assert_true(eye_processes_knows(fixture->processes, OWNER + EYE_PROCESS_SPARE - 1));
}

/* Whom a pass does not ask for is asked for by the next one, and stays till then. */
static void sweep__asks_for_so_many(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    fill(fixture->processes, OWNER, EYE_PROCESS_ASK + 1);
    eye_processes_sweep(fixture->processes, EYE_PROCESS_KEEP_PASSES + 1);
    fake_proc_end(&fixture->proc, PID);
    eye_processes_sweep(fixture->processes, EYE_PROCESS_KEEP_PASSES + 2);
    assert_int_equal(eye_processes_count(fixture->processes), EYE_PROCESS_ASK);
    assert_false(eye_processes_knows(fixture->processes, OWNER + EYE_PROCESS_ASK));
}

static void find__lives_without_proc(void **state)
{
    (void)state;
    struct eye_processes *processes = eye_processes_new("/nonexistent", "/nonexistent");
    assert_non_null(processes);
    assert_string_equal(service_of(processes, OWNER), "unknown");
    eye_processes_free(processes);
}

/* The pipe closes in the child at the moment of execve(). */
static pid_t start_sleep(void)
{
    char *const environment[] = {(char[]){"A=b"}, (char[]){"DD_SERVICE=real-shop"}, NULL};
    char *const arguments[] = {(char[]){"sleep"}, (char[]){"60"}, NULL};
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        execve("/bin/sleep", arguments, environment);
        _exit(127);
    }
    char byte;
    close(ends[1]);
    assert_int_equal(read(ends[0], &byte, 1), 0);
    close(ends[0]);
    return child;
}

/* The key of a real process, as far as /proc tells its start. */
static uint64_t real_owner(pid_t pid)
{
    char path[64];
    char line[1024] = "";
    unsigned long long ticks = 0;
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, line, sizeof(line) - 1) > 0);
    const char *field = strrchr(line, ')');
    for (int number = 2; field != NULL && number < 22; number++) {
        field = strchr(field + 1, ' ');
    }
    assert_non_null(field);
    assert_int_equal(sscanf(field, "%llu", &ticks), 1); /* NOLINT: the kernel's number */
    return eye_owner_key((uint32_t)pid, ticks * TICK_NS, 1);
}

static void find__reads_a_real_process(void **state)
{
    struct fixture *fixture = *state;
    fixture->child = start_sleep();
    assert_true(fixture->child > 0);
    uint64_t owner = real_owner(fixture->child);
    const struct eye_process *process = eye_processes_find(fixture->real, owner);
    assert_string_equal(process->service, "real-shop");
    assert_string_equal(process->executable, "sleep");
    uint64_t predecessor = owner - (UINT64_C(1000) << EYE_OWNER_START_SHIFT);
    assert_string_equal(service_of(fixture->real, predecessor), "unknown");
    end_child(fixture);
    assert_string_equal(service_of(fixture->real, owner), "real-shop");
}

/* In a child without privileges: what process 1 is, where environ and exe are refused. What the
 * kernel side told of its executable stays. */
static int name_init_as_nobody(struct eye_processes *processes)
{
    char target[8];
    uint64_t owner = real_owner(1);
    const struct introduction who = {
        .owner = owner, .flags = EYE_OWNER_NO_ENVIRONMENT, .executable = "init-of-ours"};
    if (getuid() == 0 && setuid(65534) != 0) {
        return 1;
    }
    if (readlink("/proc/1/exe", target, sizeof(target)) != -1) {
        return 2;
    }
    introduce(processes, &who);
    return strcmp(eye_processes_find(processes, owner)->executable, "init-of-ours") == 0 ? 0 : 3;
}

static void find__names_processes_of_other_users(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(name_init_as_nobody(fixture->real));
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(free__takes_null),
        cmocka_unit_test(key__has_its_parts),
        TEST(find__knows_the_kernel_and_nobody),
        TEST(take__names_the_program),
        TEST(take__calls_a_program_by_its_container),
        TEST(refresh__renames_the_programs_of_a_container),
        TEST(take__counts_what_is_no_record),
        TEST(take__keeps_the_first_whole_answer),
        TEST(take__asks_the_parent),
        TEST(take__completes_with_proc),
        TEST(take__asks_proc_for_the_same_program_only),
        TEST(find__asks_for_introductions_that_wait),
        TEST(find__asks_proc_without_introduction),
        TEST(find__keeps_both_users_of_a_pid_apart),
        TEST(take__corrects_what_was_not_known),
        TEST(take__never_exchanges_a_name_for_none),
        TEST(sweep__forgets_who_was_not_heard_of),
        TEST(sweep__keeps_who_lives),
        TEST(sweep__waits_long_for_who_may_live),
        TEST(sweep__asks_for_so_many),
        TEST(take_end__holds_it_and_then_asks_nobody),
        TEST(take_end__is_enough_without_proc),
        TEST(take_end__counts_what_is_no_record),
        TEST(end__is_that_of_programs_that_began_before),
        TEST(scan__finds_who_has_ended),
        TEST(scan__fails_where_proc_does_not_tell),
        TEST(take__keeps_only_the_latest_that_were_executed),
        TEST(find__throws_out_who_was_executed_first),
        TEST(find__throws_out_the_least_used),
        TEST(find__spares_who_lives),
        TEST(find__gives_up_who_lives_when_nobody_is_gone),
        TEST(find__lives_without_proc),
        TEST(find__reads_a_real_process),
        TEST(find__names_processes_of_other_users),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
