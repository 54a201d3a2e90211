/* SPDX-License-Identifier: Apache-2.0 */
/* Remembered processes: ends, reused pids, the limits, and some of the real /proc. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/process/process.h"
#include "tests/unit/process/fake_proc.h"

#define SECOND UINT64_C(1000000000)
#define PID 4242
#define START 98765

struct fixture {
    struct fake_proc proc;
    struct eye_processes *processes;
    struct eye_processes *real; /* of /proc */
    pid_t child;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    assert_non_null(fixture);
    *state = fixture;
    fake_proc_init(&fixture->proc);
    fixture->processes = eye_processes_new(fixture->proc.root);
    fixture->real = eye_processes_new("/proc");
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
    fake_proc_done(&fixture->proc);
    free(fixture);
    return 0;
}

static void free__takes_null(void **state)
{
    (void)state;
    eye_processes_free(NULL);
}

static void find__knows_the_kernel(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_process *process = eye_processes_find(fixture->processes, 0, "swapper", 1);
    assert_string_equal(process->service, "kernel");
    assert_string_equal(process->executable, "kernel");
    assert_string_equal(process->container, "");
    assert_int_equal(process->pid, 0);
    assert_int_equal(eye_processes_count(fixture->processes), 0);
}

static void find__lives_without_proc(void **state)
{
    (void)state;
    struct eye_processes *processes = eye_processes_new("/nonexistent");
    assert_non_null(processes);
    assert_string_equal(eye_processes_find(processes, 1, "init", 0)->service, "init");
    eye_processes_sweep(processes, 1);
    assert_int_equal(eye_processes_count(processes), 1);
    eye_processes_free(processes);
}

static void find__answers_from_memory(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "comm", "before\n");
    const struct eye_process *first = eye_processes_find(fixture->processes, PID, "", 1);
    fake_proc_write_text(&fixture->proc, PID, "comm", "after\n");
    assert_ptr_equal(eye_processes_find(fixture->processes, PID, "", 2), first);
    eye_processes_sweep(fixture->processes, 3);
    assert_ptr_equal(eye_processes_find(fixture->processes, PID, "", 4), first);
    assert_string_equal(first->service, "before");
    assert_int_equal(eye_processes_count(fixture->processes), 1);
    assert_int_equal(eye_processes_generation(fixture->processes), 0);
}

static void sweep__forgets_the_ended_after_a_while(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    const struct eye_process *process = eye_processes_find(fixture->processes, PID, "", SECOND);
    fake_proc_end(&fixture->proc, PID);
    eye_processes_sweep(fixture->processes, 10 * SECOND);
    eye_processes_sweep(fixture->processes, 10 * SECOND + EYE_PROCESS_KEEP_NS - 1);
    assert_ptr_equal(eye_processes_find(fixture->processes, PID, "", 11 * SECOND), process);
    assert_int_equal(eye_processes_generation(fixture->processes), 0);
    eye_processes_sweep(fixture->processes, 10 * SECOND + EYE_PROCESS_KEEP_NS);
    assert_int_equal(eye_processes_count(fixture->processes), 0);
    assert_int_equal(eye_processes_generation(fixture->processes), 1);
}

static void sweep__counts_what_was_never_read_as_ended_when_first_seen(void **state)
{
    struct fixture *fixture = *state;
    eye_processes_find(fixture->processes, PID, "gone", SECOND);
    eye_processes_sweep(fixture->processes, SECOND + EYE_PROCESS_KEEP_NS - 1);
    assert_int_equal(eye_processes_count(fixture->processes), 1);
    eye_processes_sweep(fixture->processes, SECOND + EYE_PROCESS_KEEP_NS);
    assert_int_equal(eye_processes_count(fixture->processes), 0);
}

static void sweep__lives_with_a_clock_behind_the_last_look_up(void **state)
{
    struct fixture *fixture = *state;
    eye_processes_find(fixture->processes, PID, "gone", 10 * SECOND);
    eye_processes_sweep(fixture->processes, 9 * SECOND);
    assert_int_equal(eye_processes_count(fixture->processes), 1);
}

static void sweep__notices_a_reused_pid(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "comm", "old\n");
    uint64_t old_id = eye_processes_find(fixture->processes, PID, "", 1)->id;
    fake_proc_start(&fixture->proc, PID, START + 1);
    fake_proc_write_text(&fixture->proc, PID, "comm", "new\n");
    eye_processes_sweep(fixture->processes, 2);
    assert_int_equal(eye_processes_generation(fixture->processes), 1);
    const struct eye_process *process = eye_processes_find(fixture->processes, PID, "", 3);
    assert_string_equal(process->service, "new");
    assert_int_equal(process->start_ticks, START + 1);
    assert_int_not_equal(process->id, old_id);
}

