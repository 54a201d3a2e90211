/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the kernel, draws the conclusion, prints both. */
#include "collector/probe.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "collector/base/text.h"

/* Characters of a line, and where a long one goes on: in the tables, and below them. */
#define WIDTH 80
#define TABLE_INDENT 11
#define INDENT 2

/* CONFIG_TLS, once its module is loaded (Documentation/networking/tls.rst). */
#define TLS_STATISTICS "/proc/net/tls_stat"

#define PAGE_MAX_BYTES ((size_t)64 << 10)

static const char *tier_of(const struct eye_probe *probe)
{
    return probe->trial.connections ? probe->tier->name : "none";
}

void eye_probe_run(const struct eye_config *config, struct eye_probe *ret_probe)
{
    memset(ret_probe, 0, sizeof(*ret_probe));
    ret_probe->protocols_wanted = eye_config_wants_protocols(config);
    eye_features_init(&ret_probe->features, config);
    eye_features_ask_all(&ret_probe->features);
    ret_probe->tried = eye_features_check(&ret_probe->features, NULL) == 0;
    ret_probe->tier = eye_source_probe(&ret_probe->features, &ret_probe->trial);
    ret_probe->nat = eye_conntracker_probe(
        config, eye_config_reads_nat(config) && ret_probe->trial.nat, &ret_probe->nat_why);
    ret_probe->ktls = access(TLS_STATISTICS, F_OK) == 0;
}

/* What packets tell: of the whole host, or of a part. */
static const char *seen(const struct eye_probe *probe, bool is_seen)
{
    return !is_seen ? "no" : probe->trial.everywhere ? "yes" : "in part";
}

static const char *protocols_of(const struct eye_probe *probe)
{
    return probe->protocols_wanted ? seen(probe, probe->trial.protocols)
                                   : "switched off (protocols.*: false)";
}

static const char *udp_of(const struct eye_probe *probe)
{
    return probe->features.config->connections.udp ? seen(probe, probe->trial.udp)
                                                   : "switched off (connections.udp: false)";
}

static const char *look_of(const struct eye_probe *probe)
{
    return probe->trial.look != NULL ? probe->trial.look : "";
}

/* Ends the line with @words, or goes on in as many as they take. */
static void end_line(struct eye_text *page, const char *words, size_t indent)
{
    eye_text_append_wrapped(page, words, indent, WIDTH);
    eye_text_append_char(page, '\n');
}

static void print_feature(const struct eye_feature_state *feature, struct eye_text *page)
{
    eye_text_appendf(page, "  %-7s  %-37s  ", eye_answer_name(feature->available), feature->name);
    end_line(page, feature->detail, TABLE_INDENT);
    if (feature->available == EYE_ANSWER_NO) {
        struct eye_error words;
        eye_error_set(&words, 0, "needed for %s: %s", feature->needed_for, feature->remedy);
        eye_text_appendf(page, "%*s", TABLE_INDENT, "");
        end_line(page, words.text, TABLE_INDENT);
    }
}

/* A load that ends in EPERM says nothing about the kernel. */
static enum eye_answer works(const struct eye_probe *probe, const struct eye_program_trial *trial)
{
    if (!probe->tried || (!trial->loads && trial->error == EPERM)) {
        return EYE_ANSWER_UNKNOWN;
    }
    return trial->attaches ? EYE_ANSWER_YES : EYE_ANSWER_NO;
}

static void print_program(const struct eye_probe *probe, size_t index, struct eye_text *page)
{
    const struct eye_program_trial *trial = &probe->trial.programs[index];
    const char *name = probe->trial.programs_of->programs[index].name;
    const char *needed_for = eye_ability_name(probe->trial.programs_of->programs[index].ability);
    struct eye_error found = {""};
    if (trial->attaches) {
        eye_error_set(&found, 0, "%u instructions verified", trial->instructions);
    } else if (probe->tried) {
        eye_error_set(&found, 0, "%s: %s", trial->loads ? "it cannot be attached" : trial->reason,
                      strerror(trial->error));
    }
    bool known = found.text[0] != '\0';
    eye_text_appendf(page, known ? "  %-7s  %-17s  %-18s  " : "  %-7s  %-17s  %s",
                     eye_answer_name(works(probe, trial)), name, needed_for);
    end_line(page, found.text, TABLE_INDENT);
}

static void print_tls(const struct eye_probe *probe, struct eye_text *page)
{
    struct eye_error line;
    if (probe->trial.tls) {
        eye_error_set(
            &line, 0, "inside TLS: yes%s",
            probe->features.config->protocols.tls ? "" : ", switched off (protocols.tls: false)");
    } else if (probe->trial.tls_why.text[0] != '\0') {
        eye_error_set(&line, 0, "inside TLS: no: %s", probe->trial.tls_why.text);
    } else {
        eye_error_set(&line, 0, "inside TLS: no, with tier %s", tier_of(probe));
    }
    end_line(page, line.text, INDENT);
    end_line(page,
             probe->ktls ? "kTLS: yes; what sendfile() sends is not seen inside TLS"
                         : "kTLS: not in this kernel, or its module is not loaded",
             INDENT);
}

