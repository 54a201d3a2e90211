/* SPDX-License-Identifier: Apache-2.0 */
/* The client against a server that answers anything, at any pace, and breaks off anywhere. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "collector/base/text.h"
#include "exporters/http/client.h"
#include "tests/unit/exporters/http/http_server.h"

#define SECRET "hunter2-of-the-intake"
#define TIMEOUT_MS 400
#define EMPTY_OK "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

struct client {
    struct http_server *server;
    struct eye_client *http;
    struct eye_client_settings settings;
    struct eye_deadline deadline;
    struct eye_export_stats stats;
    struct eye_exporter_config own;
    struct eye_exporter_setup setup;
    struct eye_client_answer answer;
    struct eye_export_failure failure;
    struct eye_error error;
    char url[128];
    char file[32];
};

static int setup(void **state)
{
    static char name[] = "sample";
    struct client *client = calloc(1, sizeof(*client));
    assert_non_null(client);
    client->settings.timeout_ns = 10 * EYE_NS_PER_SECOND;
    client->settings.tls.verify = true;
    atomic_store(&client->deadline.at_ns, UINT64_MAX);
    client->own.name = name;
    client->setup = (struct eye_exporter_setup){
        .own = &client->own, .stats = &client->stats, .deadline = &client->deadline};
    /* A proxy of the environment must not come between. */
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    *state = client;
    return 0;
}

static int teardown(void **state)
{
    struct client *client = *state;
    eye_client_free(client->http);
    http_server_stop(client->server);
    if (client->file[0] != '\0') {
        unlink(client->file);
    }
    free(client);
    return 0;
}

static void write_secret(struct client *client, const char *secret)
{
    if (client->file[0] == '\0') {
        eye_copy_string(client->file, sizeof(client->file), "/tmp/http-XXXXXX");
        int fd = mkstemp(client->file);
        assert_true(fd >= 0);
        close(fd);
    }
    EYE_AUTOCLOSE int fd = open(client->file, O_WRONLY | O_TRUNC | O_CLOEXEC);
    assert_int_equal(write(fd, secret, strlen(secret)), strlen(secret));
}

static void open_client(struct client *client)
{
    assert_int_equal(
        eye_client_new(&client->settings, &client->setup, &client->http, &client->error), 0);
}

static void serve(struct client *client, const struct http_script *scripts, size_t count)
{
    http_server_stop(EYE_TAKE(client->server));
    client->server = http_server_start(scripts, count);
    snprintf(client->url, sizeof(client->url), "http://127.0.0.1:%u/api/v2/series",
             http_server_port(client->server));
}

static int post(struct client *client, const void *body, size_t length)
{
    static const struct eye_client_header headers[] = {{"Content-Type", "application/json"}};
    static const struct eye_client_header secret = {"DD-API-KEY", SECRET};
    const struct eye_client_request request = {
        .method = "POST",
        .url = client->url,
        .headers = headers,
        .header_count = EYE_ARRAY_LENGTH(headers),
        .secret_header = &secret,
        .body = body,
        .length = length,
    };
    client->failure = (struct eye_export_failure){.reason = EYE_EXPORT_OTHER};
    return eye_client_send(client->http, &request, &client->answer, &client->failure);
}

/* One request to a server that has this answer, by a client of its own. */
static int ask(struct client *client, const struct http_script *script)
{
    eye_client_free(EYE_TAKE(client->http));
    serve(client, script, 1);
    open_client(client);
    return post(client, "{}", 2);
}

