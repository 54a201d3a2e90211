/* SPDX-License-Identifier: Apache-2.0 */
/* Opens exporters, and asks the running daemon what it has of them. */
#include "collector/check.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "collector/base/listener.h"
#include "collector/base/privileges.h"
#include "collector/control/client.h"
#include "config/schema.h"

/* It answers at once, unless it starts, stops or reloads. */
#define ANSWER_TIMEOUT_S 10

/* The exporters of the daemon that answers at @path, as it tells them; NULL: none does. */
static json_t *ask_for_exporters(const char *path)
{
    EYE_CLEANUP(eye_text_done) struct eye_text body;
    struct eye_error ignored;
    eye_text_init(&body, EYE_CLIENT_ANSWER_MAX);
    int result = *path == '\0'
                     ? -ENOENT
                     : eye_client_ask(path, "GET", "/config", ANSWER_TIMEOUT_S, &body, &ignored);
    json_t *answer = result < 0 ? NULL : json_loads(eye_text_string(&body), 0, NULL);
    json_t *exporters = json_incref(json_object_get(answer, "exporters"));
    json_decref(answer);
    return exporters;
}

/* Whether one of @exporters has such a value: whoever opens the one cannot open the other. */
static bool has_value(const json_t *exporters, const char *path, const char *text)
{
    size_t index;
    const json_t *exporter;
    json_array_foreach(exporters, index, exporter)
    {
        const char *value = json_string_value(json_object_get(exporter, path));
        if (value != NULL && (strcmp(value, text) == 0 || eye_listen_clash(value, text))) {
            return true;
        }
    }
    return false;
}

static const char *text_of(const struct eye_exporter_config *exporter,
                           const struct eye_config_key *key)
{
    return *(char *const *)(const void *)((const char *)exporter->values + key->offset);
}

/* Whether an exporter before @own is in its way by its value of @key, whoever has that now. */
static bool has_rival(const struct eye_config *config, const struct eye_exporter_config *own,
                      const struct eye_config_key *key)
{
    bool found = false;
    for (const struct eye_exporter_config *other = config->exporters; other != own && !found;
         other++) {
        found = other->section == own->section &&
                eye_listen_clash(text_of(other, key), text_of(own, key));
    }
    return found;
}

/* The value of @own that one of @exporters has, too, and hands over; NULL: none. */
static const char *shared_value(const json_t *exporters, const struct eye_config *config,
                                const struct eye_exporter_config *own)
{
    for (size_t i = 0; i < own->section->key_count; i++) {
        const struct eye_config_key *key = &own->section->keys[i];
        if (key->exclusive == NULL) {
            continue;
        }
        const char *text = text_of(own, key);
        if (text != NULL && key->exclusive(text) && has_value(exporters, key->path, text)) {
            return has_rival(config, own, key) ? NULL : text;
        }
    }
    const char *spool = own->common.spool_path;
    return spool != NULL && has_value(exporters, EYE_SPOOL_PATH_KEY, spool) ? spool : NULL;
}

static bool is_taken(int result)
{
    return result == -EADDRINUSE || result == -EBUSY;
}

/* What the running daemon has, once somebody had to know. */
struct running {
    const struct eye_config *config; /* whose control.socket it is asked at */
    bool asked;
    json_t *exporters; /* owned; NULL: none answers */
};

static const json_t *exporters_of(struct running *running)
{
    if (!running->asked) {
        running->asked = true;
        running->exporters = ask_for_exporters(running->config->control.socket);
    }
    return running->exporters;
}

/* @result of opening the exporter @own, with @error. 0 when it is the running daemon's. */
static int judge(struct running *running, const struct eye_exporter_config *own, int result,
                 const struct eye_error *error, FILE *out)
{
    const char *text =
        is_taken(result) ? shared_value(exporters_of(running), running->config, own) : NULL;
    if (text == NULL) {
        fprintf(out, "%s\n", error->text);
        return result;
    }
    fprintf(out,
            "note: %s: exporter %s: the running sockeye, which answers at %s, has %s, and hands it "
            "over by a reload or a restart\n",
            own->origin, own->name, running->config->control.socket, text);
    return 0;
}

int eye_check_open(const struct eye_config *config, struct eye_workers *workers, FILE *out)
{
    int first = 0;
    struct running running = {.config = config};
    const struct eye_exporter_config *told = NULL; /* of its lanes one is enough */
    uint64_t before = eye_privileges_deliver();
    for (size_t i = 0; i < workers->count; i++) {
        struct eye_error error = {""};
        const struct eye_exporter_config *own = eye_worker_config(workers->items[i]);
        int result = own == told ? 0 : eye_worker_bind(workers->items[i], &error);
        if (result != 0) {
            told = own;
            result = judge(&running, own, result, &error, out);
        }
        first = first == 0 ? result : first;
    }
    eye_privileges_lower(before);
    json_decref(running.exporters);
    return first;
}
