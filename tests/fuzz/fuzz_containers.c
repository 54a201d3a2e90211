/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the path of a cgroup and as each file that names a container. The first byte
 * chooses. Property: what is found in a path lies in it; names end with a NUL, are UTF-8 that
 * eye_copy_clean() leaves as it is, and no word of ours; a file that is refused tells nothing.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/text.h"
#include "collector/process/container.h"
#include "collector/process/names.h"
#include "collector/process/place.h"

#define ID "4f6d9ac25a1b4a36a6f1d3e0c9b8a7564f6d9ac25a1b4a36a6f1d3e0c9b8a756"
#define UID "8f2c1a3b-0d4e-4f5a-9b6c-7d8e9f0a1b2c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_part(struct eye_span whole, struct eye_span part)
{
    assert(part.length == 0 ||
           (part.start >= whole.start && part.start + part.length <= whole.start + whole.length));
}

static void check_path(struct eye_span path)
{
    const struct eye_place place = eye_place_of_path(path);
    struct eye_process process = {0};
    char tag[EYE_CONTAINER_ID_BYTES];
    check_part(path, place.unit);
    check_part(path, place.container);
    check_part(path, place.pod);
    eye_names_of_cgroup(&process, path.start, path.length, true);
    eye_names_finish(&process);
    eye_container_tag(&process.container, tag);
    assert(strlen(process.service) > 0 && strchr(process.container.pod, '_') == NULL);
    assert(strchr(process.container.text, '/') == NULL);
}

static void check_name(const char *name, size_t size)
{
    char again[sizeof(struct eye_container_names)];
    assert(memchr(name, '\0', size) != NULL);
    eye_names_copy(again, sizeof(again), name, strlen(name));
    assert(strcmp(again, name) == 0);
}

static void check_file(eye_container_reader *read, struct eye_span file)
{
    static const struct eye_container_id id = {.text = ID, .pod = UID};
    static const struct eye_container_names none;
    struct eye_container_names names = {0};
    int result = read(&id, file, &names);
    assert(result == 0 || memcmp(&names, &none, sizeof(none)) == 0);
    check_name(names.name, sizeof(names.name));
    check_name(names.pod, sizeof(names.pod));
    check_name(names.namespace_name, sizeof(names.namespace_name));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static eye_container_reader *const readers[] = {
        eye_container_read_bundle,   eye_container_read_docker, eye_container_read_storage,
        eye_container_read_log_name, eye_container_read_mounts,
    };
    if (size == 0) {
        return 0;
    }
    size_t choice = data[0] % (EYE_ARRAY_LENGTH(readers) + 1);
    size_t length = size - 1;
    /* A copy: nothing readable stands behind it. */
    EYE_AUTOFREE char *bytes = malloc(length > 0 ? length : 1);
    assert(bytes != NULL);
    memcpy(bytes, data + 1, length);
    struct eye_span text = {bytes, length};
    if (choice == EYE_ARRAY_LENGTH(readers)) {
        check_path(text);
    } else {
        check_file(readers[choice], text);
    }
    return 0;
}