static void send__carries_method_headers_and_body(void **state)
{
    static const struct http_script script = {.answer = EMPTY_OK, .ending = HTTP_KEEP};
    static char line[] = "X-Scope-OrgID: tenant";
    static char *lines[] = {line};
    struct client *client = *state;
    size_t length;
    client->settings.headers = (struct eye_text_list){lines, 1};
    assert_int_equal(ask(client, &script), 0);
    const char *head = http_server_head(client->server, 0);
    assert_memory_equal(head, "POST /api/v2/series HTTP/1.1\r\n", 30);
    assert_non_null(strstr(head, "\r\nUser-Agent: sockeye/" EYE_VERSION "\r\n"));
    assert_non_null(strstr(head, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(head, "\r\nX-Scope-OrgID: tenant\r\n"));
    assert_non_null(strstr(head, "\r\nDD-API-KEY: " SECRET "\r\n"));
    assert_null(strstr(head, "Expect"));
    assert_memory_equal(http_server_body(client->server, 0, &length), "{}", 2);
    assert_int_equal(length, 2);
    assert_int_equal(atomic_load(&client->stats.bytes), 2);
}

static void send__asks_without_a_body(void **state)
{
    static const struct http_script script = {.answer = EMPTY_OK, .ending = HTTP_KEEP};
    static const char *const methods[] = {"GET", "DELETE", "GET"};
    struct client *client = *state;
    serve(client, &script, 1);
    open_client(client);
    assert_int_equal(post(client, "x", 1), 0);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(methods); i++) {
        const struct eye_client_request request = {.method = methods[i], .url = client->url};
        assert_int_equal(eye_client_send(client->http, &request, &client->answer, &client->failure),
                         0);
        const char *head = http_server_head(client->server, i + 1);
        assert_memory_equal(head, methods[i], strlen(methods[i]));
        assert_null(strcasestr(head, "content-length"));
        assert_null(strstr(head, SECRET));
        assert_null(strstr(head, "application/json"));
    }
    assert_int_equal(atomic_load(&client->stats.bytes), 1);
}

static void send__sends_large_bodies_whole(void **state)
{
    static const struct http_script script = {.answer = EMPTY_OK, .ending = HTTP_KEEP};
    struct client *client = *state;
    size_t length = 5242880;
    size_t got = 0;
    char *body = test_malloc(length);
    memset(body, 'b', length);
    serve(client, &script, 1);
    client->settings.timeout_ns = 10 * EYE_NS_PER_SECOND;
    open_client(client);
    assert_int_equal(post(client, body, length), 0);
    assert_memory_equal(http_server_body(client->server, 0, &got), body, length);
    assert_int_equal(got, length);
    assert_int_equal(atomic_load(&client->stats.bytes), length);
    test_free(body);
}

static void send__reads_status_body_and_headers(void **state)
{
    static const struct http_script script = {
        .answer = "HTTP/1.1 429 Slow Down\r\nRetry-After: 7\r\nX-Written: 3\r\n"
                  "Content-Length: 9\r\n\r\nslow down",
        .ending = HTTP_KEEP};
    struct client *client = *state;
    assert_int_equal(ask(client, &script), 0);
    assert_int_equal(client->answer.status, 429);
    assert_string_equal(client->answer.body, "slow down");
    assert_int_equal(client->answer.length, 9);
    assert_int_equal(client->answer.retry_after_ns, 7 * EYE_NS_PER_SECOND);
    assert_string_equal(eye_client_answer_header(client->http, "x-written"), "3");
    assert_null(eye_client_answer_header(client->http, "X-Other"));
}

static void send__bounds_retry_after(void **state)
{
    static const struct {
        const char *value;
        uint64_t seconds;
    } cases[] = {
        {"0", 0},
        {"1", 1},
        {"300", 300},
        {"-5", 0},
        {"soon", 0},
        {"9999999999999999", 300},
        {"301", 300},
        {"Wed, 21 Oct 2015 07:28:00 GMT", 0},
        {"Fri, 31 Dec 2100 23:59:59 GMT", 300},
    };
    struct client *client = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char answer[200];
        snprintf(answer, sizeof(answer),
                 "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n",
                 cases[i].value);
        const struct http_script script = {.answer = answer, .ending = HTTP_CLOSE};
        assert_int_equal(ask(client, &script), 0);
        assert_int_equal(client->answer.retry_after_ns, cases[i].seconds * EYE_NS_PER_SECOND);
    }
}

static void send__reads_a_date_to_retry_at(void **state)
{
    struct client *client = *state;
    char answer[200];
    char date[64];
    struct tm parts;
    time_t at = time(NULL) + 60;
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&at, &parts));
    snprintf(answer, sizeof(answer),
             "HTTP/1.1 503 Busy\r\nRetry-After: %s\r\nContent-Length: 0\r\n\r\n", date);
    const struct http_script script = {.answer = answer, .ending = HTTP_CLOSE};
    assert_int_equal(ask(client, &script), 0);
    assert_in_range(client->answer.retry_after_ns, 57 * EYE_NS_PER_SECOND, 60 * EYE_NS_PER_SECOND);
}

