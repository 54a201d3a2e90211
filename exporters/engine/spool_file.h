/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One segment as a file of the exporter's folder. It is written beside and renamed, so that a file
 * is whole or not there, also after a crash.
 *
 * No state. @folder is the descriptor that exporters/engine/spool_folder.h opened; @ending is what
 * exporters/engine/spool_segments.h lists.
 */
#pragma once

#include "exporters/engine/spool_frame.h"

/** Writes @frame, on disk when it returns. 0 or -errno; then nothing was written. */
int eye_spool_file_write(int folder, const struct eye_spool_segment *segment, const char *ending,
                         const struct eye_spool_frame *frame);

/** Gives the file the ending @to in place of @from, on disk when it returns. 0 or -errno; then it
 * has its old one. */
int eye_spool_file_rename(int folder, const struct eye_spool_segment *segment, const char *from,
                          const char *to);

/** Removes the file; one that is not there is no fault. */
void eye_spool_file_remove(int folder, const struct eye_spool_segment *segment, const char *ending);

/** Reads the file. 0 and the caller owns *@ret_frame, -EBADMSG when it is no regular file or of a
 * length that no frame has, or another -errno. */
int eye_spool_file_read(int folder, const struct eye_spool_segment *segment, const char *ending,
                        struct eye_spool_frame *ret_frame);
