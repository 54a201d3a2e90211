/* SPDX-License-Identifier: Apache-2.0 */
/* The client against HTTPS servers that are right, strange, old, or somebody else. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/http/client.h"
#include "tests/unit/exporters/http/tls_server.h"

static char folder[TLS_PATH_BYTES];

struct world {
    struct tls_server server;
    struct eye_client *http;
    struct eye_client_settings settings;
    struct eye_deadline deadline;
    struct eye_export_stats stats;
    struct eye_exporter_config own;
    struct eye_exporter_setup setup;
    struct eye_client_answer answer;
    struct eye_export_failure failure;
    char ca[TLS_PATH_BYTES];
    char cert[TLS_PATH_BYTES];
    char key[TLS_PATH_BYTES];
};

static int setup_folder(void **state)
{
    (void)state;
    tls_folder_new(folder);
    return 0;
}

static int teardown_folder(void **state)
{
    (void)state;
    tls_folder_free(folder);
    return 0;
}

static int setup(void **state)
{
    static char name[] = "sample";
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    world->settings.timeout_ns = 5 * EYE_NS_PER_SECOND;
    world->settings.tls.verify = true;
    atomic_store(&world->deadline.at_ns, UINT64_MAX);
    world->own.name = name;
    world->setup = (struct eye_exporter_setup){
        .own = &world->own, .stats = &world->stats, .deadline = &world->deadline};
    *state = world;
    return 0;
}

static int teardown(void **state)
{
    struct world *world = *state;
    eye_client_free(world->http);
    tls_server_stop(&world->server);
    free(world);
    return 0;
}

static void trust(struct world *world, const char *authority)
{
    tls_path(folder, authority, ".pem", world->ca);
    world->settings.tls.ca_file = world->ca;
}

static void show(struct world *world, const char *certificate)
{
    tls_path(folder, certificate, ".pem", world->cert);
    tls_path(folder, certificate, ".key", world->key);
    world->settings.tls.cert_file = world->cert;
    world->settings.tls.key_file = world->key;
}

/* One request to a server that shows @certificate. */
static int ask(struct world *world, const char *certificate, const char *const *options)
{
    char url[64];
    struct eye_error error;
    eye_client_free(EYE_TAKE(world->http));
    tls_server_stop(&world->server);
    world->server = tls_server_start(folder, certificate, options);
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", world->server.port);
    assert_int_equal(eye_client_new(&world->settings, &world->setup, &world->http, &error), 0);
    const struct eye_client_request request = {.method = "GET", .url = url};
    return eye_client_send(world->http, &request, &world->answer, &world->failure);
}

static void tls__takes_a_certificate_of_the_authority(void **state)
{
    struct world *world = *state;
    trust(world, TLS_AUTHORITY);
    assert_int_equal(ask(world, TLS_GOOD, NULL), 0);
    assert_int_equal(world->answer.status, 200);
}

static void tls__refuses_what_cannot_be_trusted(void **state)
{
    static const struct {
        const char *authority; /* NULL: those of the system */
        const char *certificate;
        const char *cause;
    } cases[] = {
        {NULL, TLS_GOOD, "certificate"},
        {TLS_STRANGER, TLS_GOOD, "certificate"},
        {TLS_AUTHORITY, TLS_EXPIRED, "expired"},
        {TLS_AUTHORITY, TLS_WRONG_NAME, "name"},
    };
    struct world *world = *state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        world->settings.tls.ca_file = NULL;
        if (cases[i].authority != NULL) {
            trust(world, cases[i].authority);
        }
        assert_true(ask(world, cases[i].certificate, NULL) < 0);
        assert_int_equal(world->failure.reason, EYE_EXPORT_TLS);
        assert_non_null(strstr(world->failure.cause.text, cases[i].cause));
        assert_memory_equal(world->failure.cause.text, "127.0.0.1:", 10);
    }
}

static void tls__accepts_anything_when_told_so(void **state)
{
    struct world *world = *state;
    world->settings.tls.verify = false;
    assert_int_equal(ask(world, TLS_EXPIRED, NULL), 0);
    assert_int_equal(ask(world, TLS_WRONG_NAME, NULL), 0);
}

static void tls__refuses_old_versions(void **state)
{
    /* Security level 0, or the server would refuse to speak it at all. */
    static const char *const options[] = {"-tls1_1", "-cipher", "ALL:@SECLEVEL=0", NULL};
    struct world *world = *state;
    world->settings.tls.verify = false;
    assert_true(ask(world, TLS_GOOD, options) < 0);
    assert_int_equal(world->failure.reason, EYE_EXPORT_TLS);
}

