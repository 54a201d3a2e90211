/* SPDX-License-Identifier: Apache-2.0 */
/* The server behind TLS and a password, asked by libcurl; the certificate is made by openssl. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>
#include <curl/curl.h>

#include "collector/base/text.h"
#include "tests/support/folder.h"
#include "tests/unit/exporters/openmetrics/server.h"

struct fixture {
    char folder[64];
    char certificate[96];
    char key[96];
    char other_key[96];
    char password[96];
    struct server server;
    struct eye_error error;
    CURL *curl;
    struct eye_text body;
};

static void path_in(const struct fixture *fixture, const char *name, char path[static 96])
{
    snprintf(path, 96, "%s/%s", fixture->folder, name);
}

static bool run(char *const arguments[])
{
    extern char **environ;
    posix_spawn_file_actions_t actions;
    pid_t child = 0;
    int status = -1;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int result = posix_spawnp(&child, arguments[0], &actions, NULL, arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    return result == 0 && waitpid(child, &status, 0) == child && status == 0;
}

static bool make_certificate(char *certificate, char *key)
{
    /* clang-format off */
    char *arguments[] = {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                         "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                         "-subj", "/CN=sockeye test", "-addext", "subjectAltName=IP:127.0.0.1",
                         "-out", certificate, "-keyout", key, NULL};
    /* clang-format on */
    return run(arguments) && chmod(key, 0600) == 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    EYE_AUTOCLOSE int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
}

static int setup(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){.folder = "/tmp/test_secure.XXXXXX"};
    if (mkdtemp(fixture.folder) == NULL) {
        return -1;
    }
    char other[96];
    path_in(&fixture, "certificate", fixture.certificate);
    path_in(&fixture, "key", fixture.key);
    path_in(&fixture, "other", other);
    path_in(&fixture, "other_key", fixture.other_key);
    path_in(&fixture, "password", fixture.password);
    server_init(&fixture.server);
    eye_text_init(&fixture.body, 1 << 20);
    fixture.curl = curl_easy_init();
    *state = &fixture;
    return make_certificate(fixture.certificate, fixture.key) &&
                   make_certificate(other, fixture.other_key)
               ? 0
               : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    curl_easy_cleanup(fixture->curl);
    eye_text_done(&fixture->body);
    server_done(&fixture->server);
    return folder_remove(fixture->folder);
}

static void use_tls(struct fixture *fixture)
{
    server_set_text(&fixture->server, "tls.cert_file", fixture->certificate);
    server_set_text(&fixture->server, "tls.key_file", fixture->key);
}

static void use_password(struct fixture *fixture)
{
    static char user[] = "prometheus";
    write_file(fixture->password, "s3cret: \xC3\xA4\n", 0600);
    server_set_text(&fixture->server, "basic_auth.user", user);
    server_set_text(&fixture->server, "basic_auth.password_file", fixture->password);
}

static void open_server(struct fixture *fixture)
{
    assert_int_equal(server_open(&fixture->server, &fixture->error), 0);
    sample_add(fixture->server.sample, EYE_METRIC_TCP_OPENED, 5, SAMPLE_TAGS());
    server_deliver(&fixture->server);
}

static void assert_open_fails(struct fixture *fixture, int result, const char *word)
{
    assert_int_equal(server_open(&fixture->server, &fixture->error), result);
    assert_null(fixture->server.exporter);
    if (strstr(fixture->error.text, word) == NULL) {
        fail_msg("%s not in %s", word, fixture->error.text);
    }
}

static size_t keep_body(char *bytes, size_t size, size_t count, void *context)
{
    eye_text_append_bytes(context, bytes, size * count);
    return size * count;
}

