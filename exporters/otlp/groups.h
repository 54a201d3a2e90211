/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The points of a request by whom they are about: a resource of its own for each service that was
 * observed, that of the daemon for the rest. Points come metric by metric; a request has them
 * resource by resource, and within each metric by metric.
 *
 * What a point belongs to stands in its identity, behind the cut: the attribute service.name in the
 * bytes of the encoding (nothing: the daemon's resource), and the metric's name. So two series may
 * have the same attributes when their services differ.
 *
 * Used by one worker thread.
 */
#pragma once

#include "collector/telemetry/catalogue.h"
#include "exporters/encode/identities.h"

/* Appends what stands behind the cut, and before it the hash of the attribute: made once, when the
 * series appears. */
void eye_otlp_append_owner(struct eye_text *text, const struct eye_text *service,
                           const struct eye_text *name);

/* No point; no metric. */
#define EYE_OTLP_NONE UINT32_MAX

struct eye_otlp_packed {
    uint32_t offset; /* of its bytes, where the encoding keeps them */
    uint32_t length;
    uint32_t metric; /* id */
    uint32_t next;   /* of the same resource, or EYE_OTLP_NONE */
};

struct eye_otlp_group {
    const char *service; /* the attribute, of an identity */
    uint32_t length;     /* of it; 0: the daemon's resource */
    uint32_t first;      /* points; EYE_OTLP_NONE: none yet */
    uint32_t last;
    uint32_t metric; /* of the last point; EYE_OTLP_NONE: none yet */
    uint32_t hash;
};

struct eye_otlp_groups {
    struct eye_otlp_packed *points; /* owned, points_max */
    uint32_t point_count;
    uint32_t points_max;
    struct eye_otlp_group *all; /* in order of appearance; owned, groups_max */
    uint32_t count;
    uint32_t groups_max;
    uint32_t *slots; /* by hash: index + 1, 0: free; owned, twice groups_max */
    uint32_t slot_mask;
};

/** Room for @points_max points of at most @groups_max (a power of two) resources. 0 or -ENOMEM. */
int eye_otlp_groups_init(struct eye_otlp_groups *groups, uint32_t points_max, uint32_t groups_max);

/** Takes a zeroed one. */
void eye_otlp_groups_done(struct eye_otlp_groups *groups);

/** Forgets all points. */
void eye_otlp_groups_clear(struct eye_otlp_groups *groups);

/**
 * The group of a point with @identity, made when there is none; the identity stays where it is
 * until the groups are cleared. NULL: no more points or resources fit.
 */
struct eye_otlp_group *eye_otlp_groups_find(struct eye_otlp_groups *groups,
                                            const struct eye_identity *identity);

/** Whether the group has no point yet. */
static inline bool eye_otlp_group_is_new(const struct eye_otlp_group *group)
{
    return group->first == EYE_OTLP_NONE;
}

/** Adds a point to @group, which eye_otlp_groups_find() has just returned. */
void eye_otlp_groups_add(struct eye_otlp_groups *groups, struct eye_otlp_group *group,
                         const struct eye_otlp_packed *point);
