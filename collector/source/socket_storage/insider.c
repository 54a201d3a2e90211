/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/insider.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/base/thread.h"
#include "collector/host/remedy.h"
#include "collector/source/socket_storage/tls_files.h"
#include "collector/tls/exclusion.h"
#include "collector/tls/watch.h"

#include "bpf/socket_storage.skel.h"

/* Between two times that what the kernel tells is read: so long a new file of a library may be in
 * use before it is probed. */
#define LISTEN_NS (100 * EYE_NS_PER_MS)
/* Between two times that what is probed is looked after. */
#define CARE_NS (2 * EYE_NS_PER_SECOND)
/* Between two looks at what processes have loaded. The kernel tells of what comes; a look finds
 * what is gone, what could not be opened, and everything where the kernel does not tell. Long looks
 * are rarer, for a five-hundredth of a processor's time. */
#define LOOK_NS (2 * EYE_NS_PER_SECOND)
#define LOOK_WATCHED_NS (10 * EYE_NS_PER_SECOND)
#define LOOK_PART 500
/* With so many looks sessions of processes that are gone are forgotten. */
#define LOOKS_FORGETTING 4
/* Calls that tell whether a library's probes see what they should: of four threads at least. */
#define TALLY_LEAST 256

struct eye_insider {
    const struct socket_storage *tier;
    char *proc; /* owned: source.proc, whatever becomes of the configuration */
    /* NULL: not yet, or given up. Made by the thread; others tell it what to follow. */
    _Atomic(struct eye_tls_probes *) probes;
    atomic_uint followed; /* bits by enum eye_protocol */
    bool given_up;        /* the kernel refuses the programs, or to attach any; told */
    bool lost;            /* something that the kernel has told */
    atomic_bool changed;  /* the patterns did: every file is thought of again */
    atomic_bool ending;   /* between two files, of which there may be many */
    struct eye_tls_files files;
    const struct eye_text_list *excluded; /* patterns of the configuration; under their lock */
    struct eye_tls_links links;
    struct eye_tls_watch *watch; /* NULL: the kernel does not tell */
    bool roomier;                /* a library was let go since the last look */
    uint64_t looked_ns;          /* when the last look ended */
    uint64_t pause_ns;           /* and how long none may follow */
    int stop;                    /* eventfd */
    struct {
        atomic_uint_fast64_t files[EYE_TLS_OUTCOME_COUNT], beyond, joined[EYE_TLS_MEANS];
    } counts; /* as struct eye_tls_counts; for other threads */
    pthread_t thread;
};

/* ---- One library ---- */

static void let_go(struct eye_insider *insider, struct eye_tls_known *file)
{
    if (file->probed.library >= 0) {
        eye_tls_probes_detach(insider->probes, &file->probed);
        insider->roomier = true;
    }
}

static void note_sites(const struct eye_tls_plan *plan, struct eye_tls_fate *fate)
{
    fate->library = plan->library;
    fate->way = plan->way;
    for (uint32_t i = 0; i < plan->function_count; i++) {
        const struct eye_sites *sites = &plan->functions[i].sites;
        fate->sites += 1 + sites->exit_count;
        fate->stepped += sites->entry.stepped;
        for (uint32_t k = 0; k < sites->exit_count; k++) {
            fate->stepped += sites->exits[k].stepped;
        }
    }
}

