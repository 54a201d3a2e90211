/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted: connections.include and connections.exclude. A rule matches when all that it
 * says is so. Belongs to the collector thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "collector/tracer/tracer.h"
#include "config/config.h"

struct eye_filter {
    const struct eye_config *config;
    bool on;                               /* there are rules */
    uint64_t ports[(UINT16_MAX + 1) / 64]; /* a bit for each that a rule names */
};

/* Whom a rule is held against. */
struct eye_filter_subject {
    const uint8_t *address; /* of the other end; NULL: not known, as of a request's or listener's */
    uint16_t port;          /* of the service; 0: none that a rule names */
    enum eye_direction direction;
    const char *service;
    const char *process;
};

/** @config outlives @filter or its next one. */
void eye_filter_init(struct eye_filter *filter, const struct eye_config *config);

/**
 * Whether it is counted. Where no address is known, rules with one include by what else they say,
 * and exclude nobody.
 */
bool eye_filter_passes(const struct eye_filter *filter, const struct eye_filter_subject *subject);

/** @port where a rule asks for it, else 0: all others are the same to the rules. */
static inline uint16_t eye_filter_port(const struct eye_filter *filter, uint16_t port)
{
    return filter->ports[port / 64] >> port % 64 & 1 ? port : 0;
}

/** A number that addresses have in common which are the same to the rules; 0 without such rules, or
 * without an address. The longest range decides in which others an address lies. */
static inline uint16_t eye_filter_class(const struct eye_filter *filter, const uint8_t *address)
{
    const struct eye_prefix_table *table = &filter->config->connections.filter_table;
    bool matters = address != NULL && table->count > 0;
    return matters ? (uint16_t)(eye_prefix_table_find(table, address) + 1) : 0;
}
