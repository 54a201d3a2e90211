/* SPDX-License-Identifier: Apache-2.0 */
/* A cgroup of the test's own, whose sockets alone are watched. Root. Behind cmocka.h. */
#pragma once

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct own_cgroup {
    char path[512];
    char mount[256]; /* of the cgroup v2 tree */
};

static inline void own_cgroup_join(const char *cgroup)
{
    char path[600];
    snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fprintf(file, "%d", (int)getpid()) > 0);
    assert_int_equal(fclose(file), 0);
}

static inline void own_cgroup_find_mount(struct own_cgroup *cgroup)
{
    char line[1024];
    char type[64];
    FILE *file = fopen("/proc/self/mounts", "re");
    assert_non_null(file);
    cgroup->mount[0] = '\0';
    while (cgroup->mount[0] == '\0' && fgets(line, sizeof(line), file) != NULL) {
        char where[256];
        if (sscanf(line, "%*s %255s %63s", where, type) == 2 && strcmp(type, "cgroup2") == 0) {
            snprintf(cgroup->mount, sizeof(cgroup->mount), "%s", where);
        }
    }
    fclose(file);
    assert_int_not_equal(cgroup->mount[0], '\0');
}

/* This process, and all that it starts from now on. */
static inline void own_cgroup_enter(struct own_cgroup *cgroup)
{
    own_cgroup_find_mount(cgroup);
    snprintf(cgroup->path, sizeof(cgroup->path), "%s/sockeye-test-%d", cgroup->mount,
             (int)getpid());
    assert_int_equal(mkdir(cgroup->path, 0755), 0);
    own_cgroup_join(cgroup->path);
}

/* 0 or not 0: somebody is in it still. */
static inline int own_cgroup_leave(const struct own_cgroup *cgroup)
{
    own_cgroup_join(cgroup->mount);
    return rmdir(cgroup->path);
}
