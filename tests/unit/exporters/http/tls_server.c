/* SPDX-License-Identifier: Apache-2.0 */
/* Running the openssl program. */
#include "tests/unit/exporters/http/tls_server.h"

#include <assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "collector/base/parse.h"
#include "collector/base/text.h"

#define ARGUMENTS_MAX 32
#define START_MS 10000

#define HOST_SAN "subjectAltName=IP:127.0.0.1"
#define CLIENT_SAN "subjectAltName=DNS:client"

/* Dates of certificates; openssl ca takes those that are over, openssl x509 no longer does. */
#define BEGINNING "20200101000000Z"
#define YEARS_AGO "20200102000000Z"
#define FAR_END "20480101000000Z"

/* Runs @arguments with @output as standard output; the child ends with the test. */
static pid_t spawn(const char *const *arguments, int output)
{
    char *words[ARGUMENTS_MAX] = {0};
    for (size_t i = 0; arguments[i] != NULL; i++) {
        assert(i + 1 < ARGUMENTS_MAX);
        words[i] = strdup(arguments[i]);
    }
    pid_t pid = fork();
    assert(pid >= 0);
    if (pid == 0) {
        int quiet = open("/dev/null", O_RDWR | O_CLOEXEC);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(quiet, STDIN_FILENO);
        dup2(output < 0 ? quiet : output, STDOUT_FILENO);
        dup2(quiet, STDERR_FILENO);
        execvp(words[0], words);
        _exit(127);
    }
    for (size_t i = 0; words[i] != NULL; i++) {
        free(words[i]);
    }
    return pid;
}

static void run(const char *const *arguments)
{
    int status = -1;
    assert(waitpid(spawn(arguments, -1), &status, 0) >= 0);
    assert(status == 0);
}

void tls_path(const char *folder, const char *name, const char *suffix,
              char ret_path[TLS_PATH_BYTES])
{
    int length = snprintf(ret_path, TLS_PATH_BYTES, "%s/%s%s", folder, name, suffix);
    assert(length > 0 && length < TLS_PATH_BYTES);
}

static void make_authority(const char *folder, const char *name)
{
    char certificate[TLS_PATH_BYTES];
    char key[TLS_PATH_BYTES];
    tls_path(folder, name, ".pem", certificate);
    tls_path(folder, name, ".key", key);
    const char *const arguments[] = {"openssl",
                                     "req",
                                     "-x509",
                                     "-newkey",
                                     "ec",
                                     "-pkeyopt",
                                     "ec_paramgen_curve:P-256",
                                     "-nodes",
                                     "-subj",
                                     "/CN=test authority",
                                     "-keyout",
                                     key,
                                     "-out",
                                     certificate,
                                     "-days",
                                     "2",
                                     NULL};
    run(arguments);
}

static void write_text(const char *folder, const char *name, const char *suffix, const char *text)
{
    char path[TLS_PATH_BYTES];
    tls_path(folder, name, suffix, path);
    FILE *file = fopen(path, "we");
    assert(file != NULL);
    fputs(text, file);
    fclose(file);
}

/* What openssl ca wants to know: where its list of certificates is, what a subject must have. */
static void make_settings(const char *folder)
{
    char text[4 * TLS_PATH_BYTES];
    int length = snprintf(text, sizeof(text),
                          "[ca]\ndefault_ca=d\n"
                          "[d]\nnew_certs_dir=%s\ndatabase=%s/list.txt\nrand_serial=yes\n"
                          "default_md=sha256\npolicy=p\nunique_subject=no\n"
                          "[p]\ncommonName=supplied\n",
                          folder, folder);
    assert(length > 0 && (size_t)length < sizeof(text));
    write_text(folder, "settings", ".cnf", text);
    write_text(folder, "list", ".txt", "");
}

