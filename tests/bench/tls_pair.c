/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls_pair BYTES SECONDS: two sessions of TLS 1.2 in memory, one of which writes what the other one
 * reads, so many bytes at a time. Prints how many pairs of SSL_write and SSL_read, and the
 * nanoseconds that they took.
 */
#include "tests/bench/load.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#define BYTES_MAX 16384
/* Between two looks at the clock. */
#define PAIRS_AT_ONCE 64

static void tls_fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, ERR_error_string(ERR_get_error(), NULL));
    exit(1);
}

/* Without certificates: nobody is deceived in one process. */
static SSL *new_session(SSL_CTX *context, BIO *bio)
{
    SSL *session = SSL_new(context);
    if (session == NULL) {
        tls_fail("SSL_new");
    }
    SSL_set_bio(session, bio, bio);
    return session;
}

static void shake_hands(SSL *client, SSL *server)
{
    SSL_set_connect_state(client);
    SSL_set_accept_state(server);
    for (int i = 0; i < 10 && !(SSL_is_init_finished(client) && SSL_is_init_finished(server));
         i++) {
        SSL_do_handshake(client);
        SSL_do_handshake(server);
    }
    if (!SSL_is_init_finished(client) || !SSL_is_init_finished(server)) {
        tls_fail("handshake");
    }
}

int main(int count, char **arguments)
{
    static char bytes[BYTES_MAX];
    uint64_t size = count == 3 ? load_number(arguments[1]) : 0;
    if (size == 0 || size > BYTES_MAX) {
        fprintf(stderr, "usage: tls_pair BYTES SECONDS (at most %d)\n", BYTES_MAX);
        return 2;
    }
    BIO *ends[2];
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    if (context == NULL || SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(context, "AECDH-AES128-SHA@SECLEVEL=0") != 1 ||
        BIO_new_bio_pair(&ends[0], 2 * BYTES_MAX, &ends[1], 2 * BYTES_MAX) != 1) {
        tls_fail("setting up");
    }
    SSL *client = new_session(context, ends[0]);
    SSL *server = new_session(context, ends[1]);
    shake_hands(client, server);
    uint64_t pairs = 0;
    uint64_t start_ns = load_now_ns();
    uint64_t end_ns = start_ns + load_number(arguments[2]) * 1000000000;
    while (load_now_ns() < end_ns) {
        for (int i = 0; i < PAIRS_AT_ONCE; i++) {
            if (SSL_write(client, bytes, (int)size) != (int)size ||
                SSL_read(server, bytes, (int)size) != (int)size) {
                tls_fail("a pair");
            }
        }
        pairs += PAIRS_AT_ONCE;
    }
    printf("%llu %llu\n", (unsigned long long)pairs,
           (unsigned long long)(load_now_ns() - start_ns));
    return 0;
}
