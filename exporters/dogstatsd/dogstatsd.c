/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exporter "dogstatsd": lines packed into datagrams to a Datadog Agent over UDP.
 *
 * A datagram that was refused is sent again later, so the exporter remembers where in the snapshot
 * it began. Encoding is deterministic: going there again makes the same lines.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/dogstatsd/datagram.h"
#include "exporters/dogstatsd/lines.h"

/* An Ethernet frame less the IP and UDP headers; what the official clients use. */
#define PAYLOAD_DEFAULT "1432B"
#define PAYLOAD_MIN_BYTES 512
#define PAYLOAD_MAX_BYTES 65467

/*
 * A receiver's default buffer (net.core.rmem_default, 212992 bytes) holds about 90 datagrams, and
 * what does not fit is lost without a word. So it gets 5 ms to read after each burst of 32. The
 * first datagram of a snapshot is a burst of its own: a receiver in reach that is down says so in
 * this time.
 */
#define BURST_DATAGRAMS 32
#define BURST_PAUSE_MS 5

struct values {
    char *url;
    uint64_t payload_bytes;
};

/* A line of the snapshot in delivery. */
struct cursor {
    size_t point; /* index among the snapshot's points */
    size_t line;  /* of that point */
};

/* What one datagram carries. */
struct batch {
    struct cursor next; /* the first line behind it */
    uint64_t points;    /* that end in it */
    uint64_t too_long;  /* points given up on the way */
    uint64_t invalid;
};

struct dogstatsd {
    struct eye_selection selection;
    struct eye_lines lines;
    struct eye_datagram datagram;
    char *payload; /* of the datagram being filled; owned */
    size_t payload_length;
    size_t payload_max;
    struct eye_export_stats *stats;
    struct batch filling;
    struct batch sent;     /* the last datagram, while `unheard` */
    bool unheard;          /* whether `sent` was refused is not known yet */
    struct cursor settled; /* everything before it was delivered */
    unsigned burst;        /* datagrams sent in this call */
};

/* ---- Sending ---- */

static void start_batch(struct dogstatsd *dogstatsd, struct cursor at)
{
    dogstatsd->filling = (struct batch){.next = at};
    dogstatsd->payload_length = 0;
}

/* What `sent` carried is delivered. */
static void settle_sent(struct dogstatsd *dogstatsd)
{
    const struct batch *sent = &dogstatsd->sent;
    atomic_fetch_add(&dogstatsd->stats->points, sent->points);
    atomic_fetch_add(&dogstatsd->stats->dropped[EYE_EXPORT_TOO_LONG], sent->too_long);
    atomic_fetch_add(&dogstatsd->stats->dropped[EYE_EXPORT_INVALID], sent->invalid);
    dogstatsd->settled = sent->next;
    dogstatsd->unheard = false;
}

/* Listens for bad news of the last datagram; without any it is delivered. */
static int check_sent(struct dogstatsd *dogstatsd, int milliseconds, struct eye_error *message)
{
    int result = eye_datagram_settle(&dogstatsd->datagram, milliseconds, message);
    if (result == 0 && dogstatsd->unheard) {
        settle_sent(dogstatsd);
    }
    return result;
}

/* Sends what was gathered and begins the next datagram. */
static int flush(struct dogstatsd *dogstatsd, struct eye_error *message)
{
    int result = check_sent(dogstatsd, 0, message);
    if (result == 0) {
        result = eye_datagram_send(&dogstatsd->datagram, dogstatsd->payload,
                                   dogstatsd->payload_length, message);
    }
    if (result != 0) {
        return result;
    }
    dogstatsd->sent = dogstatsd->filling;
    dogstatsd->unheard = true;
    start_batch(dogstatsd, dogstatsd->sent.next);
    bool pause = dogstatsd->burst++ % BURST_DATAGRAMS == 0;
    return pause ? check_sent(dogstatsd, BURST_PAUSE_MS, message) : 0;
}

/* ---- From points to datagrams ---- */

static int add_line(struct dogstatsd *dogstatsd, struct cursor next, struct eye_error *message)
{
    const struct eye_text *line = &dogstatsd->lines.line;
    if (dogstatsd->payload_length + line->length > dogstatsd->payload_max) {
        int result = flush(dogstatsd, message);
        if (result != 0) {
            return result;
        }
    }
    memcpy(dogstatsd->payload + dogstatsd->payload_length, line->data, line->length);
    dogstatsd->payload_length += line->length;
    dogstatsd->filling.next = next;
    return 0;
}

/* Adds the lines of the change begun, those before @at.line excepted. */
static int add_lines(struct dogstatsd *dogstatsd, struct cursor at, struct eye_error *message)
{
    size_t made = 0;
    for (; eye_lines_next(&dogstatsd->lines); made++) {
        struct cursor next = {.point = at.point, .line = made + 1};
        int result = made < at.line ? 0 : add_line(dogstatsd, next, message);
        if (result != 0) {
            return result;
        }
    }
    dogstatsd->filling.points += made > 0 ? 1 : 0;
    return 0;
}

