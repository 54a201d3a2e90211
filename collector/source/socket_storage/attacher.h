/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Brings the kernel programs of a protocol when it is first seen, so that a start verifies, and the
 * kernel holds, no more than a host needs: a thread of its own, since the verifier takes its time.
 * Until then the payloads of the protocol are counted (EYE_LOSS_NOT_LOADED).
 */
#pragma once

#include <stdbool.h>

#include "collector/base/error.h"
#include "collector/source/socket_storage/programs.h"

struct eye_attacher;

/**
 * @programs: loaded; they outlive the attacher, which fills their slots. 0 or -errno with a
 * message. Main thread, as the two that follow.
 */
int eye_attacher_open(const struct socket_storage *programs, struct eye_attacher **ret_attacher,
                      struct eye_error *ret_error);

/** Brings a protocol before it is seen. 0, or -errno with a message: what is lost and why. */
int eye_attacher_bring(struct eye_attacher *attacher, enum eye_protocol protocol,
                       struct eye_error *ret_error);

/** From here on protocols that are seen are brought. What cannot be is logged as a warning, and
 * tried again when it is seen after 5 s, 10 s, ... 320 s. 0 or -errno with a message. */
int eye_attacher_run(struct eye_attacher *attacher, struct eye_error *ret_error);

/** The loaded program of a protocol: a descriptor (1 or more), the attacher's; 0: it was not needed
 * yet; -errno: why the kernel refused it. Any thread. */
int eye_attacher_program(const struct eye_attacher *attacher, enum eye_program program);

/** Whether nothing that was needed was refused. Any thread. */
bool eye_attacher_is_whole(const struct eye_attacher *attacher);

/** Waits for what it is loading. Takes NULL. */
void eye_attacher_close(struct eye_attacher *attacher);
