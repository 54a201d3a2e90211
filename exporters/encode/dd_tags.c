/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting DD_TAGS. */
#include "exporters/encode/dd_tags.h"

#include <errno.h>
#include <string.h>

#include "collector/base/log.h"
#include "collector/base/text.h"
#include "config/problems.h"
#include "config/schema.h"

#define BLANKS " \t\r\n"

static const struct {
    const char *variable;
    const char *key;
    bool client; /* only a DogStatsD client knows it */
} variables[] = {
    {"DD_ENV", "env", false},
    {"DD_SERVICE", "service", true},
    {"DD_VERSION", "version", true},
    {"DD_ENTITY_ID", "dd.internal.entity_id", true},
};

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value != NULL && value[0] != '\0';
}

/* A variable of its own says what @tag would say. */
static bool is_told_apart(const char *tag, bool client)
{
    size_t length = strcspn(tag, ":");
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(variables); i++) {
        if ((client || !variables[i].client) && is_set(variables[i].variable) &&
            strlen(variables[i].key) == length && strncmp(variables[i].key, tag, length) == 0) {
            return true;
        }
    }
    return false;
}

static int add(struct eye_selection *selection, char *tag, bool client)
{
    tag = eye_trim(tag, BLANKS);
    if (tag[0] == '\0' || is_told_apart(tag, client)) {
        return 0;
    }
    if (!eye_config_is_tag(tag)) {
        eye_log_warning("\"%s\" in DD_TAGS is passed over: it is no \"key:value\" or \"key\"",
                        eye_excerpt_of(tag).text);
        return 0;
    }
    return eye_selection_add_default(selection, tag);
}

/* From the end: of a key that comes again the last one counts, as in the configuration. */
static int add_all(struct eye_selection *selection, char *tags, bool client)
{
    const char *separators = strchr(tags, ',') != NULL ? "," : BLANKS;
    int result = 0;
    for (size_t i = strlen(tags); i > 0 && result == 0; i--) {
        if (strchr(separators, tags[i - 1]) != NULL) {
            result = add(selection, tags + i, client);
            tags[i - 1] = '\0';
        }
    }
    return result == 0 ? add(selection, tags, client) : result;
}

static int add_env(struct eye_selection *selection)
{
    EYE_AUTOFREE char *tag = NULL;
    if (!is_set("DD_ENV")) {
        return 0;
    }
    if (asprintf(&tag, "env:%s", getenv("DD_ENV")) < 0) {
        tag = NULL;
        return -ENOMEM;
    }
    return eye_selection_add_default(selection, tag);
}

int eye_dd_tags_add(struct eye_selection *selection, bool client)
{
    const char *value = getenv("DD_TAGS");
    int result = client ? 0 : add_env(selection);
    if (result != 0 || value == NULL) {
        return result;
    }
    EYE_AUTOFREE char *tags = strdup(value);
    return tags == NULL ? -ENOMEM : add_all(selection, tags, client);
}
