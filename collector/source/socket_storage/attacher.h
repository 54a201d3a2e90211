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

/** Gives an opened object the maps of a loaded one in place of those of the same names; @variables:
 * those of global variables, too. 0 or -errno. */
int eye_share_maps(const struct bpf_object *object, const struct bpf_object *owner, bool variables);

/**
 * @programs: loaded; they outlive the attacher, which fills their slots. 0 or -errno with a
 * message. Main thread, as the two that follow.
 */
int eye_attacher_open(const struct socket_storage *programs, struct eye_attacher **ret_attacher,
                      struct eye_error *ret_error);

/** Brings a protocol before it is seen, unless it was switched off meanwhile (-ECANCELED). What is
 * refused is remembered. 0, or -errno with a message: what is lost and why. */
int eye_attacher_bring(struct eye_attacher *attacher, enum eye_protocol protocol,
                       struct eye_error *ret_error);

/** From here on protocols that are seen are brought. What cannot be is logged as a warning, and
 * tried again when it is seen after 5 s, 10 s, ... 320 s. Once it runs, nothing. 0 or -errno with a
 * message. */
int eye_attacher_run(struct eye_attacher *attacher, struct eye_error *ret_error);

/** The same for one that may be off and is about to be switched on: the slots are filled, and what
 * is refused changes nothing. Main thread. */
int eye_attacher_prepare(struct eye_attacher *attacher, enum eye_protocol protocol,
                         struct eye_error *ret_error);

/** Takes away the programs of a protocol that is off (eye_protocols_off), and forgets what was
 * refused. Waits for the kernel, which lets running programs end. Main thread. */
void eye_attacher_drop(struct eye_attacher *attacher, enum eye_protocol protocol);

/** The loaded program of a protocol: a descriptor (1 or more), the attacher's; 0: it was not needed
 * yet; -errno: why the kernel refused it. Any thread; of a protocol that is off the descriptor may
 * be closed at any time. */
int eye_attacher_program(const struct eye_attacher *attacher, enum eye_program program);

/** Whether nothing that was needed was refused. Any thread. */
bool eye_attacher_is_whole(const struct eye_attacher *attacher);

/** Waits for what it is loading. Takes NULL. */
void eye_attacher_close(struct eye_attacher *attacher);