/* Fields up to the 28th, start_stack: exec gives another one under the same pid and start time. */
static void sweep__notices_an_exec(void **state)
{
    struct fixture *fixture = *state;
    static const char before[] = "4242 (a) S 1 2 2 0 -1 0 3 4 5 6 7 8 9 10 20 0 1 0 77 1 2 3 4 5 6";
    static const char after[] = "4242 (b) S 1 2 2 0 -1 0 3 4 5 6 7 8 9 10 20 0 1 0 77 1 2 3 4 5 9";
    fake_proc_start(&fixture->proc, PID, START);
    fake_proc_write_text(&fixture->proc, PID, "stat", before);
    fake_proc_write_text(&fixture->proc, PID, "comm", "old\n");
    assert_string_equal(eye_processes_find(fixture->processes, PID, "", 1)->service, "old");
    fake_proc_write_text(&fixture->proc, PID, "stat", after);
    fake_proc_write_text(&fixture->proc, PID, "comm", "new\n");
    eye_processes_sweep(fixture->processes, 2);
    assert_string_equal(eye_processes_find(fixture->processes, PID, "", 3)->service, "new");
}

static void sweep__notices_a_pid_reused_after_its_end(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    eye_processes_find(fixture->processes, PID, "", 1);
    eye_processes_find(fixture->processes, PID + 1, "gone", 1);
    fake_proc_end(&fixture->proc, PID);
    eye_processes_sweep(fixture->processes, 2);
    fake_proc_start(&fixture->proc, PID, START + 1);
    fake_proc_start(&fixture->proc, PID + 1, START + 2);
    eye_processes_sweep(fixture->processes, 3);
    assert_int_equal(eye_processes_count(fixture->processes), 0);
    assert_int_equal(eye_processes_generation(fixture->processes), 2);
}

static void sweep__keeps_what_it_cannot_check_now(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    eye_processes_find(fixture->processes, PID, "", 1);
    fake_proc_write_text(&fixture->proc, PID, "stat", "");
    eye_processes_sweep(fixture->processes, 2);
    fake_proc_start(&fixture->proc, PID, START);
    eye_processes_sweep(fixture->processes, 2 + EYE_PROCESS_KEEP_NS);
    assert_int_equal(eye_processes_count(fixture->processes), 1);
}

static void fill(struct eye_processes *processes, uint32_t first_pid, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        eye_processes_find(processes, first_pid + (uint32_t)i, "gone", 1);
    }
}

static void find__throws_out_the_longest_ended_first(void **state)
{
    struct fixture *fixture = *state;
    fake_proc_start(&fixture->proc, PID, START);
    const struct eye_process *running = eye_processes_find(fixture->processes, PID, "", 1);
    const struct eye_process *oldest = eye_processes_find(fixture->processes, 100000, "old", 1);
    fill(fixture->processes, 100001, EYE_PROCESS_MAX - 2);
    assert_int_equal(eye_processes_generation(fixture->processes), 0);
    eye_processes_find(fixture->processes, 1, "one more", 1);
    assert_int_equal(eye_processes_count(fixture->processes), EYE_PROCESS_MAX);
    assert_int_equal(eye_processes_generation(fixture->processes), 1);
    assert_string_equal(oldest->service, "old");
    assert_ptr_equal(eye_processes_find(fixture->processes, PID, "", 1), running);
    uint64_t id = oldest->id;
    assert_int_not_equal(eye_processes_find(fixture->processes, 100000, "old", 1)->id, id);
}

static void find__throws_out_the_least_used_when_none_ended(void **state)
{
    struct fixture *fixture = *state;
    for (uint32_t pid = 1; pid <= EYE_PROCESS_MAX; pid++) {
        fake_proc_start(&fixture->proc, pid, START);
    }
    fill(fixture->processes, 1, EYE_PROCESS_MAX);
    eye_processes_sweep(fixture->processes, 2);
    uint64_t first_id = eye_processes_find(fixture->processes, 1, "", 3)->id;
    uint64_t second_id = eye_processes_find(fixture->processes, 2, "", 3)->id;
    uint64_t third_id = eye_processes_find(fixture->processes, 3, "", 3)->id;
    eye_processes_find(fixture->processes, 1, "", 3);
    uint64_t generation = eye_processes_generation(fixture->processes);
    fake_proc_start(&fixture->proc, EYE_PROCESS_MAX + 1, START);
    eye_processes_find(fixture->processes, EYE_PROCESS_MAX + 1, "", 4);
    assert_int_equal(eye_processes_generation(fixture->processes), generation + 1);
    assert_int_equal(eye_processes_find(fixture->processes, 1, "", 5)->id, first_id);
    assert_int_equal(eye_processes_find(fixture->processes, 2, "", 5)->id, second_id);
    assert_int_equal(eye_processes_find(fixture->processes, 3, "", 5)->id, third_id);
    assert_int_equal(eye_processes_generation(fixture->processes), generation + 1);
    eye_processes_find(fixture->processes, 4, "", 6);
    assert_int_equal(eye_processes_generation(fixture->processes), generation + 2);
}

