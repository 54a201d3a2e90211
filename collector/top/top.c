/* SPDX-License-Identifier: Apache-2.0 */
/* Readings, keys and screens, one after the other. */
#include "collector/top/top.h"

#include <errno.h>
#include <locale.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/top/cells.h"
#include "collector/top/feed.h"
#include "collector/top/terminal.h"

/* A screen of the largest size, of characters of four bytes. */
#define SCREEN_MAX_BYTES ((size_t)EYE_SCREEN_LINES_MAX * EYE_SCREEN_WIDTH_MAX * 4)

/* Both tables with all rows that a daemon tells. */
#define TABLES_MAX_BYTES ((size_t)16 << 20)

/* Where nothing says how wide lines may be: all columns. */
#define WIDE 250

/* ---- Once ---- */

/* Lines of a terminal are as long as it is wide. */
static size_t line_width(void)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? size.ws_col : WIDE;
}

static int print_tables(const json_t *answers)
{
    EYE_CLEANUP(eye_moment_done) struct eye_moment moment = {0};
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    struct eye_top_choice choice = {0};
    eye_text_init(&text, TABLES_MAX_BYTES);
    int result = eye_moment_read(answers, eye_cells_utf8(), &moment);
    for (int i = 0; i < EYE_TOP_VIEWS && result == 0; i++) {
        choice.view = (enum eye_top_view_id)i;
        eye_text_append(&text, i == 0 ? "" : "\n");
        result = eye_screen_print(&text, &moment, &choice, line_width());
    }
    fputs(eye_text_string(&text), stdout);
    return result;
}

static void print_json(json_t *answers)
{
    json_object_del(answers, "status");
    json_dumpf(answers, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
}

/* Two readings, as rates are of the time between them. NULL when out of memory. */
static int read_twice(const struct eye_top_settings *settings, json_t **ret_answers)
{
    struct eye_feed feed;
    const struct timespec pause = {
        .tv_sec = (time_t)(settings->interval_ns / EYE_NS_PER_SECOND),
        .tv_nsec = (long)(settings->interval_ns % EYE_NS_PER_SECOND),
    };
    eye_feed_init(&feed, settings->path, EYE_FEED_TIMEOUT_S);
    json_decref(eye_feed_read(&feed));
    if (sigtimedwait(settings->ends, NULL, &pause) > 0) {
        return -ECANCELED;
    }
    *ret_answers = eye_feed_read(&feed);
    return *ret_answers == NULL ? -ENOMEM : 0;
}

static int print(json_t *answers, bool json, struct eye_error *ret_error)
{
    const char *message = json_string_value(json_object_get(answers, "message"));
    int result = 0;
    if (message[0] != '\0') {
        result = eye_error_set(ret_error, -ENODATA, "%s", message);
    }
    if (json) {
        print_json(answers);
        return result;
    }
    return print_tables(answers) != 0 ? eye_error_set(ret_error, -ENOMEM, "no memory is left")
                                      : result;
}

int eye_top_once(const struct eye_top_settings *settings, bool json, struct eye_error *ret_error)
{
    json_t *answers = NULL;
    setlocale(LC_CTYPE, "");
    int result = read_twice(settings, &answers);
    if (result == -ENOMEM) {
        return eye_error_set(ret_error, result, "no memory is left");
    }
    if (result == 0) {
        result = print(answers, json, ret_error);
    }
    json_decref(answers);
    return result;
}

/* ---- Live ---- */

struct watch {
    struct eye_feed feed;
    struct eye_moment moment;
    struct eye_top_choice choice;
    struct eye_screen screen;
    uint64_t interval_ns;
    uint64_t due_ns; /* the next reading, monotonic */
    int signal_fd;
    bool utf8;
};

/* What is frozen stays; the readings go on, as the daemon keeps closed connections for us. */
static int take_reading(struct watch *watch)
{
    struct eye_moment moment = {0};
    watch->due_ns = eye_clock_monotonic_ns() + watch->interval_ns;
    json_t *answers = eye_feed_read(&watch->feed);
    int result = answers == NULL ? -ENOMEM : 0;
    if (result == 0 && !watch->choice.frozen) {
        result = eye_moment_read(answers, watch->utf8, &moment);
    }
    json_decref(answers);
    if (result == 0 && !watch->choice.frozen) {
        eye_moment_done(&watch->moment);
        watch->moment = moment;
    }
    return result;
}

static int draw(struct watch *watch)
{
    size_t width;
    size_t height;
    eye_terminal_size(&width, &height);
    int result = eye_screen_draw(&watch->screen, &watch->moment, &watch->choice, width, height);
    if (result == 0) {
        eye_terminal_draw(&watch->screen);
    }
    return result;
}

static void press_keys(struct watch *watch)
{
    size_t width;
    size_t height;
    int key;
    while ((key = eye_terminal_key()) != EYE_KEY_NONE) {
        eye_terminal_size(&width, &height);
        eye_top_press(&watch->choice, key, eye_screen_rows(height));
    }
}

/* Until a key, a signal or the next reading. A terminal that has gone is an end, too. */
static void wait_for_news(struct watch *watch)
{
    struct pollfd fds[] = {
        {.fd = STDIN_FILENO, .events = POLLIN},
        {.fd = watch->signal_fd, .events = POLLIN},
    };
    uint64_t now_ns = eye_clock_monotonic_ns();
    uint64_t left_ns = watch->due_ns > now_ns ? watch->due_ns - now_ns : 0;
    int count =
        poll(fds, EYE_ARRAY_LENGTH(fds), (int)((left_ns + EYE_NS_PER_MS - 1) / EYE_NS_PER_MS));
    if (count > 0 && ((fds[0].revents & ~POLLIN) != 0 || fds[1].revents != 0)) {
        watch->choice.over = true;
    }
}

static int run(struct watch *watch)
{
    int result = 0;
    while (result == 0 && !watch->choice.over) {
        if (eye_clock_monotonic_ns() >= watch->due_ns) {
            result = take_reading(watch);
        }
        if (result == 0) {
            result = draw(watch);
        }
        wait_for_news(watch);
        press_keys(watch);
    }
    return result;
}

int eye_top_watch(const struct eye_top_settings *settings, struct eye_error *ret_error)
{
    struct watch watch = {.interval_ns = settings->interval_ns};
    setlocale(LC_CTYPE, "");
    EYE_AUTOCLOSE int signal_fd = signalfd(-1, settings->ends, SFD_CLOEXEC);
    if (signal_fd < 0) {
        return eye_error_set(ret_error, -errno, "cannot watch for signals: %s", strerror(errno));
    }
    int result = eye_terminal_open(ret_error);
    if (result != 0) {
        return result;
    }
    watch.signal_fd = signal_fd;
    watch.utf8 = eye_cells_utf8();
    eye_feed_init(&watch.feed, settings->path, EYE_FEED_LIVE_TIMEOUT_S);
    eye_text_init(&watch.screen.text, SCREEN_MAX_BYTES);
    result = run(&watch);
    eye_terminal_close();
    eye_text_done(&watch.screen.text);
    eye_moment_done(&watch.moment);
    return result == 0 ? 0 : eye_error_set(ret_error, result, "no memory is left");
}
