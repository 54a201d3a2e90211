/* SPDX-License-Identifier: Apache-2.0 */
/* Capabilities of this thread, as /proc tells them. Each test is a process of its own: what is
 * given up is given up for good. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/privileges.h"

#define NOBODY 65534
#define OVERRIDE EYE_CAPABILITY(CAP_DAC_OVERRIDE)

/* A line of status like "CapEff": bits by CAP_*. */
static uint64_t line_of(const char *name)
{
    char line[256];
    unsigned long long value = UINT64_MAX;
    FILE *file = fopen("/proc/thread-self/status", "re");
    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, name, strlen(name)) == 0) {
            sscanf(line + strlen(name), ": %llx", &value); /* NOLINT: the kernel's numbers */
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return value;
}

/* Runs @check in a child; a number of the line in which it failed is its exit code. */
static void run_in_child(int (*check)(void))
{
    int status = 0;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        _exit(check());
    }
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* No more than @mask from now on. */
static long permit(uint64_t mask)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        uint32_t half = (uint32_t)(mask >> (32 * i));
        data[i] = (struct __user_cap_data_struct){.effective = half, .permitted = half};
    }
    return syscall(SYS_capset, &header, data);
}

/* As systemd's AmbientCapabilities= begins a process: all that is permitted is handed on. */
static bool hand_on(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    bool done = syscall(SYS_capget, &header, data) == 0;
    for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        data[i].inheritable = data[i].permitted;
    }
    done = done && syscall(SYS_capset, &header, data) == 0;
    return done && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_BPF, 0, 0) == 0 &&
           line_of("CapInh") != 0 && line_of("CapAmb") != 0;
}

/* Which of the checks was not so. */
#define EXPECT(number, condition)                                                                  \
    if (!(condition)) {                                                                            \
        return number;                                                                             \
    }

static int check_roles(void)
{
    /* Each role begins with what the one before has left, so the smallest comes last. */
    uint64_t of_main = EYE_PRIVILEGES_LOADING | EYE_PRIVILEGES_READING |
                       EYE_CAPABILITY(CAP_SYS_ADMIN) | EYE_CAPABILITY(CAP_NET_BIND_SERVICE);
    uint64_t bounds = line_of("CapPrm");
    EXPECT(1, eye_privileges_effective() == line_of("CapEff") && hand_on())
    EXPECT(2, eye_privileges_assume(EYE_ROLE_MAIN) == 0)
    EXPECT(3, line_of("CapEff") == 0)
    EXPECT(4, line_of("CapPrm") == ((of_main | OVERRIDE) & bounds))
    EXPECT(5, line_of("CapInh") == 0 && line_of("CapAmb") == 0)
    EXPECT(17, eye_privileges_assume(EYE_ROLE_INSIDER_BY_EVENTS) == 0)
    EXPECT(18, line_of("CapPrm") == ((EYE_PRIVILEGES_PROBING | EYE_PRIVILEGES_READING) & bounds))
    EXPECT(6, eye_privileges_assume(EYE_ROLE_COLLECTOR) == 0)
    EXPECT(7, line_of("CapEff") == (EYE_PRIVILEGES_READING & bounds))
    EXPECT(8, line_of("CapPrm") == ((EYE_PRIVILEGES_READING | EYE_PRIVILEGES_LOADING) & bounds))
    EXPECT(9, eye_privileges_assume(EYE_ROLE_INSIDER) == 0)
    EXPECT(10, line_of("CapEff") == 0)
    EXPECT(11, line_of("CapPrm") == ((EYE_PRIVILEGES_READING | EYE_PRIVILEGES_LOADING) & bounds))
    EXPECT(12, eye_privileges_assume(EYE_ROLE_ATTACHER) == 0)
    EXPECT(13, line_of("CapEff") == 0)
    EXPECT(14, line_of("CapPrm") == (EYE_PRIVILEGES_LOADING & bounds))
    EXPECT(15, eye_privileges_assume(EYE_ROLE_DELIVERY) == 0)
    EXPECT(16, line_of("CapEff") == 0 && line_of("CapPrm") == 0)
    return 0;
}

static int check_delivery_of_root(void)
{
    uint64_t bounds = line_of("CapPrm");
    EXPECT(1, eye_privileges_assume(EYE_ROLE_DELIVERY) == 0)
    EXPECT(2, line_of("CapEff") == (OVERRIDE & bounds))
    EXPECT(3, line_of("CapPrm") == (OVERRIDE & bounds))
    return 0;
}

static int check_delivery_of_another(void)
{
    EXPECT(1, prctl(PR_SET_KEEPCAPS, 1) == 0 && setresuid(NOBODY, NOBODY, NOBODY) == 0)
    EXPECT(2, eye_privileges_assume(EYE_ROLE_DELIVERY) == 0)
    EXPECT(3, line_of("CapEff") == 0 && line_of("CapPrm") == 0)
    return 0;
}

