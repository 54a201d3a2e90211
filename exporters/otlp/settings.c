/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration first, then the environment, then the defaults of the specification. */
#include "exporters/otlp/settings.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/parse.h"
#include "exporters/http/url.h"
#include "exporters/otlp/pairs.h"

#define DEFAULT_URL "http://127.0.0.1:4318/v1/metrics"
#define URL_MAX_BYTES ((size_t)4 << 10)

/* Default and limits of the key `timeout`. */
#define TIMEOUT_DEFAULT_NS (10 * EYE_NS_PER_SECOND)
#define TIMEOUT_MIN_MS 100
#define TIMEOUT_MAX_MS 300000

/* ---- Variables ---- */

/* A variable that is set, and not to nothing: the specification takes that as not set. */
struct variable {
    char name[64];
    char *value;
};

static bool find(struct variable *variable, const char *prefix, const char *name)
{
    snprintf(variable->name, sizeof(variable->name), "%s%s", prefix, name);
    variable->value = getenv(variable->name);
    return variable->value != NULL && *variable->value != '\0';
}

/* That of metrics wins over that of all signals. */
static bool find_either(struct variable *variable, const char *name)
{
    return find(variable, "OTEL_EXPORTER_OTLP_METRICS_", name) ||
           find(variable, "OTEL_EXPORTER_OTLP_", name);
}

struct word {
    const char *text;
    int choice;
};

/* The choice that @variable names, in any case; @otherwise, said in the log, when it names none:
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#enum. The words
 * end with a NULL text. */
static int choose(const struct variable *variable, const struct word *words, int otherwise)
{
    EYE_CLEANUP(eye_text_done) struct eye_text known;
    const char *used = "";
    eye_text_init(&known, EYE_ERROR_TEXT_BYTES);
    for (const struct word *word = words; word->text != NULL; word++) {
        used = word->choice == otherwise && *used == '\0' ? word->text : used;
        if (strcasecmp(variable->value, word->text) == 0) {
            return word->choice;
        }
        eye_text_appendf(&known, "%s%s", word == words ? "" : ", ", word->text);
    }
    eye_log_warning("%s is passed over: \"%.64s\" is none of %s; %s is used", variable->name,
                    variable->value, eye_text_string(&known), used);
    return otherwise;
}

/* @configured unless it is auto, then the variable's choice, then @otherwise. */
static int decide(int configured, const char *name, const struct word *words, int otherwise)
{
    struct variable variable;
    if (configured != EYE_OTLP_AUTO) {
        return configured;
    }
    return find_either(&variable, name) ? choose(&variable, words, otherwise) : otherwise;
}

/* ---- One setting each ---- */

static int set_url(struct eye_otlp_settings *settings, const char *url, const char *suffix)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, URL_MAX_BYTES);
    size_t length = strlen(url);
    while (*suffix != '\0' && length > 0 && url[length - 1] == '/') {
        length--;
    }
    eye_text_append_bytes(&text, url, length);
    eye_text_append(&text, suffix);
    settings->url = text.failed ? NULL : strdup(eye_text_string(&text));
    return settings->url == NULL ? -ENOMEM : 0;
}

/* The URL of a variable, if it can be used. */
static int set_variable_url(struct eye_otlp_settings *settings, const struct variable *variable,
                            const char *suffix)
{
    int result = set_url(settings, variable->value, suffix);
    if (result == 0 && !eye_url_valid(settings->url)) {
        /* Not shown: a URL that is wrong may hold a password. */
        eye_log_warning("%s is passed over: it is no http://HOST:PORT without a password",
                        variable->name);
        free(EYE_TAKE(settings->url));
    }
    if (settings->url != NULL && !eye_url_endpoint_valid(settings->url)) {
        eye_log_warning("%s has no path, so / is asked, as the specification wants it; receivers "
                        "listen at /v1/metrics",
                        variable->name);
    }
    return result;
}

