/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Questions of DNS that wait for their answers, over UDP and over TCP: what the programs of
 * bpf/dns/dns.bpf.c and the collector's sweep do with the map "waiting". Belongs to one thread.
 */
#pragma once

#include "collector/replay/packet.h"
#include "collector/replay/sink.h"

struct eye_dns_message; /* bpf/usm/dns/message.h */
struct eye_questions;

/** @sink outlives it. A question is over when @timeout_ns have passed since it was asked last. NULL
 * when out of memory. */
struct eye_questions *eye_questions_new(const struct eye_replay_sink *sink, uint64_t timeout_ns);

/** Takes NULL. */
void eye_questions_free(struct eye_questions *questions);

/* Where a message was seen. */
struct eye_question_place {
    uint64_t time_ns;
    uint64_t cookie; /* of the socket: of who asks together with whom */
    uint32_t peer;   /* whose id it is, of those that ask a server's socket */
    uint16_t port;   /* of the service */
    bool over_tcp;
    bool client; /* at the client's end */
};

/** A question waits, an answer is told. False: an answer that nobody asked for. */
bool eye_questions_take(struct eye_questions *questions, const struct eye_question_place *place,
                        const struct eye_dns_message *message);

/** A datagram to or from DNS' port; others are none of its business: false. */
bool eye_questions_datagram(struct eye_questions *questions, const struct eye_packet *packet);

/** It is @now_ns: tells of the questions that are over. */
void eye_questions_sweep(struct eye_questions *questions, uint64_t now_ns);

/** Those that wait. */
size_t eye_questions_waiting(const struct eye_questions *questions);
