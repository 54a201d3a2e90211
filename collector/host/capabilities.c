/* SPDX-License-Identifier: Apache-2.0 */
/* capget(2). */
#include "collector/host/capabilities.h"

#include <linux/capability.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "collector/base/base.h"

static bool has(uint64_t mask, unsigned int capability)
{
    return (mask >> capability & 1) != 0;
}

bool eye_capability_has(unsigned int capability)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    if (syscall(SYS_capget, &header, data) != 0) {
        return false;
    }
    uint64_t mask = data[0].effective | (uint64_t)data[1].effective << 32;
    /* Before 5.8 CAP_SYS_ADMIN was both cap_bpf and cap_perfmon, and still implies them. */
    bool implied = capability == CAP_BPF || capability == CAP_PERFMON;
    return has(mask, capability) || (implied && has(mask, CAP_SYS_ADMIN));
}
