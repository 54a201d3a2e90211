/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel could not put into a socket's receive buffer. Any thread. */
#pragma once

#include <stdint.h>

/** How many datagrams the socket @fd has lost since it was opened; wraps. 0 when the kernel does
 * not tell (SO_MEMINFO is there from 4.12 on). */
uint32_t eye_socket_drops(int fd);
