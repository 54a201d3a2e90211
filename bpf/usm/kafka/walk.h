/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#pragma once

#include "bpf/either.h"

/* What is kept of a connection beside the frame's two directions: the answer that is being read. */
struct eye_kafka_walk {
    __u32 number;     /* of its request */
    __u32 topics;     /* that are still to come */
    __u32 partitions; /* of the present one; of metadata also brokers */
};
