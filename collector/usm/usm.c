/* SPDX-License-Identifier: Apache-2.0 */
/* Takes records of the ring "requests" apart. */
#include "collector/usm/usm.h"

#include <errno.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"

const struct eye_protocol_type *const eye_protocol_types[EYE_PROTOCOL_COUNT] = {
#define X(identifier, name) [EYE_PROTOCOL_##identifier] = &eye_protocol_##name,
    EYE_PROTOCOLS(X)
#undef X
};

static const char *const loss_reasons[EYE_LOSS_COUNT] = {
#define X(identifier, program, reason) reason,
    EYE_LOSSES(X)
#undef X
};

/* ---- Protocols ---- */

int eye_usm_open(struct eye_usm *usm, const struct eye_config *config)
{
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        if (eye_protocol_types[i]->open == NULL) {
            continue;
        }
        usm->protocols[i] = eye_protocol_types[i]->open(config);
        if (usm->protocols[i] == NULL) {
            eye_usm_close(usm);
            return -ENOMEM;
        }
    }
    return 0;
}

void eye_usm_close(struct eye_usm *usm)
{
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        if (usm->protocols[i] != NULL) {
            eye_protocol_types[i]->close(usm->protocols[i]);
            usm->protocols[i] = NULL;
        }
    }
}

void eye_usm_exchange(struct eye_usm *usm, struct eye_usm *other)
{
    for (size_t i = 0; i < EYE_PROTOCOL_COUNT; i++) {
        if (i > EYE_PROTOCOL_UNKNOWN && eye_protocol_types[i]->learn != NULL) {
            continue;
        }
        void *state = usm->protocols[i];
        usm->protocols[i] = other->protocols[i];
        other->protocols[i] = state;
    }
}

uint64_t eye_usm_forgotten(const struct eye_usm *usm)
{
    uint64_t forgotten = 0;
    for (size_t i = EYE_PROTOCOL_UNKNOWN + 1; i < EYE_PROTOCOL_COUNT; i++) {
        if (eye_protocol_types[i]->forgotten != NULL) {
            forgotten += eye_protocol_types[i]->forgotten(usm->protocols[i]);
        }
    }
    return forgotten;
}

/* ---- Records ---- */

/* An error in the place of the code; a code is the protocol's to know. */
static bool has_outcome(const struct eye_request_head *head)
{
    return eye_request_is_answered(head) ||
           (head->code > 0 && head->code < EYE_REQUEST_ERROR_COUNT);
}

/* The length that the head promises must be what came; the ring rounds nothing. */
static bool is_valid(const struct eye_request_head *head, size_t bytes)
{
    if (bytes < sizeof(*head) || head->protocol == EYE_PROTOCOL_UNKNOWN ||
        head->protocol >= EYE_PROTOCOL_COUNT) {
        return false;
    }
    const struct eye_protocol_type *type = eye_protocol_types[head->protocol];
    return bytes == sizeof(*head) + head->body_bytes && head->body_bytes >= type->body_min &&
           head->body_bytes <= type->body_max && has_outcome(head) &&
           type->is_valid(head, head + 1);
}

/* Everything that decides the series: the record behind its duration. */
static uint64_t fingerprint(const struct eye_request_head *head)
{
    const size_t from = offsetof(struct eye_request_head, owner);
    return eye_hash_bytes((const uint8_t *)head + from, sizeof(*head) - from + head->body_bytes);
}

static void take_loss(struct eye_usm *usm, const struct eye_loss_record *record)
{
    if (record->amount == 0 || record->loss >= EYE_LOSS_COUNT || record->client > 1) {
        usm->malformed++;
        return;
    }
    const struct eye_loss_sample sample = {
        .amount = record->amount,
        .owner = record->owner,
        .port = record->port,
        .client = record->client != 0,
        .reason = loss_reasons[record->loss],
    };
    usm->samples++;
    usm->on_loss(usm->context, &sample);
}

static void take_request(struct eye_usm *usm, const struct eye_request_head *head)
{
    const struct eye_request_sample sample = {
        .protocol = eye_protocol_types[head->protocol],
        .state = usm->protocols[head->protocol],
        .head = head,
        .body = head + 1,
        .fingerprint = fingerprint(head),
    };
    usm->samples += 1U + head->more;
    usm->on_request(usm->context, &sample);
}

static bool is_message(const struct eye_request_head *head, size_t bytes)
{
    return bytes >= sizeof(*head) && head->flags & EYE_REQUEST_MESSAGE;
}

/* What the protocol makes of it. False: nothing, or it is malformed. */
static bool tell_message(struct eye_usm *usm, const struct eye_request_head *head)
{
    const struct eye_protocol_type *type = eye_protocol_types[head->protocol];
    const uint8_t *message = (const uint8_t *)(head + 1);
    if (type->learn != NULL) {
        return type->learn(usm->protocols[head->protocol], message, head->body_bytes);
    }
    return type->tell_names != NULL &&
           type->tell_names(message, head->body_bytes, usm->on_name, usm->name_context);
}

/* Behind the message stands what the ring had there before. */
static bool take_message(struct eye_usm *usm, const struct eye_request_head *head, size_t bytes)
{
    return head->protocol > EYE_PROTOCOL_UNKNOWN && head->protocol < EYE_PROTOCOL_COUNT &&
           head->body_bytes <= bytes - sizeof(*head) && tell_message(usm, head);
}

void eye_usm_take(void *context, const void *bytes, size_t size)
{
    struct eye_usm *usm = context;
    if (size == sizeof(struct eye_loss_record)) {
        take_loss(usm, bytes);
    } else if (is_message(bytes, size)) {
        usm->malformed += !take_message(usm, bytes, size);
    } else if (is_valid(bytes, size)) {
        take_request(usm, bytes);
    } else {
        usm->malformed++;
    }
}