static int decide_url(struct eye_otlp_settings *settings, const struct eye_otlp_values *values)
{
    struct variable variable;
    if (values->url != NULL) {
        return set_url(settings, values->url, "");
    }
    int result = 0;
    if (find(&variable, "OTEL_EXPORTER_OTLP_METRICS_", "ENDPOINT")) {
        result = set_variable_url(settings, &variable, "");
    }
    if (result == 0 && settings->url == NULL &&
        find(&variable, "OTEL_EXPORTER_OTLP_", "ENDPOINT")) {
        result = set_variable_url(settings, &variable, "/v1/metrics");
    }
    return result != 0 || settings->url != NULL ? result : set_url(settings, DEFAULT_URL, "");
}

/* The protocol that others of this environment speak, to an endpoint that is theirs, too. */
static void pass_over_grpc(const struct eye_otlp_settings *settings,
                           const struct variable *variable)
{
    char authority[EYE_URL_AUTHORITY_BYTES];
    eye_url_authority(settings->url, authority);
    const char *port = strrchr(authority, ':');
    bool is_grpc = port != NULL && strcmp(port, ":4317") == 0;
    eye_log_warning("%s is passed over: there is no grpc here, http/protobuf is sent to %s%s",
                    variable->name, authority,
                    is_grpc ? "; 4317 is the port of grpc, that of http is 4318" : "");
}

/* Once the URL is known. */
static void decide_encoding(struct eye_otlp_settings *settings,
                            const struct eye_otlp_values *values)
{
    struct variable variable;
    if (values->encoding == EYE_OTLP_AUTO && find_either(&variable, "PROTOCOL") &&
        strcasecmp(variable.value, "grpc") == 0) {
        pass_over_grpc(settings, &variable);
        settings->json = false;
        return;
    }
    static const struct word words[] = {
        {"http/protobuf", EYE_OTLP_ENCODING_PROTOBUF},
        {"http/json", EYE_OTLP_ENCODING_JSON},
        {NULL, 0},
    };
    settings->json = decide(values->encoding, "PROTOCOL", words, EYE_OTLP_ENCODING_PROTOBUF) ==
                     EYE_OTLP_ENCODING_JSON;
}

static void decide_compression(struct eye_otlp_settings *settings,
                               const struct eye_otlp_values *values)
{
    static const struct word words[] = {
        {"gzip", EYE_OTLP_COMPRESSION_GZIP},
        {"none", EYE_OTLP_COMPRESSION_NONE},
        {NULL, 0},
    };
    bool gzip = decide(values->compression, "COMPRESSION", words, EYE_OTLP_COMPRESSION_GZIP) ==
                EYE_OTLP_COMPRESSION_GZIP;
    settings->compression = gzip ? EYE_COMPRESSION_GZIP : EYE_COMPRESSION_NONE;
}

static void decide_temporality(struct eye_otlp_settings *settings,
                               const struct eye_otlp_values *values)
{
    /* Low memory means deltas for the instruments that we have. */
    static const struct word words[] = {
        {"cumulative", EYE_OTLP_TEMPORALITY_CUMULATIVE},
        {"delta", EYE_OTLP_TEMPORALITY_DELTA},
        {"lowmemory", EYE_OTLP_TEMPORALITY_DELTA},
        {NULL, 0},
    };
    bool delta = decide(values->temporality, "TEMPORALITY_PREFERENCE", words,
                        EYE_OTLP_TEMPORALITY_CUMULATIVE) == EYE_OTLP_TEMPORALITY_DELTA;
    settings->temporality = delta ? EYE_OTLP_DELTA : EYE_OTLP_CUMULATIVE;
}

/* A number of milliseconds; a timeout in the configuration that is not the default wins. */
static void decide_timeout(struct eye_otlp_settings *settings)
{
    struct variable variable;
    uint64_t milliseconds;
    if (settings->http.timeout_ns != TIMEOUT_DEFAULT_NS || !find_either(&variable, "TIMEOUT")) {
        return;
    }
    if (eye_parse_u64(variable.value, &milliseconds) != 0 || milliseconds < TIMEOUT_MIN_MS ||
        milliseconds > TIMEOUT_MAX_MS) {
        eye_log_warning("%s is passed over: \"%.32s\" is no number of milliseconds, %d to %d",
                        variable.name, variable.value, TIMEOUT_MIN_MS, TIMEOUT_MAX_MS);
        return;
    }
    settings->http.timeout_ns = milliseconds * EYE_NS_PER_MS;
}

