/* SPDX-License-Identifier: Apache-2.0 */
/* The files that name a container, each in its format. */
#include "collector/process/container.h"

#include <errno.h>
#include <jansson.h>

#include "collector/base/base.h"
#include "collector/base/text.h"
#include "collector/process/names.h"

/* What people see of an id of 64 digits. */
#define SHORT_ID_DIGITS 12
#define LONG_ID_DIGITS 64

static void keep_json(json_t **json)
{
    json_decref(*json);
}

void eye_container_tag(const struct eye_container_id *id, char ret_tag[EYE_CONTAINER_ID_BYTES])
{
    bool is_long = !id->is_name && strlen(id->text) == LONG_ID_DIGITS;
    eye_copy_string(ret_tag, is_long ? SHORT_ID_DIGITS + 1 : EYE_CONTAINER_ID_BYTES, id->text);
}

/* The first word stays. */
static void fill(char *target, size_t size, struct eye_span name)
{
    if (target[0] == '\0') {
        eye_names_copy(target, size, name.start, name.length);
    }
}

/* ---- JSON ---- */

/* NULL when it is none. A NUL in a text is a character like another one. */
static json_t *parse(struct eye_span file)
{
    return json_loadb(file.start, file.length, JSON_ALLOW_NUL, NULL);
}

static struct eye_span text_of(const json_t *json)
{
    return (struct eye_span){json_string_value(json), json_string_length(json)};
}

/*
 * Labels of Docker and annotations of OCI, the better one first. In Kubernetes and Swarm the name
 * is the one in the manifest: what people know, and the same in every replica and after every
 * restart, unlike that of the pod or task.
 */
static void read_labels(const json_t *labels, struct eye_container_names *names)
{
#define NAME(member)                                                                               \
    offsetof(struct eye_container_names, member), sizeof(((struct eye_container_names *)0)->member)
    static const struct {
        const char *key;
        size_t offset, size;
    } keys[] = {
        {"io.kubernetes.cri.container-name", NAME(name)}, /* containerd */
        {"io.kubernetes.cri.sandbox-name", NAME(pod)},
        {"io.kubernetes.cri.sandbox-namespace", NAME(namespace_name)},
        {"io.kubernetes.container.name", NAME(name)}, /* CRI-O, cri-dockerd */
        {"io.kubernetes.pod.name", NAME(pod)},
        {"io.kubernetes.pod.namespace", NAME(namespace_name)},
        {"com.docker.swarm.service.name", NAME(name)},
        {"nerdctl/name", NAME(name)},
    };
#undef NAME
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(keys); i++) {
        const json_t *value = json_object_get(labels, keys[i].key);
        if (json_is_string(value)) {
            fill((char *)names + keys[i].offset, keys[i].size, text_of(value));
        }
    }
}

int eye_container_read_bundle(const struct eye_container_id *id, struct eye_span file,
                              struct eye_container_names *names)
{
    (void)id;
    EYE_CLEANUP(keep_json) json_t *root = parse(file);
    if (!json_is_object(root)) {
        return -EBADMSG;
    }
    read_labels(json_object_get(root, "annotations"), names);
    return 0;
}

int eye_container_read_docker(const struct eye_container_id *id, struct eye_span file,
                              struct eye_container_names *names)
{
    (void)id;
    EYE_CLEANUP(keep_json) json_t *root = parse(file);
    if (!json_is_object(root)) {
        return -EBADMSG;
    }
    read_labels(json_object_get(json_object_get(root, "Config"), "Labels"), names);
    const json_t *value = json_object_get(root, "Name");
    if (json_is_string(value)) {
        struct eye_span name = text_of(value);
        fill(names->name, sizeof(names->name),
             eye_span_skip(name, eye_span_starts_with(name, "/")));
    }
    return 0;
}

int eye_container_read_storage(const struct eye_container_id *id, struct eye_span file,
                               struct eye_container_names *names)
{
    EYE_CLEANUP(keep_json) json_t *root = parse(file);
    if (!json_is_array(root)) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < json_array_size(root); i++) {
        const json_t *entry = json_array_get(root, i);
        const char *own = json_string_value(json_object_get(entry, "id"));
        const json_t *name = json_array_get(json_object_get(entry, "names"), 0);
        if (own != NULL && strcmp(own, id->text) == 0 && json_is_string(name)) {
            fill(names->name, sizeof(names->name), text_of(name));
        }
    }
    return 0;
}

/* ---- other texts ---- */

int eye_container_read_log_name(const struct eye_container_id *id, struct eye_span file,
                                struct eye_container_names *names)
{
    struct eye_span pod;
    struct eye_span namespace_name;
    if (!eye_span_cut_suffix(&file, ".log") || !eye_span_cut_suffix(&file, id->text) ||
        !eye_span_cut_suffix(&file, "-") || !eye_span_next(&file, '_', &pod) ||
        !eye_span_next(&file, '_', &namespace_name)) {
        return -EBADMSG;
    }
    fill(names->name, sizeof(names->name), file);
    fill(names->pod, sizeof(names->pod), pod);
    fill(names->namespace_name, sizeof(names->namespace_name), namespace_name);
    return 0;
}

/* Where what is mounted lies in its file system (proc_pid_mountinfo(5)). */
#define FIELD_ROOT 4

/* ".../pods/UID/containers/NAME/...", wherever the kubelet has its folder. Of another pod's: a
 * program that manages pods sees theirs, too. */
static struct eye_span name_in_root(struct eye_span path, const char *uid)
{
    static const char *const way[] = {"pods", NULL, "containers"};
    size_t met = 0;
    struct eye_span element = {0};
    while (met < EYE_ARRAY_LENGTH(way) && eye_span_next(&path, '/', &element)) {
        bool is_next = eye_span_is(element, way[met] == NULL ? uid : way[met]);
        met = is_next ? met + 1 : eye_span_is(element, way[0]);
    }
    return eye_span_next(&path, '/', &element) ? element : (struct eye_span){0};
}

int eye_container_read_mounts(const struct eye_container_id *id, struct eye_span file,
                              struct eye_container_names *names)
{
    struct eye_span line;
    while (id->pod[0] != '\0' && eye_span_next(&file, '\n', &line)) {
        struct eye_span field = {0};
        for (int i = 0; i < FIELD_ROOT && eye_span_next(&line, ' ', &field); i++) {
        }
        struct eye_span name = name_in_root(field, id->pod);
        if (name.length > 0) {
            fill(names->name, sizeof(names->name), name);
        }
    }
    return 0;
}