/* Asks for the page; @login "user:password" or NULL. The status in @ret_status. */
static CURLcode ask(struct fixture *fixture, const char *scheme, const char *login,
                    long *ret_status)
{
    char url[128];
    snprintf(url, sizeof(url), "%s://%s/metrics", scheme, fixture->server.listen);
    eye_text_clear(&fixture->body);
    curl_easy_reset(fixture->curl);
    curl_easy_setopt(fixture->curl, CURLOPT_URL, url);
    curl_easy_setopt(fixture->curl, CURLOPT_CAINFO, fixture->certificate);
    curl_easy_setopt(fixture->curl, CURLOPT_PROXY, "");
    curl_easy_setopt(fixture->curl, CURLOPT_TIMEOUT, 10L);
    curl_easy_setopt(fixture->curl, CURLOPT_USERPWD, login);
    curl_easy_setopt(fixture->curl, CURLOPT_WRITEFUNCTION, keep_body);
    curl_easy_setopt(fixture->curl, CURLOPT_WRITEDATA, &fixture->body);
    CURLcode result = curl_easy_perform(fixture->curl);
    curl_easy_getinfo(fixture->curl, CURLINFO_RESPONSE_CODE, ret_status);
    return result;
}

static void assert_page(const struct fixture *fixture)
{
    assert_non_null(
        strstr(eye_text_string(&fixture->body), "sockeye_tcp_connections_opened_total 5\n"));
}

static void scrape__over_tls(void **state)
{
    struct fixture *fixture = *state;
    long status = 0;
    use_tls(fixture);
    open_server(fixture);
    assert_int_equal(ask(fixture, "https", NULL, &status), CURLE_OK);
    assert_int_equal(status, 200);
    assert_page(fixture);
}

static void scrape__without_tls_gets_nothing_from_a_tls_server(void **state)
{
    struct fixture *fixture = *state;
    long status = 0;
    use_tls(fixture);
    open_server(fixture);
    assert_int_not_equal(ask(fixture, "http", NULL, &status), CURLE_OK);
    assert_string_equal(eye_text_string(&fixture->body), "");
    assert_int_equal(ask(fixture, "https", NULL, &status), CURLE_OK);
}

static void tls__is_1_2_at_least(void **state)
{
    struct fixture *fixture = *state;
    char address[96];
    use_tls(fixture);
    open_server(fixture);
    snprintf(address, sizeof(address), "%s", fixture->server.listen);
    static const struct {
        char *option;
        bool works;
    } table[] = {{"-tls1_1", false}, {"-tls1_2", true}, {"-tls1_3", true}};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        /* Level 0: openssl itself must be willing to speak the old one. */
        char *arguments[] = {"sh",
                             "-c",
                             "openssl s_client -connect \"$0\" \"$1\" -cipher ALL:@SECLEVEL=0 "
                             "</dev/null >/dev/null",
                             address,
                             table[i].option,
                             NULL};
        assert_int_equal(run(arguments), table[i].works);
    }
}

static void scrape__needs_the_right_password(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *login;
        long status;
    } table[] = {
        {NULL, 401},
        {"prometheus:wrong", 401},
        {"prometheus:", 401},
        {":", 401},
        {"prometheus:s3cret: \xC3\xA4 ", 401},
        {"prometheus:s3cret: \xC3", 401},
        {"prometheu:s3cret: \xC3\xA4", 401},
        {"Prometheus:s3cret: \xC3\xA4", 401},
        {"prometheus:s3cret: \xC3\xA4", 200},
    };
    use_password(fixture);
    open_server(fixture);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(table); i++) {
        long status = 0;
        assert_int_equal(ask(fixture, "http", table[i].login, &status), CURLE_OK);
        assert_int_equal(status, table[i].status);
        assert_int_equal(strstr(eye_text_string(&fixture->body), "sockeye_") != NULL,
                         status == 200);
    }
    assert_int_equal(fixture->server.sample->stats.points, 1);
}

static void scrape__needs_the_password_that_the_file_holds_now(void **state)
{
    struct fixture *fixture = *state;
    static const struct {
        const char *content; /* NULL: as it is */
        const char *login;
        long status;
    } steps[] = {
        {NULL, "prometheus:s3cret: \xC3\xA4", 200},
        {"another\n", "prometheus:another", 200},
        {NULL, "prometheus:s3cret: \xC3\xA4", 401},
        {"\n", "prometheus:another", 200}, /* none: what was, stays */
        {NULL, "prometheus:", 401},
        {"third", "prometheus:third", 200},
    };
    use_password(fixture);
    open_server(fixture);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(steps); i++) {
        long status = 0;
        if (steps[i].content != NULL) {
            write_file(fixture->password, steps[i].content, 0600);
        }
        assert_int_equal(ask(fixture, "http", steps[i].login, &status), CURLE_OK);
        assert_int_equal(status, steps[i].status);
    }
}