static int check_raised(void)
{
    uint64_t bounds = line_of("CapPrm");
    eye_privileges_assume(EYE_ROLE_COLLECTOR);
    uint64_t usual = line_of("CapEff");
    uint64_t before = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    EXPECT(1, before == usual)
    EXPECT(2, line_of("CapEff") == ((EYE_PRIVILEGES_READING | EYE_PRIVILEGES_LOADING) & bounds))
    eye_privileges_lower(before);
    EXPECT(3, line_of("CapEff") == usual)
    /* What was given up does not come back. */
    eye_privileges_lower(eye_privileges_raise(EYE_CAPABILITY(CAP_SYS_ADMIN)));
    eye_privileges_raise(EYE_PRIVILEGES_ALL);
    EXPECT(4, (line_of("CapEff") & EYE_CAPABILITY(CAP_SYS_ADMIN)) == 0)
    return 0;
}

static int check_stand_in(void)
{
    uint64_t admin = EYE_CAPABILITY(CAP_SYS_ADMIN);
    uint64_t perfmon = EYE_CAPABILITY(CAP_PERFMON);
    EXPECT(1, (line_of("CapPrm") & admin) != 0)
    EXPECT(2, permit(admin | perfmon | EYE_PRIVILEGES_READING) == 0)
    EXPECT(3, eye_privileges_assume(EYE_ROLE_ATTACHER) == 0)
    EXPECT(4, line_of("CapPrm") == (admin | perfmon) && line_of("CapEff") == 0)
    uint64_t before = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    EXPECT(5, line_of("CapEff") == (admin | perfmon))
    eye_privileges_lower(before);
    EXPECT(6, line_of("CapEff") == 0)
    return 0;
}

static int check_deliver(void)
{
    uint64_t bounds = line_of("CapPrm");
    uint64_t all = line_of("CapEff");
    uint64_t before = eye_privileges_deliver();
    EXPECT(1, line_of("CapEff") == ((OVERRIDE | EYE_CAPABILITY(CAP_NET_BIND_SERVICE)) & bounds))
    eye_privileges_lower(before);
    EXPECT(2, line_of("CapEff") == all)
    return 0;
}

static int check_become(void)
{
    struct eye_error error = {""};
    uid_t user = 0;
    uid_t effective = 0;
    uid_t saved = 0;
    uint64_t bounds = line_of("CapPrm");
    EXPECT(1, hand_on() && eye_privileges_become("nobody", &error) == 0)
    EXPECT(2, getresuid(&user, &effective, &saved) == 0)
    EXPECT(3, user == NOBODY && effective == NOBODY && saved == NOBODY)
    EXPECT(4, getgid() != 0 && getegid() != 0)
    EXPECT(5, prctl(PR_GET_DUMPABLE) == 1)
    EXPECT(6, line_of("CapEff") == line_of("CapPrm") && line_of("CapInh") == 0)
    EXPECT(7, (line_of("CapEff") & EYE_PRIVILEGES_LOADING) == (EYE_PRIVILEGES_LOADING & bounds))
    EXPECT(8, (line_of("CapPrm") & EYE_CAPABILITY(CAP_SETUID)) == 0)
    EXPECT(9, setresuid(0, 0, 0) != 0)
    /* Again: it is already. Somebody else: no more. */
    EXPECT(10, eye_privileges_become("nobody", &error) == 0 && error.text[0] == '\0')
    EXPECT(11, eye_privileges_become("root", &error) == -EPERM)
    EXPECT(12, strstr(error.text, "cannot become user root: setgroups: ") != NULL)
    EXPECT(13, strstr(error.text, "start it as root") != NULL)
    return 0;
}

static int check_nobody_there(void)
{
    struct eye_error error = {""};
    EXPECT(1, eye_privileges_become("no-such-user", &error) == -ENOENT)
    EXPECT(2, strstr(error.text, "there is no user no-such-user") != NULL)
    EXPECT(3, getuid() == geteuid() && prctl(PR_GET_KEEPCAPS) == 0)
    return 0;
}

static void skip_unless_root(void)
{
    if (geteuid() != 0) {
        print_message("skipped: only root has capabilities to give up\n");
        skip();
    }
}

#define IN_CHILD(name, check)                                                                      \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        skip_unless_root();                                                                        \
        run_in_child(check);                                                                       \
    }

IN_CHILD(roles__leave_what_they_need_and_no_more, check_roles)
IN_CHILD(delivery_of_root__keeps_what_files_of_others_need, check_delivery_of_root)
IN_CHILD(delivery_of_another_user__keeps_nothing, check_delivery_of_another)
IN_CHILD(raised__until_lowered_and_never_beyond_what_is_permitted, check_raised)
IN_CHILD(sys_admin__stands_for_what_came_out_of_it, check_stand_in)
IN_CHILD(deliver__opens_as_those_who_deliver_will, check_deliver)
IN_CHILD(become__is_another_user_for_good, check_become)

static void become__names_who_is_not_there(void **state)
{
    (void)state;
    run_in_child(check_nobody_there);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles__leave_what_they_need_and_no_more),
        cmocka_unit_test(delivery_of_root__keeps_what_files_of_others_need),
        cmocka_unit_test(delivery_of_another_user__keeps_nothing),
        cmocka_unit_test(raised__until_lowered_and_never_beyond_what_is_permitted),
        cmocka_unit_test(sys_admin__stands_for_what_came_out_of_it),
        cmocka_unit_test(deliver__opens_as_those_who_deliver_will),
        cmocka_unit_test(become__is_another_user_for_good),
        cmocka_unit_test(become__names_who_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
