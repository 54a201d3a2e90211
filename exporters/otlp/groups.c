/* SPDX-License-Identifier: Apache-2.0 */
/* A list of points for each resource, found by a hash of its service. */
#include "exporters/otlp/groups.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/hash.h"

/* What stands behind the cut before the attribute: hashed once, when the series appears. */
struct owner {
    uint32_t hash; /* of the attribute, cut */
    uint32_t length;
};

void eye_otlp_append_owner(struct eye_text *text, const struct eye_text *service,
                           const struct eye_text *name)
{
    const char *attribute = eye_text_string(service);
    const struct owner owner = {
        .hash = (uint32_t)eye_hash_bytes(attribute, service->length),
        .length = (uint32_t)service->length,
    };
    eye_text_append_bytes(text, &owner, sizeof(owner));
    eye_text_append_bytes(text, attribute, service->length);
    eye_text_append_bytes(text, eye_text_string(name), name->length);
    text->failed |= service->failed || name->failed;
}

int eye_otlp_groups_init(struct eye_otlp_groups *groups, uint32_t points_max, uint32_t groups_max)
{
    *groups = (struct eye_otlp_groups){
        .points = calloc(points_max, sizeof(groups->points[0])),
        .points_max = points_max,
        .all = calloc(groups_max, sizeof(groups->all[0])),
        .groups_max = groups_max,
        .slots = calloc((size_t)groups_max * 2, sizeof(groups->slots[0])),
        .slot_mask = groups_max * 2 - 1,
    };
    bool made = groups->points != NULL && groups->all != NULL && groups->slots != NULL;
    return made ? 0 : -ENOMEM;
}

void eye_otlp_groups_done(struct eye_otlp_groups *groups)
{
    free(groups->points);
    free(groups->all);
    free(groups->slots);
    *groups = (struct eye_otlp_groups){0};
}

void eye_otlp_groups_clear(struct eye_otlp_groups *groups)
{
    if (groups->count > 0) {
        memset(groups->slots, 0, ((size_t)groups->slot_mask + 1) * sizeof(groups->slots[0]));
    }
    groups->point_count = 0;
    groups->count = 0;
}

static struct eye_otlp_group *make(struct eye_otlp_groups *groups, uint32_t *slot,
                                   const struct owner *owner, const char *service)
{
    if (groups->count == groups->groups_max) {
        return NULL;
    }
    struct eye_otlp_group *group = &groups->all[groups->count++];
    *group = (struct eye_otlp_group){
        .service = service,
        .length = owner->length,
        .first = EYE_OTLP_NONE,
        .last = EYE_OTLP_NONE,
        .metric = EYE_OTLP_NONE,
        .hash = owner->hash,
    };
    *slot = groups->count;
    return group;
}

static bool belongs_to(const struct owner *owner, const char *service,
                       const struct eye_otlp_group *group)
{
    return group->hash == owner->hash && group->length == owner->length &&
           memcmp(group->service, service, owner->length) == 0;
}

struct eye_otlp_group *eye_otlp_groups_find(struct eye_otlp_groups *groups,
                                            const struct eye_identity *identity)
{
    struct owner owner;
    if (groups->point_count == groups->points_max) {
        return NULL;
    }
    memcpy(&owner, identity->text + identity->split, sizeof(owner));
    const char *service = identity->text + identity->split + sizeof(owner);
    uint32_t place = owner.hash & groups->slot_mask;
    for (; groups->slots[place] != 0; place = (place + 1) & groups->slot_mask) {
        struct eye_otlp_group *group = &groups->all[groups->slots[place] - 1];
        if (belongs_to(&owner, service, group)) {
            return group;
        }
    }
    return make(groups, &groups->slots[place], &owner, service);
}

void eye_otlp_groups_add(struct eye_otlp_groups *groups, struct eye_otlp_group *group,
                         const struct eye_otlp_packed *point)
{
    uint32_t index = groups->point_count++;
    groups->points[index] = *point;
    groups->points[index].next = EYE_OTLP_NONE;
    if (eye_otlp_group_is_new(group)) {
        group->first = index;
    } else {
        groups->points[group->last].next = index;
    }
    group->last = index;
    group->metric = point->metric;
}
