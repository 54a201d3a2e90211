/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Something that has to be done in another network namespace, like making a socket, which stays in
 * the one that it was made in. Any thread; the caller's namespace never changes.
 */
#pragma once

/**
 * Calls @act in the network namespace of the file @path ("/proc/2/ns/net"): at once when that is
 * the calling thread's, else in a thread that enters it and ends there. 0; or -errno when it could
 * not be opened or entered (-EPERM: CAP_SYS_ADMIN), and @act was not called.
 */
int eye_in_network(const char *path, void (*act)(void *context), void *context);
