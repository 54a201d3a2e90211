/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An HTTPS server of the openssl program, and authorities and certificates made for the test in a
 * folder of its own.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* The files that tls_folder_new() makes; "<name>.pem" and "<name>.key". */
#define TLS_AUTHORITY "authority"
#define TLS_STRANGER "stranger" /* another authority */
#define TLS_GOOD "good"         /* for 127.0.0.1, by the authority */
#define TLS_EXPIRED "expired"
#define TLS_WRONG_NAME "wrong_name"
#define TLS_CLIENT "client"
#define TLS_STRANGE_CLIENT "strange_client" /* by the stranger */

#define TLS_PATH_BYTES 64

/* Makes the folder with all certificates; aborts the test when openssl cannot. */
void tls_folder_new(char ret_folder[TLS_PATH_BYTES]);
void tls_folder_free(const char *folder);

/* "<folder>/<name><suffix>". */
void tls_path(const char *folder, const char *name, const char *suffix,
              char ret_path[TLS_PATH_BYTES]);

struct tls_server {
    pid_t pid;
    uint16_t port;
};

/* Starts a server that shows @certificate; further options up to a NULL. */
struct tls_server tls_server_start(const char *folder, const char *certificate,
                                   const char *const *options);
void tls_server_stop(struct tls_server *server);
