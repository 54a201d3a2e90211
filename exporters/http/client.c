/* SPDX-License-Identifier: Apache-2.0 */
/* One receiver over libcurl's multi interface, waited for in slices so that a stop is noticed. */
#include "exporters/http/client.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "exporters/http/curl.h"
#include "exporters/http/outcome.h"

/* Of an answer, interim ones (1xx) included. */
#define HEADERS_MAX_BYTES ((size_t)64 << 10)

/* " through the proxy HOST:PORT (from VARIABLE)", and of it the variable, HTTPS_PROXY at most. */
#define WAY_MAX_BYTES ((size_t)512)
#define PROXY_VARIABLE_BYTES 32

/* How long an address is believed, and a connection to one is kept: load balancers move. */
#define DNS_CACHE_SECONDS 30L
#define CONNECTION_MAX_SECONDS 300L

struct eye_client {
    const struct eye_client_settings *settings;
    const struct eye_deadline *deadline;
    struct eye_export_stats *stats;
    CURLM *multi; /* owned; keeps the connection */
    CURL *easy;   /* owned */
    struct eye_secret password;
    struct eye_secret token;
    struct eye_text body;     /* of the answer */
    struct eye_text location; /* of a redirect; empty: none */
    struct eye_text way;      /* of struct eye_client_answer */
    size_t header_bytes;
    bool body_cut; /* there was more of it than we read */
    char detail[CURL_ERROR_SIZE];
};

/* ---- What libcurl calls ---- */

static void set_way(struct eye_client *client, const char *proxy, const char *from,
                    const char *name)
{
    char authority[EYE_URL_AUTHORITY_BYTES];
    eye_url_proxy_authority(proxy == NULL ? "" : proxy, authority);
    eye_text_clear(&client->way);
    eye_text_appendf(&client->way, " through the proxy %s (%s%s)", authority, from, name);
}

/* Fewer bytes than it got make libcurl end the transfer. */
static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct eye_client *client = context;
    size_t length = size * count;
    size_t room = client->body.max_bytes - client->body.length;
    size_t taken = length < room ? length : room;
    eye_text_append_bytes(&client->body, bytes, taken);
    client->body_cut = client->body_cut || length > room;
    return client->body.failed ? 0 : taken;
}

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct eye_client *client = context;
    (void)bytes;
    client->header_bytes += size * count;
    return client->header_bytes <= HEADERS_MAX_BYTES ? size * count : 0;
}

/*
 * Which variable a proxy was taken from, after NO_PROXY was looked at, libcurl says in the text
 * that it has for people (url.c, detect_proxy()), and nowhere else.
 */
