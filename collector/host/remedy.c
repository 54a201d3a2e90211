/* SPDX-License-Identifier: Apache-2.0 */
/* From errno to advice. */
#include "collector/host/remedy.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <sys/prctl.h>

#include "collector/host/capabilities.h"

/* A filter that refuses prctl(2), too, is one. */
static bool is_filtered(void)
{
    int mode = prctl(PR_GET_SECCOMP);
    return mode < 0 || mode == SECCOMP_MODE_FILTER;
}

static bool is_refusal(int error)
{
    return error == EPERM || error == EACCES || error == ENOSYS;
}

const char *eye_remedy(int error, const char *otherwise)
{
    if (error == EMFILE || error == ENFILE) {
        return "allow more open files (ulimit -n, LimitNOFILE=)";
    }
    if (!is_refusal(error)) {
        return otherwise;
    }
    if (is_filtered()) {
        return "a seccomp filter is in force: let it through (SystemCallFilter=, --security-opt "
               "seccomp=)";
    }
    return error == ENOSYS ? otherwise
                           : "a security module or a user namespace refuses it: let it through";
}

const char *eye_remedy_of_rights(int error, unsigned int capability, const char *rights)
{
    bool missing = (error == EPERM || error == EACCES) && !eye_capability_has(capability);
    return missing ? rights : eye_remedy(error, rights);
}

const char *eye_remedy_of_program(int error)
{
    return error == EACCES ? EYE_REMEDY_DEBUG : eye_remedy(error, EYE_REMEDY_DEBUG);
}
