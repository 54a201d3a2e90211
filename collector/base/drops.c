/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/base/drops.h"

#include <linux/sock_diag.h>
#include <sys/socket.h>

uint32_t eye_socket_drops(int fd)
{
    uint32_t values[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof(values);
    getsockopt(fd, SOL_SOCKET, SO_MEMINFO, values, &length);
    return values[SK_MEMINFO_DROPS];
}
