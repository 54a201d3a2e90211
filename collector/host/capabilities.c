/* SPDX-License-Identifier: Apache-2.0 */
/* What is effective, and what implies what. */
#include "collector/host/capabilities.h"

#include "collector/base/privileges.h"

static bool has(uint64_t mask, unsigned int capability)
{
    return (mask >> capability & 1) != 0;
}

bool eye_capability_has(unsigned int capability)
{
    uint64_t mask = eye_privileges_effective();
    /* Before 5.8 CAP_SYS_ADMIN was both cap_bpf and cap_perfmon, and still implies them. */
    bool implied = capability == CAP_BPF || capability == CAP_PERFMON;
    return has(mask, capability) || (implied && has(mask, CAP_SYS_ADMIN));
}
