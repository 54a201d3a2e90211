/* SPDX-License-Identifier: Apache-2.0 */
/* capget(2), capset(2), and the way from one user to another. */
#include "collector/base/privileges.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/base/base.h"

/* What a start needs beyond what runs on: sockets of other network namespaces, ports, the folder of
 * the control socket, precedence for the collector. */
#define STARTING                                                                                   \
    (EYE_PRIVILEGES_LOADING | EYE_PRIVILEGES_READING | EYE_CAPABILITY(CAP_SYS_ADMIN) |             \
     EYE_CAPABILITY(CAP_NET_BIND_SERVICE) | EYE_CAPABILITY(CAP_DAC_OVERRIDE) |                     \
     EYE_CAPABILITY(CAP_SYS_NICE))

struct sets {
    uint64_t effective;
    uint64_t permitted;
    uint64_t inheritable;
};

static struct __user_cap_header_struct header(void)
{
    return (struct __user_cap_header_struct){.version = _LINUX_CAPABILITY_VERSION_3};
}

static uint64_t joined(uint32_t low, uint32_t high)
{
    return low | (uint64_t)high << 32;
}

static int get(struct sets *ret_sets)
{
    struct __user_cap_header_struct own = header();
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &own, data) != 0) {
        return -errno;
    }
    *ret_sets = (struct sets){
        .effective = joined(data[0].effective, data[1].effective),
        .permitted = joined(data[0].permitted, data[1].permitted),
        .inheritable = joined(data[0].inheritable, data[1].inheritable),
    };
    return 0;
}

/* What is not inheritable is not ambient, either: the kernel sees to it. */
static int set(const struct sets *sets)
{
    struct __user_cap_header_struct own = header();
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        data[i] = (struct __user_cap_data_struct){
            .effective = (uint32_t)(sets->effective >> (32 * i)),
            .permitted = (uint32_t)(sets->permitted >> (32 * i)),
            .inheritable = (uint32_t)(sets->inheritable >> (32 * i)),
        };
    }
    return syscall(SYS_capset, &own, data) != 0 ? -errno : 0;
}

uint64_t eye_privileges_effective(void)
{
    struct sets sets = {0};
    return get(&sets) == 0 ? sets.effective : 0;
}

/* CAP_SYS_ADMIN is CAP_BPF and CAP_PERFMON, too, as it was before there were these (5.8). */
static uint64_t with_stand_in(uint64_t wanted, uint64_t permitted)
{
    const uint64_t parts = EYE_CAPABILITY(CAP_BPF) | EYE_CAPABILITY(CAP_PERFMON);
    bool missing = (wanted & parts & ~permitted) != 0;
    return (missing ? wanted | EYE_CAPABILITY(CAP_SYS_ADMIN) : wanted) & permitted;
}

/* What a daemon that is root keeps of a root's rights over files. */
static uint64_t of_files(void)
{
    return geteuid() == 0 ? EYE_CAPABILITY(CAP_DAC_OVERRIDE) : 0;
}

int eye_privileges_assume(enum eye_role role)
{
    static const struct sets roles[EYE_ROLE_COUNT] = {
#define X(identifier, use, may) [EYE_ROLE_##identifier] = {.effective = (use), .permitted = (may)},
        EYE_ROLES(X)
#undef X
    };
    struct sets now = {0};
    int result = get(&now);
    if (result != 0) {
        return result;
    }
    struct sets kept = roles[role];
    if (role == EYE_ROLE_DELIVERY) {
        kept.effective |= of_files();
    }
    if (role == EYE_ROLE_DELIVERY || role == EYE_ROLE_MAIN) {
        kept.permitted |= of_files();
    }
    kept.permitted = with_stand_in(kept.permitted, now.permitted);
    kept.effective = with_stand_in(kept.effective, now.permitted);
    return set(&kept);
}

/* Returns what was effective before. What is refused shows in the call that needs it. */
static uint64_t use(uint64_t effective)
{
    struct sets sets = {0};
    if (get(&sets) != 0) {
        return 0;
    }
    uint64_t before = sets.effective;
    sets.effective = with_stand_in(effective, sets.permitted);
    set(&sets);
    return before;
}

uint64_t eye_privileges_raise(uint64_t wanted)
{
    return use(eye_privileges_effective() | wanted);
}

void eye_privileges_lower(uint64_t before)
{
    use(before);
}

uint64_t eye_privileges_deliver(void)
{
    return use(of_files() | EYE_CAPABILITY(CAP_NET_BIND_SERVICE));
}

/* ---- Another user ---- */

static bool is_already(const struct passwd *user)
{
    return getuid() == user->pw_uid && geteuid() == user->pw_uid;
}

/* The step that failed, with errno; NULL: none did. */
static const char *change(const struct passwd *user)
{
    struct sets sets = {0};
    if (prctl(PR_SET_KEEPCAPS, 1) != 0) {
        return "prctl";
    }
    if (initgroups(user->pw_name, user->pw_gid) != 0) {
        return "setgroups";
    }
    if (setresgid(user->pw_gid, user->pw_gid, user->pw_gid) != 0) {
        return "setresgid";
    }
    if (setresuid(user->pw_uid, user->pw_uid, user->pw_uid) != 0) {
        return "setresuid";
    }
    int result = get(&sets);
    sets.permitted &= STARTING;
    sets.effective = sets.permitted;
    sets.inheritable = 0;
    result = result == 0 ? set(&sets) : result;
    errno = -result;
    return result == 0 ? NULL : "capset";
}

int eye_privileges_become(const char *name, struct eye_error *ret_error)
{
    errno = 0;
    const struct passwd *user = getpwnam(name);
    if (user == NULL) {
        int error = errno == 0 ? ENOENT : errno;
        return eye_error_set(ret_error, -error, "run.user: there is no user %s: %s", name,
                             strerror(error));
    }
    if (is_already(user)) {
        return 0;
    }
    const char *step = change(user);
    if (step != NULL) {
        int error = errno;
        return eye_error_set(ret_error, -error,
                             "run.user: cannot become user %s: %s: %s; start it as root, or as "
                             "that user without run.user",
                             name, step, strerror(error));
    }
    /* Or what it has in /proc is root's. */
    prctl(PR_SET_DUMPABLE, 1);
    return 0;
}
