/* SPDX-License-Identifier: Apache-2.0 */
/* Replacing exporters that have what only one may have: a port, a file. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "collector/base/clock.h"
#include "exporters/engine/replacement.h"
#include "tests/support/replacement_run.h"
#include "tests/unit/exporters/sample.h"

#define PATIENCE_NS (10 * EYE_NS_PER_SECOND)
#define TIMEOUT_NS EYE_NS_PER_SECOND
#define PAGE_BYTES 65536

struct fixture {
    char folder[64];
    char file[128];
    struct sample *sample;
    struct eye_publisher *publisher;
    struct eye_reports *reports;
    struct eye_workers workers;
    struct eye_workers_change change;
    struct eye_error error;
    struct sockaddr_in address;
};

/* A port of ours that is free again. */
static struct sockaddr_in free_address(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
    close(fd);
    return address;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/eye-bound-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    snprintf(fixture->file, sizeof(fixture->file), "%s/lines", fixture->folder);
    fixture->sample = sample_new(NULL);
    fixture->publisher = eye_publisher_new();
    fixture->reports = eye_reports_new();
    fixture->address = free_address();
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_workers_end(&fixture->workers, eye_clock_monotonic_ns() + PATIENCE_NS);
    eye_reports_free(fixture->reports);
    eye_publisher_free(fixture->publisher);
    sample_free(fixture->sample);
    unlink(fixture->file);
    rmdir(fixture->folder);
    free(fixture);
    return 0;
}

/* @expiry of the page, @keep of the file, and what follows in the list. */
static const struct eye_config *configure(const struct fixture *fixture, const char *expiry,
                                          unsigned keep, const char *more)
{
    const struct eye_config_section *sections[32];
    char list[512];
    size_t count = 0;
    for (; eye_exporter_types[count] != NULL; count++) {
        sections[count] = &eye_exporter_types[count]->section;
    }
    snprintf(list, sizeof(list),
             "exporters=[{type: openmetrics, listen: '127.0.0.1:%u', expiry: %s}, "
             "{type: file, path: %s, keep: %u}%s]",
             ntohs(fixture->address.sin_port), expiry, fixture->file, keep, more);
    const char *const assignments[] = {list, "interval=1s"};
    const struct eye_config_source source = {
        .file = "/dev/null",
        .assignments = assignments,
        .assignment_count = EYE_ARRAY_LENGTH(assignments),
        .sections = sections,
        .section_count = count,
    };
    struct eye_config *config = NULL;
    struct eye_error error;
    if (eye_config_load(&source, &config, &error) != 0) {
        fail_msg("%s", error.text);
    }
    return config;
}

static void start(struct fixture *fixture)
{
    const struct eye_config *config = configure(fixture, "1h", 5, "");
    struct eye_workers *workers = &fixture->workers;
    assert_int_equal(eye_workers_new(config, workers, &fixture->error), 0);
    eye_config_unref(config);
    assert_int_equal(eye_workers_bind(workers, &fixture->error), 0);
    assert_int_equal(
        eye_workers_join(workers, fixture->publisher, fixture->reports, &fixture->error), 0);
    for (size_t i = 0; i < workers->count; i++) {
        assert_int_equal(eye_worker_start(workers->items[i]), 0);
    }
}

static int replace(struct fixture *fixture, const struct eye_config *config)
{
    fixture->error.text[0] = '\0';
    const struct eye_replacement_setup setup = {
        .workers = &fixture->workers,
        .publisher = fixture->publisher,
        .reports = fixture->reports,
        .timeout_ns = TIMEOUT_NS,
    };
    int result = replacement_run(&setup, config, &fixture->change, &fixture->error);
    eye_config_unref(config);
    return result;
}

static void publish(struct fixture *fixture, unsigned count)
{
    sample_add(fixture->sample, EYE_METRIC_TCP_OPENED, count,
               SAMPLE_TAGS({EYE_TAG_SERVICE, "checkout"}));
    eye_publisher_publish(fixture->publisher, sample_take(fixture->sample));
}

/* Whether a scraper gets a page that has @words. */
static bool page_has(const struct fixture *fixture, const char *words)
{
    static const char request[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    char page[PAGE_BYTES];
    size_t length = 0;
    ssize_t count = -1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&fixture->address, sizeof(fixture->address)) == 0 &&
        send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request)) {
        while ((count = read(fd, page + length, sizeof(page) - 1 - length)) > 0) {
            length += (size_t)count;
        }
    }
    close(fd);
    page[length] = '\0';
    return strstr(page, words) != NULL;
}

static void wait_for_page(const struct fixture *fixture, const char *words)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    while (!page_has(fixture, words) && eye_clock_monotonic_ns() < until_ns) {
        usleep(1000);
    }
    assert_true(page_has(fixture, words));
}

/* How often @words stand in the file, when it has them @least times. */
static size_t lines_with(const struct fixture *fixture, const char *words, size_t least)
{
    uint64_t until_ns = eye_clock_monotonic_ns() + PATIENCE_NS;
    size_t count = 0;
    do {
        char line[4096];
        FILE *file = fopen(fixture->file, "re");
        assert_non_null(file);
        count = 0;
        while (fgets(line, sizeof(line), file) != NULL) {
            count += strstr(line, words) != NULL ? 1 : 0;
        }
        fclose(file);
        usleep(1000);
    } while (count < least && eye_clock_monotonic_ns() < until_ns);
    return count;
}

static void port_and_file__go_to_the_successor(void **state)
{
    struct fixture *fixture = *state;
    start(fixture);
    publish(fixture, 5);
    wait_for_page(fixture, "service=\"checkout\"} 5");
    assert_int_equal(replace(fixture, configure(fixture, "2h", 6, "")), 0);
    assert_int_equal(fixture->change.changed, 2);
    /* The page of before, until there is a newer one. */
    wait_for_page(fixture, "service=\"checkout\"} 5");
    publish(fixture, 6);
    wait_for_page(fixture, "service=\"checkout\"} 11");
    assert_int_equal(lines_with(fixture, "tcp.connections.opened", 2), 2);
}

static void port_and_file__come_back_when_another_one_cannot_be_had(void **state)
{
    struct fixture *fixture = *state;
    char more[128];
    struct sockaddr_in taken = free_address();
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&taken, sizeof(taken)), 0);
    assert_int_equal(listen(fd, 1), 0);
    snprintf(more, sizeof(more), ", {type: openmetrics, listen: '127.0.0.1:%u'}",
             ntohs(taken.sin_port));
    start(fixture);
    publish(fixture, 5);
    wait_for_page(fixture, "service=\"checkout\"} 5");
    assert_int_equal(replace(fixture, configure(fixture, "2h", 6, more)), -EADDRINUSE);
    assert_non_null(strstr(fixture->error.text, "exporter openmetrics-2: cannot listen on"));
    wait_for_page(fixture, "service=\"checkout\"} 5");
    publish(fixture, 6);
    wait_for_page(fixture, "service=\"checkout\"} 11");
    assert_int_equal(lines_with(fixture, "tcp.connections.opened", 2), 2);
    close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(port_and_file__go_to_the_successor),
        TEST(port_and_file__come_back_when_another_one_cannot_be_had),
    };
    return cmocka_run_group_tests_name("replace_bound", tests, NULL, NULL);
}
