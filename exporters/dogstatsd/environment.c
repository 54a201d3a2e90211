/* SPDX-License-Identifier: Apache-2.0 */
/* DD_* variables: https://docs.datadoghq.com/developers/dogstatsd/#client-instantiation-parameters
 */
#include "exporters/dogstatsd/environment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_PORT "8125"

/* NULL when it is not set or empty. */
static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value == NULL || value[0] == '\0' ? NULL : value;
}

bool eye_environment_cardinality_valid(const char *text)
{
    static const char *const words[] = {"none", "low", "orchestrator", "high"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(words); i++) {
        if (strcmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

static bool says_no(const char *text)
{
    static const char *const words[] = {"false", "f", "no", "off", "0"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(words); i++) {
        if (text != NULL && strcasecmp(text, words[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* DD_DOGSTATSD_URL, else a URL of host and port; *ret_url stays NULL without either. */
static int read_url(char **ret_url)
{
    const char *url = variable("DD_DOGSTATSD_URL");
    const char *host = variable("DD_AGENT_HOST");
    const char *port = variable("DD_DOGSTATSD_PORT");
    if (url != NULL) {
        *ret_url = strdup(url);
        return *ret_url == NULL ? -ENOMEM : 0;
    }
    if (host == NULL) {
        return 0;
    }
    bool bare_ipv6 = strchr(host, ':') != NULL && host[0] != '[';
    char *made = NULL;
    if (asprintf(&made, "udp://%s%s%s:%s", bare_ipv6 ? "[" : "", host, bare_ipv6 ? "]" : "",
                 port == NULL ? DEFAULT_PORT : port) < 0) {
        return -ENOMEM;
    }
    *ret_url = made;
    return 0;
}

/* A field ends at a bar; the Agent takes printable characters only. */
static int read_external(char **ret_external)
{
    const char *value = variable("DD_EXTERNAL_ENV");
    if (value == NULL) {
        return 0;
    }
    char *clean = calloc(1, EYE_ENVIRONMENT_MAX_BYTES + 1);
    if (clean == NULL) {
        return -ENOMEM;
    }
    for (size_t length = 0; *value != '\0' && length < EYE_ENVIRONMENT_MAX_BYTES; value++) {
        if (*value > ' ' && *value <= '~' && *value != '|') {
            clean[length++] = *value;
        }
    }
    *ret_external = clean;
    return 0;
}

static int read_cardinality(const char **ret_cardinality, struct eye_error *ret_error)
{
    static const char *const names[] = {"DD_CARDINALITY", "DATADOG_CARDINALITY"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        const char *value = variable(names[i]);
        if (value == NULL) {
            continue;
        }
        if (!eye_environment_cardinality_valid(value)) {
            return eye_error_set(ret_error, -EINVAL,
                                 "%s is not none, low, orchestrator or high: \"%.32s\"", names[i],
                                 value);
        }
        *ret_cardinality = value;
        return 0;
    }
    return 0;
}

static int read_texts(struct eye_environment *environment, struct eye_error *ret_error)
{
    if (read_url(&environment->url) != 0 || read_external(&environment->external) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    return read_cardinality(&environment->cardinality, ret_error);
}

int eye_environment_read(struct eye_environment *ret_environment, struct eye_error *ret_error)
{
    struct eye_environment made = {
        .tags = {{"DD_ENTITY_ID", "dd.internal.entity_id", NULL},
                 {"DD_ENV", "env", NULL},
                 {"DD_SERVICE", "service", NULL},
                 {"DD_VERSION", "version", NULL}},
        .origin_detection = !says_no(variable("DD_ORIGIN_DETECTION_ENABLED")),
    };
    for (size_t i = 0; i < EYE_ENVIRONMENT_TAGS; i++) {
        made.tags[i].value = variable(made.tags[i].variable);
    }
    int result = read_texts(&made, ret_error);
    if (result == 0) {
        *ret_environment = made;
    } else {
        eye_environment_done(&made);
    }
    return result;
}

void eye_environment_done(struct eye_environment *environment)
{
    free(environment->url);
    free(environment->external);
    environment->url = NULL;
    environment->external = NULL;
}
