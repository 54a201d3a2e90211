/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a protocol is to the collector: a const table that says which records are valid and what
 * they are called. A protocol is a folder here, one in bpf/usm, and a line in bpf/protocols.h.
 * Belongs to the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "collector/telemetry/telemetry.h"
#include "config/config.h"

/** Takes what one address is called: 16 bytes, IPv4 mapped; a name of @length bytes, which is told
 * by strangers, for @ttl_ns. Good during the call only. */
typedef void eye_name_handler(void *context, const uint8_t *address, const char *name,
                              size_t length, uint64_t ttl_ns);

/* One request, answered or not. Pointers are good during the call only. */
struct eye_request_sample {
    const struct eye_protocol_type *protocol;
    void *state; /* of the protocol */
    const struct eye_request_head *head;
    const void *body;     /* head->body_bytes; the last text is not terminated, and hostile */
    uint64_t fingerprint; /* equal for two samples that differ in duration only; seeded hash */
};

/* Where a request's series will stand. */
struct eye_request_place {
    const struct eye_group *group;
    const char *service;
};

#define EYE_REQUEST_TAGS_MAX 8
#define EYE_REQUEST_TEXT_BYTES 256

/* What a protocol calls a request. */
struct eye_request_name {
    enum eye_metric_id metric; /* a distribution gets the duration, a counter one */
    struct eye_tag_value tags[EYE_REQUEST_TAGS_MAX]; /* all but service and port */
    size_t tag_count;
    enum eye_tag chosen;               /* whose value somebody chose */
    enum eye_choice choice;            /* who */
    bool fleeting;                     /* the next one like it may have another name */
    char text[EYE_REQUEST_TEXT_BYTES]; /* room for values of tags */
};

struct eye_protocol_type {
    /* The shortest and longest body of its records. */
    size_t body_min;
    size_t body_max;

    /** Whether a record of a right length is one that the kernel side writes. */
    bool (*is_valid)(const struct eye_request_head *head, const void *body);

    /** Makes what naming needs; @config outlives it. NULL: out of memory. Of a protocol that needs
     * nothing there is neither this nor close. */
    void *(*open)(const struct eye_config *config);

    /** Names a valid request. @ret_name comes zeroed; its tags may point into its text. */
    void (*name_request)(void *state, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name);

    /** Takes NULL. */
    void (*close)(void *state);

    /** Takes what a message (EYE_REQUEST_MESSAGE) tells that naming needs, out of hostile bytes.
     * False: it is malformed. NULL: no record of the protocol holds one. What is learnt stays when
     * the configuration changes. */
    bool (*learn)(void *state, const uint8_t *message, size_t bytes);

    /** How much of what was learnt gave way to newer. NULL: it learns nothing. */
    uint64_t (*forgotten)(const void *state);

    /** Tells the names of addresses that are in a message of hostile bytes (EYE_REQUEST_MESSAGE).
     * False: it is malformed. NULL: no record of the protocol holds one. */
    bool (*tell_names)(const uint8_t *message, size_t bytes, eye_name_handler *handler,
                       void *context);
};

#define X(identifier, name) extern const struct eye_protocol_type eye_protocol_##name;
EYE_PROTOCOLS(X)
#undef X

/** By enum eye_protocol; NULL for EYE_PROTOCOL_UNKNOWN. */
extern const struct eye_protocol_type *const eye_protocol_types[EYE_PROTOCOL_COUNT];

/** Appends a tag; @value must live as long as @name. */
void eye_request_name_tag(struct eye_request_name *name, enum eye_tag tag, const char *value);

bool eye_request_is_answered(const struct eye_request_head *head);

/** What ended a request without an answer: "cancelled", ... "_OTHER"; "" when it has one. */
const char *eye_request_error_name(const struct eye_request_head *head);
