/* SPDX-License-Identifier: Apache-2.0 */
/* What the configuration may say: URLs as libcurl reads them, and header lines. */
#include "exporters/http/url.h"

#include <stdio.h>
#include <string.h>

#include "exporters/http/client.h"
#include "exporters/http/curl.h"

static void cleanup_url(CURLU **url)
{
    eye_curl.url_cleanup(*url);
}

static void cleanup_part(char **part)
{
    eye_curl.free(*part);
}

static bool is_web_scheme(const char *scheme)
{
    return scheme != NULL && (strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0);
}

static bool has_part(CURLU *url, CURLUPart part)
{
    EYE_CLEANUP(cleanup_part) char *text = NULL;
    return eye_curl.url_get(url, part, &text, 0) == CURLUE_OK;
}

/* Whether @text is a URL with a scheme of ours and without user, password and fragment. */
static bool parse(CURLU *url, const char *text)
{
    EYE_CLEANUP(cleanup_part) char *scheme = NULL;
    return url != NULL &&
           eye_curl.url_set(url, CURLUPART_URL, text, CURLU_DISALLOW_USER) == CURLUE_OK &&
           eye_curl.url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
           is_web_scheme(scheme) && !has_part(url, CURLUPART_FRAGMENT);
}

/* Without libcurl nothing can be read; opening the exporter then says what to install. */
static bool can_read(void)
{
    return eye_curl_load(NULL) == 0;
}

bool eye_url_valid(const char *text)
{
    if (!can_read()) {
        return true;
    }
    EYE_CLEANUP(cleanup_url) CURLU *url = eye_curl.url();
    return parse(url, text);
}

const char *eye_url_path(const char *url)
{
    const char *slashes = strstr(url, "://");
    const char *authority = slashes == NULL ? url : slashes + 3;
    return authority + strcspn(authority, "/?#");
}

/* libcurl takes no path for "/", which is hardly where a receiver of points listens. */
bool eye_url_endpoint_valid(const char *text)
{
    return eye_url_valid(text) && *eye_url_path(text) == '/';
}

static bool has_no_path(CURLU *url)
{
    EYE_CLEANUP(cleanup_part) char *path = NULL;
    return eye_curl.url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK && strcmp(path, "/") == 0;
}

bool eye_url_proxy_valid(const char *text)
{
    if (!can_read()) {
        return true;
    }
    EYE_CLEANUP(cleanup_url) CURLU *url = eye_curl.url();
    return parse(url, text) && has_no_path(url) && has_part(url, CURLUPART_PORT) &&
           !has_part(url, CURLUPART_QUERY);
}

/* RFC 9110 section 5.6.2: what a header's name is made of. */
static bool is_token(char character)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') ||
           (character != '\0' && strchr(marks, character) != NULL);
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) {
            return true;
        }
    }
    return false;
}

bool eye_client_header_valid(const char *text)
{
    size_t name = 0;
    while (is_token(text[name])) {
        name++;
    }
    if (name == 0 || text[name] != ':') {
        return false;
    }
    const char *value = text + name + 1;
    /* libcurl takes a line without a value as an order to leave out its own header. */
    return value[strspn(value, " ")] != '\0' && !has_control(value);
}

void eye_url_authority(const char *text, char ret_authority[EYE_URL_AUTHORITY_BYTES])
{
    EYE_CLEANUP(cleanup_url) CURLU *url = eye_curl.url();
    EYE_CLEANUP(cleanup_part) char *host = NULL;
    EYE_CLEANUP(cleanup_part) char *port = NULL;
    eye_copy_string(ret_authority, EYE_URL_AUTHORITY_BYTES, "the receiver");
    if (url != NULL && eye_curl.url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK &&
        eye_curl.url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        eye_curl.url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        snprintf(ret_authority, EYE_URL_AUTHORITY_BYTES, "%s:%s", host, port);
    }
}

void eye_url_proxy_authority(const char *proxy, char ret_authority[EYE_URL_AUTHORITY_BYTES])
{
    EYE_CLEANUP(cleanup_url) CURLU *url = eye_curl.url();
    EYE_CLEANUP(cleanup_part) char *host = NULL;
    EYE_CLEANUP(cleanup_part) char *port = NULL;
    const unsigned flags = CURLU_GUESS_SCHEME | CURLU_NON_SUPPORT_SCHEME;
    eye_copy_string(ret_authority, EYE_URL_AUTHORITY_BYTES, "a proxy");
    if (url == NULL || eye_curl.url_set(url, CURLUPART_URL, proxy, flags) != CURLUE_OK ||
        eye_curl.url_get(url, CURLUPART_HOST, &host, 0) != CURLUE_OK) {
        return;
    }
    bool has_port = eye_curl.url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK;
    snprintf(ret_authority, EYE_URL_AUTHORITY_BYTES, "%s%s%s", host, has_port ? ":" : "",
             has_port ? port : "");
}

void eye_url_append_target(struct eye_text *text, const char *url)
{
    const char *slashes = strstr(url, "://");
    const char *authority = slashes == NULL ? url : slashes + 3;
    const char *path = eye_url_path(url);
    eye_text_append_bytes(text, url, (size_t)(authority - url));
    const char *user_end = memrchr(authority, '@', (size_t)(path - authority));
    authority = user_end == NULL ? authority : user_end + 1;
    eye_text_append_bytes(text, authority, (size_t)(path - authority) + strcspn(path, "?#"));
}