static int add_change(struct dogstatsd *dogstatsd, struct cursor at,
                      const struct eye_change *change, struct eye_error *message)
{
    int result = 0;
    switch (eye_lines_begin(&dogstatsd->lines, change)) {
    case -EMSGSIZE:
        dogstatsd->filling.too_long++;
        break;
    case -EINVAL:
        dogstatsd->filling.invalid++;
        break;
    default:
        result = add_lines(dogstatsd, at, message);
    }
    if (result == 0) {
        dogstatsd->filling.next = (struct cursor){.point = at.point + 1};
    }
    return result;
}

/* Adds everything from @at on. */
static int add_changes(struct dogstatsd *dogstatsd, struct cursor at,
                       const struct eye_snapshot *now, const struct eye_snapshot *before,
                       struct eye_error *message)
{
    struct eye_changes changes;
    struct eye_change change;
    eye_changes_begin(&changes, now, before);
    for (size_t index = 0; eye_changes_next(&changes, &change); index++) {
        if (index < at.point || !dogstatsd->selection.wanted[change.point->metric->id]) {
            continue;
        }
        struct cursor from = {.point = index, .line = index == at.point ? at.line : 0};
        int result = add_change(dogstatsd, from, &change, message);
        if (result != 0) {
            return result;
        }
    }
    return 0;
}

static int finish(struct dogstatsd *dogstatsd, struct eye_error *message)
{
    int result = dogstatsd->payload_length > 0 ? flush(dogstatsd, message) : 0;
    if (result == 0 && dogstatsd->unheard) {
        result = check_sent(dogstatsd, BURST_PAUSE_MS, message);
    }
    if (result == 0) {
        /* Points given up since the last datagram. */
        dogstatsd->sent = dogstatsd->filling;
        settle_sent(dogstatsd);
    }
    return result;
}

static int deliver(void *state, const struct eye_snapshot *now, const struct eye_snapshot *before,
                   bool *ret_started, struct eye_error *message)
{
    struct dogstatsd *dogstatsd = state;
    struct cursor resume = dogstatsd->settled;
    start_batch(dogstatsd, resume);
    dogstatsd->unheard = false;
    dogstatsd->burst = 0;
    int result = eye_datagram_open(&dogstatsd->datagram, message);
    if (result == 0) {
        result = add_changes(dogstatsd, resume, now, before, message);
    }
    if (result == 0) {
        result = finish(dogstatsd, message);
    }
    if (result == 0) {
        dogstatsd->settled = (struct cursor){0};
        return 0;
    }
    *ret_started = dogstatsd->settled.point > 0 || dogstatsd->settled.line > 0;
    return result;
}

/* ---- Life ---- */

static void close_exporter(void *state)
{
    struct dogstatsd *dogstatsd = state;
    if (dogstatsd == NULL) {
        return;
    }
    eye_datagram_done(&dogstatsd->datagram);
    eye_lines_done(&dogstatsd->lines);
    free(dogstatsd->payload);
    eye_selection_done(&dogstatsd->selection);
    free(dogstatsd);
}

static void cleanup_exporter(struct dogstatsd **dogstatsd)
{
    close_exporter(*dogstatsd);
}

static int open_exporter(const struct eye_exporter_setup *setup, void **ret_state,
                         struct eye_error *ret_error)
{
    const struct values *values = setup->own->values;
    EYE_CLEANUP(cleanup_exporter) struct dogstatsd *dogstatsd = calloc(1, sizeof(*dogstatsd));
    if (dogstatsd == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    dogstatsd->stats = setup->stats;
    dogstatsd->payload_max = values->payload_bytes;
    dogstatsd->payload = malloc(dogstatsd->payload_max);
    eye_datagram_init(&dogstatsd->datagram, values->url, setup->stats);
    int result = eye_selection_init(&dogstatsd->selection, setup);
    if (result == 0 && dogstatsd->payload == NULL) {
        result = -ENOMEM;
    }
    if (result == 0) {
        result = eye_lines_init(&dogstatsd->lines, &dogstatsd->selection, values->payload_bytes);
    }
    if (result != 0) {
        const char *cause =
            result == -EMSGSIZE ? "the fixed tags are longer than its `payload`" : "out of memory";
        return eye_error_set(ret_error, result, "%s", cause);
    }
    *ret_state = EYE_TAKE(dogstatsd);
    return 0;
}

static const struct eye_config_key keys[] = {
    {
        .path = "url",
        .type = EYE_CONFIG_TEXT,
        .offset = offsetof(struct values, url),
        .default_value = "udp://127.0.0.1:8125",
        .valid = eye_datagram_url_valid,
        .expects = "udp://HOST:PORT, an IPv6 address in brackets",
        .help = "where the Datadog Agent listens",
    },
    {
        .path = "payload",
        .type = EYE_CONFIG_SIZE,
        .offset = offsetof(struct values, payload_bytes),
        .default_value = PAYLOAD_DEFAULT,
        .min = PAYLOAD_MIN_BYTES,
        .max = PAYLOAD_MAX_BYTES,
        .help = "largest datagram; the Agent reads at most 8192 bytes of one",
    },
};

const struct eye_exporter_type eye_exporter_dogstatsd = {
    .section =
        {
            .type = "dogstatsd",
            .keys = keys,
            .key_count = EYE_ARRAY_LENGTH(keys),
            .values_size = sizeof(struct values),
        },
    .open = open_exporter,
    .deliver = deliver,
    .close = close_exporter,
};
