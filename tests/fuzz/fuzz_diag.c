/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a datagram of sock_diag. Property: nothing outside of them is read, each socket that
 * is told is one (a family, addresses of that family), and no more are told than have room.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/source/sock_diag/connections.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *context, const struct eye_diag_socket *socket)
{
    assert(socket->family == EYE_IPV4 || socket->family == EYE_IPV6);
    assert(!socket->is_reset || (socket->was_established && socket->remote_port == 0));
    eye_diag_connections_meet(context, socket);
}

static void ignore(void *context, const void *record, size_t bytes)
{
    (void)context;
    (void)record;
    assert(bytes == sizeof(struct eye_connection_record));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eye_netlink_found found;
    struct eye_diag_totals totals = {0};
    struct eye_diag_connections connections;
    uint8_t *bytes = malloc(size); /* of just that size, so that a byte beyond is noticed */
    if (bytes == NULL) {
        return 0;
    }
    memcpy(bytes, data, size);
    eye_diag_connections_init(&connections, &totals, 1);
    eye_diag_connections_begin(&connections, 1, false);
    eye_diag_parse(bytes, size, 0, take, &connections, &found);
    assert(found.objects <= size / sizeof(uint64_t));
    assert(!found.done || found.error >= 0);
    eye_diag_connections_report(&connections, ignore, NULL);
    eye_diag_connections_report_queues(&connections, ignore, NULL);
    assert(totals.connections <= found.objects);
    eye_diag_connections_done(&connections);
    free(bytes);
    return 0;
}
