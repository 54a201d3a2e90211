/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists of the OpenTelemetry environment: "key=value,key2=value2" with percent-encoded values, as
 * W3C baggage (https://www.w3.org/TR/baggage) without properties. No state, any thread.
 */
#pragma once

/** What gets each pair, decoded. 0, or -errno, which ends the walk. */
typedef int eye_otlp_pair(void *context, const char *key, const char *value);

/** 0; -EINVAL when an item is no key=value or holds a NUL; -ENOMEM; or what @visit returned. */
int eye_otlp_read_pairs(const char *list, eye_otlp_pair *visit, void *context);
