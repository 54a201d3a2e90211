/* SPDX-License-Identifier: Apache-2.0 */
/* Status to a line, lists to rows. */
#include "collector/top/moment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/top/cells.h"

static const char *string_of(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value == NULL ? "" : value;
}

/* "3d 04h", "04h 05m", "05m 06s" */
static void write_uptime(char *text, size_t size, long seconds)
{
    long days = seconds / 86400;
    long hours = seconds / 3600 % 24;
    long minutes = seconds / 60 % 60;
    if (days > 0) {
        snprintf(text, size, "%ldd %02ldh", days, hours);
    } else if (hours > 0) {
        snprintf(text, size, "%ldh %02ldm", hours, minutes);
    } else {
        snprintf(text, size, "%ldm %02lds", minutes, seconds % 60);
    }
}

static void clean(char *target, size_t size, const char *text, bool utf8)
{
    size_t length = strlen(text);
    eye_cells_clean(target, text, length < size ? length : size - 1, utf8);
}

/* Of whatever kind, in the daemon's last interval. */
static long long losses_of(const json_t *losses)
{
    long long sum = 0;
    size_t i;
    const json_t *loss;
    json_array_foreach(losses, i, loss)
    {
        sum += json_integer_value(json_object_get(loss, "last_interval"));
    }
    return sum;
}

static void read_title(struct eye_moment *moment, const json_t *status, bool utf8)
{
    char line[EYE_MOMENT_TITLE_BYTES];
    char uptime[64];
    const json_t *interval = json_object_get(status, "interval");
    if (!json_is_object(status)) {
        eye_copy_string(moment->title, sizeof(moment->title), "sockeye does not answer");
        return;
    }
    write_uptime(uptime, sizeof(uptime),
                 (long)json_number_value(json_object_get(status, "uptime_s")));
    snprintf(line, sizeof(line), "sockeye %s %s  up %s  tier %s  interval %g s  lost %lld",
             string_of(status, "version"), string_of(status, "status"), uptime,
             string_of(status, "tier"), json_number_value(json_object_get(interval, "length_s")),
             losses_of(json_object_get(status, "losses")));
    clean(moment->title, sizeof(moment->title), line, utf8);
    moment->healthy = strcmp(string_of(status, "status"), "healthy") == 0;
}

static size_t count_of(const json_t *object, const char *key)
{
    json_int_t value = json_integer_value(json_object_get(object, key));
    return value > 0 ? (size_t)value : 0;
}

int eye_moment_read(const json_t *answers, bool utf8, struct eye_moment *ret_moment)
{
    EYE_CLEANUP(eye_moment_done) struct eye_moment moment = {0};
    for (size_t i = 0; i < EYE_TOP_VIEWS; i++) {
        const char *name = eye_top_view((enum eye_top_view_id)i)->name;
        const json_t *answer = json_object_get(answers, name);
        double elapsed_s = json_number_value(json_object_get(answer, "elapsed_s"));
        if (eye_top_rows_read(json_object_get(answer, name), elapsed_s, utf8, &moment.rows[i]) !=
            0) {
            return -ENOMEM;
        }
        moment.left_out[i] = count_of(answer, "truncated") + count_of(answer, "lost");
    }
    read_title(&moment, json_object_get(answers, "status"), utf8);
    clean(moment.message, sizeof(moment.message), string_of(answers, "message"), utf8);
    *ret_moment = moment;
    moment = (struct eye_moment){0};
    return 0;
}

void eye_moment_done(struct eye_moment *moment)
{
    for (size_t i = 0; i < EYE_TOP_VIEWS; i++) {
        eye_top_rows_done(&moment->rows[i]);
    }
}
