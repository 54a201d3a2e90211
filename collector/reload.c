/* SPDX-License-Identifier: Apache-2.0 */
/* What only looks comes first; what can be taken back is done before what cannot. */
#include "collector/reload.h"

#include <errno.h>
#include <string.h>

#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/control/control.h"
#include "exporters/encode/selection.h"

static void cleanup_config(const struct eye_config **config)
{
    eye_config_unref(*config);
}

/* What is valid and most likely not what was meant. */
static void add_warnings(const struct eye_config *config, struct eye_text *words)
{
    eye_text_append(words, config->warnings == NULL ? "" : config->warnings);
    eye_selection_append_warnings(config, words);
}

/* Whether its exporters can be made; nothing of them is bound. */
static int try_exporters(const struct eye_config *config, struct eye_error *ret_error)
{
    struct eye_workers workers = {0};
    uint64_t privileges = eye_privileges_deliver();
    int result = eye_workers_new(config, &workers, ret_error);
    eye_workers_end(&workers, 0);
    eye_privileges_lower(privileges);
    return result;
}

/* But the console that is there where nothing is configured. */
static bool has_no_exporters(const struct eye_config *config)
{
    return strcmp(config->exporters[0].origin, EYE_EXPORTER_IMPLIED) == 0;
}

static int check(const struct eye_reload *reload, const struct eye_config *config,
                 struct eye_error *ret_error)
{
    if (has_no_exporters(config) && !has_no_exporters(reload->config)) {
        return eye_error_set(ret_error, -EINVAL,
                             "%s: no exporter is configured (is the file whole?); a daemon without "
                             "any has to be restarted",
                             eye_config_origin(config, "exporters"));
    }
    int result = eye_config_needs_restart(reload->config, config, ret_error);
    if (result == 0) {
        result = eye_control_check(config, ret_error);
    }
    return result == 0 ? try_exporters(config, ret_error) : result;
}

/* The collector's part, and its configuration. */
struct collectors_part {
    struct eye_collector *collector;
    const struct eye_config *config;
};

/* An eye_workers_ready: the exporters can be had, and stand still. */
static int reconfigure(void *context, struct eye_error *ret_error)
{
    const struct collectors_part *part = context;
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    int result = eye_collector_reconfigure(part->collector, part->config, ret_error);
    eye_privileges_lower(privileges);
    return result;
}

/* The collector takes its part when all else can be had: what it drops for another configuration
 * (the programs of a protocol) would not come back without a loss. */
static int apply(struct eye_reload *reload, const struct eye_config *config,
                 struct eye_workers_change *ret_change, struct eye_error *ret_error)
{
    struct collectors_part part = {reload->collector, config};
    const struct eye_workers_ready ready = {.take = reconfigure, .context = &part};
    uint64_t privileges = eye_privileges_deliver();
    int result =
        eye_workers_replace(reload->workers, config, reload->publisher, reload->reports,
                            reload->config->shutdown_timeout_ns, &ready, ret_change, ret_error);
    eye_privileges_lower(privileges);
    return result;
}

static void put_in_force(struct eye_reload *reload, const struct eye_config *config)
{
    eye_log_set_level((enum eye_log_level)config->log_level);
    eye_log_set_format((enum eye_log_format)config->log_format);
    eye_config_unref(reload->config);
    reload->config = eye_config_ref(config);
}

static void tell(const struct eye_workers_change *change, struct eye_text *words)
{
    eye_text_appendf(words,
                     "the configuration is in force: exporters: %zu kept, %zu added, %zu changed, "
                     "%zu removed",
                     change->kept, change->added, change->changed, change->removed);
    if (change->stuck > 0) {
        eye_text_appendf(words, "; %zu hang and are left behind", change->stuck);
    }
}

static int read_and_apply(struct eye_reload *reload, struct eye_text *words)
{
    struct eye_config *loaded = NULL;
    struct eye_workers_change change = {0};
    struct eye_error error = {""};
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_READING);
    int result = eye_config_load(reload->source, &loaded, &error);
    eye_privileges_lower(privileges);
    EYE_CLEANUP(cleanup_config) const struct eye_config *config = loaded;
    if (result == 0) {
        result = check(reload, config, &error);
    }
    if (result == 0) {
        result = apply(reload, config, &change, &error);
    }
    if (result != 0) {
        eye_text_append(words, error.text[0] != '\0' ? error.text : strerror(-result));
        return result;
    }
    put_in_force(reload, config);
    add_warnings(config, words);
    tell(&change, words);
    return 0;
}

int eye_reload_run(struct eye_reload *reload, struct eye_text *words)
{
    eye_notify_reloading(reload->notify);
    eye_workers_reap(reload->workers);
    int result = read_and_apply(reload, words);
    eye_notify_ready(reload->notify);
    return result;
}
