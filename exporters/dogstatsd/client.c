/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of the client itself. */
#include "exporters/dogstatsd/client.h"

#include <inttypes.h>
#include <string.h>

#define NAMESPACE "datadog.dogstatsd.client."

void eye_dd_client_count_packet(struct eye_dd_client *client, size_t bytes, bool sent)
{
    if (sent) {
        client->counted[EYE_DD_CLIENT_PACKETS_SENT]++;
        client->counted[EYE_DD_CLIENT_BYTES_SENT] += bytes;
        return;
    }
    client->counted[EYE_DD_CLIENT_PACKETS_DROPPED]++;
    client->counted[EYE_DD_CLIENT_PACKETS_DROPPED_WRITER]++;
    client->counted[EYE_DD_CLIENT_BYTES_DROPPED] += bytes;
    client->counted[EYE_DD_CLIENT_BYTES_DROPPED_WRITER] += bytes;
}

void eye_dd_client_count_points(struct eye_dd_client *client, enum eye_metric_kind kind,
                                uint64_t count)
{
    static const enum eye_dd_client_count counts[] = {
        [EYE_COUNTER] = EYE_DD_CLIENT_COUNTERS,
        [EYE_GAUGE] = EYE_DD_CLIENT_GAUGES,
        [EYE_DISTRIBUTION] = EYE_DD_CLIENT_DISTRIBUTIONS,
    };
    client->counted[EYE_DD_CLIENT_METRICS] += count;
    client->counted[counts[kind]] += count;
}

void eye_dd_client_write(struct eye_dd_client *client, enum eye_dd_client_count which,
                         const struct eye_labels *labels, const char *transport,
                         struct eye_text *text)
{
    static const struct {
        const char *name;
        const char *type;
    } counts[] = {
#define X(identifier, name, type) {NAMESPACE name, type},
        EYE_DD_CLIENT_COUNTS(X)
#undef X
    };
    uint64_t increase = client->counted[which] - client->reported[which];
    if (increase == 0) {
        return;
    }
    eye_text_appendf(text, "%s:%" PRIu64 "|c", counts[which].name, increase);
    size_t tags = text->length;
    eye_labels_append(text, &labels->tags);
    eye_labels_append_tag(text, tags, "client", "sockeye");
    eye_labels_append_tag(text, tags, "client_version", EYE_VERSION);
    eye_labels_append_tag(text, tags, "client_transport", transport);
    if (counts[which].type != NULL) {
        eye_labels_append_tag(text, tags, "metrics_type", counts[which].type);
    }
    eye_labels_append(text, &labels->fields);
    client->written[which] = client->counted[which];
}

void eye_dd_client_report(struct eye_dd_client *client)
{
    memcpy(client->reported, client->written, sizeof(client->reported));
}

void eye_dd_client_retract(struct eye_dd_client *client)
{
    memcpy(client->written, client->reported, sizeof(client->written));
}
