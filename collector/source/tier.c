/* SPDX-License-Identifier: Apache-2.0 */
/* What all tiers say alike. */
#include "collector/source/tier.h"

#include <assert.h>

const char *eye_ability_name(enum eye_ability ability)
{
    static const char *const names[] = {
#define X(identifier, name, cost) name,
        EYE_ABILITIES(X)
#undef X
    };
    return names[ability];
}

const char *eye_ability_cost(enum eye_ability ability)
{
    static const char *const costs[] = {
#define X(identifier, name, cost) cost,
        EYE_ABILITIES(X)
#undef X
    };
    return costs[ability];
}

const char *eye_tls_outcome_name(enum eye_tls_outcome outcome)
{
    static const char *const names[] = {
#define X(identifier, name) name,
        EYE_TLS_OUTCOMES(X)
#undef X
    };
    return names[outcome];
}

size_t eye_sight_note(struct eye_sight *sight, const struct eye_error *why)
{
    size_t place = sight->not_seen_count;
    assert(place < EYE_NOT_SEEN_MAX);
    sight->not_seen[place] = *why;
    sight->not_seen_count = place + 1; /* behind the line: who reads the count may read it */
    return place;
}

bool eye_sight_note_feature(struct eye_sight *sight, struct eye_features *features,
                            enum eye_feature feature)
{
    struct eye_error why;
    bool available = eye_feature_check(eye_feature_ask(features, feature), &why) == 0;
    if (!available) {
        eye_sight_note(sight, &why);
    }
    return available;
}