static void send__takes_interim_answers_and_does_not_follow(void **state)
{
    static const struct {
        struct http_script script;
        long status;
    } cases[] = {
        {{.answer = "HTTP/1.1 100 Continue\r\n\r\n" EMPTY_OK, .ending = HTTP_KEEP}, 200},
        {{.answer = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" EMPTY_OK, .ending = HTTP_KEEP},
         200},
        {{.answer = "HTTP/1.1 307 Moved\r\nLocation: /other\r\nContent-Length: 0\r\n\r\n",
          .ending = HTTP_KEEP},
         307},
        {{.answer = "HTTP/1.0 200 OK\r\n\r\nuntil the end", .ending = HTTP_CLOSE}, 200},
        {{.answer = "HTTP/1.1 204 No Content\r\n\r\n", .ending = HTTP_KEEP}, 204},
        {{.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
          .ending = HTTP_KEEP},
         200},
        {{.answer = EMPTY_OK, .delay_ms = 150, .ending = HTTP_KEEP}, 200},
    };
    struct client *client = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_int_equal(ask(client, &cases[i].script), 0);
        assert_int_equal(client->answer.status, cases[i].status);
        assert_int_equal(http_server_requests(client->server), 1);
    }
}

static void send__names_the_reason_of_a_broken_answer(void **state)
{
#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n"
    static const struct {
        struct http_script script;
        enum eye_export_reason reason;
    } cases[] = {
        {{.answer = "", .unread = true, .ending = HTTP_RESET}, EYE_EXPORT_RESET},
        {{.answer = "", .ending = HTTP_RESET}, EYE_EXPORT_RESET},
        {{.answer = "", .ending = HTTP_CLOSE}, EYE_EXPORT_RESET},
        {{.answer = "HTTP/1.1 2", .ending = HTTP_RESET}, EYE_EXPORT_RESET},
        {{.answer = HEAD, .ending = HTTP_RESET}, EYE_EXPORT_RESET},
        {{.answer = HEAD "\r\n", .ending = HTTP_CLOSE}, EYE_EXPORT_RESET},
        {{.answer = HEAD "\r\n12345", .ending = HTTP_CLOSE}, EYE_EXPORT_RESET},
        {{.answer = HEAD "\r\n12345", .ending = HTTP_RESET}, EYE_EXPORT_RESET},
        {{.answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
          .ending = HTTP_CLOSE},
         EYE_EXPORT_RESET},
        {{.answer = "", .ending = HTTP_STALL}, EYE_EXPORT_TIMEOUT},
        {{.answer = "HTTP/1.1 200 OK\r\nX", .ending = HTTP_STALL}, EYE_EXPORT_TIMEOUT},
        {{.answer = HEAD "\r\n12345", .ending = HTTP_STALL}, EYE_EXPORT_TIMEOUT},
        {{.answer = HEAD "\r\n1234567890", .drip = true, .ending = HTTP_KEEP}, EYE_EXPORT_TIMEOUT},
        {{.answer = "SSH-2.0-OpenSSH_9.2\r\n", .ending = HTTP_CLOSE}, EYE_EXPORT_BAD_ANSWER},
        {{.answer = "HTTP/9.9 200 OK\r\n\r\n", .ending = HTTP_CLOSE}, EYE_EXPORT_BAD_ANSWER},
        {{.answer = "HTTP/1.1 200 OK\r\nX-Long: x", .ending = HTTP_ENDLESS}, EYE_EXPORT_BAD_ANSWER},
    };
#undef HEAD
    struct client *client = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        uint64_t begin_ns = eye_clock_monotonic_ns();
        client->settings.timeout_ns = cases[i].reason == EYE_EXPORT_TIMEOUT
                                          ? TIMEOUT_MS * EYE_NS_PER_MS
                                          : 10 * EYE_NS_PER_SECOND;
        struct eye_client_answer untouched = {.status = -1};
        client->answer = untouched;
        assert_true(ask(client, &cases[i].script) < 0);
        if (client->failure.reason != cases[i].reason) {
            print_error("case %zu: %s\n", i, client->failure.cause.text);
        }
        assert_int_equal(client->failure.reason, cases[i].reason);
        assert_memory_equal(client->failure.cause.text, "127.0.0.1:", 10);
        assert_null(strstr(client->failure.cause.text, SECRET));
        assert_int_equal(client->answer.status, -1);
        assert_true(eye_clock_monotonic_ns() - begin_ns < 10 * EYE_NS_PER_SECOND);
    }
}

