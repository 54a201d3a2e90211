/* SPDX-License-Identifier: Apache-2.0 */
/* Opening libcurl. */
#include "exporters/http/curl.h"

#include <errno.h>
#include <stddef.h>

#include "exporters/engine/shared_library.h"
#include "exporters/http/authorities.h"

struct eye_curl eye_curl;

static const struct eye_symbol symbols[] = {
#define X(name) EYE_SYMBOL(curl_##name, struct eye_curl, name),
    EYE_CURL_FUNCTIONS(X)
#undef X
};

/* libcurl's global state ends with the process. */
int eye_curl_load(struct eye_error *ret_error)
{
    if (eye_curl.global_init != NULL) {
        return 0;
    }
    struct eye_curl opened;
    int result = eye_shared_library_open("libcurl.so.4", "libcurl4", symbols,
                                         EYE_ARRAY_LENGTH(symbols), &opened, ret_error);
    if (result != 0) {
        return result;
    }
    CURLcode code = opened.global_init(CURL_GLOBAL_DEFAULT);
    if (code != CURLE_OK) {
        return eye_error_set(ret_error, -ENOMEM, "libcurl: %s", opened.easy_strerror(code));
    }
    eye_curl = opened;
    return 0;
}

int eye_curl_set_tls(CURL *easy, const struct eye_tls_settings *tls)
{
    const struct {
        CURLoption option;
        const char *value;
    } files[] = {
        {CURLOPT_CAINFO, tls->ca_file},
        {CURLOPT_SSLCERT, tls->cert_file},
        {CURLOPT_SSLKEY, tls->key_file},
    };
    const struct {
        CURLoption option;
        long value;
    } numbers[] = {
        {CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
        {CURLOPT_PROXY_SSLVERSION, CURL_SSLVERSION_TLSv1_2},
        /* As long as a connection: authorities are replaced, too. */
        {CURLOPT_CA_CACHE_TIMEOUT, EYE_CURL_CA_CACHE_SECONDS},
        {CURLOPT_SSL_VERIFYPEER, tls->verify ? 1L : 0L},
        {CURLOPT_SSL_VERIFYHOST, tls->verify ? 2L : 0L},
    };
    CURLcode code = CURLE_OK;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(files) && code == CURLE_OK; i++) {
        if (files[i].value != NULL) {
            code = eye_curl.easy_setopt(easy, files[i].option, files[i].value);
        }
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(numbers) && code == CURLE_OK; i++) {
        code = eye_curl.easy_setopt(easy, numbers[i].option, numbers[i].value);
    }
    if (code == CURLE_OK && tls->ca_file != NULL) {
        /* Else the system's folder would be trusted beside it. */
        code = eye_curl.easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    return code == CURLE_OK ? 0 : -ENOMEM;
}

/* Distributions say it when they build it; the static build cannot know whose host it will run on.
 */
static bool knows_authorities(void)
{
    const curl_version_info_data *info = eye_curl.version_info(CURLVERSION_NOW);
    return info->cainfo != NULL || info->capath != NULL;
}

int eye_curl_set_authorities(CURL *easy, const struct eye_tls_settings *tls,
                             struct eye_error *ret_error)
{
    const char *path = NULL;
    if (!tls->verify || knows_authorities()) {
        return 0;
    }
    int result = eye_authorities_find(&path, ret_error);
    if (result != 0) {
        return tls->ca_file == NULL ? result : 0;
    }
    CURLcode code = eye_curl.easy_setopt(easy, CURLOPT_PROXY_CAINFO, path);
    if (code == CURLE_OK && tls->ca_file == NULL) {
        code = eye_curl.easy_setopt(easy, CURLOPT_CAINFO, path);
    }
    return code == CURLE_OK ? 0 : eye_error_set(ret_error, -ENOMEM, "out of memory");
}
