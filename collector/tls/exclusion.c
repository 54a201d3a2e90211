/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of what is known to suffer from probes. Each line is there because somebody met it; no
 * library of TLS has been found that checks its own code in memory. (What FIPS 140 asks for is a
 * sum over the file, which probes do not change, or over parts of libcrypto that have none.)
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
};

static bool matches(const char *pattern, const char *path)
{
    return fnmatch(pattern, path, 0) == 0;
}

const char *eye_tls_exclusion_find(char *const *patterns, size_t count, const char *path)
{
    char living[PATH_MAX];
    size_t length = strlen(path);
    size_t behind = strlen(DELETED);
    if (length > behind && strcmp(path + length - behind, DELETED) == 0) {
        length -= behind;
    }
    int written = snprintf(living, sizeof(living), "%.*s", (int)length, path);
    for (size_t i = 0; i < count && written < (int)sizeof(living); i++) {
        if (matches(patterns[i], living)) {
            return patterns[i];
        }
    }
    return NULL;
}

const char *eye_tls_exclusion_of_path(const char *path)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(known); i++) {
        if (matches(known[i].pattern, path)) {
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