static void decide_file(char **file, const char *name)
{
    struct variable variable;
    if (*file != NULL || !find_either(&variable, name)) {
        return;
    }
    if (access(variable.value, R_OK) != 0) {
        eye_log_warning("%s is passed over: cannot read %s: %s", variable.name, variable.value,
                        strerror(errno));
        return;
    }
    *file = variable.value;
}

/* Of the client's certificate and key one alone is of no use. */
static void decide_client(struct eye_tls_settings *tls)
{
    bool configured = tls->cert_file != NULL || tls->key_file != NULL;
    if (configured) {
        return;
    }
    decide_file(&tls->cert_file, "CLIENT_CERTIFICATE");
    decide_file(&tls->key_file, "CLIENT_KEY");
    if ((tls->cert_file == NULL) != (tls->key_file == NULL)) {
        eye_log_warning("OTEL_EXPORTER_OTLP_CLIENT_%s is passed over: certificate and key need "
                        "each other",
                        tls->cert_file == NULL ? "KEY" : "CERTIFICATE");
        tls->cert_file = tls->key_file = NULL;
    }
}

/* ---- Headers ---- */

static int append_item(struct eye_text_list *list, const char *item)
{
    char **items = reallocarray(list->items, list->count + 1, sizeof(*items));
    if (items == NULL) {
        return -ENOMEM;
    }
    list->items = items;
    items[list->count] = strdup(item);
    return items[list->count] == NULL ? -ENOMEM : (list->count++, 0);
}

/* eye_otlp_pair: 0, -EINVAL when it makes no header, -ENOMEM. */
static int add_header(void *context, const char *name, const char *value)
{
    EYE_CLEANUP(eye_text_done) struct eye_text line;
    eye_text_init(&line, EYE_SECRET_MAX_BYTES);
    eye_text_appendf(&line, "%s: %s", name, value);
    if (line.failed || !eye_client_header_valid(line.data)) {
        return -EINVAL;
    }
    return append_item(context, line.data);
}

static void forget_headers(struct eye_text_list *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        explicit_bzero(headers->items[i], strlen(headers->items[i]));
        free(headers->items[i]);
    }
    free(headers->items);
    *headers = (struct eye_text_list){0};
}

static int decide_headers(struct eye_otlp_settings *settings)
{
    struct variable variable;
    if (!find_either(&variable, "HEADERS")) {
        return 0;
    }
    int result = eye_otlp_read_pairs(variable.value, add_header, &settings->headers);
    if (result == -EINVAL) {
        /* The content may be secret. */
        eye_log_warning("%s is passed over: it is not a list of name=value,name=value",
                        variable.name);
        forget_headers(&settings->headers);
        result = 0;
    }
    settings->http.secret_headers = settings->headers;
    return result;
}

/* ---- All ---- */

int eye_otlp_settings_init(struct eye_otlp_settings *settings, const struct eye_otlp_values *values)
{
    struct eye_otlp_settings made = {
        .exponential = values->histograms == EYE_OTLP_HISTOGRAMS_EXPONENTIAL,
        .http = values->http,
    };
    decide_file(&made.http.tls.ca_file, "CERTIFICATE");
    decide_client(&made.http.tls);
    decide_compression(&made, values);
    decide_temporality(&made, values);
    decide_timeout(&made);
    if (decide_url(&made, values) != 0 || decide_headers(&made) != 0) {
        eye_otlp_settings_done(&made);
        return -ENOMEM;
    }
    decide_encoding(&made, values);
    *settings = made;
    return 0;
}

void eye_otlp_settings_done(struct eye_otlp_settings *settings)
{
    forget_headers(&settings->headers);
    free(settings->url);
    *settings = (struct eye_otlp_settings){0};
}
