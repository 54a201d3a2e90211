/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as the body of a record of HTTP/2 or gRPC, and as a string in Huffman's code.
 * Properties: memory stays within bounds (address sanitizer); of a method of gRPC's no byte is
 * anything but a name's; all values of tags end within the name.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/usm/http2/record.h"
#include "collector/usm/http2/huffman.h"
#include "collector/usm/usm.h"
#include "tests/fuzz/promise.h"

#define METHOD_BYTES "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-"

static struct eye_group *group;

static void check_method(const char *value)
{
    PROMISE(value[0] != '\0' && value[strspn(value, METHOD_BYTES)] == '\0');
}

static void check_name(void *context, const struct eye_request_sample *sample)
{
    (void)context;
    struct eye_request_name name = {0};
    const struct eye_request_place place = {group, "shop"};
    sample->protocol->name_request(sample->state, sample, &place, &name);
    PROMISE(name.tag_count > 0 && name.tag_count <= EYE_REQUEST_TAGS_MAX);
    for (size_t i = 0; i < name.tag_count; i++) {
        PROMISE(strlen(name.tags[i].value) < EYE_REQUEST_TEXT_BYTES);
        if (name.tags[i].tag == EYE_TAG_METHOD) {
            check_method(name.tags[i].value);
        }
    }
}

static void decode(const uint8_t *data, size_t size)
{
    size_t room = size > 0 ? data[0] : 0;
    char *text = malloc(room + 1);
    PROMISE(text != NULL);
    PROMISE(eye_huffman_decode(data, size, text, room) <= room);
    free(text);
}

/* Its lengths are right: fuzz_records has those that are not. */
static void name(struct eye_usm *usm, const uint8_t *data, size_t size)
{
    struct {
        struct eye_request_head head;
        struct eye_http2_body body;
    } record = {0};
    memcpy(&record.body, data, size < sizeof(record.body) ? size : sizeof(record.body));
    record.body.path_length %= EYE_HTTP2_PATH_BYTES + 1;
    record.body.method_length %= sizeof(record.body.method) + 1;
    record.head.code = (__u16)(size > 8 ? data[8] * 5 % 1000 : 0);
    record.head.protocol = EYE_PROTOCOL_HTTP2;
    record.head.body_bytes = (__u16)(EYE_HTTP2_BODY_FIXED + record.body.path_length);
    eye_usm_take(usm, &record, sizeof(record.head) + record.head.body_bytes);
    PROMISE(usm->malformed == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct eye_config config;
    static struct eye_usm usm;
    if (group == NULL) {
        const struct eye_limits limits = {
            .series_per_metric = 10, .values_per_tag = 10, .idle_ns = 1};
        group = eye_group_new(eye_registry_new(&limits), NULL, 0);
        usm.on_request = check_name;
        PROMISE(group != NULL && eye_usm_open(&usm, &config) == 0);
    }
    decode(data, size);
    name(&usm, data, size);
    return 0;
}
