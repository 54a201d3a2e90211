/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering the attributes of the resource; a later value replaces an earlier one. */
#include "exporters/otlp/resource.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "collector/base/log.h"
#include "exporters/otlp/pairs.h"

#define VALUE_MAX_BYTES ((size_t)64 << 10)

/* A valid copy of @bytes, or NULL. */
static char *copy_utf8(const char *bytes)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, VALUE_MAX_BYTES);
    eye_otlp_append_utf8(&text, bytes);
    return text.failed ? NULL : strdup(eye_text_string(&text));
}

/* A tag called @key, made when there is none. NULL: out of memory. */
static struct eye_fixed_tag *find_tag(struct eye_otlp_resource *resource, const char *key)
{
    for (size_t i = 0; i < resource->count; i++) {
        if (strcmp(resource->tags[i].key, key) == 0) {
            return &resource->tags[i];
        }
    }
    size_t count = resource->count + 1;
    struct eye_fixed_tag *tags = reallocarray(resource->tags, count, sizeof(*tags));
    if (tags == NULL) {
        return NULL;
    }
    resource->tags = tags;
    tags[resource->count] = (struct eye_fixed_tag){.key = strdup(key)};
    return tags[resource->count].key == NULL ? NULL : &tags[resource->count++];
}

/* eye_otlp_pair: 0 or -ENOMEM. */
static int set(void *context, const char *key, const char *value)
{
    EYE_CLEANUP(eye_text_done) struct eye_text clean_key;
    eye_text_init(&clean_key, VALUE_MAX_BYTES);
    eye_otlp_append_utf8(&clean_key, key);
    struct eye_fixed_tag *tag =
        clean_key.failed ? NULL : find_tag(context, eye_text_string(&clean_key));
    char *clean_value = tag == NULL ? NULL : copy_utf8(value);
    if (clean_value == NULL) {
        return -ENOMEM;
    }
    free(tag->value);
    tag->value = clean_value;
    return 0;
}

static bool begins_with(const char *key, const char *beginning)
{
    return strncmp(key, beginning, strlen(beginning)) == 0;
}

/* What the environment says about the daemon and its container, not about the host. */
static bool is_of_the_daemon(const char *key)
{
    static const char *const beginnings[] = {"service.", "process.", "telemetry.", "container."};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(beginnings); i++) {
        if (begins_with(key, beginnings[i])) {
            return true;
        }
    }
    return begins_with(key, "k8s.") && !begins_with(key, "k8s.node.") &&
           !begins_with(key, "k8s.cluster.");
}

/* eye_otlp_pair: 0 or -ENOMEM. */
static int set_of_the_host(void *context, const char *key, const char *value)
{
    return is_of_the_daemon(key) ? 0 : set(context, key, value);
}

static int set_host(struct eye_otlp_resource *resource)
{
    char host[HOST_NAME_MAX + 1] = "";
    gethostname(host, sizeof(host) - 1);
    int result = *host != '\0' ? set(resource, "host.name", host) : 0;
    return result == 0 && *host != '\0' ? set(resource, "service.instance.id", host) : result;
}

static int set_own(struct eye_otlp_resource *resource)
{
    int result = set(resource, "service.name", "sockeye");
    if (result == 0) {
        result = set(resource, "service.version", EYE_VERSION);
    }
    return result == 0 ? set_host(resource) : result;
}

/* eye_otlp_pair */
static int skip(void *context, const char *key, const char *value)
{
    (void)context;
    (void)key;
    (void)value;
    return 0;
}

/* Whether each percent sign of @list begins two hexadecimal digits. */
static bool is_encoded(const char *list)
{
    const char *at = strchr(list, '%');
    while (at != NULL && isxdigit((unsigned char)at[1]) != 0 &&
           isxdigit((unsigned char)at[2]) != 0) {
        at = strchr(at + 3, '%');
    }
    return at == NULL;
}

/* 0, or -EINVAL when @list is none, -ENOMEM. */
static int check_list(const char *list)
{
    return is_encoded(list) ? eye_otlp_read_pairs(list, skip, NULL) : -EINVAL;
}

/* All of a list or nothing, as https://opentelemetry.io/docs/specs/otel/resource/sdk/ wants it. */
static int set_list(struct eye_otlp_resource *resource, const char *list)
{
    int result = check_list(list);
    if (result == -EINVAL) {
        eye_log_warning("OTEL_RESOURCE_ATTRIBUTES is passed over: it is not a list of "
                        "key=value,key=value with values in percent-encoding");
        return 0;
    }
    return result == 0 ? eye_otlp_read_pairs(list, set, resource) : result;
}

static int set_environment(struct eye_otlp_resource *resource)
{
    const char *list = getenv("OTEL_RESOURCE_ATTRIBUTES");
    const char *service = getenv("OTEL_SERVICE_NAME");
    int result = list == NULL ? 0 : set_list(resource, list);
    bool named = service != NULL && *service != '\0';
    return result == 0 && named ? set(resource, "service.name", service) : result;
}

/* A malformed list was told of when the daemon's resource was made. */
static int set_environment_of_the_host(struct eye_otlp_resource *resource)
{
    const char *list = getenv("OTEL_RESOURCE_ATTRIBUTES");
    int result = list == NULL ? 0 : check_list(list);
    if (list == NULL || result != 0) {
        return result == -EINVAL ? 0 : result;
    }
    return eye_otlp_read_pairs(list, set_of_the_host, resource);
}

static int set_fixed(struct eye_otlp_resource *resource, const struct eye_selection *selection,
                     bool observed)
{
    int result = 0;
    for (size_t i = 0; result == 0 && i < selection->fixed_count; i++) {
        const struct eye_fixed_tag *tag = &selection->fixed[i];
        if (!observed || strcmp(tag->key, "service.name") != 0) {
            result = set(resource, tag->key, tag->value);
        }
    }
    return result;
}

static int make_attributes(struct eye_otlp_resource *resource)
{
    resource->attributes = calloc(resource->count + 1, sizeof(resource->attributes[0]));
    if (resource->attributes == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < resource->count; i++) {
        resource->attributes[i].key = resource->tags[i].key;
        resource->attributes[i].value = resource->tags[i].value;
    }
    return 0;
}

static int init(struct eye_otlp_resource *resource, const struct eye_selection *selection,
                bool observed)
{
    EYE_CLEANUP(eye_otlp_resource_done) struct eye_otlp_resource made = {0};
    int result = observed ? set_host(&made) : set_own(&made);
    if (result == 0) {
        result = observed ? set_environment_of_the_host(&made) : set_environment(&made);
    }
    if (result == 0) {
        result = set_fixed(&made, selection, observed);
    }
    if (result == 0) {
        result = make_attributes(&made);
    }
    if (result != 0) {
        return result;
    }
    *resource = made;
    made = (struct eye_otlp_resource){0};
    return 0;
}

int eye_otlp_resource_init(struct eye_otlp_resource *resource,
                           const struct eye_selection *selection)
{
    return init(resource, selection, false);
}

int eye_otlp_resource_init_observed(struct eye_otlp_resource *resource,
                                    const struct eye_selection *selection)
{
    return init(resource, selection, true);
}

void eye_otlp_resource_done(struct eye_otlp_resource *resource)
{
    for (size_t i = 0; i < resource->count; i++) {
        free(resource->tags[i].key);
        free(resource->tags[i].value);
    }
    free(resource->tags);
    free(resource->attributes);
    *resource = (struct eye_otlp_resource){0};
}
