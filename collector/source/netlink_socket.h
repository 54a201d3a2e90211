/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets of netlink: what all that the kernel is asked by them have in common. No thread rule. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

/** Sends one message to the kernel. 0 or -errno. */
int eye_netlink_send(int fd, const void *message, size_t bytes);

/** Receives one datagram: its length; 0: it is not the kernel's, is cut, or empty; or -errno. */
ssize_t eye_netlink_receive(int fd, void *buffer, size_t size);

/** Room for what is not read yet; without CAP_NET_ADMIN as much as net.core.rmem_max allows. */
void eye_netlink_enlarge(int fd, int bytes);
