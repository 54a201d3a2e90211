/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The address of a group of a Pushgateway: what is pushed there replaces what was there, and the
 * labels in its path go on every series. A value that a path cannot say (with a slash, empty, or
 * anything else that would need an escape) is written in base64.
 *
 * Source: https://github.com/prometheus/pushgateway#url. No state, main thread.
 */
#pragma once

#include "collector/base/error.h"
#include "collector/base/text.h"
#include "config/config.h"

/** "NAME:VALUE" with a name that a label may have, other than job and instance. */
bool eye_group_label_valid(const char *text);

/**
 * Appends BASE/metrics/job/JOB/instance/INSTANCE/NAME/VALUE... @labels as above. 0, -ENOMEM, or
 * -EINVAL with a message: a label that is there twice, or an empty @job.
 */
int eye_group_append_url(struct eye_text *text, const char *base, const char *job,
                         const char *instance, const struct eye_text_list *labels,
                         struct eye_error *ret_error);
