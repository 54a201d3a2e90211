/* SPDX-License-Identifier: Apache-2.0 */
/* Which daemon `sockeye top` looks at: the one that runs, else one of its own. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/clock.h"
#include "collector/base/parse.h"
#include "collector/commands.h"
#include "collector/control/client.h"
#include "collector/top/own.h"
#include "collector/top/top.h"

#define INTERVAL_MIN_NS (100 * EYE_NS_PER_MS)
#define INTERVAL_MAX_NS (3600 * EYE_NS_PER_SECOND)

/* That of our own daemon is 1 s: the first whole one has ended when twice that is over. */
#define OWN_ONCE_MIN_NS (2200 * EYE_NS_PER_MS)

#define READY_TIMEOUT_S 10
#define READY_MAX_BYTES 4096

/* "2": seconds; or a duration with its unit. */
static int parse_interval(const char *text, uint64_t *ret_ns)
{
    uint64_t value = 0;
    bool bare = text == NULL || eye_parse_u64(text, &value) == 0;
    uint64_t ns = text == NULL ? EYE_NS_PER_SECOND : value * EYE_NS_PER_SECOND;
    if ((bare && value > INTERVAL_MAX_NS / EYE_NS_PER_SECOND) ||
        (!bare && eye_parse_duration_ns(text, &ns) != 0) || ns < INTERVAL_MIN_NS ||
        ns > INTERVAL_MAX_NS) {
        fprintf(stderr,
                "sockeye top: --interval %s: give seconds, or a duration, from 100ms to 1h\n",
                text);
        return -EINVAL;
    }
    *ret_ns = ns;
    return 0;
}

/* What ends us is looked for where we wait, so that the terminal and the child are seen to. */
static void block_ends(sigset_t *ends)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    sigemptyset(ends);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(signals); i++) {
        sigaddset(ends, signals[i]);
    }
    pthread_sigmask(SIG_BLOCK, ends, NULL);
}

/* 0: somebody listens there, whatever it answers to us later; or -errno with a message. */
static int find_daemon(const char *path, struct eye_error *ret_error)
{
    EYE_CLEANUP(eye_text_done) struct eye_text body;
    eye_text_init(&body, READY_MAX_BYTES);
    int result = eye_client_ask(path, "GET", "/ready", READY_TIMEOUT_S, &body, ret_error);
    return result < 0 ? result : 0;
}

static int start_own(struct eye_own *own, const sigset_t *ends, struct eye_error *error)
{
    if (geteuid() != 0) {
        struct eye_error away = *error;
        return eye_error_set(error, -ENOENT, "%s; as root top starts a daemon for itself",
                             away.text);
    }
    error->text[0] = '\0';
    return eye_own_start(own, ends, error);
}

static int look(const struct eye_options *options, const struct eye_top_settings *settings,
                struct eye_error *ret_error)
{
    return options->once || options->json ? eye_top_once(settings, options->json, ret_error)
                                          : eye_top_watch(settings, ret_error);
}

static int look_with_own(const struct eye_options *options, const struct eye_top_settings *settings,
                         struct eye_error *error)
{
    struct eye_own own = EYE_OWN_NONE;
    struct eye_top_settings settings_of_own = *settings;
    int result = start_own(&own, settings->ends, error);
    if (result == 0) {
        bool once = options->once || options->json;
        settings_of_own.path = own.socket;
        if (once && settings->interval_ns < OWN_ONCE_MIN_NS) {
            settings_of_own.interval_ns = OWN_ONCE_MIN_NS;
        }
        result = look(options, &settings_of_own, error);
    }
    eye_own_stop(&own);
    return result;
}

int eye_command_top(const struct eye_options *options)
{
    struct eye_error error = {""};
    sigset_t ends;
    struct eye_top_settings settings = {
        .path = options->socket != NULL ? options->socket : EYE_CONTROL_DEFAULT_SOCKET,
        .ends = &ends,
    };
    if (parse_interval(options->interval, &settings.interval_ns) != 0) {
        return EYE_EXIT_USAGE;
    }
    block_ends(&ends);
    int result = find_daemon(settings.path, &error);
    bool away = result == -ECONNREFUSED || result == -ENOENT;
    if (result == 0) {
        result = look(options, &settings, &error);
    } else if (away && options->socket != NULL) {
        result = -ENOENT; /* that daemon was asked for, and no other */
    } else if (away) {
        result = look_with_own(options, &settings, &error);
    }
    if (error.text[0] != '\0') {
        fprintf(stderr, "sockeye: %s\n", error.text);
    }
    return result == 0                 ? EYE_EXIT_OK
           : away && result == -ENOENT ? EYE_EXIT_PARTLY
                                       : EYE_EXIT_FAILURE;
}