static void send__reads_only_the_beginning_of_an_endless_body(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = "HTTP/1.1 400 Bad\r\nContent-Length: 10737418240\r\n\r\nwhy: x",
         .ending = HTTP_ENDLESS},
        {.answer = "HTTP/1.1 202 Accepted\r\n\r\nx", .ending = HTTP_ENDLESS},
    };
    static const long statuses[] = {400, 202};
    struct client *client = *state;
    client->settings.timeout_ns = 20 * EYE_NS_PER_SECOND;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(scripts); i++) {
        assert_int_equal(ask(client, &scripts[i]), 0);
        assert_int_equal(client->answer.status, statuses[i]);
        assert_int_equal(client->answer.length, EYE_CLIENT_ANSWER_MAX_BYTES);
        /* What the sockets' buffers hold, and no more. */
        assert_true(http_server_sent_bytes(client->server) < (16U << 20));
    }
}

static void send__takes_a_body_of_exactly_the_limit(void **state)
{
    struct client *client = *state;
    char answer[EYE_CLIENT_ANSWER_MAX_BYTES + 100];
    int head = snprintf(answer, sizeof(answer), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n",
                        EYE_CLIENT_ANSWER_MAX_BYTES);
    memset(answer + head, 'x', EYE_CLIENT_ANSWER_MAX_BYTES);
    answer[(size_t)head + EYE_CLIENT_ANSWER_MAX_BYTES] = '\0';
    const struct http_script script = {.answer = answer, .ending = HTTP_KEEP};
    assert_int_equal(ask(client, &script), 0);
    assert_int_equal(client->answer.length, EYE_CLIENT_ANSWER_MAX_BYTES);
    assert_int_equal(post(client, "{}", 2), 0);
    assert_int_equal(http_server_connections(client->server), 1);
}

static void send__keeps_the_connection_and_survives_its_end(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = EMPTY_OK, .ending = HTTP_KEEP},
        {.answer = EMPTY_OK, .ending = HTTP_CLOSE},
        {.answer = EMPTY_OK, .ending = HTTP_KEEP},
    };
    struct client *client = *state;
    serve(client, scripts, EYE_ARRAY_LENGTH(scripts));
    open_client(client);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(scripts); i++) {
        assert_int_equal(post(client, "{}", 2), 0);
    }
    assert_int_equal(http_server_requests(client->server), 3);
    assert_int_equal(http_server_connections(client->server), 2);
}

static void send__works_again_after_each_failure(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = "", .ending = HTTP_RESET},
        {.answer = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123", .ending = HTTP_STALL},
        {.answer = EMPTY_OK, .ending = HTTP_KEEP},
    };
    struct client *client = *state;
    client->settings.timeout_ns = 2 * EYE_NS_PER_SECOND;
    serve(client, scripts, EYE_ARRAY_LENGTH(scripts));
    open_client(client);
    assert_true(post(client, "{}", 2) < 0);
    assert_true(post(client, "{}", 2) < 0);
    assert_int_equal(post(client, "{}", 2), 0);
    assert_int_equal(client->answer.length, 0);
}

