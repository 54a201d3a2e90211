/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side's parsers, recognition and pairing, compiled for the host: what its programs do
 * to a payload, and the records that they make. They put records into eye_host_ring, one of each
 * file that includes this. Not held to warnings that kernel programs are not held to.
 */
#pragma once

#include <stddef.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Wunknown-warning-option"
#include "bpf/usm/burst.h"
#include "bpf/usm/ends.h"
#include "bpf/usm/looks.h"
#pragma GCC diagnostic pop