static void print_page(const struct eye_probe *probe, struct eye_text *page)
{
    struct utsname kernel;
    uname(&kernel);
    eye_text_appendf(page, "kernel %s (%s), lockdown: %s\n\n", kernel.release, kernel.machine,
                     eye_lockdown());
    for (size_t i = 0; i < EYE_FEATURE_COUNT; i++) {
        print_feature(&probe->features.states[i], page);
    }
    if (probe->tried && probe->trial.programs_of->program_count > 0) {
        eye_text_append(page, "\nkernel programs, each loaded alone\n");
    }
    for (size_t i = 0; i < probe->trial.programs_of->program_count; i++) {
        if (probe->trial.programs[i].used) {
            print_program(probe, i, page);
        }
    }
    eye_text_appendf(page, "\ntier: %s, protocols: %s, UDP: %s, NAT: %s\n", tier_of(probe),
                     protocols_of(probe), udp_of(probe), probe->nat);
    if (probe->trial.look != NULL) {
        struct eye_error line;
        eye_error_set(&line, 0, "live sockets: by %s%s%s", probe->trial.look,
                      probe->trial.look_why != NULL ? ": " : "",
                      probe->trial.look_why != NULL ? probe->trial.look_why : "");
        end_line(page, line.text, INDENT);
    }
    if (probe->nat_why.text[0] != '\0') {
        struct eye_error line;
        eye_error_set(&line, 0, "NAT is not told by %s", probe->nat_why.text);
        end_line(page, line.text, INDENT);
    }
    print_tls(probe, page);
    for (size_t i = 0; i < probe->trial.sight.not_seen_count; i++) {
        end_line(page, probe->trial.sight.not_seen[i].text, INDENT);
    }
    eye_text_append(page, "\nseen on no host yet\n");
    for (const char *const *line = probe->tier->never_seen; *line != NULL; line++) {
        eye_text_appendf(page, "  %s\n", *line);
    }
}

void eye_probe_print(const struct eye_probe *probe, FILE *out)
{
    EYE_CLEANUP(eye_text_done) struct eye_text page;
    eye_text_init(&page, PAGE_MAX_BYTES);
    print_page(probe, &page);
    fputs(eye_text_string(&page), out);
}

static json_t *pack_features(const struct eye_probe *probe)
{
    json_t *list = json_array();
    for (size_t i = 0; i < EYE_FEATURE_COUNT; i++) {
        const struct eye_feature_state *feature = &probe->features.states[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "feature",
                                              feature->key, "name", feature->name, "available",
                                              eye_answer_name(feature->available), "detail",
                                              feature->detail, "needed_for", feature->needed_for,
                                              "cost", feature->cost, "remedy", feature->remedy));
    }
    return list;
}

static json_t *pack_not_seen(const struct eye_probe *probe)
{
    json_t *list = json_array();
    for (size_t i = 0; i < probe->trial.sight.not_seen_count; i++) {
        json_array_append_new(list, json_string(probe->trial.sight.not_seen[i].text));
    }
    return list;
}

static json_t *pack_never_seen(const struct eye_probe *probe)
{
    json_t *list = json_array();
    for (const char *const *line = probe->tier->never_seen; *line != NULL; line++) {
        json_array_append_new(list, json_string(*line));
    }
    return list;
}

static json_t *pack_programs(const struct eye_probe *probe)
{
    json_t *list = json_array();
    for (size_t i = 0; i < probe->trial.programs_of->program_count; i++) {
        const struct eye_program_trial *trial = &probe->trial.programs[i];
        const struct eye_program_info *program = &probe->trial.programs_of->programs[i];
        if (!trial->used) {
            continue;
        }
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:s}", "name", program->name,
                            "needed_for", eye_ability_name(program->ability), "works",
                            eye_answer_name(works(probe, trial)), "errno", trial->error, "error",
                            trial->error == 0 ? "" : strerror(trial->error), "instructions",
                            (json_int_t)trial->instructions, "verifier", trial->reason));
    }
    return list;
}

void eye_probe_print_json(const struct eye_probe *probe, FILE *out)
{
    struct utsname kernel;
    uname(&kernel);
    json_t *root = json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:s, s:b, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:o}",
        "kernel", kernel.release, "machine", kernel.machine, "lockdown", eye_lockdown(), "tier",
        tier_of(probe), "protocols", probe->trial.protocols, "udp", probe->trial.udp, "tls",
        probe->trial.tls, "tls_why_not", probe->trial.tls_why.text, "ktls", probe->ktls, "look",
        look_of(probe), "nat", probe->nat, "nat_why_not", probe->nat_why.text, "why_not",
        probe->trial.sight.not_seen_count > 0 ? probe->trial.sight.not_seen[0].text : "",
        "not_seen", pack_not_seen(probe), "never_seen", pack_never_seen(probe), "features",
        pack_features(probe), "programs", pack_programs(probe));
    json_dumpf(root, out, JSON_INDENT(2));
    fputc('\n', out);
    json_decref(root);
}
