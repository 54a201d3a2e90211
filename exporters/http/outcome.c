/* SPDX-License-Identifier: Apache-2.0 */
/* From libcurl's error codes to reasons of a failure. */
#include "exporters/http/outcome.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "exporters/http/url.h"

/* CURLE_TOO_LARGE of libcurl 8.6 and newer: what is opened may be newer than our headers. */
#define TOO_LARGE ((CURLcode)100)

struct meaning {
    CURLcode code;
    enum eye_export_reason reason;
};

static const struct meaning meanings[] = {
    {CURLE_COULDNT_RESOLVE_HOST, EYE_EXPORT_UNRESOLVED},
    {CURLE_COULDNT_RESOLVE_PROXY, EYE_EXPORT_UNRESOLVED},
    {CURLE_OPERATION_TIMEDOUT, EYE_EXPORT_TIMEOUT},
    {CURLE_SEND_ERROR, EYE_EXPORT_RESET},
    {CURLE_RECV_ERROR, EYE_EXPORT_RESET},
    {CURLE_GOT_NOTHING, EYE_EXPORT_RESET},
    {CURLE_PARTIAL_FILE, EYE_EXPORT_RESET},
    {CURLE_SSL_CONNECT_ERROR, EYE_EXPORT_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, EYE_EXPORT_TLS},
    {CURLE_SSL_CERTPROBLEM, EYE_EXPORT_TLS},
    {CURLE_SSL_CIPHER, EYE_EXPORT_TLS},
    {CURLE_SSL_CACERT_BADFILE, EYE_EXPORT_TLS},
    {CURLE_SSL_INVALIDCERTSTATUS, EYE_EXPORT_TLS},
    {CURLE_UNSUPPORTED_PROTOCOL, EYE_EXPORT_BAD_ANSWER}, /* HTTP/0.9: bytes without a status */
    {CURLE_WEIRD_SERVER_REPLY, EYE_EXPORT_BAD_ANSWER},
    {CURLE_WRITE_ERROR, EYE_EXPORT_BAD_ANSWER},   /* ours: more headers than we read */
    {CURLE_OUT_OF_MEMORY, EYE_EXPORT_BAD_ANSWER}, /* before 8.6 also a header line too long */
    {TOO_LARGE, EYE_EXPORT_BAD_ANSWER},           /* a header line over libcurl's limit */
};

static enum eye_export_reason look_up(CURLcode code)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(meanings); i++) {
        if (meanings[i].code == code) {
            return meanings[i].reason;
        }
    }
    return EYE_EXPORT_OTHER;
}

/* What a proxy answered to CONNECT; 0: there was none, or it agreed. */
static long proxy_refusal(CURL *easy)
{
    long status = 0;
    eye_curl.easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return status >= 300 ? status : 0;
}

/* TLS 1.3 says only after the handshake, on the first read, that our certificate is no good: in the
 * words of OpenSSL, and of GnuTLS. */
static bool is_refusal(const char *detail)
{
    return strstr(detail, "SSL routines") != NULL || strstr(detail, "TLS fatal alert") != NULL;
}

static enum eye_export_reason reason_of(CURL *easy, CURLcode code, const char *detail)
{
    long number = 0;
    if (code == CURLE_COULDNT_CONNECT) {
        eye_curl.easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
        enum eye_export_reason reason = eye_export_reason_of(-(int)number);
        return reason == EYE_EXPORT_OTHER ? EYE_EXPORT_UNREACHABLE : reason;
    }
    if (proxy_refusal(easy) != 0) {
        return proxy_refusal(easy) == 407 ? EYE_EXPORT_UNAUTHORIZED : EYE_EXPORT_UNREACHABLE;
    }
    return code == CURLE_RECV_ERROR && is_refusal(detail) ? EYE_EXPORT_TLS : look_up(code);
}

static bool is_https(const char *url)
{
    return strncasecmp(url, "https:", strlen("https:")) == 0;
}

int eye_client_authorities(CURL *easy, const struct eye_tls_settings *tls, const char *url,
                           struct eye_export_failure *failure)
{
    struct eye_error error = {""};
    int result = eye_curl_set_authorities(easy, tls, &error);
    if (result == 0 || (result == -ENOENT && !is_https(url))) {
        return 0;
    }
    char authority[EYE_URL_AUTHORITY_BYTES];
    eye_url_authority(url, authority);
    return eye_export_fail(failure, result, result == -ENOENT ? EYE_EXPORT_TLS : EYE_EXPORT_OTHER,
                           "%s: %s", authority, error.text);
}

int eye_client_outcome(CURL *easy, CURLcode code, const char *url, const char *way,
                       const char *detail, struct eye_export_failure *failure)
{
    char authority[EYE_URL_AUTHORITY_BYTES];
    eye_url_authority(url, authority);
    return eye_export_fail(failure, -EIO, reason_of(easy, code, detail), "%s%s: %s", authority, way,
                           detail[0] != '\0' ? detail : eye_curl.easy_strerror(code));
}