/* A port that nobody listens on: bound, so that nobody else takes it. */
static int closed_port(uint16_t *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void send__names_the_reason_of_no_connection(void **state)
{
    struct client *client = *state;
    uint16_t port;
    int fd = closed_port(&port);
    open_client(client);
    snprintf(client->url, sizeof(client->url), "http://127.0.0.1:%u/", port);
    assert_true(post(client, "{}", 2) < 0);
    assert_int_equal(client->failure.reason, EYE_EXPORT_REFUSED);
    close(fd);
    /* No resolver is asked for a label of more than 63 bytes. */
    memset(client->url, 'a', sizeof(client->url));
    memcpy(client->url, "http://", 7);
    eye_copy_string(client->url + 80, sizeof(client->url) - 80, ":1/");
    assert_true(post(client, "{}", 2) < 0);
    assert_int_equal(client->failure.reason, EYE_EXPORT_UNRESOLVED);
    assert_int_equal(atomic_load(&client->stats.bytes), 0);
}

static void *stop_soon(void *context)
{
    struct client *client = context;
    usleep(100000);
    atomic_store(&client->deadline.at_ns, eye_clock_monotonic_ns());
    return NULL;
}

static void send__ends_when_the_daemon_stops(void **state)
{
    static const struct http_script script = {.answer = "", .ending = HTTP_STALL};
    struct client *client = *state;
    pthread_t thread;
    client->settings.timeout_ns = 60 * EYE_NS_PER_SECOND;
    serve(client, &script, 1);
    open_client(client);
    uint64_t begin_ns = eye_clock_monotonic_ns();
    assert_int_equal(pthread_create(&thread, NULL, stop_soon, client), 0);
    int result = post(client, "{}", 2);
    pthread_join(thread, NULL);
    assert_true(result < 0);
    assert_int_equal(client->failure.reason, EYE_EXPORT_TIMEOUT);
    assert_true(eye_clock_monotonic_ns() - begin_ns < 2 * EYE_NS_PER_SECOND);
}

static void send__authenticates_with_what_the_file_holds_now(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = EMPTY_OK, .ending = HTTP_KEEP},
        {.answer = "HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", .ending = HTTP_KEEP},
        {.answer = EMPTY_OK, .ending = HTTP_KEEP},
    };
    static char user[] = "me";
    struct client *client = *state;
    write_secret(client, "first");
    client->settings.user = user;
    client->settings.password_file = client->file;
    serve(client, scripts, EYE_ARRAY_LENGTH(scripts));
    open_client(client);
    assert_int_equal(post(client, "{}", 2), 0);
    write_secret(client, "second");
    assert_int_equal(post(client, "{}", 2), 0);
    assert_int_equal(post(client, "{}", 2), 0);
    assert_non_null(strstr(http_server_head(client->server, 0), "Basic bWU6Zmlyc3Q=\r\n"));
    assert_non_null(strstr(http_server_head(client->server, 1), "Basic bWU6c2Vjb25k\r\n"));
    assert_non_null(strstr(http_server_head(client->server, 2), "Basic bWU6c2Vjb25k\r\n"));
}

static void send__carries_a_bearer_token(void **state)
{
    static const struct http_script script = {.answer = EMPTY_OK, .ending = HTTP_KEEP};
    struct client *client = *state;
    write_secret(client, "token\n");
    client->settings.bearer_token_file = client->file;
    assert_int_equal(ask(client, &script), 0);
    assert_non_null(
        strstr(http_server_head(client->server, 0), "\r\nAuthorization: Bearer token\r\n"));
}

static void send__masks_a_secret_that_comes_back(void **state)
{
    static const struct http_script script = {.answer = "HTTP/1.1 403 No\r\n\r\nbad key " SECRET
                                                        ", really " SECRET,
                                              .ending = HTTP_CLOSE};
    struct client *client = *state;
    assert_int_equal(ask(client, &script), 0);
    assert_null(strstr(client->answer.body, SECRET));
    assert_int_equal(eye_client_verdict(&client->answer, &client->failure), EYE_VERDICT_GIVE_UP);
    assert_non_null(strstr(client->failure.cause.text, "bad key ***"));
}

static void send__goes_through_the_proxy_of_settings_or_environment(void **state)
{
    static const struct http_script script = {.answer = EMPTY_OK, .ending = HTTP_KEEP};
    struct client *client = *state;
    char proxy[64];
    serve(client, &script, 1);
    snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", http_server_port(client->server));
    snprintf(client->url, sizeof(client->url), "http://receiver.invalid/x");

    client->settings.proxy = proxy;
    open_client(client);
    assert_int_equal(post(client, "{}", 2), 0);
    assert_memory_equal(http_server_head(client->server, 0), "POST http://receiver.invalid/x HT",
                        33);
    eye_client_free(EYE_TAKE(client->http));

    client->settings.proxy = NULL;
    setenv("http_proxy", proxy, 1);
    open_client(client);
    int result = post(client, "{}", 2);
    unsetenv("http_proxy");
    assert_int_equal(result, 0);
    assert_int_equal(http_server_requests(client->server), 2);
}