/* A certificate for @san ("subjectAltName=IP:127.0.0.1") by @authority, until @end. */
static void make_certificate(const char *folder, const char *name, const char *authority,
                             const char *san, const char *end)
{
    char certificate[TLS_PATH_BYTES];
    char key[TLS_PATH_BYTES];
    char request[TLS_PATH_BYTES];
    char extension[TLS_PATH_BYTES];
    char settings[TLS_PATH_BYTES];
    char by[TLS_PATH_BYTES];
    char by_key[TLS_PATH_BYTES];
    tls_path(folder, name, ".pem", certificate);
    tls_path(folder, name, ".key", key);
    tls_path(folder, name, ".csr", request);
    tls_path(folder, name, ".ext", extension);
    tls_path(folder, "settings", ".cnf", settings);
    tls_path(folder, authority, ".pem", by);
    tls_path(folder, authority, ".key", by_key);
    write_text(folder, name, ".ext", san);
    const char *const ask[] = {
        "openssl", "req",   "-newkey",  "ec",      "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes",  "-subj", "/CN=test", "-keyout", key,        "-out",
        request,   NULL};
    const char *const sign[] = {
        "openssl", "ca",        "-batch",     "-notext", "-config",  settings,   "-cert",
        by,        "-keyfile",  by_key,       "-in",     request,    "-extfile", extension,
        "-out",    certificate, "-startdate", BEGINNING, "-enddate", end,        NULL};
    run(ask);
    run(sign);
}

void tls_folder_new(char ret_folder[TLS_PATH_BYTES])
{
    eye_copy_string(ret_folder, TLS_PATH_BYTES, "/tmp/tls-XXXXXX");
    assert(mkdtemp(ret_folder) != NULL);
    make_settings(ret_folder);
    make_authority(ret_folder, TLS_AUTHORITY);
    make_authority(ret_folder, TLS_STRANGER);
    make_certificate(ret_folder, TLS_GOOD, TLS_AUTHORITY, HOST_SAN, FAR_END);
    make_certificate(ret_folder, TLS_EXPIRED, TLS_AUTHORITY, HOST_SAN, YEARS_AGO);
    make_certificate(ret_folder, TLS_WRONG_NAME, TLS_AUTHORITY, "subjectAltName=DNS:other.example",
                     FAR_END);
    make_certificate(ret_folder, TLS_CLIENT, TLS_AUTHORITY, CLIENT_SAN, FAR_END);
    make_certificate(ret_folder, TLS_STRANGE_CLIENT, TLS_STRANGER, CLIENT_SAN, FAR_END);
}

void tls_folder_free(const char *folder)
{
    DIR *entries = opendir(folder);
    assert(entries != NULL);
    for (struct dirent *entry = readdir(entries); entry != NULL; entry = readdir(entries)) {
        unlinkat(dirfd(entries), entry->d_name, 0);
    }
    closedir(entries);
    rmdir(folder);
}

/* The number behind "ACCEPT 127.0.0.1:". */
static uint16_t read_port(int output)
{
    char line[256];
    size_t length = 0;
    uint64_t port = 0;
    do {
        struct pollfd item = {.fd = output, .events = POLLIN};
        assert(poll(&item, 1, START_MS) == 1);
        assert(length < sizeof(line) - 1 && read(output, line + length, 1) == 1);
        length++;
        if (line[length - 1] == '\n' && strncmp(line, "ACCEPT", 6) != 0) {
            length = 0;
        }
    } while (length == 0 || line[length - 1] != '\n');
    line[length - 1] = '\0';
    assert(eye_parse_u64(strrchr(line, ':') + 1, &port) == 0);
    return (uint16_t)port;
}

struct tls_server tls_server_start(const char *folder, const char *certificate,
                                   const char *const *options)
{
    char shown[TLS_PATH_BYTES];
    char key[TLS_PATH_BYTES];
    int ends[2];
    tls_path(folder, certificate, ".pem", shown);
    tls_path(folder, certificate, ".key", key);
    const char *arguments[ARGUMENTS_MAX] = {"openssl", "s_server", "-www", "-accept", "127.0.0.1:0",
                                            "-cert",   shown,      "-key", key};
    for (size_t i = 9; options != NULL && *options != NULL; i++) {
        assert(i + 1 < ARGUMENTS_MAX);
        arguments[i] = *options++;
    }
    assert(pipe2(ends, O_CLOEXEC) == 0);
    struct tls_server server = {.pid = spawn(arguments, ends[1])};
    close(ends[1]);
    server.port = read_port(ends[0]);
    close(ends[0]);
    return server;
}

void tls_server_stop(struct tls_server *server)
{
    if (server->pid > 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
    }
}