static void find__stays_bounded_between_sweeps(void **state)
{
    struct fixture *fixture = *state;
    const struct eye_process *first = eye_processes_find(fixture->processes, 1, "first", 1);
    fill(fixture->processes, 2, (size_t)4 * EYE_PROCESS_MAX);
    assert_int_equal(eye_processes_count(fixture->processes), EYE_PROCESS_MAX);
    assert_string_equal(first->service, "first");
    const struct eye_process *refused = eye_processes_find(fixture->processes, 999999, "x", 1);
    assert_string_equal(refused->service, "unknown");
    assert_string_equal(refused->executable, "unknown");
    eye_processes_sweep(fixture->processes, 2);
    assert_string_equal(eye_processes_find(fixture->processes, 999999, "x", 2)->service, "x");
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

static void find__reads_a_real_process(void **state)
{
    struct fixture *fixture = *state;
    fixture->child = start_sleep();
    assert_true(fixture->child > 0);
    uint32_t pid = (uint32_t)fixture->child;
    const struct eye_process *process = eye_processes_find(fixture->real, pid, "", SECOND);
    assert_string_equal(process->service, "real-shop");
    assert_string_equal(process->executable, "sleep");
    assert_true(process->start_ticks > 0);
    eye_processes_sweep(fixture->real, 2 * SECOND);
    end_child(fixture);

    uint64_t noticed = SECOND + 2 * EYE_PROCESS_KEEP_NS;
    eye_processes_sweep(fixture->real, noticed);
    assert_ptr_equal(eye_processes_find(fixture->real, pid, "", noticed), process);
    assert_string_equal(process->service, "real-shop");
    eye_processes_sweep(fixture->real, noticed + EYE_PROCESS_KEEP_NS);
    assert_int_equal(eye_processes_count(fixture->real), 0);
    const struct eye_process *late = eye_processes_find(fixture->real, pid, "late", noticed);
    assert_string_equal(late->service, "late");
}

/* In a child without privileges: what process 1 is, where environ and exe are refused. */
static int describe_init_as_nobody(struct eye_processes *processes)
{
    char comm[32] = "";
    EYE_AUTOCLOSE int fd = open("/proc/1/comm", O_RDONLY | O_CLOEXEC);
    ssize_t length = read(fd, comm, sizeof(comm) - 1);
    if (length < 2 || (getuid() == 0 && setuid(65534) != 0)) {
        return 1;
    }
    comm[length - 1] = '\0';
    char target[8];
    if (readlink("/proc/1/exe", target, sizeof(target)) != -1) {
        return 2;
    }
    const struct eye_process *process = eye_processes_find(processes, 1, "given", 1);
    return strcmp(process->executable, comm) == 0 && process->service[0] != '\0' ? 0 : 3;
}

static void find__names_processes_of_other_users(void **state)
{
    struct fixture *fixture = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        _exit(describe_init_as_nobody(fixture->real));
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
        TEST(find__knows_the_kernel),
        TEST(find__lives_without_proc),
        TEST(find__answers_from_memory),
        TEST(sweep__forgets_the_ended_after_a_while),
        TEST(sweep__counts_what_was_never_read_as_ended_when_first_seen),
        TEST(sweep__lives_with_a_clock_behind_the_last_look_up),
        TEST(sweep__notices_a_reused_pid),
        TEST(sweep__notices_an_exec),
        TEST(sweep__notices_a_pid_reused_after_its_end),
        TEST(sweep__keeps_what_it_cannot_check_now),
        TEST(find__throws_out_the_longest_ended_first),
        TEST(find__throws_out_the_least_used_when_none_ended),
        TEST(find__stays_bounded_between_sweeps),
        TEST(find__reads_a_real_process),
        TEST(find__names_processes_of_other_users),
    };
    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
