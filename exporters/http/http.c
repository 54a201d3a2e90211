/* SPDX-License-Identifier: Apache-2.0 */
/* One receiver over libcurl's multi interface, waited for in slices so that a stop is noticed. */
#include "exporters/http/http.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "exporters/http/curl.h"
#include "exporters/http/outcome.h"
#include "exporters/http/url.h"

/* Of an answer, interim ones (1xx) included. */
#define HEADERS_MAX_BYTES ((size_t)64 << 10)

/* " through the proxy HOST:PORT (from VARIABLE)", and of it the variable, HTTPS_PROXY at most. */
#define WAY_MAX_BYTES ((size_t)512)
#define PROXY_VARIABLE_BYTES 32

/* How long an address is believed, and a connection to one is kept: load balancers move. */
#define DNS_CACHE_SECONDS 30L
#define CONNECTION_MAX_SECONDS 300L

struct eye_http {
    const struct eye_http_settings *settings;
    const struct eye_deadline *deadline;
    struct eye_export_stats *stats;
    CURLM *multi; /* owned; keeps the connection */
    CURL *easy;   /* owned */
    struct eye_secret password;
    struct eye_secret token;
    struct eye_text body;     /* of the answer */
    struct eye_text location; /* of a redirect; empty: none */
    struct eye_text way;      /* of struct eye_http_answer */
    size_t header_bytes;
    bool body_cut; /* there was more of it than we read */
    char detail[CURL_ERROR_SIZE];
};

/* ---- What libcurl calls ---- */

static void set_way(struct eye_http *http, const char *proxy, const char *from, const char *name)
{
    char authority[EYE_HTTP_AUTHORITY_BYTES];
    eye_http_proxy_authority(proxy == NULL ? "" : proxy, authority);
    eye_text_clear(&http->way);
    eye_text_appendf(&http->way, " through the proxy %s (%s%s)", authority, from, name);
}

/* Fewer bytes than it got make libcurl end the transfer. */
static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct eye_http *http = context;
    size_t length = size * count;
    size_t room = http->body.max_bytes - http->body.length;
    size_t taken = length < room ? length : room;
    eye_text_append_bytes(&http->body, bytes, taken);
    http->body_cut = http->body_cut || length > room;
    return http->body.failed ? 0 : taken;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct eye_http *http = context;
    (void)bytes;
    http->header_bytes += size * count;
    return http->header_bytes <= HEADERS_MAX_BYTES ? size * count : 0;
}

/*
 * Which variable a proxy was taken from, after NO_PROXY was looked at, libcurl says in the text
 * that it has for people (url.c, detect_proxy()), and nowhere else.
 */
static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t size, void *context)
{
    static const char beginning[] = "Uses proxy env variable ";
    const size_t skipped = sizeof(beginning) - 1;
    struct eye_http *http = context;
    char name[PROXY_VARIABLE_BYTES];
    (void)easy;
    if (type != CURLINFO_TEXT || size <= skipped || memcmp(bytes, beginning, skipped) != 0) {
        return 0;
    }
    size_t length = 0;
    while (skipped + length < size && length < sizeof(name) - 1 && bytes[skipped + length] != ' ') {
        name[length] = bytes[skipped + length];
        length++;
    }
    name[length] = '\0';
    if (strcasecmp(name, "no_proxy") != 0) {
        set_way(http, getenv(name), "from ", name);
    }
    return 0;
}

/* ---- Options ---- */

/* An option fails only for want of memory or in a libcurl built without it. */
#define SET(easy, option, value)                                                                   \
    do {                                                                                           \
        if (eye_curl.easy_setopt(easy, option, value) != CURLE_OK) {                               \
            return -ENOMEM;                                                                        \
        }                                                                                          \
    } while (0)

static int set_transfer_options(struct eye_http *http)
{
    CURL *easy = http->easy;
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_QUICK_EXIT, 1L); /* a stop does not wait for a resolver that hangs */
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_SECONDS);
    SET(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_MAX_SECONDS);
    SET(easy, CURLOPT_USERAGENT, "sockeye/" EYE_VERSION);
    SET(easy, CURLOPT_ERRORBUFFER, http->detail);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, http);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, http);
    return 0;
}

/* Without CURLOPT_NOPROXY the environment's NO_PROXY applies to this proxy, too. */
static int set_proxy(struct eye_http *http)
{
    if (http->settings->proxy != NULL) {
        SET(http->easy, CURLOPT_PROXY, http->settings->proxy);
        SET(http->easy, CURLOPT_NOPROXY, "");
        set_way(http, http->settings->proxy, "", "`proxy`");
        return 0;
    }
    SET(http->easy, CURLOPT_DEBUGFUNCTION, on_debug);
    SET(http->easy, CURLOPT_DEBUGDATA, http);
    SET(http->easy, CURLOPT_VERBOSE, 1L);
    return 0;
}