/* Nobody who reads "connection refused" knows that a proxy was asked, and which one. */
static void send__names_the_proxy_that_failed(void **state)
{
    static const struct {
        const char *variable; /* NULL: the key */
        const char *proxy;
        const char *except;
        const char *said; /* NULL: no proxy is named */
    } cases[] = {
        {"http_proxy", "http://me:pass-word@127.0.0.1:1", NULL,
         "127.0.0.1:2 through the proxy 127.0.0.1:1 (from http_proxy): "},
        {"http_proxy", "127.0.0.1:1", NULL,
         "127.0.0.1:2 through the proxy 127.0.0.1:1 (from http_proxy): "},
        {"ALL_PROXY", "http://127.0.0.1:1", "10.0.0.1",
         "127.0.0.1:2 through the proxy 127.0.0.1:1 (from ALL_PROXY): "},
        {"http_proxy", "http://me:pass-word/more@127.0.0.1", NULL, "through the proxy"},
        {"http_proxy", "http://127.0.0.1:1", "127.0.0.1", NULL},
        {"https_proxy", "http://127.0.0.1:1", NULL, NULL},
        {NULL, "http://127.0.0.1:1", "127.0.0.1",
         "127.0.0.1:2 through the proxy 127.0.0.1:1 (`proxy`): "},
    };
    struct client *client = *state;
    eye_copy_string(client->url, sizeof(client->url), "http://127.0.0.1:2/x");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        EYE_AUTOFREE char *proxy = strdup(cases[i].proxy);
        client->settings.proxy = cases[i].variable == NULL ? proxy : NULL;
        if (cases[i].variable != NULL) {
            setenv(cases[i].variable, proxy, 1);
        }
        setenv("NO_PROXY", cases[i].except == NULL ? "" : cases[i].except, 1);
        eye_client_free(EYE_TAKE(client->http));
        open_client(client);
        int result = post(client, "{}", 2);
        unsetenv(cases[i].variable == NULL ? "none" : cases[i].variable);
        unsetenv("NO_PROXY");
        const char *cause = client->failure.cause.text;
        const char *expected = cases[i].said == NULL ? "127.0.0.1:2: " : cases[i].said;
        if (result == 0 || strstr(cause, expected) == NULL || strstr(cause, "pass-word") != NULL) {
            fail_msg("%zu: %s", i, cause);
        }
    }
}

static void send__says_by_which_proxy_an_answer_came(void **state)
{
    static const struct http_script script = {.answer = "HTTP/1.1 503 Busy\r\n\r\nlater",
                                              .ending = HTTP_CLOSE};
    struct client *client = *state;
    char proxy[64];
    char expected[128];
    serve(client, &script, 1);
    unsigned port = http_server_port(client->server);
    snprintf(proxy, sizeof(proxy), "http://me:pass-word@127.0.0.1:%u", port);
    eye_copy_string(client->url, sizeof(client->url), "http://receiver.invalid/x");
    setenv("http_proxy", proxy, 1);
    open_client(client);
    int result = post(client, "{}", 2);
    unsetenv("http_proxy");
    assert_int_equal(result, 0);
    assert_int_equal(eye_client_verdict(&client->answer, &client->failure), EYE_VERDICT_RETRY);
    snprintf(expected, sizeof(expected),
             "answer 503 through the proxy 127.0.0.1:%u (from http_proxy): later", port);
    assert_string_equal(client->failure.cause.text, expected);
}

/* Bounded, harmless, and without what may be secret. */
static void send__tells_where_a_redirect_points_to(void **state)
{
    static const struct {
        struct http_script script;
        const char *said;
    } cases[] = {
        {{.answer = "HTTP/1.1 301 Moved\r\nLocation: https://other/v1?token=abc#x\r\n\r\n",
          .ending = HTTP_CLOSE},
         "answer 301; it points to https://other/v1, which is not followed: correct the address"},
        {{.answer = "HTTP/1.1 308 Moved\r\nLocation: http://me:pw@h:1/a/\r\n\r\nsee there",
          .ending = HTTP_CLOSE},
         "answer 308: see there; it points to http://h:1/a/, which is not followed: correct the "
         "address"},
        {{.answer = "HTTP/1.1 302 Moved\r\nLocation: http://h/" SECRET "\r\n\r\n",
          .ending = HTTP_CLOSE},
         "answer 302; it points to http://h/*********************, which is not followed: correct "
         "the address"},
        {{.answer = "HTTP/1.1 301 Moved\r\n\r\n", .ending = HTTP_CLOSE}, "answer 301"},
        {{.answer = "HTTP/1.1 400 Bad\r\nLocation: http://h/\r\n\r\n", .ending = HTTP_CLOSE},
         "answer 400"},
    };
    struct client *client = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_int_equal(ask(client, &cases[i].script), 0);
        eye_client_verdict(&client->answer, &client->failure);
        assert_string_equal(client->failure.cause.text, cases[i].said);
    }
}

