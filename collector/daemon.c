/* SPDX-License-Identifier: Apache-2.0 */
/* Start, signals, stop. */
#include "collector/daemon.h"

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/collector.h"
#include "exporters/engine/worker.h"

struct daemon {
    const struct eye_config *config;
    struct eye_worker **workers;
    size_t worker_count;
    struct eye_collector *collector;
    int signals;
};

/* Blocked before any thread starts, so that every thread inherits it and only signalfd sees them.
 */
static int open_signals(void)
{
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    pthread_sigmask(SIG_BLOCK, &wanted, NULL);
    signal(SIGPIPE, SIG_IGN);
    return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

static size_t count_workers(const struct eye_config *config)
{
    size_t count = 0;
    for (size_t i = 0; i < config->exporter_count; i++) {
        count += eye_worker_lanes(eye_exporter_type_find(config->exporters[i].section->type));
    }
    return count;
}

static int open_lanes(struct daemon *daemon, const struct eye_exporter_config *own,
                      struct eye_error *ret_error)
{
    const struct eye_exporter_type *type = eye_exporter_type_find(own->section->type);
    int result = 0;
    for (unsigned lane = 0; lane < eye_worker_lanes(type) && result == 0; lane++) {
        result = eye_worker_new(type, daemon->config, own, lane,
                                &daemon->workers[daemon->worker_count], ret_error);
        daemon->worker_count += result == 0;
    }
    return result;
}

static int open_workers(struct daemon *daemon, struct eye_error *ret_error)
{
    const struct eye_config *config = daemon->config;
    /* One more: the analyser cannot know that there is always an exporter. */
    daemon->workers = calloc(count_workers(config) + 1, sizeof(struct eye_worker *));
    if (daemon->workers == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    int result = 0;
    for (size_t i = 0; i < config->exporter_count && result == 0; i++) {
        result = open_lanes(daemon, &config->exporters[i], ret_error);
    }
    return result;
}

static int start(struct daemon *daemon, struct eye_error *ret_error)
{
    int result = open_workers(daemon, ret_error);
    struct eye_kernel *kernel = NULL;
    if (result == 0) {
        result = eye_kernel_open(daemon->config, &kernel, ret_error);
    }
    if (result != 0) {
        return result;
    }
    /* Loading parses the kernel's whole BTF: several MiB that are free now, back to the kernel. */
    malloc_trim(0);
    size_t unseeded = eye_kernel_unseeded_namespaces(kernel);
    if (unseeded > 0) {
        eye_log_warning("%zu network namespaces could not be entered: connections older than the "
                        "daemon are not seen there; grant cap_sys_admin",
                        unseeded);
    }
    for (size_t i = 0; i < eye_kernel_shortcomings(kernel); i++) {
        eye_log_warning("%s", eye_kernel_shortcoming(kernel, i));
    }
    result = eye_collector_new(daemon->config, kernel, daemon->workers, daemon->worker_count,
                               &daemon->collector, ret_error);
    for (size_t i = 0; i < daemon->worker_count && result == 0; i++) {
        result = eye_worker_start(daemon->workers[i]);
    }
    if (result == 0) {
        result = eye_collector_start(daemon->collector);
    }
    return result;
}

/* Returns true when a worker's thread hangs. */
static bool end_workers(struct daemon *daemon)
{
    bool stuck = false;
    uint64_t deadline = eye_clock_monotonic_ns() + daemon->config->shutdown_timeout_ns;
    for (size_t i = 0; i < daemon->worker_count; i++) {
        eye_worker_stop(daemon->workers[i], deadline);
    }
    for (size_t i = 0; i < daemon->worker_count; i++) {
        stuck |= eye_worker_free(daemon->workers[i]) == EYE_WORKER_STUCK;
    }
    return stuck;
}

static void stop(struct daemon *daemon)
{
    if (daemon->collector != NULL) {
        eye_collector_stop(daemon->collector);
    }
    bool stuck = end_workers(daemon);
    eye_collector_free(daemon->collector);
    if (stuck) {
        /* The thread uses the configuration until the process is gone. */
        _exit(EXIT_SUCCESS);
    }
    free(daemon->workers);
    if (daemon->signals >= 0) {
        close(daemon->signals);
    }
}

static void wait_for_end(const struct daemon *daemon, bool once)
{
    struct pollfd fds[] = {
        {.fd = daemon->signals, .events = POLLIN},
        {.fd = once ? eye_collector_published_fd(daemon->collector) : -1, .events = POLLIN},
    };
    while (poll(fds, EYE_ARRAY_LENGTH(fds), -1) < 0 && errno == EINTR) {
    }
    struct signalfd_siginfo info;
    if (read(daemon->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        eye_log_info("stopping on %s", info.ssi_signo == SIGINT ? "SIGINT" : "SIGTERM");
    }
}

int eye_daemon_run(const struct eye_config *config, bool once)
{
    struct daemon daemon = {.config = config, .signals = open_signals()};
    struct eye_error error = {""};
    int result = start(&daemon, &error);
    if (result == 0) {
        eye_log_info("observing every network namespace, tier socket-storage, %zu exporter%s",
                     daemon.worker_count, daemon.worker_count == 1 ? "" : "s");
        wait_for_end(&daemon, once);
    } else {
        eye_log_error("%s", error.text[0] != '\0' ? error.text : strerror(-result));
    }
    stop(&daemon);
    return result == 0 ? 0 : 1;
}
