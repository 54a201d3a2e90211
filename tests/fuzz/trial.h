/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One delivery of a hostile world by the real engine, into memory: the payloads that a format made,
 * and what its add() said of each point. A payload whose sending fails is made again, and has to be
 * the same; a point is refused for a reason.
 */
#pragma once

#include "exporters/encode/identities.h"
#include "exporters/engine/delivery.h"
#include "tests/fuzz/hostile.h"

/* The outcome of a point that wants() refused. */
#define TRIAL_UNWANTED 1

/* A format without its receiver. */
struct trial_format {
    void (*begin)(void *encoder);
    bool (*wants)(void *encoder, const struct eye_change *change);
    int (*add)(void *encoder, size_t index, const struct eye_change *change, size_t *part);

    /** Closes the payload, and hands it out. */
    const struct eye_text *(*end)(void *encoder);
};

struct trial {
    const struct trial_format *format;
    void *encoder; /* of the format */
    const struct eye_snapshot *now;
    const struct eye_snapshot *before;
    int outcomes[HOSTILE_POINTS_MAX]; /* by index: 0, TRIAL_UNWANTED, or -errno */
    struct eye_text *payloads;        /* owned, each owned */
    size_t count;
    uint32_t retries;
    bool failed; /* the payload at hand was sent once, in vain */
    struct eye_export_stats stats;
};

/**
 * Delivers what changed from @before to @now. @world says which payloads fail at first. @fits: a
 * point whose prefix, name and tags have no more bytes than this is never too long.
 */
struct trial *trial_new(const struct hostile *world, const struct eye_snapshot *now,
                        const struct eye_snapshot *before, const struct trial_format *format,
                        void *encoder, size_t fits);
void trial_free(struct trial *trial);

/** Follows the snapshots of @world, as an exporter does that delivered the first. */
void trial_follow(const struct hostile *world, struct eye_identities *identities);

/** Begins a walk over the points that were delivered. */
struct eye_changes trial_changes(const struct trial *trial);

/** The next of them, and its index; false at the end. */
bool trial_next(const struct trial *trial, struct eye_changes *changes,
                struct eye_change *ret_change, size_t *ret_index);
