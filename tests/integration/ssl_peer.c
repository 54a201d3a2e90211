/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Both ends of HTTPS by SSL_read(3) and SSL_write(3): of OpenSSL, or of BoringSSL.
 *
 *   ssl_peer get PORT PATH     a GET for each line of its input, by a new connection; says "done"
 *   ssl_peer serve PORT PEM    answers one request of each connection; says "ready"
 */
#include <arpa/inet.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char answer[] = "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello";

static int open_socket(const char *port, bool listens)
{
    unsigned short number = 0;
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (sscanf(port, "%hu", &number) != 1) {
        return -1;
    }
    struct sockaddr_in place = {.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                                .sin_port = htons(number)};
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    bool done = listens
                    ? bind(fd, (struct sockaddr *)&place, sizeof(place)) == 0 && listen(fd, 64) == 0
                    : connect(fd, (struct sockaddr *)&place, sizeof(place)) == 0;
    return done ? fd : -1;
}

/* Writes @text and reads up to @until, or to the end. */
static bool exchange(SSL *ssl, const char *text, const char *until)
{
    char bytes[4096] = "";
    int total = 0;
    bool good = *text == '\0' || SSL_write(ssl, text, (int)strlen(text)) > 0;
    while (good && strstr(bytes, until) == NULL) {
        int count = SSL_read(ssl, bytes + total, (int)sizeof(bytes) - 1 - total);
        total += count > 0 ? count : 0;
        good = count > 0;
    }
    return good;
}

static bool get(SSL_CTX *context, const char *port, const char *path)
{
    char request[512];
    int fd = open_socket(port, false);
    SSL *ssl = SSL_new(context);
    SSL_set_fd(ssl, fd);
    snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\nHost: localhost\r\n\r\n", path);
    bool good = SSL_connect(ssl) == 1 && exchange(ssl, request, "\r\n\r\n");
    SSL_free(ssl);
    close(fd);
    return good;
}

static bool get_each(SSL_CTX *context, const char *port, const char *path)
{
    char line[8];
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (!get(context, port, path)) {
            return false;
        }
        puts("done");
        fflush(stdout);
    }
    return true;
}

static bool serve(SSL_CTX *context, const char *port, const char *pem)
{
    int listener = open_socket(port, true);
    if (listener < 0 || SSL_CTX_use_certificate_file(context, pem, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_use_PrivateKey_file(context, pem, SSL_FILETYPE_PEM) != 1) {
        return false;
    }
    puts("ready");
    fflush(stdout);
    for (int fd; (fd = accept(listener, NULL, NULL)) >= 0; close(fd)) {
        SSL *ssl = SSL_new(context);
        SSL_set_fd(ssl, fd);
        if (SSL_accept(ssl) == 1 && exchange(ssl, "", "\r\n\r\n")) {
            SSL_write(ssl, answer, (int)strlen(answer));
            SSL_shutdown(ssl);
        }
        SSL_free(ssl);
    }
    return true;
}

int main(int argc, char **argv)
{
    bool gets = argc == 4 && strcmp(argv[1], "get") == 0;
    bool serves = argc == 4 && strcmp(argv[1], "serve") == 0;
    SSL_CTX *context = SSL_CTX_new(TLS_method());
    bool good = context != NULL && (gets     ? get_each(context, argv[2], argv[3])
                                    : serves ? serve(context, argv[2], argv[3])
                                             : false);
    SSL_CTX_free(context);
    return good ? 0 : 1;
}