static void send__tells_what_the_proxy_said(void **state)
{
    static const struct http_script scripts[] = {
        {.answer = "HTTP/1.1 407 Who\r\nContent-Length: 0\r\n\r\n", .ending = HTTP_CLOSE},
        {.answer = "HTTP/1.1 502 Gone\r\nContent-Length: 0\r\n\r\n", .ending = HTTP_CLOSE},
    };
    static const enum eye_export_reason reasons[] = {EYE_EXPORT_UNAUTHORIZED,
                                                     EYE_EXPORT_UNREACHABLE};
    struct client *client = *state;
    char proxy[64];
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(scripts); i++) {
        serve(client, &scripts[i], 1);
        snprintf(proxy, sizeof(proxy), "http://127.0.0.1:%u", http_server_port(client->server));
        snprintf(client->url, sizeof(client->url), "https://receiver.invalid/x");
        client->settings.proxy = proxy;
        eye_client_free(EYE_TAKE(client->http));
        open_client(client);
        assert_true(post(client, "{}", 2) < 0);
        assert_int_equal(client->failure.reason, reasons[i]);
        assert_null(strstr(http_server_head(client->server, 0), SECRET));
    }
}

static void new__refuses_bad_settings(void **state)
{
    struct client *client = *state;
    static char user[] = "me";
    static char missing[] = "/nonexistent/secret";
    write_secret(client, "token");
    assert_int_equal(chmod(client->file, 0644), 0);
    const struct {
        struct eye_client_settings settings;
        const char *message;
    } cases[] = {
        {{.user = user}, "basic_auth"},
        {{.password_file = client->file}, "basic_auth"},
        {{.user = user, .password_file = client->file, .bearer_token_file = client->file},
         "exclude"},
        {{.user = user, .password_file = missing}, missing},
        {{.bearer_token_file = client->file}, "chmod 600"},
        {{.tls.ca_file = missing}, "tls.ca_file"},
        {{.tls.cert_file = missing}, "tls.key_file"},
        {{.tls.cert_file = client->file, .tls.key_file = client->file}, "chmod 600"},
    };
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        assert_true(
            eye_client_new(&cases[i].settings, &client->setup, &client->http, &client->error) < 0);
        assert_non_null(strstr(client->error.text, cases[i].message));
        assert_null(client->http);
    }
}

/* Neither the command line nor the environment of the process ever holds a secret. */
static void secrets__are_not_seen_from_outside(void **state)
{
    static const char *const files[] = {"/proc/self/cmdline", "/proc/self/environ"};
    static const struct http_script script = {.answer = EMPTY_OK, .ending = HTTP_KEEP};
    struct client *client = *state;
    write_secret(client, SECRET);
    client->settings.bearer_token_file = client->file;
    assert_int_equal(ask(client, &script), 0);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(files); i++) {
        char content[65536];
        EYE_AUTOCLOSE int fd = open(files[i], O_RDONLY | O_CLOEXEC);
        ssize_t length = read(fd, content, sizeof(content));
        assert_true(length >= 0);
        assert_null(memmem(content, (size_t)length, SECRET, strlen(SECRET)));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(send__carries_method_headers_and_body),
        TEST(send__asks_without_a_body),
        TEST(send__sends_large_bodies_whole),
        TEST(send__reads_status_body_and_headers),
        TEST(send__bounds_retry_after),
        TEST(send__reads_a_date_to_retry_at),
        TEST(send__takes_interim_answers_and_does_not_follow),
        TEST(send__names_the_reason_of_a_broken_answer),
        TEST(send__reads_only_the_beginning_of_an_endless_body),
        TEST(send__takes_a_body_of_exactly_the_limit),
        TEST(send__keeps_the_connection_and_survives_its_end),
        TEST(send__works_again_after_each_failure),
        TEST(send__names_the_reason_of_no_connection),
        TEST(send__ends_when_the_daemon_stops),
        TEST(send__authenticates_with_what_the_file_holds_now),
        TEST(send__carries_a_bearer_token),
        TEST(send__masks_a_secret_that_comes_back),
        TEST(send__goes_through_the_proxy_of_settings_or_environment),
        TEST(send__names_the_proxy_that_failed),
        TEST(send__says_by_which_proxy_an_answer_came),
        TEST(send__tells_where_a_redirect_points_to),
        TEST(send__tells_what_the_proxy_said),
        TEST(new__refuses_bad_settings),
        TEST(secrets__are_not_seen_from_outside),
    };
    return cmocka_run_group_tests_name("http_client", tests, NULL, NULL);
}
