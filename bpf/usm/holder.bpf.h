/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Programs of protocols are compiled for each place that plaintext comes from. What they are run
 * for is a payload, and the state of its stream is kept by a holder:
 *
 *   eye_payload, eye_holder      types, and eye_holder_of(payload): NULL, there is none
 *   eye_get_state(map, holder)   what the holder has in a map, or NULL; eye_make_state() makes it
 *   eye_is_early(holder)         there is no holder yet but the one of a listener
 *   eye_stream_of(holder)        its stream, or NULL
 *   eye_connected(holder)        this end did
 *   eye_reader_of(payload, side) its bytes
 *   eye_ask_holder(...)          what it says of where a segment belongs
 */
#pragma once

#ifdef EYE_INSIDE_TLS
#include "bpf/tls/session_holder.bpf.h"
#else
#include "bpf/usm/socket_holder.bpf.h"
#endif
