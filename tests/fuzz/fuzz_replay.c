/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes a whole capture: file, links, headers, connections, recognition and every parser. The
 * last byte also chooses the end that is looked at. Properties: memory stays
 * within bounds, the reading ends, and each record is one that the collector takes.
 */
#include <stdlib.h>

#include "collector/usm/usm.h"
#include "tests/support/packets.h"

static void take_request(void *context, const struct eye_request_sample *sample)
{
    (void)context;
    (void)sample;
}

static void take_loss(void *context, const struct eye_loss_sample *sample)
{
    (void)context;
    (void)sample;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct eye_config config;
    static struct eye_usm usm; /* what messages teach stays from one capture to the next */
    struct eye_replay_summary summary;
    if (usm.on_request == NULL) {
        usm.on_request = take_request;
        usm.on_loss = take_loss;
        if (eye_usm_open(&usm, &config) != 0) {
            abort();
        }
    }
    if (size < 2) {
        return 0;
    }
    const struct eye_replay_settings settings = {
        .sink = {.take = eye_usm_take,
                 .context = &usm,
                 .wanted = ~0U,
                 .client_end = (data[size - 1] & 1) != 0},
        .dns_timeout_ns = EYE_NS_PER_SECOND,
    };
    packets_replay(data, size, &settings, &summary);
    if (usm.malformed > 0) {
        abort();
    }
    return 0;
}
