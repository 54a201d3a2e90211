/* SPDX-License-Identifier: Apache-2.0 */
/* Rules held against who is counted, one after the other: asked once for each bundle of series. */
#include "collector/aggregate/filter.h"

#include <string.h>

#include "collector/base/text.h"

static void note_ports(struct eye_filter *filter, const struct eye_rule_list *list)
{
    const struct eye_filter_rule *rules = list->items;
    for (size_t i = 0; i < list->count; i++) {
        if (rules[i].port > 0) {
            filter->ports[rules[i].port / 64] |= UINT64_C(1) << rules[i].port % 64;
        }
    }
}

void eye_filter_init(struct eye_filter *filter, const struct eye_config *config)
{
    memset(filter, 0, sizeof(*filter));
    filter->config = config;
    filter->on = config->connections.include.count + config->connections.exclude.count > 0;
    note_ports(filter, &config->connections.include);
    note_ports(filter, &config->connections.exclude);
}

static bool names_match(const char *pattern, const char *name)
{
    return pattern == NULL || eye_name_matches(pattern, name);
}

/* All but the address. */
static bool matches(const struct eye_filter_rule *rule, const struct eye_filter_subject *subject)
{
    static const enum eye_direction directions[] = {
        [EYE_FILTER_INCOMING] = EYE_INCOMING,
        [EYE_FILTER_OUTGOING] = EYE_OUTGOING,
    };
    return (rule->port == 0 || rule->port == subject->port) &&
           (rule->direction == EYE_FILTER_BOTH ||
            directions[rule->direction] == subject->direction) &&
           names_match(rule->service, subject->service) &&
           names_match(rule->process, subject->process);
}

/* @unknown: what holds of an address that is not known. */
static bool lies_in(const struct eye_prefix *range, const uint8_t *address, bool unknown)
{
    if (range->family == 0) {
        return true;
    }
    return address == NULL ? unknown : eye_prefix_holds(range, address);
}

static bool matches_any(const struct eye_rule_list *list, const struct eye_filter_subject *subject,
                        bool unknown)
{
    const struct eye_filter_rule *rules = list->items;
    bool found = false;
    for (size_t i = 0; !found && i < list->count; i++) {
        found =
            lies_in(&rules[i].address, subject->address, unknown) && matches(&rules[i], subject);
    }
    return found;
}

bool eye_filter_passes(const struct eye_filter *filter, const struct eye_filter_subject *subject)
{
    const struct eye_rule_list *include = &filter->config->connections.include;
    const struct eye_rule_list *exclude = &filter->config->connections.exclude;
    return (include->count == 0 || matches_any(include, subject, true)) &&
           !matches_any(exclude, subject, false);
}
