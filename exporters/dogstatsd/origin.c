/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The order of the official clients: an id in the path of the cgroup, else in the mount of
 * /etc/hostname, else the inode of the cgroup when it is not the host's.
 * Source: datadog-go statsd/container_linux.go.
 */
#include "exporters/dogstatsd/origin.h"

#include <ctype.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "collector/base/base.h"
#include "collector/base/text.h"

/* linux/proc_ns.h: PROC_CGROUP_INIT_INO, the same on every kernel. */
#define HOST_CGROUP_NAMESPACE UINT64_C(0xEFFFFFFB)

#define LINE_BYTES 4096
#define LINES_MAX 4096

/* A run of characters that are not NUL-terminated. */
struct span {
    const char *start;
    size_t length;
};

static void cleanup_file(FILE **file)
{
    if (*file != NULL) {
        fclose(*file);
    }
}

static void close_line(char *line)
{
    line[strcspn(line, "\n")] = '\0';
}

/* ---- Which words are ids ---- */

/* How many of the leading characters are lower-case hexadecimal digits. */
static size_t count_hex(struct span span)
{
    size_t count = 0;
    while (count < span.length && strchr("0123456789abcdef", span.start[count]) != NULL) {
        count++;
    }
    return count;
}

static bool is_decimal(struct span span)
{
    for (size_t i = 0; i < span.length; i++) {
        if (!isdigit((unsigned char)span.start[i])) {
            return false;
        }
    }
    return span.length > 0;
}

/* Groups of digits, each behind - or _: a UUID, or one of Garden, which ends earlier. */
static bool is_grouped(struct span span, const size_t *groups, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0) {
            if (span.length == 0 || (span.start[0] != '-' && span.start[0] != '_')) {
                return false;
            }
            span = (struct span){span.start + 1, span.length - 1};
        }
        if (span.length < groups[i] ||
            count_hex((struct span){span.start, groups[i]}) != groups[i]) {
            return false;
        }
        span = (struct span){span.start + groups[i], span.length - groups[i]};
    }
    return span.length == 0;
}

/* 64 digits; 32 digits, - and a number (ECS); a UUID. */
static bool is_container_id(struct span span)
{
    static const size_t uuid[] = {8, 4, 4, 4, 12};
    static const size_t garden[] = {8, 4, 4, 4, 4};
    size_t hex = count_hex(span);
    if (hex == 64 && span.length == 64) {
        return true;
    }
    if (hex == 32 && span.length > 33 && span.length <= 64 && span.start[32] == '-') {
        return is_decimal((struct span){span.start + 33, span.length - 33});
    }
    return is_grouped(span, uuid, EYE_ARRAY_LENGTH(uuid)) ||
           is_grouped(span, garden, EYE_ARRAY_LENGTH(garden));
}

/* The id at the end of a path's last element, behind whatever the runtime wrote before it. */
static bool find_id(struct span element, struct span *ret_id)
{
    static const char scope[] = ".scope";
    size_t end = sizeof(scope) - 1;
    if (element.length > end && memcmp(element.start + element.length - end, scope, end) == 0) {
        element.length -= end;
    }
    for (; element.length >= 28; element = (struct span){element.start + 1, element.length - 1}) {
        if (is_container_id(element)) {
            *ret_id = element;
            return true;
        }
    }
    return false;
}

static bool write_id(struct span id, char ret_origin[EYE_ORIGIN_BYTES])
{
    snprintf(ret_origin, EYE_ORIGIN_BYTES, "ci-%.*s", (int)id.length, id.start);
    return true;
}

/* ---- Where ids are written ---- */

/* Calls @visit with each line of @root@path until it is true. */
static bool for_each_line(const char *root, const char *path,
                          bool (*visit)(const char *root, char *line, char *ret_origin),
                          char *ret_origin)
{
    char whole[PATH_MAX];
    char line[LINE_BYTES];
    snprintf(whole, sizeof(whole), "%s%s", root, path);
    EYE_CLEANUP(cleanup_file) FILE *file = fopen(whole, "re");
    bool found = false;
    for (size_t i = 0; !found && i < LINES_MAX && file != NULL; i++) {
        if (fgets(line, sizeof(line), file) == NULL) {
            break;
        }
        close_line(line);
        found = visit(root, line, ret_origin);
    }
    return found;
}

/* "hierarchy:controllers:path" */
static bool visit_cgroup(const char *root, char *line, char *ret_origin)
{
    (void)root;
    const char *slash = strrchr(line, '/');
    struct span id;
    if (slash == NULL) {
        return false;
    }
    return find_id((struct span){slash + 1, strlen(slash + 1)}, &id) && write_id(id, ret_origin);
}

static struct span last_element(struct span path)
{
    size_t start = path.length;
    while (start > 0 && path.start[start - 1] != '/') {
        start--;
    }
    return (struct span){path.start + start, path.length - start};
}

/* A path ".../<id>/...hostname" of the runtime; what containerd calls a sandbox is another one. */
static bool visit_mount(const char *root, char *line, char *ret_origin)
{
    (void)root;
    const char *hostname = strstr(line, "/hostname ");
    if (hostname == NULL) {
        return false;
    }
    struct span path = {line, (size_t)(hostname - line)};
    struct span element = last_element(path);
    if (!is_container_id(element) && element.start > line) {
        path.length = (size_t)(element.start - line) - 1;
        element = last_element(path);
    }
    if (!is_container_id(element) || element.start == line) {
        return false;
    }
    struct span parent = last_element((struct span){line, (size_t)(element.start - line) - 1});
    bool sandbox = parent.length == 9 && memcmp(parent.start, "sandboxes", 9) == 0;
    return !sandbox && write_id(element, ret_origin);
}

/* Of cgroup v2 (no controllers) or the memory controller of v1. */
static bool visit_inode(const char *root, char *line, char *ret_origin)
{
    char *first = strchr(line, ':');
    char *second = first == NULL ? NULL : strchr(first + 1, ':');
    if (second == NULL) {
        return false;
    }
    *second = '\0';
    const char *controller = first + 1;
    bool memory = strcmp(controller, "memory") == 0;
    char path[PATH_MAX];
    struct stat status;
    if (!memory && controller[0] != '\0') {
        return false;
    }
    snprintf(path, sizeof(path), "%s/sys/fs/cgroup/%s/%s", root, controller, second + 1);
    if (stat(path, &status) < 0) {
        return false;
    }
    snprintf(ret_origin, EYE_ORIGIN_BYTES, "in-%llu", (unsigned long long)status.st_ino);
    return true;
}

static bool is_host(const char *root)
{
    char path[PATH_MAX];
    struct stat status;
    snprintf(path, sizeof(path), "%s/proc/self/ns/cgroup", root);
    return stat(path, &status) == 0 && status.st_ino == HOST_CGROUP_NAMESPACE;
}

bool eye_origin_find(const char *root, char ret_origin[EYE_ORIGIN_BYTES])
{
    if (for_each_line(root, "/proc/self/cgroup", visit_cgroup, ret_origin) ||
        for_each_line(root, "/proc/self/mountinfo", visit_mount, ret_origin)) {
        return true;
    }
    return !is_host(root) && for_each_line(root, "/proc/self/cgroup", visit_inode, ret_origin);
}