static int probe_library(struct eye_insider *insider, struct eye_tls_known *file, int fd,
                         struct eye_elf *elf, struct eye_tls_fate *fate,
                         struct eye_error *ret_error)
{
    struct eye_tls_plan plan;
    int result = eye_tls_plan_make(elf, &plan, ret_error);
    if (result != 0) {
        return result;
    }
    if (!eye_tls_plan_joins(&plan)) {
        return eye_error_set(ret_error, -ENOTSUP,
                             "where a session keeps the random of its ClientHello, or which end it "
                             "is, is not found");
    }
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_PROBING);
    result = eye_tls_probes_attach(insider->probes, fd, elf, &plan, &file->probed);
    eye_privileges_lower(privileges);
    if (result == -ENOSPC) {
        return eye_error_set(ret_error, result,
                             "%d libraries, or %d places of perf events, are probed: there is no "
                             "room for more; it is tried again when some are gone",
                             EYE_TLS_LIBRARIES_MAX, EYE_TLS_EVENTS_MAX);
    }
    if (result != 0) {
        return eye_error_set(ret_error, result, "probes cannot be attached: %s; %s",
                             strerror(-result), eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
    note_sites(&plan, fate);
    eye_log_info("inside TLS: %s of %s is read by its %s", plan.library, file->path, plan.way);
    return 0;
}

/* What the log has already is not told again. */
static void refuse(struct eye_insider *insider, struct eye_tls_known *file,
                   const struct eye_error *error)
{
    const struct eye_tls_fate fate = {.outcome = EYE_TLS_REFUSED, .reason = strdup(error->text)};
    const char *before = file->fate.reason;
    if (before == NULL || strcmp(before, error->text) != 0) {
        eye_log_warning("inside TLS: nothing is seen of %s: %s", file->path, error->text);
    }
    eye_tls_files_settle(&insider->files, file, &fate);
}

/* ---- What is left alone ---- */

static struct eye_tls_mapping mapping_of(const struct eye_tls_known *file)
{
    return (struct eye_tls_mapping){.kind = file->kind,
                                    .pid = file->pid,
                                    .device = file->device,
                                    .inode = file->inode,
                                    .path = file->path};
}

/* By the configuration. @ret_why: may be NULL. */
static bool is_excluded(struct eye_insider *insider, const char *path, struct eye_error *ret_why)
{
    pthread_mutex_lock(&insider->files.lock);
    const char *pattern =
        eye_tls_exclusion_find(insider->excluded->items, insider->excluded->count, path);
    if (pattern != NULL) {
        eye_error_set(ret_why, 0, "protocols.tls.exclude has \"%s\"", pattern);
    }
    pthread_mutex_unlock(&insider->files.lock);
    return pattern != NULL;
}

/* Of one that is probed only the configuration is asked again: its process may be another one by
 * now. */
static bool is_left_alone(struct eye_insider *insider, const struct eye_tls_known *file,
                          struct eye_error *ret_why)
{
    if (is_excluded(insider, file->path, ret_why)) {
        return true;
    }
    if (file->tried) {
        return false;
    }
    const struct eye_tls_mapping mapping = mapping_of(file);
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_READING);
    const char *reason = eye_tls_exclusion_known(insider->proc, &mapping);
    eye_privileges_lower(privileges);
    if (reason != NULL) {
        eye_error_set(ret_why, 0, "%s", reason);
    }
    return reason != NULL;
}

/* It is tried when a process has it that has it elsewhere, or when the configuration lets it. */
static void leave_alone(struct eye_insider *insider, struct eye_tls_known *file,
                        const struct eye_error *why)
{
    const struct eye_tls_fate fate = {.outcome = EYE_TLS_EXCLUDED, .reason = strdup(why->text)};
    if (!file->fate.known || file->fate.outcome != EYE_TLS_EXCLUDED) {
        eye_log_info("inside TLS: %s is left alone: %s", file->path, why->text);
    }
    let_go(insider, file);
    file->tried = false;
    eye_tls_files_settle(&insider->files, file, &fate);
}

/* ---- One file ---- */

/* A descriptor, or -1. A process that has ended says nothing of its file: another one may have it.
 */
static int open_file(struct eye_insider *insider, struct eye_tls_known *file)
{
    struct eye_error error = {""};
    const struct eye_tls_mapping mapping = mapping_of(file);
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_READING);
    int fd = eye_tls_mapping_open(insider->proc, &mapping, &error);
    eye_privileges_lower(privileges);
    if (fd < 0 && !file->told && file->kind == EYE_TLS_LIBRARY &&
        eye_tls_is_process(insider->proc, file->pid)) {
        refuse(insider, file, &error);
        file->told = true;
    }
    return fd < 0 ? -1 : fd;
}

static void try_file(struct eye_insider *insider, struct eye_tls_known *file)
{
    struct eye_error error = {""};
    struct eye_elf *elf = NULL;
    struct eye_tls_fate fate = {.outcome = EYE_TLS_PROBED};
    uint64_t begun_ns = eye_clock_monotonic_ns();
    EYE_AUTOCLOSE int fd = open_file(insider, file);
    if (fd < 0) {
        return;
    }
    int result = eye_elf_open(fd, &elf, &error);
    if (result == 0) {
        result = probe_library(insider, file, fd, elf, &fate, &error);
    }
    eye_elf_close(elf);
    file->tried = true;
    file->crowded = result == -ENOSPC || result == -EMFILE;
    file->plain = file->kind == EYE_TLS_PROGRAM && result == -ENOENT;
    if (file->plain) {
        return;
    }
    if (result != 0) {
        refuse(insider, file, &error);
        return;
    }
    fate.took_ns = eye_clock_monotonic_ns() - begun_ns;
    eye_tls_files_settle(&insider->files, file, &fate);
}

/* A program may be one of Go, or have a library inside that its symbols tell of. One that cannot be
 * read is not plain: it is looked at again when it is met. */
