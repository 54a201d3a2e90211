/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Source: https://docs.datadoghq.com/developers/dogstatsd/datagram_shell. Lengths in the head of an
 * event are those of the escaped texts.
 */
#include "exporters/dogstatsd/messages.h"

#include <inttypes.h>
#include <string.h>

#include "collector/base/clock.h"

/* Longest title or body that our own events have, escaped. */
#define MESSAGE_MAX_BYTES 512

/* A bar would end the text, and a line feed the message; the latter has an escape. */
static void escape(struct eye_text *text, const char *plain)
{
    for (; *plain != '\0'; plain++) {
        switch (*plain) {
        case '\n':
            eye_text_append(text, "\\n");
            break;
        case '|':
            eye_text_append_char(text, '_');
            break;
        default:
            eye_text_append_char(text, *plain);
        }
    }
}

static void append_labels(struct eye_text *text, const struct eye_labels *labels)
{
    eye_labels_append(text, &labels->tags);
    eye_labels_append(text, &labels->fields);
}

void eye_message_event(struct eye_text *text, const struct eye_labels *labels, const char *title,
                       const char *body, uint64_t time_ns)
{
    EYE_CLEANUP(eye_text_done) struct eye_text head;
    EYE_CLEANUP(eye_text_done) struct eye_text rest;
    eye_text_init(&head, MESSAGE_MAX_BYTES);
    eye_text_init(&rest, MESSAGE_MAX_BYTES);
    escape(&head, title);
    escape(&rest, body);
    eye_text_appendf(text, "_e{%zu,%zu}:%s|%s|d:%" PRIu64 "|t:info", head.length, rest.length,
                     eye_text_string(&head), eye_text_string(&rest), time_ns / EYE_NS_PER_SECOND);
    append_labels(text, labels);
}

void eye_message_check(struct eye_text *text, const struct eye_labels *labels, const char *name,
                       uint64_t time_ns)
{
    eye_text_appendf(text, "_sc|%s|0|d:%" PRIu64, name, time_ns / EYE_NS_PER_SECOND);
    append_labels(text, labels);
}
