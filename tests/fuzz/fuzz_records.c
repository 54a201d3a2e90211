/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a record of each ring. Property: a record is either counted as malformed or handed
 * on once, and then everything lies in the range that the headers promise, has a name, and the
 * fingerprint does not depend on the duration. An owner record is malformed, or its program is
 * known then, with names that are not empty.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/process/process.h"
#include "collector/tracer/tracer.h"
#include "collector/usm/usm.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The record being given and what was handed on of it. */
struct probe {
    uint8_t *bytes;
    size_t size;
    uint64_t calls;
    uint64_t fingerprint;
    const struct eye_group *group;
};

static void check_connection(void *context, const struct eye_connection_record *sample)
{
    struct probe *probe = context;
    assert((const void *)sample == probe->bytes && probe->size == sizeof(*sample));
    assert(sample->kind <= EYE_CONNECTION_LISTENS);
    assert(sample->direction == EYE_INCOMING || sample->direction == EYE_OUTGOING);
    assert(sample->family == EYE_IPV4 || sample->family == EYE_IPV6);
    assert((eye_failure_name((enum eye_failure)sample->failure) == NULL) ==
           (sample->failure == EYE_FAILURE_NONE));
    assert((strlen(eye_nat_name((enum eye_nat)sample->nat)) > 0) ==
           (sample->nat != EYE_NAT_UNKNOWN));
    probe->calls++;
}

static void check_datagrams(void *context, const struct eye_datagram_record *sample)
{
    struct probe *probe = context;
    assert((const void *)sample == probe->bytes && probe->size == sizeof(*sample));
    assert(strlen(eye_cast_name((enum eye_cast)sample->cast)) > 0 || sample->cast == EYE_UNICAST);
    assert(sample->direction == EYE_INCOMING || sample->direction == EYE_OUTGOING);
    assert(sample->family == EYE_IPV4 || sample->family == EYE_IPV6);
    probe->calls++;
}

static void check_name(const struct probe *probe, const struct eye_request_sample *sample)
{
    const struct eye_request_place place = {probe->group, "shop"};
    struct eye_request_name name = {0};
    sample->protocol->name_request(sample->state, sample, &place, &name);
    assert(name.metric < EYE_METRIC_COUNT && name.tag_count <= EYE_REQUEST_TAGS_MAX);
    for (size_t i = 0; i < name.tag_count; i++) {
        assert(strlen(name.tags[i].value) > 0);
    }
}

static void check_request(void *context, const struct eye_request_sample *sample)
{
    struct probe *probe = context;
    const struct eye_request_head *head = sample->head;
    assert((const uint8_t *)head == probe->bytes && sample->body == head + 1);
    assert(probe->size == sizeof(*head) + head->body_bytes);
    assert(sample->protocol == eye_protocol_types[head->protocol]);
    assert(head->body_bytes >= sample->protocol->body_min &&
           head->body_bytes <= sample->protocol->body_max);
    check_name(probe, sample);
    probe->fingerprint = sample->fingerprint;
    probe->calls++;
}

static void check_loss(void *context, const struct eye_loss_sample *sample)
{
    struct probe *probe = context;
    assert(probe->size == sizeof(struct eye_loss_record));
    assert(sample->amount > 0 && strlen(sample->reason) > 0);
    probe->calls++;
}

static void take_connection(struct probe *probe)
{
    struct eye_tracer tracer = {.on_connection = check_connection,
                                .on_listener = check_connection,
                                .on_datagrams = check_datagrams,
                                .context = probe};
    probe->calls = 0;
    eye_tracer_take(&tracer, probe->bytes, probe->size);
    assert(tracer.samples == probe->calls && tracer.samples + tracer.malformed == 1);
}

static void take_request(struct probe *probe)
{
    static const struct eye_config config = {0};
    const struct eye_limits limits = {.series_per_metric = 10, .values_per_tag = 10, .idle_ns = 1};
    struct eye_registry *registry = eye_registry_new(&limits);
    struct eye_usm usm = {.on_request = check_request, .on_loss = check_loss, .context = probe};
    int result = eye_usm_open(&usm, &config);
    assert(registry != NULL && result == 0);
    probe->group = eye_group_new(registry, NULL, 0);
    probe->calls = 0;
    eye_usm_take(&usm, probe->bytes, probe->size);
    assert(usm.samples == probe->calls && usm.samples + usm.malformed == 1);
    eye_usm_close(&usm);
    eye_registry_free(registry);
}

static void take_owner(const struct probe *probe)
{
    struct eye_processes *processes = eye_processes_new("/nonexistent", "/nonexistent");
    assert(processes != NULL);
    eye_processes_take(processes, probe->bytes, probe->size);
    assert(eye_processes_count(processes) + eye_processes_malformed(processes) == 1);
    if (eye_processes_count(processes) == 1) {
        uint64_t owner = ((const struct eye_owner_record *)(const void *)probe->bytes)->owner;
        const struct eye_process *process = eye_processes_find(processes, owner);
        assert(process->owner == owner && eye_processes_count(processes) == 1);
        assert(strlen(process->service) > 0 && strlen(process->executable) > 0);
    }
    eye_processes_free(processes);
}

static void take_end(const struct probe *probe)
{
    struct eye_processes *processes = eye_processes_new("/nonexistent", "/nonexistent");
    assert(processes != NULL);
    eye_processes_take_end(processes, probe->bytes, probe->size);
    assert(eye_processes_malformed(processes) == (probe->size != sizeof(struct eye_ended_record)));
    assert(eye_processes_count(processes) == 0);
    eye_processes_free(processes);
}

static void check_fingerprint(struct probe *probe)
{
    uint64_t fingerprint = probe->fingerprint;
    probe->bytes[0] ^= 0xff; /* of the duration */
    take_request(probe);
    assert(probe->calls == 1 && probe->fingerprint == fingerprint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* A copy: aligned as records of a ring are, and with nothing readable behind it. */
    EYE_AUTOFREE uint8_t *bytes = malloc(size > 0 ? size : 1);
    assert(bytes != NULL);
    if (size > 0) {
        memcpy(bytes, data, size);
    }
    struct probe probe = {.bytes = bytes, .size = size};
    take_connection(&probe);
    take_request(&probe);
    if (probe.calls > 0 && size != sizeof(struct eye_loss_record)) {
        check_fingerprint(&probe);
    }
    take_owner(&probe);
    take_end(&probe);
    return 0;
}
