/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls each command with arguments that mean nothing. The kernel says what is wrong with them;
 * whatever else is said comes from a filter or a security module before it. A filter may also kill:
 * so a child is sent ahead.
 */
#include "collector/host/bpf_call.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "collector/base/base.h"

#define COMMAND(name)                                                                              \
    {                                                                                              \
#name, name                                                                                \
    }

static const struct {
    const char *name;
    int number;
} commands[] = {
    COMMAND(BPF_MAP_CREATE),      COMMAND(BPF_BTF_LOAD),        COMMAND(BPF_PROG_LOAD),
    COMMAND(BPF_MAP_LOOKUP_ELEM), COMMAND(BPF_MAP_UPDATE_ELEM), COMMAND(BPF_OBJ_GET_INFO_BY_FD),
    COMMAND(BPF_LINK_CREATE),     COMMAND(BPF_ITER_CREATE),
};

/* What kernel/bpf/syscall.c answers to no program, no map and no descriptor. */
static bool is_of_the_kernel(int error)
{
    return error == EBADF || error == EBADFD || error == EINVAL || error == E2BIG ||
           error == EFAULT;
}

/* errno of the refusal, 0: it came to the arguments. */
static int call(int command)
{
    bool takes_descriptor =
        command != BPF_MAP_CREATE && command != BPF_BTF_LOAD && command != BPF_PROG_LOAD;
    union bpf_attr attributes;
    memset(&attributes, 0, sizeof(attributes));
    /* The first member of all that take one is a descriptor. */
    attributes.map_fd = takes_descriptor ? UINT32_MAX : 0;
    if (command == BPF_PROG_LOAD) {
        attributes.license = (uintptr_t) "";
    }
    long result = syscall(SYS_bpf, command, &attributes, sizeof(attributes));
    return result >= 0 || is_of_the_kernel(errno) ? 0 : errno;
}

/* True when a child survives the command, or when none can be made. */
static bool survives(int command)
{
    pid_t child = fork();
    if (child < 0) {
        return true;
    }
    if (child == 0) {
        prctl(PR_SET_DUMPABLE, 0); /* its death is no crash */
        call(command);
        _exit(EXIT_SUCCESS);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    return !WIFSIGNALED(status);
}

int eye_bpf_call_refused(const char **ret_command)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(commands); i++) {
        *ret_command = commands[i].name;
        int error = survives(commands[i].number) ? call(commands[i].number) : -1;
        if (error != 0) {
            return error;
        }
    }
    return 0;
}
