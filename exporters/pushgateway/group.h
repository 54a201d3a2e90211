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
#include "exporters/encode/selection.h"

/** http(s)://HOST..., without a password, a query and what a group's address begins with. */
bool eye_group_base_valid(const char *text);

/** "NAME:VALUE" with a name that a label may have. */
bool eye_group_label_valid(const char *text);

/**
 * Whether a group may have @labels: a gateway writes them over a series' own, so that these are
 * falsified or become alike. 0, or -EINVAL with a message: job and instance, which have keys of
 * their own, or a label that a metric of @selection has.
 */
int eye_group_check_labels(const struct eye_text_list *labels,
                           const struct eye_selection *selection, struct eye_error *ret_error);

/**
 * Appends BASE/metrics/job/JOB/instance/INSTANCE/NAME/VALUE... @labels as above. 0, -ENOMEM, or
 * -EINVAL with a message: a label that is there twice, or an empty @job.
 */
int eye_group_append_url(struct eye_text *text, const char *base, const char *job,
                         const char *instance, const struct eye_text_list *labels,
                         struct eye_error *ret_error);
