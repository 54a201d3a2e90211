/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs that tell of single connections (bpf/rows): the slots of a tier's table by the same
 * names, see source.h. Loaded with the tier's maps, which they only read.
 */
#pragma once

#include <stdint.h>

#include "collector/base/error.h"
#include "collector/source/rings.h"
#include "config/config.h"

struct bpf_object;

/** @tier: loaded, whose maps these programs read. @proc: where network namespaces are found, to
 * look by table; copied. 0, or -errno with a message. */
int eye_rows_load(const struct bpf_object *tier, enum eye_look_way look, const char *proc,
                  void **ret_rows, struct eye_error *ret_error);

int eye_rows_read(const void *rows, eye_record_handler *handler, void *context);
void eye_rows_drain(void *rows, eye_record_handler *handler, void *context);
uint64_t eye_rows_lost(const void *rows);

/** Takes NULL. */
void eye_rows_close(void *rows);
