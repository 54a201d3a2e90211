/* SPDX-License-Identifier: Apache-2.0 */
/* Splitting and decoding of key=value lists. */
#include "exporters/otlp/pairs.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/text.h"
#include "exporters/http/curl.h"

static void cleanup_decoded(char **decoded)
{
    eye_curl.free(*decoded);
}

#define BLANKS " \t"

static int read_pair(char *item, eye_otlp_pair *visit, void *context)
{
    char *value = strchr(item, '=');
    if (value == NULL) {
        return -EINVAL;
    }
    *value++ = '\0';
    int length = 0;
    const char *key = eye_trim(item, BLANKS);
    EYE_CLEANUP(cleanup_decoded)
    char *decoded = eye_curl.easy_unescape(NULL, eye_trim(value, BLANKS), 0, &length);
    if (decoded == NULL) {
        return -ENOMEM;
    }
    return *key == '\0' || strlen(decoded) != (size_t)length ? -EINVAL
                                                             : visit(context, key, decoded);
}

int eye_otlp_read_pairs(const char *list, eye_otlp_pair *visit, void *context)
{
    int result = eye_curl_load(NULL);
    if (result != 0) {
        return result;
    }
    char *copy = strdup(list);
    if (copy == NULL) {
        return -ENOMEM;
    }
    char *rest = copy;
    while (result == 0 && rest != NULL) {
        char *item = strsep(&rest, ",");
        bool empty = *eye_trim(item, BLANKS) == '\0';
        result = empty ? 0 : read_pair(item, visit, context);
    }
    free(copy);
    return result;
}