static void refusal__asks_for_basic_authentication(void **state)
{
    struct fixture *fixture = *state;
    long offered = 0;
    long status = 0;
    use_tls(fixture);
    use_password(fixture);
    open_server(fixture);
    assert_int_equal(ask(fixture, "https", NULL, &status), CURLE_OK);
    assert_int_equal(status, 401);
    curl_easy_getinfo(fixture->curl, CURLINFO_HTTPAUTH_AVAIL, &offered);
    assert_int_equal(offered, CURLAUTH_BASIC);
    assert_int_equal(ask(fixture, "https", "prometheus:s3cret: \xC3\xA4", &status), CURLE_OK);
    assert_int_equal(status, 200);
    assert_page(fixture);
}

static void open__refuses_secrets_that_others_can_read(void **state)
{
    struct fixture *fixture = *state;
    use_tls(fixture);
    assert_int_equal(chmod(fixture->key, 0640), 0);
    assert_open_fails(fixture, -EPERM, fixture->key);
    assert_int_equal(chmod(fixture->key, 0600), 0);
    use_password(fixture);
    assert_int_equal(chmod(fixture->password, 0604), 0);
    assert_open_fails(fixture, -EPERM, fixture->password);
    assert_null(strstr(fixture->error.text, "s3cret"));
}

static void open__refuses_half_a_setting(void **state)
{
    struct fixture *fixture = *state;
    static char user[] = "prometheus";
    server_set_text(&fixture->server, "tls.cert_file", fixture->certificate);
    assert_open_fails(fixture, -EINVAL, "tls.key_file");
    server_set_text(&fixture->server, "tls.cert_file", NULL);
    server_set_text(&fixture->server, "basic_auth.user", user);
    assert_open_fails(fixture, -EINVAL, "basic_auth.password_file");
    use_password(fixture);
    server_set_text(&fixture->server, "basic_auth.user", NULL);
    assert_open_fails(fixture, -EINVAL, "basic_auth.user");
}

static void open__refuses_a_bad_certificate(void **state)
{
    struct fixture *fixture = *state;
    char path[96];
    use_tls(fixture);
    server_set_text(&fixture->server, "tls.key_file", fixture->other_key);
    assert_open_fails(fixture, -EINVAL, "is not the key of the certificate");
    server_set_text(&fixture->server, "tls.key_file", fixture->key);
    path_in(fixture, "text", path);
    write_file(path, "no certificate\n", 0600);
    server_set_text(&fixture->server, "tls.cert_file", path);
    assert_open_fails(fixture, -EINVAL, path);
    write_file(path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 0600);
    assert_open_fails(fixture, -EINVAL, path);
    path_in(fixture, "absent", path);
    assert_open_fails(fixture, -ENOENT, path);
    server_set_text(&fixture->server, "tls.cert_file", fixture->certificate);
    server_set_text(&fixture->server, "tls.key_file", path);
    assert_open_fails(fixture, -ENOENT, path);
    write_file(path, "no key\n", 0600);
    assert_open_fails(fixture, -EINVAL, path);
}

static int setup_all(void **state)
{
    (void)state;
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -1;
}

static int teardown_all(void **state)
{
    (void)state;
    curl_global_cleanup();
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(scrape__over_tls),
        TEST(scrape__without_tls_gets_nothing_from_a_tls_server),
        TEST(tls__is_1_2_at_least),
        TEST(scrape__needs_the_right_password),
        TEST(scrape__needs_the_password_that_the_file_holds_now),
        TEST(refusal__asks_for_basic_authentication),
        TEST(open__refuses_secrets_that_others_can_read),
        TEST(open__refuses_half_a_setting),
        TEST(open__refuses_a_bad_certificate),
    };
    return cmocka_run_group_tests(tests, setup_all, teardown_all);
}
