/* SPDX-License-Identifier: Apache-2.0 */
/* What only looks comes first; what can be taken back is done before what cannot. */
#include "collector/reload.h"

#include <errno.h>
#include <string.h>

#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/control/control.h"
#include "exporters/encode/selection.h"

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

/* An eye_workers_ready: the exporters can be had, and stand still. The collector takes its part
 * now: what it drops for another configuration (the programs of a protocol) would not come back
 * without a loss. */
static int reconfigure(void *context, struct eye_error *ret_error)
{
    const struct eye_reload *reload = context;
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    int result = eye_collector_reconfigure(reload->collector, reload->next, ret_error);
    eye_privileges_lower(privileges);
    return result;
}

static int begin_replacement(struct eye_reload *reload, struct eye_error *ret_error)
{
    const struct eye_replacement_setup setup = {
        .workers = reload->workers,
        .publisher = reload->publisher,
        .reports = reload->reports,
        .ready = {.take = reconfigure, .context = reload},
        .timeout_ns = reload->config->shutdown_timeout_ns,
    };
    uint64_t privileges = eye_privileges_deliver();
    int result = eye_replacement_begin(&setup, reload->next, &reload->replacement, ret_error);
    eye_privileges_lower(privileges);
    return result;
}

void eye_reload_begin(struct eye_reload *reload)
{
    struct eye_config *loaded = NULL;
    eye_workers_reap(reload->workers);
    reload->error.text[0] = '\0';
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_READING);
    int result = eye_config_load(reload->source, &loaded, &reload->error);
    eye_privileges_lower(privileges);
    reload->next = loaded;
    if (result == 0) {
        result = check(reload, reload->next, &reload->error);
    }
    if (result == 0) {
        result = begin_replacement(reload, &reload->error);
    }
    reload->failed = result;
}

bool eye_reload_step(struct eye_reload *reload)
{
    if (reload->replacement == NULL) {
        return true;
    }
    uint64_t privileges = eye_privileges_deliver();
    bool over = eye_replacement_step(reload->replacement);
    eye_privileges_lower(privileges);
    return over;
}

void eye_reload_cancel(struct eye_reload *reload, uint64_t deadline_ns)
{
    if (reload->replacement == NULL) {
        reload->failed = eye_error_set(&reload->error, -ECANCELED, "the daemon stops");
        return;
    }
    uint64_t privileges = eye_privileges_deliver();
    eye_replacement_cancel(reload->replacement, deadline_ns);
    eye_privileges_lower(privileges);
}

static void put_in_force(struct eye_reload *reload)
{
    eye_log_set_level((enum eye_log_level)reload->next->log_level);
    eye_log_set_format((enum eye_log_format)reload->next->log_format);
    eye_config_unref(reload->config);
    reload->config = EYE_TAKE(reload->next);
}

static void tell(const struct eye_workers_change *change, struct eye_reload_outcome *outcome)
{
    outcome->level = change->stuck > 0 ? EYE_LOG_WARNING : EYE_LOG_INFO;
    eye_text_appendf(&outcome->words,
                     "the configuration is in force: exporters: %zu kept, %zu added, %zu changed, "
                     "%zu removed",
                     change->kept, change->added, change->changed, change->removed);
    if (change->stuck > 0) {
        eye_text_appendf(&outcome->words, "; %zu hang and are left behind", change->stuck);
    }
}

void eye_reload_end(struct eye_reload *reload, struct eye_reload_outcome *outcome)
{
    struct eye_workers_change change = {0};
    outcome->result = reload->failed;
    if (reload->replacement != NULL) {
        outcome->result =
            eye_replacement_end(EYE_TAKE(reload->replacement), &change, &reload->error);
    }
    if (outcome->result == 0) {
        put_in_force(reload);
        add_warnings(reload->config, &outcome->warnings);
        tell(&change, outcome);
    } else {
        eye_config_unref(EYE_TAKE(reload->next));
        /* That somebody ends the daemon is no fault. */
        outcome->level = outcome->result == -ECANCELED ? EYE_LOG_INFO : EYE_LOG_ERROR;
        eye_text_append(&outcome->words, reload->error.text[0] != '\0'
                                             ? reload->error.text
                                             : strerror(-outcome->result));
    }
}
