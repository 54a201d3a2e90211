/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A client of HTTPS that has OpenSSL inside, linked statically.
 *
 *   static_client PORT PATH    a GET for each line that it reads, over a connection of its own;
 *                              says "done"
 */
#include <openssl/bio.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>

static bool get(SSL_CTX *context, const char *peer, const char *path)
{
    char bytes[4096];
    BIO *bio = BIO_new_ssl_connect(context);
    BIO_set_conn_hostname(bio, peer);
    int length = snprintf(bytes, sizeof(bytes), "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
    bool written = BIO_do_connect(bio) > 0 && BIO_write(bio, bytes, length) == length;
    int total = 0;
    for (int count; written && (count = BIO_read(bio, bytes, sizeof(bytes))) > 0;) {
        total += count;
    }
    BIO_free_all(bio);
    return total > 0;
}

int main(int argc, char **argv)
{
    char peer[32];
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    char line[8];
    if (argc != 3 || context == NULL) {
        return 1;
    }
    snprintf(peer, sizeof(peer), "127.0.0.1:%s", argv[1]);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (!get(context, peer, argv[2])) {
            return 1;
        }
        puts("done");
        fflush(stdout);
    }
    SSL_CTX_free(context);
    return 0;
}