static int on_debug(CURL *easy, curl_infotype type, char *bytes, size_t size, void *context)
{
    static const char beginning[] = "Uses proxy env variable ";
    const size_t skipped = sizeof(beginning) - 1;
    struct eye_client *client = context;
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
        set_way(client, getenv(name), "from ", name);
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

static int set_transfer_options(struct eye_client *client)
{
    CURL *easy = client->easy;
    SET(easy, CURLOPT_NOSIGNAL, 1L);
    SET(easy, CURLOPT_QUICK_EXIT, 1L); /* a stop does not wait for a resolver that hangs */
    SET(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SET(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(easy, CURLOPT_FOLLOWLOCATION, 0L);
    SET(easy, CURLOPT_DNS_CACHE_TIMEOUT, DNS_CACHE_SECONDS);
    SET(easy, CURLOPT_MAXLIFETIME_CONN, CONNECTION_MAX_SECONDS);
    SET(easy, CURLOPT_USERAGENT, "sockeye/" EYE_VERSION);
    SET(easy, CURLOPT_ERRORBUFFER, client->detail);
    SET(easy, CURLOPT_WRITEFUNCTION, on_body);
    SET(easy, CURLOPT_WRITEDATA, client);
    SET(easy, CURLOPT_HEADERFUNCTION, on_header);
    SET(easy, CURLOPT_HEADERDATA, client);
    return 0;
}

/* Without CURLOPT_NOPROXY the environment's NO_PROXY applies to this proxy, too. */
static int set_proxy(struct eye_client *client)
{
    if (client->settings->proxy != NULL) {
        SET(client->easy, CURLOPT_PROXY, client->settings->proxy);
        SET(client->easy, CURLOPT_NOPROXY, "");
        set_way(client, client->settings->proxy, "", "`proxy`");
        return 0;
    }
    SET(client->easy, CURLOPT_DEBUGFUNCTION, on_debug);
    SET(client->easy, CURLOPT_DEBUGDATA, client);
    SET(client->easy, CURLOPT_VERBOSE, 1L);
    return 0;
}

/* Also after a secret changed. */
static int set_authentication(struct eye_client *client)
{
    if (client->password.value != NULL) {
        SET(client->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        SET(client->easy, CURLOPT_USERNAME, client->settings->user);
        SET(client->easy, CURLOPT_PASSWORD, client->password.value);
    }
    if (client->token.value != NULL) {
        SET(client->easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
        SET(client->easy, CURLOPT_XOAUTH2_BEARER, client->token.value);
    }
    return 0;
}

static int set_options(struct eye_client *client)
{
    int result = set_transfer_options(client);
    if (result == 0) {
        result = eye_curl_set_tls(client->easy, &client->settings->tls);
    }
    if (result == 0) {
        result = set_proxy(client);
    }
    return result == 0 ? set_authentication(client) : result;
}

/* ---- Life ---- */

static int check_settings(const struct eye_client_settings *settings, struct eye_error *ret_error)
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

static int read_secrets(struct eye_client *client, struct eye_error *ret_error)
{
    const struct eye_client_settings *settings = client->settings;
    int result = 0;
    if (settings->password_file != NULL) {
        result = eye_secret_read(settings->password_file, NULL, NULL, &client->password, ret_error);
    }
    if (result == 0 && settings->bearer_token_file != NULL) {
        result =
            eye_secret_read(settings->bearer_token_file, NULL, NULL, &client->token, ret_error);
    }
    return result;
}

static int init_curl(struct eye_client *client, struct eye_error *ret_error)
{
    client->multi = eye_curl.multi_init();
    client->easy = eye_curl.easy_init();
    if (client->multi == NULL || client->easy == NULL || set_options(client) != 0) {
        return eye_error_set(ret_error, -ENOMEM, "libcurl: out of memory");
    }
    return 0;
}

static void cleanup_client(struct eye_client **client)
{
    eye_client_free(*client);
}

int eye_client_new(const struct eye_client_settings *settings,
                   const struct eye_exporter_setup *setup, struct eye_client **ret_client,
                   struct eye_error *ret_error)
{
    int result = check_settings(settings, ret_error);
    if (result == 0) {
        result = eye_curl_load(ret_error);
    }
    if (result != 0) {
        return result;
    }
    EYE_CLEANUP(cleanup_client) struct eye_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    client->settings = settings;
    client->deadline = setup->deadline;
    client->stats = setup->stats;
    eye_text_init(&client->body, EYE_CLIENT_ANSWER_MAX_BYTES);
    eye_text_init(&client->location, HEADERS_MAX_BYTES);
    eye_text_init(&client->way, WAY_MAX_BYTES);
    result = read_secrets(client, ret_error);
    if (result == 0) {
        result = init_curl(client, ret_error);
    }
    if (result != 0) {
        return result;
    }
    if (!settings->tls.verify && setup->lane == 0) {
        eye_log_warning("exporter %s: tls.verify is false: any certificate is accepted",
                        setup->own->name);
    }
    *ret_client = EYE_TAKE(client);
    return 0;
}

void eye_client_free(struct eye_client *client)
{
    if (client == NULL) {
        return;
    }
    eye_curl.easy_cleanup(client->easy);
    eye_curl.multi_cleanup(client->multi);
    eye_secret_done(&client->password);
    eye_secret_done(&client->token);
    eye_text_done(&client->body);
    eye_text_done(&client->location);
    eye_text_done(&client->way);
    free(client);
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

/* A NULL @value: there is no such header. */
static int add_header(struct curl_slist **lines, const char *name, const char *value)
{
    if (value == NULL) {
        return 0;
    }
    struct eye_text line;
    eye_text_init(&line, EYE_SECRET_MAX_BYTES + EYE_ERROR_TEXT_BYTES);
    eye_text_appendf(&line, "%s: %s", name, value);
    if (line.failed) {
        return -ENOMEM;
    }
    int result = add_line(lines, line.data);
    explicit_bzero(line.data, line.length);
    eye_text_done(&line);
    return result;
}

/* All header lines of @request; *@lines is the caller's also on failure. */
static int make_lines(const struct eye_client *client, const struct eye_client_request *request,
                      struct curl_slist **lines)
{
    /* A body is never announced: asking first costs a round trip, or a second of waiting. */
    int result = add_line(lines, "Expect:");
    for (size_t i = 0; result == 0 && i < client->settings->headers.count; i++) {
        result = add_line(lines, client->settings->headers.items[i]);
    }
    for (size_t i = 0; result == 0 && i < client->settings->secret_headers.count; i++) {
        result = add_line(lines, client->settings->secret_headers.items[i]);
    }
    if (result == 0) {
        result = add_header(lines, "Content-Type", request->content_type);
    }
    if (result == 0) {
        result = add_header(lines, "Content-Encoding", request->content_encoding);
    }
    for (size_t i = 0; result == 0 && i < request->header_count; i++) {
        result = add_header(lines, request->headers[i].name, request->headers[i].value);
    }
    if (result == 0 && request->secret_header != NULL) {
        result = add_header(lines, request->secret_header->name, request->secret_header->value);
    }
    return result;
}

static int set_request(struct eye_client *client, const struct eye_client_request *request,
                       const struct curl_slist *lines)
{
    CURL *easy = client->easy;
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
static CURLcode drive(struct eye_client *client, uint64_t until_ns)
{
    int running = 1;
    for (;;) {
        if (eye_curl.multi_perform(client->multi, &running) != CURLM_OK) {
            return CURLE_FAILED_INIT;
        }
        if (running == 0) {
            break;
        }
        int slice_ms = eye_deadline_slice_ms(client->deadline, until_ns);
        if (slice_ms == 0) {
            return CURLE_OPERATION_TIMEDOUT;
        }
        eye_curl.multi_poll(client->multi, NULL, 0, slice_ms, NULL);
    }
    int left;
    const struct CURLMsg *message = eye_curl.multi_info_read(client->multi, &left);
    return message == NULL ? CURLE_FAILED_INIT : message->data.result;
}

static CURLcode transfer(struct eye_client *client)
{
    eye_text_clear(&client->body);
    if (client->settings->proxy == NULL) {
        eye_text_clear(&client->way); /* on_debug() says it again */
    }
    client->header_bytes = 0;
    client->body_cut = false;
    client->detail[0] = '\0';
    if (eye_curl.multi_add_handle(client->multi, client->easy) != CURLM_OK) {
        return CURLE_FAILED_INIT;
    }
    CURLcode code = drive(client, eye_clock_monotonic_ns() + client->settings->timeout_ns);
    /* Ends a transfer that is still on its way, connection included. */
    eye_curl.multi_remove_handle(client->multi, client->easy);
    /* The part of a long answer that we read is all that we wanted. */
    return code == CURLE_WRITE_ERROR && client->body_cut ? CURLE_OK : code;
}

static void count_bytes(struct eye_client *client)
{
    curl_off_t sent = 0;
    eye_curl.easy_getinfo(client->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
    atomic_fetch_add(&client->stats->bytes, (uint64_t)sent);
}

/* Where a redirect points to, made absolute. */
static void read_location(struct eye_client *client)
{
    const char *url = NULL;
    eye_curl.easy_getinfo(client->easy, CURLINFO_REDIRECT_URL, &url);
    eye_text_clear(&client->location);
    if (url != NULL) {
        eye_url_append_target(&client->location, url);
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

static void mask_secrets(const struct eye_client *client, const struct eye_client_request *request,
                         struct eye_text *text)
{
    mask(text, client->password.value);
    mask(text, client->token.value);
    for (size_t i = 0; i < client->settings->secret_headers.count; i++) {
        mask(text, strchr(client->settings->secret_headers.items[i], ' ') + 1);
    }
    if (request->secret_header != NULL) {
        mask(text, request->secret_header->value);
    }
}

static uint64_t retry_after_ns(const struct eye_client *client)
{
    curl_off_t seconds = 0;
    eye_curl.easy_getinfo(client->easy, CURLINFO_RETRY_AFTER, &seconds);
    if (seconds <= 0) {
        return 0;
    }
    const uint64_t max_seconds = EYE_CLIENT_RETRY_AFTER_MAX_NS / EYE_NS_PER_SECOND;
    return ((uint64_t)seconds < max_seconds ? (uint64_t)seconds : max_seconds) * EYE_NS_PER_SECOND;
}

static struct eye_client_answer read_answer(struct eye_client *client)
{
    struct eye_client_answer answer = {
        .retry_after_ns = retry_after_ns(client),
        .body = eye_text_string(&client->body),
        .length = client->body.length,
        .location = client->location.length > 0 ? eye_text_string(&client->location) : NULL,
        .way = eye_text_string(&client->way),
    };
    eye_curl.easy_getinfo(client->easy, CURLINFO_RESPONSE_CODE, &answer.status);
    return answer;
}

/* A secret that was refused is read again, whatever its file looks like: from the next request on.
 */
static void renew_secrets(struct eye_client *client)
{
    bool renewed = eye_secret_refresh(&client->password);
    renewed = eye_secret_refresh(&client->token) || renewed;
    if (renewed) {
        set_authentication(client);
    }
}

/* A secret that was replaced on disk is used at once: not every receiver lets us try again. */
static int follow_secrets(struct eye_client *client)
{
    bool changed = eye_secret_follow(&client->password);
    changed = eye_secret_follow(&client->token) || changed;
    return changed ? set_authentication(client) : 0;
}

/* An address that nobody answered at is not believed any longer: the receiver may have moved. */
static void doubt_address(const struct eye_client *client, CURLcode code)
{
    bool answered = code != CURLE_COULDNT_CONNECT && code != CURLE_OPERATION_TIMEDOUT;
    eye_curl.easy_setopt(client->easy, CURLOPT_DNS_CACHE_TIMEOUT,
                         answered ? DNS_CACHE_SECONDS : 0L);
}

/* A certificate of no authority that we know: the file may hold others by now. */
static void doubt_authorities(const struct eye_client *client, CURLcode code)
{
    bool unknown = code == CURLE_PEER_FAILED_VERIFICATION;
    eye_curl.easy_setopt(client->easy, CURLOPT_CA_CACHE_TIMEOUT,
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

int eye_client_send(struct eye_client *client, const struct eye_client_request *request,
                    struct eye_client_answer *ret_answer, struct eye_export_failure *failure)
{
    EYE_CLEANUP(cleanup_lines) struct curl_slist *lines = NULL;
    int result =
        eye_client_authorities(client->easy, &client->settings->tls, request->url, failure);
    if (result != 0) {
        return result;
    }
    if (follow_secrets(client) != 0 || make_lines(client, request, &lines) != 0 ||
        set_request(client, request, lines) != 0) {
        return eye_export_fail(failure, -ENOMEM, EYE_EXPORT_OTHER, "out of memory");
    }
    CURLcode code = transfer(client);
    count_bytes(client);
    doubt_address(client, code);
    doubt_authorities(client, code);
    eye_curl.easy_setopt(client->easy, CURLOPT_HTTPHEADER, NULL);
    if (code != CURLE_OK) {
        hide_proxy(client->detail);
        return eye_client_outcome(client->easy, code, request->url, eye_text_string(&client->way),
                                  client->detail, failure);
    }
    read_location(client);
    mask_secrets(client, request, &client->body);
    mask_secrets(client, request, &client->location);
    struct eye_client_answer answer = read_answer(client);
    if (answer.status == 401 || answer.status == 403) {
        renew_secrets(client);
    }
    *ret_answer = answer;
    return 0;
}

const char *eye_client_answer_header(const struct eye_client *client, const char *name)
{
    struct curl_header *header;
    return eye_curl.easy_header(client->easy, name, 0, CURLH_HEADER, -1, &header) == CURLHE_OK
               ? header->value
               : NULL;
}
