/* SPDX-License-Identifier: Apache-2.0 */
/* DD_* variables: https://docs.datadoghq.com/developers/dogstatsd/#client-instantiation-parameters
 */
#include "exporters/dogstatsd/environment.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "collector/base/log.h"
#include "collector/base/parse.h"
#include "config/problems.h"

#define DEFAULT_HOST "127.0.0.1"
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

/* As the official client for Python reads it. */
static bool is_disabled(void)
{
    static const char *const words[] = {"true", "yes", "1"};
    const char *value = variable("DD_DOGSTATSD_DISABLE");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(words); i++) {
        if (value != NULL && strcasecmp(value, words[i]) == 0) {
            return true;
        }
    }
    if (value != NULL && !says_no(value)) {
        eye_log_warning("DD_DOGSTATSD_DISABLE is passed over: \"%s\" is neither true nor false",
                        eye_excerpt_of(value).text);
    }
    return false;
}

static bool is_url(const char *text)
{
    return strstr(text, "://") != NULL;
}

/* Whether @host, which is no URL, is an IPv6 address without brackets. */
static bool is_bare_ipv6(const char *host)
{
    const char *colon = strchr(host, ':');
    return colon != NULL && strchr(colon + 1, ':') != NULL && host[0] != '[';
}

/* As the official clients read it: DD_AGENT_HOST may be a URL, or have a port of its own. */
static bool needs_port(const char *host)
{
    bool has_port = !is_bare_ipv6(host) && strrchr(host, ':') > strrchr(host, ']');
    return !is_url(host) && !has_port;
}

/* @port: NULL when the host needs none. */
static char *url_of_host(const char *host, const char *port)
{
    bool bare_ipv6 = is_bare_ipv6(host);
    char *url = NULL;
    if (is_url(host)) {
        return strdup(host);
    }
    int length = asprintf(&url, "udp://%s%s%s%s%s", bare_ipv6 ? "[" : "", host,
                          bare_ipv6 ? "]" : "", port == NULL ? "" : ":", port == NULL ? "" : port);
    return length < 0 ? NULL : url;
}

/* Takes @url, made of variable @name, over if it is one. 0 or -ENOMEM. */
static int take_url(char *url, const char *name, eye_environment_valid *valid, char **ret_url)
{
    if (url == NULL) {
        return -ENOMEM;
    }
    if (valid(url)) {
        *ret_url = url;
        return 0;
    }
    eye_log_warning("%s is passed over: \"%s\" is no udp://HOST:PORT or unix://PATH", name,
                    eye_excerpt_of(url).text);
    free(url);
    return 0;
}

/* NULL when it is not set, or no number of a port: Kubernetes sets it to tcp://ADDRESS:PORT when a
 * service is called dd-dogstatsd. */
static const char *read_port(void)
{
    const char *port = variable("DD_DOGSTATSD_PORT");
    uint64_t number;
    if (port == NULL || (eye_parse_u64(port, &number) == 0 && number > 0 && number <= UINT16_MAX)) {
        return port;
    }
    eye_log_warning("DD_DOGSTATSD_PORT is passed over: \"%s\" is no port, 1 to 65535; " DEFAULT_PORT
                    " is used, unless `url` says otherwise",
                    eye_excerpt_of(port).text);
    return NULL;
}

/* DD_DOGSTATSD_URL, else a URL of host and port; *ret_url stays NULL without either. A variable
 * that cannot be used takes no other one with it. */
static int read_url(eye_environment_valid *valid, char **ret_url)
{
    const char *url = variable("DD_DOGSTATSD_URL");
    const char *host = variable("DD_AGENT_HOST");
    int result = url == NULL ? 0 : take_url(strdup(url), "DD_DOGSTATSD_URL", valid, ret_url);
    if (result != 0 || *ret_url != NULL) {
        return result;
    }
    bool has_own = host != NULL && !needs_port(host);
    const char *port = has_own ? NULL : read_port();
    if (host != NULL) {
        const char *port_of_host = port == NULL ? DEFAULT_PORT : port;
        result = take_url(url_of_host(host, has_own ? NULL : port_of_host), "DD_AGENT_HOST", valid,
                          ret_url);
    }
    if (result == 0 && *ret_url == NULL && has_own) {
        port = read_port();
    }
    if (result == 0 && *ret_url == NULL && port != NULL) {
        result = take_url(url_of_host(DEFAULT_HOST, port), "DD_DOGSTATSD_PORT", valid, ret_url);
    }
    return result;
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

/* NULL when neither names one. */
static const char *read_cardinality(void)
{
    static const char *const names[] = {"DD_CARDINALITY", "DATADOG_CARDINALITY"};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        const char *value = variable(names[i]);
        if (value != NULL && eye_environment_cardinality_valid(value)) {
            return value;
        }
        if (value != NULL) {
            eye_log_warning("%s is passed over: \"%.32s\" is not none, low, orchestrator or high",
                            names[i], value);
        }
    }
    return NULL;
}

int eye_environment_read(eye_environment_valid *valid, struct eye_environment *ret_environment)
{
    struct eye_environment made = {
        .tags = {{"DD_ENTITY_ID", "dd.internal.entity_id", NULL},
                 {"DD_ENV", "env", NULL},
                 {"DD_SERVICE", "service", NULL},
                 {"DD_VERSION", "version", NULL}},
        .disabled = is_disabled(),
        .origin_detection = !says_no(variable("DD_ORIGIN_DETECTION_ENABLED")),
        .cardinality = read_cardinality(),
    };
    for (size_t i = 0; i < EYE_ENVIRONMENT_TAGS; i++) {
        made.tags[i].value = variable(made.tags[i].variable);
    }
    if (read_url(valid, &made.url) != 0 || read_external(&made.external) != 0) {
        eye_environment_done(&made);
        return -ENOMEM;
    }
    *ret_environment = made;
    return 0;
}

void eye_environment_done(struct eye_environment *environment)
{
    free(environment->url);
    free(environment->external);
    environment->url = NULL;
    environment->external = NULL;
}
