/* SPDX-License-Identifier: Apache-2.0 */
/* From times to slots. */
#include "exporters/graphite/slots.h"

#include "exporters/engine/window.h"

void eye_graphite_slots_init(struct eye_graphite_slots *slots, uint64_t length_ns)
{
    *slots = (struct eye_graphite_slots){.length_ns = length_ns};
}

void eye_graphite_slots_done(struct eye_graphite_slots *slots)
{
    eye_snapshot_unref(slots->base);
    slots->base = NULL;
}

static uint64_t slot_of(const struct eye_graphite_slots *slots, uint64_t time_ns)
{
    return time_ns - time_ns % slots->length_ns;
}

/* An interval ends where the next one begins: its middle says where it belongs. */
static uint64_t slot_of_snapshot(const struct eye_graphite_slots *slots,
                                 const struct eye_snapshot *snapshot)
{
    return slot_of(slots, snapshot->time_ns - snapshot->interval_ns / 2);
}

/* @slot_ns, unless the slot @reached_ns is later and not in a far future. */
static uint64_t not_before(uint64_t slot_ns, uint64_t reached_ns)
{
    bool held = slot_ns < reached_ns && reached_ns - slot_ns <= EYE_CLOCK_HOLD_NS;
    return held ? reached_ns : slot_ns;
}

/* The first slot of a run: behind all that others may have written into. */
static uint64_t first_slot(const struct eye_graphite_slots *slots, const struct eye_snapshot *now,
                           const struct eye_snapshot *before)
{
    uint64_t slot_ns = slot_of_snapshot(slots, now);
    /* A run that begins with a slot has all of it. */
    uint64_t begin_ns = slot_of(slots, now->start_ns - 1) + slots->length_ns;
    slot_ns = not_before(slot_ns, begin_ns);
    if (before != NULL) {
        uint64_t written_ns = not_before(slot_of_snapshot(slots, before), begin_ns);
        slot_ns = not_before(slot_ns, written_ns + slots->length_ns);
    }
    return slots->run_ns == 0 ? slot_ns : not_before(slot_ns, slots->slot_ns + slots->length_ns);
}

void eye_graphite_slots_choose(struct eye_graphite_slots *slots, const struct eye_snapshot *now,
                               const struct eye_snapshot *before)
{
    bool same_run = slots->run_ns == now->start_ns;
    uint64_t slot_ns = same_run ? not_before(slot_of_snapshot(slots, now), slots->slot_ns)
                                : first_slot(slots, now, before);
    if (same_run && slot_ns == slots->slot_ns) {
        return;
    }
    eye_snapshot_unref(slots->base);
    slots->base = before == NULL ? NULL : eye_snapshot_ref(before);
    slots->run_ns = now->start_ns;
    slots->slot_ns = slot_ns;
}