/* Also after a secret changed. */
static int set_authentication(struct eye_http *http)
{
    if (http->password.value != NULL) {
        SET(http->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        SET(http->easy, CURLOPT_USERNAME, http->settings->user);
        SET(http->easy, CURLOPT_PASSWORD, http->password.value);
    }
    if (http->token.value != NULL) {
        SET(http->easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        SET(http->easy, CURLOPT_XOAUTH2_BEARER, http->token.value);
    }
    return 0;
}

static int set_options(struct eye_http *http)
{
    int result = set_transfer_options(http);
    if (result == 0) {
        result = eye_curl_set_tls(http->easy, &http->settings->tls);
    }
    if (result == 0) {
        result = set_proxy(http);
    }
    return result == 0 ? set_authentication(http) : result;
}

/* ---- Life ---- */

static int check_settings(const struct eye_http_settings *settings, struct eye_error *ret_error)
{
    if ((settings->user == NULL) != (settings->password_file == NULL)) {
        return eye_error_set(ret_error, -EINVAL,
                             "basic_auth.user and basic_auth.password_file need each other");
    }
    if (settings->user != NULL && settings->bearer_token_file != NULL) {
        return eye_error_set(ret_error, -EINVAL,
                             "basic_auth and bearer_token_file exclude each other");
    }
    return eye_tls_check(&settings->tls, ret_error);
}

static int read_secrets(struct eye_http *http, struct eye_error *ret_error)
{
    const struct eye_http_settings *settings = http->settings;
    int result = 0;
    if (settings->password_file != NULL) {
        result = eye_secret_read(settings->password_file, NULL, NULL, &http->password, ret_error);
    }
    if (result == 0 && settings->bearer_token_file != NULL) {
        result = eye_secret_read(settings->bearer_token_file, NULL, NULL, &http->token, ret_error);
    }
    return result;
}

static int init_curl(struct eye_http *http, struct eye_error *ret_error)
{
    http->multi = eye_curl.multi_init();
    http->easy = eye_curl.easy_init();
    if (http->multi == NULL || http->easy == NULL || set_options(http) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "libcurl: out of memory");
    }
    return 0;
}

static void cleanup_http(struct eye_http **http)
{
    eye_http_free(*http);
}

int eye_http_new(const struct eye_http_settings *settings, const struct eye_exporter_setup *setup,
                 struct eye_http **ret_http, struct eye_error *ret_error)
{
    int result = check_settings(settings, ret_error);
    if (result == 0) {
        result = eye_curl_load(ret_error);
    }
    if (result != 0) {
        return result;
    }
    EYE_CLEANUP(cleanup_http) struct eye_http *http = calloc(1, sizeof(*http));
    if (http == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    http->settings = settings;
    http->deadline = setup->deadline;
    http->stats = setup->stats;
    eye_text_init(&http->body, EYE_HTTP_ANSWER_MAX_BYTES);
    eye_text_init(&http->location, HEADERS_MAX_BYTES);
    eye_text_init(&http->way, WAY_MAX_BYTES);
    result = read_secrets(http, ret_error);
    if (result == 0) {
        result = init_curl(http, ret_error);
    }
    if (result != 0) {
        return result;
    }
    if (!settings->tls.verify && setup->lane == 0) {
        eye_log_warning("exporter %s: tls.verify is false: any certificate is accepted",
                        setup->own->name);
    }
    *ret_http = EYE_TAKE(http);
    return 0;
}

void eye_http_free(struct eye_http *http)
{
    if (http == NULL) {
        return;
    }
    eye_curl.easy_cleanup(http->easy);
    eye_curl.multi_cleanup(http->multi);
    eye_secret_done(&http->password);
    eye_secret_done(&http->token);
    eye_text_done(&http->body);
    eye_text_done(&http->location);
    eye_text_done(&http->way);
    free(http);
}

/* ---- The request ---- */

static void cleanup_lines(struct curl_slist **lines)
{
    for (struct curl_slist *line = *lines; line != NULL; line = line->next) {
        explicit_bzero(line->data, strlen(line->data));
    }
    eye_curl.slist_free_all(*lines);
}

static int add_line(struct curl_slist **lines, const char *line)
{
    struct curl_slist *longer = eye_curl.slist_append(*lines, line);
    if (longer == NULL) {
        return -ENOMEM;
    }
    *lines = longer;
    return 0;
}

static int add_header(struct curl_slist **lines, const struct eye_http_header *header)
{
    struct eye_text line;
    eye_text_init(&line, EYE_SECRET_MAX_BYTES + EYE_ERROR_TEXT_BYTES);
    eye_text_appendf(&line, "%s: %s", header->name, header->value);
    if (line.failed) {
        return -ENOMEM;
    }
    int result = add_line(lines, line.data);
    explicit_bzero(line.data, line.length);
    eye_text_done(&line);
    return result;
}

/* All header lines of @request; *@lines is the caller's also on failure. */
static int make_lines(const struct eye_http *http, const struct eye_http_request *request,
                      struct curl_slist **lines)
{
    /* A body is never announced: asking first costs a round trip, or a second of waiting. */
    int result = add_line(lines, "Expect:");
    for (size_t i = 0; result == 0 && i < http->settings->headers.count; i++) {
        result = add_line(lines, http->settings->headers.items[i]);
    }
    for (size_t i = 0; result == 0 && i < http->settings->secret_headers.count; i++) {
        result = add_line(lines, http->settings->secret_headers.items[i]);
    }
    for (size_t i = 0; result == 0 && i < request->header_count; i++) {
        result = add_header(lines, &request->headers[i]);
    }
    if (result == 0 && request->secret_header != NULL) {
        result = add_header(lines, request->secret_header);
    }
    return result;
}

static int set_request(struct eye_http *http, const struct eye_http_request *request,
                       const struct curl_slist *lines)
{
    CURL *easy = http->easy;
    if (request->body != NULL) {
        SET(easy, CURLOPT_POST, 1L);
        SET(easy, CURLOPT_POSTFIELDS, request->body);
        SET(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->length);
    } else {
        SET(easy, CURLOPT_HTTPGET, 1L);
    }
    SET(easy, CURLOPT_CUSTOMREQUEST, request->method);
    SET(easy, CURLOPT_URL, request->url);
    SET(easy, CURLOPT_HTTPHEADER, lines);
    return 0;
}

/* ---- The answer ---- */

/* Drives the transfer to its end, at most until @until_ns or the deadline. */
static CURLcode drive(struct eye_http *http, uint64_t until_ns)
{
    int running = 1;
    for (;;) {
        if (eye_curl.multi_perform(http->multi, &running) != CURLM_OK) {
            return CURLE_FAILED_INIT;
        }
        if (running == 0) {
            break;
        }
        int slice_ms = eye_deadline_slice_ms(http->deadline, until_ns);
        if (slice_ms == 0) {
            return CURLE_OPERATION_TIMEDOUT;
        }
        eye_curl.multi_poll(http->multi, NULL, 0, slice_ms, NULL);
    }
    int left;
    const struct CURLMsg *message = eye_curl.multi_info_read(http->multi, &left);
    return message == NULL ? CURLE_FAILED_INIT : message->data.result;
}

static CURLcode transfer(struct eye_http *http)
{
    eye_text_clear(&http->body);
    if (http->settings->proxy == NULL) {
        eye_text_clear(&http->way); /* on_debug() says it again */
    }
    http->header_bytes = 0;
    http->body_cut = false;
    http->detail[0] = '\0';
    if (eye_curl.multi_add_handle(http->multi, http->easy) != CURLM_OK) {
        return CURLE_FAILED_INIT;
    }
    CURLcode code = drive(http, eye_clock_monotonic_ns() + http->settings->timeout_ns);
    /* Ends a transfer that is still on its way, connection included. */
    eye_curl.multi_remove_handle(http->multi, http->easy);
    /* The part of a long answer that we read is all that we wanted. */
    return code == CURLE_WRITE_ERROR && http->body_cut ? CURLE_OK : code;
}

static void count_bytes(struct eye_http *http)
{
    curl_off_t sent = 0;
    eye_curl.easy_getinfo(http->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    atomic_fetch_add(&http->stats->bytes, (uint64_t)sent);
}

/* Where a redirect points to, made absolute. */
static void read_location(struct eye_http *http)
{
    const char *url = NULL;
    eye_curl.easy_getinfo(http->easy, CURLINFO_REDIRECT_URL, &url);
    eye_text_clear(&http->location);
    if (url != NULL) {
        eye_http_append_target(&http->location, url);
    }
}

/* Receivers may repeat what they got when they explain an error. */
static void mask(struct eye_text *body, const char *secret)
{
    size_t length = secret == NULL ? 0 : strlen(secret);
    char *at = length == 0 || body->data == NULL ? NULL : strstr(body->data, secret);
    for (; at != NULL; at = strstr(at, secret)) {
        memset(at, '*', length);
    }
}

static void mask_secrets(const struct eye_http *http, const struct eye_http_request *request,
                         struct eye_text *text)
{
    mask(text, http->password.value);
    mask(text, http->token.value);
    for (size_t i = 0; i < http->settings->secret_headers.count; i++) {
        mask(text, strchr(http->settings->secret_headers.items[i], ' ') + 1);
    }
    if (request->secret_header != NULL) {
        mask(text, request->secret_header->value);
    }
}

static uint64_t retry_after_ns(const struct eye_http *http)
{
    curl_off_t seconds = 0;
    eye_curl.easy_getinfo(http->easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds <= 0) {
        return 0;
    }
    const uint64_t max_seconds = EYE_HTTP_RETRY_AFTER_MAX_NS / EYE_NS_PER_SECOND;
    return ((uint64_t)seconds < max_seconds ? (uint64_t)seconds : max_seconds) * EYE_NS_PER_SECOND;
}

static struct eye_http_answer read_answer(struct eye_http *http)
{
    struct eye_http_answer answer = {
        .retry_after_ns = retry_after_ns(http),
        .body = eye_text_string(&http->body),
        .length = http->body.length,
        .location = http->location.length > 0 ? eye_text_string(&http->location) : NULL,
        .way = eye_text_string(&http->way),
    };
    eye_curl.easy_getinfo(http->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
}

/* A secret that was refused is read again, whatever its file looks like: from the next request on.
 */
static void renew_secrets(struct eye_http *http)
{
    bool renewed = eye_secret_refresh(&http->password);
    renewed = eye_secret_refresh(&http->token) || renewed;
    if (renewed) {
        set_authentication(http);
    }
}

/* A secret that was replaced on disk is used at once: not every receiver lets us try again. */
static int follow_secrets(struct eye_http *http)
{
    bool changed = eye_secret_follow(&http->password);
    changed = eye_secret_follow(&http->token) || changed;
    return changed ? set_authentication(http) : 0;
}

/* An address that nobody answered at is not believed any longer: the receiver may have moved. */
static void doubt_address(const struct eye_http *http, CURLcode code)
{
    bool answered = code != CURLE_COULDNT_CONNECT && code != CURLE_OPERATION_TIMEDOUT;
    eye_curl.easy_setopt(http->easy, CURLOPT_DNS_CACHE_TIMEOUT, answered ? DNS_CACHE_SECONDS : 0L);
}

/* A certificate of no authority that we know: the file may hold others by now. */
static void doubt_authorities(const struct eye_http *http, CURLcode code)
{
    bool unknown = code == CURLE_PEER_FAILED_VERIFICATION;
    eye_curl.easy_setopt(http->easy, CURLOPT_CA_CACHE_TIMEOUT,
                         unknown ? 0L : EYE_CURL_CA_CACHE_SECONDS);
}

/* "Unsupported proxy syntax in 'http://USER:PASSWORD@...'". */
static void hide_proxy(char *detail)
{
    char *opening = strstr(detail, "Unsupported proxy") == NULL ? NULL : strchr(detail, '\'');
    char *closing = opening == NULL ? NULL : strrchr(detail, '\'');
    if (closing != opening) {
        memset(opening + 1, '*', (size_t)(closing - opening - 1));
    }
}

int eye_http_send(struct eye_http *http, const struct eye_http_request *request,
                  struct eye_http_answer *ret_answer, struct eye_export_failure *failure)
{
    EYE_CLEANUP(cleanup_lines) struct curl_slist *lines = NULL;
    if (follow_secrets(http) != 0 || make_lines(http, request, &lines) != 0 ||
        set_request(http, request, lines) != 0) {
        return eye_export_fail(failure, -ENOMEM, EYE_EXPORT_OTHER, "out of memory");
    }
    CURLcode code = transfer(http);
    count_bytes(http);
    doubt_address(http, code);
    doubt_authorities(http, code);
    eye_curl.easy_setopt(http->easy, CURLOPT_HTTPHEADER, NULL);
    if (code != CURLE_OK) {
        hide_proxy(http->detail);
        return eye_http_outcome(http->easy, code, request->url, eye_text_string(&http->way),
                                http->detail, failure);
    }
    read_location(http);
    mask_secrets(http, request, &http->body);
    mask_secrets(http, request, &http->location);
    struct eye_http_answer answer = read_answer(http);
    if (answer.status == 401 || answer.status == 403) {
        renew_secrets(http);
    }
    *ret_answer = answer;
    return 0;
}

const char *eye_http_answer_header(const struct eye_http *http, const char *name)
{
    struct curl_header *header;
    return eye_curl.easy_header(http->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}
