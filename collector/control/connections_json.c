/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thousand rows of 24 fields: as objects of the JSON library they cost four times as much as the
 * text, so that is written here, but for the strings that others chose.
 */
#include "collector/control/connections_json.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <jansson.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/base/text.h"

/* A row has some 600 bytes, and at most 2 000. */
#define ANSWER_MAX_BYTES ((size_t)4 << 20)

/* "[", the longest address, "]:65535" */
#define END_BYTES (1 + INET6_ADDRSTRLEN + 8)

static int append(const char *bytes, size_t length, void *text)
{
    eye_text_append_bytes(text, bytes, length);
    return 0;
}

static void append_string(struct eye_text *text, const char *string)
{
    json_t *json = json_string(string);
    if (json == NULL || json_dump_callback(json, append, text, JSON_ENCODE_ANY) != 0) {
        text->failed = true;
    }
    json_decref(json);
}

static void append_time(struct eye_text *text, uint64_t wall_ns)
{
    struct tm parts = {0};
    time_t seconds = (time_t)(wall_ns / EYE_NS_PER_SECOND);
    char words[32] = "";
    gmtime_r(&seconds, &parts);
    strftime(words, sizeof(words), "%Y-%m-%dT%H:%M:%S", &parts);
    eye_text_appendf(text, "\"%s.%03uZ\"", words,
                     (unsigned)(wall_ns % EYE_NS_PER_SECOND / EYE_NS_PER_MS));
}

/* What is not known is null. */
static void append_seconds(struct eye_text *text, const char *field, bool known, double seconds)
{
    eye_text_appendf(text, known ? ",\"%s\":%.6f" : ",\"%s\":null", field, seconds);
}

static void append_end(struct eye_text *text, const char *field, uint8_t family,
                       const uint8_t address[EYE_ADDRESS_BYTES], uint16_t port)
{
    static const size_t mapped_bytes = 12;
    char words[INET6_ADDRSTRLEN] = "";
    if (family == EYE_IPV4) {
        inet_ntop(AF_INET, address + mapped_bytes, words, sizeof(words));
        eye_text_appendf(text, ",\"%s\":\"%s:%u\"", field, words, (unsigned)port);
    } else {
        inet_ntop(AF_INET6, address, words, sizeof(words));
        eye_text_appendf(text, ",\"%s\":\"[%s]:%u\"", field, words, (unsigned)port);
    }
}

static void append_names(struct eye_text *text, const struct eye_watched *watched)
{
    const struct eye_row *row = &watched->row;
    eye_text_appendf(text, "{\"id\":\"%016" PRIx64 "\",\"state\":\"%s\",\"direction\":\"%s\"",
                     watched->id, row->ended_ns != 0 ? "closed" : "open",
                     row->direction == EYE_INCOMING ? "incoming" : "outgoing");
    eye_text_append(text, ",\"service\":");
    append_string(text, watched->service);
    eye_text_append(text, ",\"process\":");
    append_string(text, watched->process);
    eye_text_appendf(text, ",\"port\":\"%s\",\"family\":\"%s\",\"protocol\":\"%s\"", watched->port,
                     row->family == EYE_IPV4 ? "ipv4" : "ipv6", watched->protocol);
    append_end(text, "local", row->family, row->local, row->local_port);
    append_end(text, "remote", row->family, row->remote, row->remote_port);
}

static void append_numbers(struct eye_text *text, const struct eye_watched *watched,
                           uint64_t now_ns)
{
    const struct eye_row *row = &watched->row;
    uint64_t end_ns = row->ended_ns != 0 ? row->ended_ns : now_ns;
    uint64_t age_ns = end_ns > row->since_ns ? end_ns - row->since_ns : 0;
    eye_text_appendf(text, ",\"netns\":%u", (unsigned)row->netns);
    append_seconds(text, "age_s", row->since_ns != 0, (double)age_ns * 1e-9);
    eye_text_appendf(text,
                     ",\"sent_bytes\":%" PRIu64 ",\"received_bytes\":%" PRIu64
                     ",\"sent_segments\":%u,\"received_segments\":%u,\"retransmits\":%u"
                     ",\"sent_bytes_change\":%" PRIu64 ",\"received_bytes_change\":%" PRIu64
                     ",\"retransmits_change\":%u",
                     (uint64_t)row->sent_bytes, (uint64_t)row->received_bytes, row->sent_segments,
                     row->received_segments, row->retransmits, watched->sent_change,
                     watched->received_change, watched->retransmits_change);
    append_seconds(text, "rtt_s", row->rtt_us != 0, row->rtt_us * 1e-6);
    eye_text_append_char(text, '}');
}

char *eye_connections_json(const struct eye_watch_answer *answer)
{
    struct eye_text text;
    eye_text_init(&text, ANSWER_MAX_BYTES);
    eye_text_appendf(&text, "{\"client\":\"%s\",\"number\":%" PRIu64 ",\"time\":", answer->client,
                     answer->number);
    append_time(&text, answer->time_ns);
    append_seconds(&text, "elapsed_s", true, (double)answer->elapsed_ns * 1e-9);
    eye_text_appendf(&text, ",\"truncated\":%" PRIu64 ",\"lost\":%" PRIu64 ",\"connections\":[",
                     answer->truncated, answer->lost);
    for (size_t i = 0; i < answer->count; i++) {
        const struct eye_watched *watched = &answer->rows[answer->order[i]];
        eye_text_append(&text, i == 0 ? "\n" : ",\n");
        append_names(&text, watched);
        append_numbers(&text, watched, answer->monotonic_ns);
    }
    eye_text_append(&text, "]}\n");
    if (text.failed) {
        eye_text_done(&text);
        return NULL;
    }
    return text.data;
}
