/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/replay/replay.h"

#include <errno.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/text.h"

/* Packets between two words of progress. */
#define PROGRESS_PACKETS 4096

struct replay {
    const struct eye_replay_settings *settings;
    struct eye_questions *questions;
    struct eye_connections *connections;
    struct eye_replay_summary *summary;
};

static void note_time(struct eye_replay_summary *summary, uint64_t time_ns)
{
    if (summary->first_ns == 0 || time_ns < summary->first_ns) {
        summary->first_ns = time_ns;
    }
    if (time_ns > summary->last_ns) {
        summary->last_ns = time_ns;
    }
}

static void take_datagram(struct replay *replay, const struct eye_packet *packet)
{
    if (eye_questions_datagram(replay->questions, packet)) {
        replay->summary->dns++;
        replay->summary->cut_datagrams += packet->captured < packet->size;
    }
}

static void take(struct replay *replay, const struct eye_link *link, const struct eye_frame *frame)
{
    struct eye_replay_summary *summary = replay->summary;
    struct eye_packet packet;
    eye_packet_read(link, frame, &packet);
    summary->packets++;
    summary->bytes += frame->size;
    note_time(summary, frame->time_ns);
    eye_questions_sweep(replay->questions, frame->time_ns);
    if (packet.kind == EYE_PACKET_TCP) {
        summary->tcp++;
        eye_connections_take(replay->connections, &packet);
    } else if (packet.kind == EYE_PACKET_UDP) {
        take_datagram(replay, &packet);
    } else {
        summary->unusable[packet.kind]++;
    }
}

static void tell_progress(const struct replay *replay, const struct eye_capture *capture)
{
    const struct eye_replay_settings *settings = replay->settings;
    if (settings->on_progress != NULL && replay->summary->packets % PROGRESS_PACKETS == 0) {
        settings->on_progress(settings->progress_context, eye_capture_progress(capture),
                              replay->summary->packets);
    }
}

static void read_all(struct replay *replay, struct eye_capture *capture)
{
    const struct eye_link *link = eye_capture_link(capture);
    struct eye_frame frame;
    struct eye_error error;
    int result;
    while ((result = eye_capture_next(capture, &frame, &error)) == 1) {
        take(replay, link, &frame);
        tell_progress(replay, capture);
    }
    if (result != 0) {
        eye_copy_string(replay->summary->problem, sizeof(replay->summary->problem), error.text);
    }
}

int eye_replay_run(struct eye_capture *capture, const struct eye_replay_settings *settings,
                   struct eye_replay_summary *ret_summary)
{
    struct eye_replay_summary summary = {0};
    struct replay replay = {.settings = settings, .summary = &summary};
    replay.questions = eye_questions_new(&settings->sink, settings->dns_timeout_ns);
    replay.connections = eye_connections_new(&settings->sink, replay.questions);
    int result = replay.questions == NULL || replay.connections == NULL ? -ENOMEM : 0;
    if (result == 0) {
        read_all(&replay, capture);
        eye_connections_end(replay.connections, &summary.connections);
        summary.questions_waiting = eye_questions_waiting(replay.questions);
        *ret_summary = summary;
    }
    eye_connections_free(replay.connections);
    eye_questions_free(replay.questions);
    return result;
}
