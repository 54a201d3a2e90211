/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what is known to suffer from probes. Each line is there because somebody met it.
 * What is not: integrity checks of FIPS 140 sum up the file (GnuTLS, OpenSSL 3), or a part of the
 * code without probes (libcrypto before, crypto/internal/fips140 of Go).
 */
#include "collector/tls/exclusion.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"

/* What /proc/PID/maps has behind the path of such a file. */
#define DELETED " (deleted)"

/* Matched with the path of the file, the root folder of its process and the layers of its
 * overlay. */
static const struct {
    const char *pattern;
    const char *reason;
} known[] = {
    /* containerd mounts an image there while it looks into it, and unmounts it while whoever had
     * opened a library lives on; that fails when a probe holds the mount:
     * https://github.com/DataDog/datadog-agent/pull/26404 */
    {"*/tmpmounts/containerd-mount*", "it is in a mount of containerd's that goes soon"},
    {"*/tmp/containerd-mount*", "it is in a mount of containerd's that goes soon"},
    {"*/tmp/ctd-volume*", "it is in a volume that containerd fills"},
    /* BuildKit takes a step's root folder away as soon as the step is over, and the build fails
     * when that is busy: https://github.com/DataDog/datadog-agent/pull/20619 */
    {"*/buildkit/*/snapshots/*", "it is in a step of a build by BuildKit"},
    /* It sums up its code in memory, and does not start when that was changed:
     * https://github.com/ClickHouse/ClickHouse/issues/83637 */
    {"*/clickhouse", "ClickHouse does not start when its code has breakpoints"},
};

/* A path without what the kernel adds to it. */
struct living {
    char path[PATH_MAX];
};

static struct living living_of(const char *path)
{
    struct living living;
    size_t length = strlen(path);
    size_t behind = strlen(DELETED);
    if (length > behind && strcmp(path + length - behind, DELETED) == 0) {
        length -= behind;
    }
    snprintf(living.path, sizeof(living.path), "%.*s", (int)length, path);
    return living;
}

static bool matches(const char *pattern, const struct living *living)
{
    return fnmatch(pattern, living->path, 0) == 0;
}

const char *eye_tls_exclusion_find(char *const *patterns, size_t count, const char *path)
{
    struct living living = living_of(path);
    for (size_t i = 0; i < count; i++) {
        if (matches(patterns[i], &living)) {
            return patterns[i];
        }
    }
    return NULL;
}

const char *eye_tls_exclusion_of_path(const char *path)
{
    struct living living = living_of(path);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(known); i++) {
        if (matches(known[i].pattern, &living)) {
            return known[i].reason;
        }
    }
    return NULL;
}

const char *eye_tls_exclusion_known(const char *proc, const struct eye_tls_mapping *mapping)
{
    EYE_AUTOFREE char *root = eye_tls_mapping_root(proc, mapping);
    EYE_AUTOFREE char *layers = eye_tls_mapping_layers(proc, mapping);
    const char *const places[] = {mapping->path, root, layers};
    const char *reason = NULL;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(places) && reason == NULL; i++) {
        reason = places[i] == NULL ? NULL : eye_tls_exclusion_of_path(places[i]);
    }
    return reason;
}
