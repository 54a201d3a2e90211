/* SPDX-License-Identifier: Apache-2.0 */
/* The address of `listen` and a socket on it. No state, any thread. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

#define EYE_LISTEN_EXPECTS "ADDRESS:PORT, such as 127.0.0.1:9464 or [::1]:9464"

/**
 * Reads "127.0.0.1:9464" or "[::1]:9464": a numeric address and a port of 1 to 65535.
 * 0 or -EINVAL.
 */
int eye_listen_parse(const char *text, struct sockaddr_storage *ret_address, socklen_t *ret_length);

/** True when eye_listen_parse() takes it. */
bool eye_listen_valid(const char *text);

/** Whether only this host can connect to @text, which eye_listen_parse() takes. */
bool eye_listen_is_local(const char *text);

/**
 * Whether @host, as a Host header has it, with or without a port, is a numeric address or
 * localhost. Any other name may be led here by whoever rules its zone (DNS rebinding).
 */
bool eye_listen_is_own_host(const char *host);

/** Whether eye_listen_parse() takes both, and one is in the other's way: the same address and port,
 * or one of them is every address of the host. */
bool eye_listen_clash(const char *text, const char *other);

/** A listening, non-blocking socket. 0 or -errno of socket, bind or listen. */
int eye_listen_open(const char *text, int *ret_fd);

/** What a refusal of eye_listen_open() asks for beside another address, as "..., or "; "". */
const char *eye_listen_hint(int result);