static void tls__shows_our_certificate(void **state)
{
    static const char *const versions[] = {"-tls1_2", "-tls1_3"};
    struct world *world = *state;
    trust(world, TLS_AUTHORITY);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(versions); i++) {
        const char *const options[] = {
            "-Verify", "1", "-verify_return_error", "-CAfile", world->ca, versions[i], NULL};
        show(world, TLS_CLIENT);
        assert_int_equal(ask(world, TLS_GOOD, options), 0);
        show(world, TLS_STRANGE_CLIENT);
        assert_true(ask(world, TLS_GOOD, options) < 0);
        assert_int_equal(world->failure.reason, EYE_EXPORT_TLS);
        world->settings.tls.cert_file = NULL;
        world->settings.tls.key_file = NULL;
        assert_true(ask(world, TLS_GOOD, options) < 0);
        assert_int_equal(world->failure.reason, EYE_EXPORT_TLS);
    }
}

static void copy_file(const char *from, const char *to)
{
    char bytes[16384];
    EYE_AUTOCLOSE int in = open(from, O_RDONLY | O_CLOEXEC);
    EYE_AUTOCLOSE int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t length = read(in, bytes, sizeof(bytes));
    assert_true(length > 0 && (size_t)length < sizeof(bytes));
    assert_int_equal(write(out, bytes, (size_t)length), length);
}

/* "<folder>/used<suffix>" gets what @name has. */
static void use(const char *name, const char *suffix, char ret_path[TLS_PATH_BYTES])
{
    char from[TLS_PATH_BYTES];
    tls_path(folder, name, suffix, from);
    tls_path(folder, "used", suffix, ret_path);
    copy_file(from, ret_path);
}

static int ask_again(struct world *world)
{
    char url[64];
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/", world->server.port);
    const struct eye_client_request request = {.method = "GET", .url = url};
    return eye_client_send(world->http, &request, &world->answer, &world->failure);
}

/* The same client: what its files held at its start is forgotten when they change. */
static void tls__reads_files_again_that_were_replaced(void **state)
{
    struct world *world = *state;
    char authority[TLS_PATH_BYTES];
    tls_path(folder, TLS_AUTHORITY, ".pem", authority);
    const char *const options[] = {"-Verify", "1",       "-verify_return_error",
                                   "-CAfile", authority, NULL};
    use(TLS_STRANGER, ".pem", world->ca);
    world->settings.tls.ca_file = world->ca;
    assert_true(ask(world, TLS_GOOD, NULL) < 0);
    assert_true(ask_again(world) < 0);
    use(TLS_AUTHORITY, ".pem", world->ca);
    assert_int_equal(ask_again(world), 0);

    trust(world, TLS_AUTHORITY);
    use(TLS_STRANGE_CLIENT, ".pem", world->cert);
    use(TLS_STRANGE_CLIENT, ".key", world->key);
    world->settings.tls.cert_file = world->cert;
    world->settings.tls.key_file = world->key;
    assert_true(ask(world, TLS_GOOD, options) < 0);
    use(TLS_CLIENT, ".pem", world->cert);
    use(TLS_CLIENT, ".key", world->key);
    assert_int_equal(ask_again(world), 0);
}

/* libcurl would wait for the pipe's other end. */
static void check__takes_no_pipe(void **state)
{
    struct world *world = *state;
    struct eye_error error;
    char path[TLS_PATH_BYTES + 8];
    snprintf(path, sizeof(path), "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    world->settings.tls.ca_file = path;
    int result = eye_tls_check(&world->settings.tls, &error);
    unlink(path);
    assert_int_equal(result, -EINVAL);
    assert_non_null(strstr(error.text, "not a regular file"));
}

static void check__wants_both_files_and_a_private_key(void **state)
{
    struct world *world = *state;
    struct eye_error error = {0};
    show(world, TLS_CLIENT);
    assert_int_equal(eye_tls_check(&world->settings.tls, &error), 0);
    assert_int_equal(chmod(world->key, 0644), 0);
    assert_true(eye_tls_check(&world->settings.tls, &error) < 0);
    assert_non_null(strstr(error.text, world->key));
    assert_int_equal(chmod(world->key, 0600), 0);
    world->settings.tls.cert_file = NULL;
    assert_true(eye_tls_check(&world->settings.tls, &error) < 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(tls__takes_a_certificate_of_the_authority),
        TEST(tls__refuses_what_cannot_be_trusted),
        TEST(tls__accepts_anything_when_told_so),
        TEST(tls__refuses_old_versions),
        TEST(tls__shows_our_certificate),
        TEST(tls__reads_files_again_that_were_replaced),
        TEST(check__takes_no_pipe),
        TEST(check__wants_both_files_and_a_private_key),
    };
    return cmocka_run_group_tests_name("http_tls", tests, setup_folder, teardown_folder);
}