static bool may_have_tls(struct eye_insider *insider, struct eye_tls_known *file)
{
    struct eye_elf *elf = NULL;
    EYE_AUTOCLOSE int fd = open_file(insider, file);
    if (fd < 0) {
        return false;
    }
    int result = eye_elf_open(fd, &elf, NULL);
    bool known = result == 0 && eye_tls_is_known(elf);
    eye_elf_close(elf);
    file->plain = !known && (result == 0 || result == -ENOEXEC || result == -EFBIG);
    return known;
}

/* ---- Which there are ---- */

/* Whether a file may be tried by way of this process. One that is left alone is tried by who has it
 * elsewhere: whoever has it where it is excluded, too, must not come in between. */
static bool is_news(struct eye_insider *insider, const struct eye_tls_known *file,
                    const struct eye_tls_mapping *mapping)
{
    if (file->tried) {
        return false;
    }
    bool excluded = file->fate.known && file->fate.outcome == EYE_TLS_EXCLUDED;
    return !excluded || (!is_excluded(insider, mapping->path, NULL) &&
                         eye_tls_exclusion_of_path(mapping->path) == NULL);
}

/* It is tried by way of a process that lives. */
static void meet_again(struct eye_insider *insider, struct eye_tls_known *file,
                       const struct eye_tls_mapping *mapping)
{
    file->unmet = 0;
    if (!is_news(insider, file, mapping)) {
        return;
    }
    file->due = true;
    eye_tls_files_move(&insider->files, file, mapping);
}

/* NULL: it has no TLS, or there is no room for it. */
static struct eye_tls_known *meet_file(struct eye_insider *insider,
                                       const struct eye_tls_mapping *mapping)
{
    struct eye_tls_known *file = eye_tls_files_find(&insider->files, mapping);
    if (file != NULL) {
        meet_again(insider, file, mapping);
        return file;
    }
    return eye_tls_files_is_plain(&insider->files, mapping)
               ? NULL
               : eye_tls_files_add(&insider->files, mapping);
}

static void meet(void *context, const struct eye_tls_mapping *mapping)
{
    meet_file(context, mapping);
}

/* The same by a look, which meets a process at a time. */
static void meet_by_look(void *context, const struct eye_tls_mapping *mapping)
{
    struct eye_tls_known *file = meet_file(context, mapping);
    if (file != NULL && file->met_last != mapping->pid) {
        file->met_last = mapping->pid;
        file->met++;
    }
}

static void think_of(struct eye_insider *insider, struct eye_tls_known *file)
{
    struct eye_error why = {""};
    bool asked = file->kind == EYE_TLS_PROGRAM && !file->tried;
    if (asked && !may_have_tls(insider, file)) {
        return;
    }
    if (is_left_alone(insider, file, &why)) {
        leave_alone(insider, file, &why);
    } else if (!file->tried) {
        try_file(insider, file);
    }
}

/* Without rights: what is read may be anything. */
static void try_new(struct eye_insider *insider)
{
    bool all = atomic_exchange(&insider->changed, false);
    for (size_t i = insider->files.count; i > 0 && !atomic_load(&insider->ending); i--) {
        struct eye_tls_known *file = insider->files.items[i - 1];
        if (file->due || all) {
            file->due = false;
            think_of(insider, file);
        }
        if (!file->fate.known) {
            eye_tls_files_drop(&insider->files, i - 1);
        }
    }
}

static void let_go_of_unmet(struct eye_insider *insider)
{
    for (size_t i = 0; i < insider->files.count; i++) {
        if (++insider->files.items[i]->unmet > EYE_TLS_LOOKS_GONE) {
            let_go(insider, insider->files.items[i]);
        }
    }
    eye_tls_files_note_look(&insider->files);
}

/* ---- What becomes of them ---- */

/* In doubt nothing is told of a library any more: a number that is wrong is worse than none. */
static void doubt(struct eye_insider *insider, struct eye_tls_known *file)
{
    struct eye_error why;
    struct eye_tls_fate fate = file->fate;
    struct eye_tls_tally tally = eye_tls_probes_tally(insider->probes, &file->probed);
    bool wrong = tally.impossible > 0;
    bool unpaired = tally.entries >= TALLY_LEAST && tally.exits < tally.entries / 2;
    fate.calls = tally.calls;
    if (wrong || unpaired) {
        eye_error_set(&why, 0, "its probes see %s (%llu calls, %llu ends, %llu impossible)",
                      wrong ? "what cannot be" : "calls that do not end", tally.entries,
                      tally.exits, tally.impossible);
        eye_log_warning("inside TLS: nothing is seen of %s any more: %s", file->path, why.text);
        fate.outcome = EYE_TLS_DOUBTED;
        fate.reason = strdup(why.text);
        let_go(insider, file);
    }
    eye_tls_files_settle(&insider->files, file, &fate);
}

