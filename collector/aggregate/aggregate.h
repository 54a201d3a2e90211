/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where connections and requests meet: samples become series. The tags of a sample are looked up
 * once and remembered, so the usual sample costs a hash look-up and a few additions. Belongs to the
 * collector thread.
 */
#pragma once

#include "collector/aggregate/ports.h"
#include "collector/aggregate/reverse.h"
#include "collector/process/process.h"
#include "collector/telemetry/telemetry.h"
#include "collector/tracer/tracer.h"
#include "collector/usm/usm.h"
#include "config/config.h"

struct eye_aggregate;

/** Keeps the pointers; they must outlive it. @names: NULL when nobody knows what addresses are
 * called. NULL when out of memory. */
struct eye_aggregate *eye_aggregate_new(const struct eye_config *config,
                                        struct eye_registry *registry,
                                        struct eye_processes *processes, struct eye_reverse *names);
void eye_aggregate_free(struct eye_aggregate *aggregate);

/**
 * Another configuration, which outlives the aggregate or its next one. Series under names that are
 * not given any more end as idle ones do. What is active is in doubt when other connections are
 * counted, or under other names: the next full pass counts afresh.
 */
void eye_aggregate_reconfigure(struct eye_aggregate *aggregate, const struct eye_config *config);

/** An eye_connection_handler: the context is the struct eye_aggregate. */
void eye_aggregate_connection(void *aggregate, const struct eye_connection_record *sample);

/** Of listeners (EYE_CONNECTION_LISTENS): the context is the struct eye_aggregate. */
void eye_aggregate_listener(void *aggregate, const struct eye_connection_record *sample);

/** An eye_datagram_handler: the context is the struct eye_aggregate. */
void eye_aggregate_datagrams(void *aggregate, const struct eye_datagram_record *sample);

/* What the series of a connection are called. */
struct eye_connection_name {
    const char *service; /* good until the next connection or request is looked at */
    const char *process;
    char port[EYE_PORT_BYTES];
};

/** @port: of a struct eye_connection_record. */
void eye_aggregate_name(struct eye_aggregate *aggregate, uint64_t owner,
                        enum eye_direction direction, uint16_t port,
                        struct eye_connection_name *ret_name);

/** An eye_request_handler: the context is the struct eye_aggregate. */
void eye_aggregate_request(void *aggregate, const struct eye_request_sample *sample);

/** An eye_loss_handler: the context is the struct eye_aggregate. */
void eye_aggregate_loss(void *aggregate, const struct eye_loss_sample *sample);

/** A look at all sockets begins, which tells of every listener. */
void eye_aggregate_begin_look(struct eye_aggregate *aggregate);

/**
 * A full counting pass begins: nothing counts as active until its records say so. Records of
 * other passes no longer change what is active. Programs not heard of for long are forgotten.
 */
void eye_aggregate_begin_pass(struct eye_aggregate *aggregate, uint32_t pass);

/** Grows when what is active may stand under a wrong name: a full pass is due before anybody sees
 * it. */
uint64_t eye_aggregate_doubts(const struct eye_aggregate *aggregate);

/* Samples that the rules of connections.include and .exclude left out. */
struct eye_aggregate_filtered {
    uint64_t sockets; /* of connections and datagrams */
    uint64_t requests;
};

struct eye_aggregate_filtered eye_aggregate_filtered(const struct eye_aggregate *aggregate);

/** The ports that this host's kernel gives to clients, both included; Linux' default until then. */
void eye_aggregate_set_ephemeral_ports(struct eye_aggregate *aggregate, uint16_t first,
                                       uint16_t last);

/** Whether remote ports are names is judged again, once a minute. To be called when a full pass has
 * begun: what is active would be taken back under another port otherwise. */
void eye_aggregate_judge_ports(struct eye_aggregate *aggregate, uint64_t now_ns);