static void count(struct eye_insider *insider)
{
    uint64_t counts[EYE_TLS_OUTCOME_COUNT];
    eye_tls_files_count(&insider->files, counts);
    for (size_t i = 0; i < EYE_TLS_OUTCOME_COUNT; i++) {
        atomic_store(&insider->counts.files[i], counts[i]);
    }
    atomic_store(&insider->counts.beyond, insider->files.beyond);
    for (size_t i = 0; i < EYE_TLS_MEANS; i++) {
        atomic_store(&insider->counts.joined[i],
                     eye_tls_probes_joined(insider->probes, (enum eye_tls_means)i));
    }
}

static void care(struct eye_insider *insider)
{
    count(insider);
    /* Again: whoever told it while the programs were loaded may have been too early. */
    eye_tls_probes_follow(insider->probes, atomic_load(&insider->followed));
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    for (size_t i = 0; i < insider->files.count; i++) {
        if (insider->files.items[i]->probed.library >= 0) {
            doubt(insider, insider->files.items[i]);
        }
    }
    eye_privileges_lower(privileges);
}

/* Those that had no room are tried again when they are met. */
static void offer_room(struct eye_insider *insider)
{
    for (size_t i = 0; i < insider->files.count && insider->roomier; i++) {
        struct eye_tls_known *file = insider->files.items[i];
        file->tried = file->tried && !file->crowded;
    }
    insider->roomier = false;
}

static void look_at_processes(struct eye_insider *insider)
{
    uint64_t begun_ns = eye_clock_monotonic_ns();
    offer_room(insider);
    insider->files.missed = 0;
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_READING);
    eye_tls_mappings_scan(insider->proc, meet_by_look, insider);
    eye_privileges_lower(privileges);
    insider->looked_ns = eye_clock_monotonic_ns();
    uint64_t pause_ns = (insider->looked_ns - begun_ns) * LOOK_PART;
    insider->pause_ns = pause_ns > LOOK_NS ? pause_ns : LOOK_NS;
    insider->lost = false;
    let_go_of_unmet(insider);
    if (insider->files.looks % LOOKS_FORGETTING == 0) {
        privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
        eye_tls_probes_forget_sessions(insider->probes, insider->proc);
        eye_privileges_lower(privileges);
    }
}

static bool is_time_for_a_look(const struct eye_insider *insider, uint64_t now_ns)
{
    bool told = insider->watch != NULL && !insider->lost && insider->files.missed == 0;
    uint64_t pause_ns =
        told && insider->pause_ns < LOOK_WATCHED_NS ? LOOK_WATCHED_NS : insider->pause_ns;
    return insider->files.looks == 0 || now_ns - insider->looked_ns >= pause_ns;
}

/* Without it a library that nobody has loaded yet is found by the next look. */
static void open_watch(struct eye_insider *insider)
{
    int result = eye_tls_watch_open(meet, insider, &insider->watch);
    if (result != 0) {
        eye_log_warning("inside TLS: the kernel does not tell of libraries that processes load: "
                        "%s; what a short process loads first is missed; %s",
                        strerror(-result),
                        eye_remedy_of_rights(-result, CAP_SYS_ADMIN,
                                             "run as root, grant cap_sys_admin+ep or set "
                                             "kernel.perf_event_paranoid to 2"));
    }
}

static void find_way(struct eye_insider *insider)
{
    struct eye_error error = {""};
    insider->given_up = eye_tls_links_find(&insider->links, &error) != 0;
    if (insider->given_up) {
        eye_log_warning("nothing is seen inside TLS: probes cannot be attached: %s", error.text);
    }
}

/* Before any library is met: it takes a second or more, in which the first one would not be read.
 */
static void load(struct eye_insider *insider)
{
    struct eye_tls_probes *probes = NULL;
    int result = eye_tls_probes_open(insider->tier, &insider->links, &probes);
    if (result == 0) {
        eye_tls_probes_follow(probes, atomic_load(&insider->followed));
    } else {
        eye_log_warning("nothing is seen inside TLS: its kernel programs cannot be loaded: %s; %s",
                        strerror(-result), eye_remedy_of_program(-result));
    }
    insider->probes = probes;
    insider->given_up = result != 0;
}

/* What may take all rights of the start; less is enough from then on. */
static void begin(struct eye_insider *insider)
{
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_PROBING);
    find_way(insider);
    if (!insider->given_up) {
        load(insider);
    }
    if (!insider->given_up) {
        open_watch(insider);
    }
    eye_privileges_lower(privileges);
    eye_privileges_assume(insider->links.way == EYE_TLS_LINKS_EVENTS ? EYE_ROLE_INSIDER_BY_EVENTS
                                                                     : EYE_ROLE_INSIDER);
}

static void *run(void *context)
{
    struct eye_insider *insider = context;
    begin(insider);
    if (insider->given_up) {
        return NULL; /* whatever there is, it cannot be probed */
    }
    struct pollfd ready[] = {{.fd = insider->stop, .events = POLLIN},
                             {.fd = eye_tls_watch_fd(insider->watch), .events = POLLIN}};
    uint64_t next_care_ns = 0;
    while (ready[0].revents == 0) {
        insider->lost |= !eye_tls_watch_read(insider->watch);
        uint64_t now_ns = eye_clock_monotonic_ns();
        if (is_time_for_a_look(insider, now_ns)) {
            look_at_processes(insider);
        }
        try_new(insider);
        if (now_ns >= next_care_ns) {
            care(insider);
            next_care_ns = now_ns + CARE_NS;
        }
        uint64_t pause_ns = insider->watch == NULL ? CARE_NS : LISTEN_NS;
        poll(ready, EYE_ARRAY_LENGTH(ready), (int)(pause_ns / EYE_NS_PER_MS));
    }
    return NULL;
}

int eye_insider_open(const struct socket_storage *programs, const struct eye_config *config,
                     struct eye_insider **ret_insider, struct eye_error *ret_error)
{
    struct eye_insider *insider = calloc(1, sizeof(*insider));
    if (insider == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    insider->tier = programs;
    insider->proc = strdup(config->source.proc);
    insider->excluded = &config->protocols.tls_exclude;
    pthread_mutex_init(&insider->files.lock, NULL);
    insider->stop = eventfd(0, EFD_CLOEXEC);
    atomic_init(&insider->followed, ~programs->bss->eye_protocols_off);
    int result = insider->stop < 0 ? -errno
                 : insider->proc == NULL
                     ? -ENOMEM
                     : eye_thread_start("insider", run, insider, &insider->thread);
    if (result != 0) {
        if (insider->stop >= 0) {
            close(insider->stop);
        }
        free(insider->proc);
        free(insider);
        return eye_error_set(ret_error, result, "cannot start a thread for TLS: %s; %s",
                             strerror(-result), EYE_REMEDY_THREADS);
    }
    *ret_insider = insider;
    return 0;
}

void eye_insider_follow(struct eye_insider *insider, uint32_t protocols)
{
    atomic_store(&insider->followed, protocols);
    struct eye_tls_probes *probes = insider->probes;
    if (probes != NULL) {
        eye_tls_probes_follow(probes, protocols);
    }
}

void eye_insider_exclude(struct eye_insider *insider, const struct eye_config *config)
{
    pthread_mutex_lock(&insider->files.lock);
    bool same = eye_text_list_equal(insider->excluded, &config->protocols.tls_exclude);
    insider->excluded = &config->protocols.tls_exclude;
    pthread_mutex_unlock(&insider->files.lock);
    if (!same) {
        atomic_store(&insider->changed, true);
    }
}

void eye_insider_read(const struct eye_insider *insider, struct eye_tls_counts *ret_counts)
{
    for (size_t i = 0; i < EYE_TLS_MEANS; i++) {
        ret_counts->joined[i] = atomic_load(&insider->counts.joined[i]);
    }
    for (size_t i = 0; i < EYE_TLS_OUTCOME_COUNT; i++) {
        ret_counts->files[i] = atomic_load(&insider->counts.files[i]);
    }
    ret_counts->beyond = atomic_load(&insider->counts.beyond);
}

void eye_insider_list(struct eye_insider *insider, eye_tls_file_handler *handler, void *context)
{
    eye_tls_files_list(&insider->files, handler, context);
}

void eye_insider_close(struct eye_insider *insider)
{
    uint64_t one = 1;
    if (insider == NULL) {
        return;
    }
    atomic_store(&insider->ending, true);
    if (write(insider->stop, &one, sizeof(one)) == sizeof(one)) {
        pthread_join(insider->thread, NULL);
    }
    for (size_t i = 0; i < insider->files.count; i++) {
        let_go(insider, insider->files.items[i]);
    }
    eye_tls_files_done(&insider->files);
    eye_tls_watch_close(insider->watch);
    eye_tls_probes_close(insider->probes);
    close(insider->stop);
    free(insider->proc);
    free(insider);
}
