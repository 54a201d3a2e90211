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
#include "collector/source/socket_storage/tls_probes.h"
#include "collector/tls/mapping.h"
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
/* A file that so many looks have not met is let go. */
#define LOOKS_GONE 3
/* With so many looks sessions of processes that are gone are forgotten. */
#define LOOKS_FORGETTING 4
/* Files, those included that cannot be probed. */
#define FILES_MAX 256
/* Calls that tell whether a library's probes see what they should: of four threads at least. */
#define TALLY_LEAST 256

struct file {
    uint64_t device;
    uint64_t inode;
    char *path;     /* owned: in the process that was met first, or last while it is not opened */
    pid_t pid;      /* of that one */
    bool due;       /* it was met, and not tried since */
    bool tried;     /* it was opened: whether it can be probed is known */
    bool crowded;   /* there was no room for its probes */
    bool doubted;   /* it was probed, and let go */
    bool told;      /* that it cannot be opened */
    unsigned unmet; /* looks that have not met it */
    struct eye_tls_probed probed;
};

struct eye_insider {
    const struct socket_storage *tier;
    char *proc; /* owned: source.proc, whatever becomes of the configuration */
    /* NULL: nothing was to be probed yet. Made by the thread; others tell it what to follow. */
    _Atomic(struct eye_tls_probes *) probes;
    bool given_up;        /* the kernel refuses the programs, or to attach any; told */
    atomic_uint followed; /* bits by enum eye_protocol */
    struct file *files[FILES_MAX];
    size_t file_count;
    struct eye_tls_links links;
    struct eye_tls_watch *watch; /* NULL: the kernel does not tell */
    bool lost;                   /* something that it has told */
    bool roomier;                /* a library was let go since the last look */
    uint64_t looked_ns;          /* when the last look ended */
    uint64_t pause_ns;           /* and how long none may follow */
    unsigned looks;
    struct {
        atomic_uint_fast64_t probed, refused, doubted, joined;
    } counts; /* as struct eye_tls_counts; for other threads */
    int stop; /* eventfd */
    pthread_t thread;
};

/* ---- One library ---- */

/* With the first library; what the kernel refuses is told once. */
static bool is_loaded(struct eye_insider *insider)
{
    if (insider->probes == NULL && !insider->given_up) {
        uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
        struct eye_tls_probes *probes = NULL;
        int result = eye_tls_probes_open(insider->tier, &insider->links, &probes);
        insider->probes = probes;
        if (probes != NULL) {
            eye_tls_probes_follow(probes, atomic_load(&insider->followed));
        }
        eye_privileges_lower(privileges);
        insider->given_up = result != 0;
        if (result != 0) {
            eye_log_warning("nothing is seen inside TLS: its kernel programs cannot be loaded: %s; "
                            "%s",
                            strerror(-result), eye_remedy_of_program(-result));
        }
    }
    return insider->probes != NULL;
}

static void let_go(struct eye_insider *insider, struct file *file)
{
    if (file->probed.library >= 0) {
        eye_tls_probes_detach(insider->probes, &file->probed);
        insider->roomier = true;
    }
}

static int probe_library(struct eye_insider *insider, struct file *file, int fd,
                         struct eye_elf *elf, struct eye_error *ret_error)
{
    struct eye_tls_plan plan;
    int result = eye_tls_plan_make(elf, &plan, ret_error);
    if (result != 0 || !is_loaded(insider)) {
        return result != 0 ? result : -ECANCELED; /* told already */
    }
    if (plan.client_random.offset == 0) {
        return eye_error_set(ret_error, -ENOTSUP,
                             "where a session keeps the random of its ClientHello is not found");
    }
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_PROBING);
    result = eye_tls_probes_attach(insider->probes, fd, elf, &plan, &file->probed);
    eye_privileges_lower(privileges);
    if (result == -ENOSPC) {
        return eye_error_set(ret_error, result,
                             "%d libraries, or %d places of perf events, are probed: there is no "
                             "room for more",
                             EYE_TLS_LIBRARIES_MAX, EYE_TLS_EVENTS_MAX);
    }
    if (result != 0) {
        return eye_error_set(ret_error, result, "probes cannot be attached: %s; %s",
                             strerror(-result), eye_remedy(-result, EYE_REMEDY_DEBUG));
    }
    eye_log_info("inside TLS: %s of %s is read by its %s", plan.library, file->path, plan.way);
    return 0;
}

/* A descriptor, or -1. A process that has ended says nothing of its file: another one may have it.
 */
static int open_file(const struct eye_insider *insider, struct file *file)
{
    struct eye_error error = {""};
    const struct eye_tls_mapping mapping = {
        .pid = file->pid, .device = file->device, .inode = file->inode, .path = file->path};
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_READING);
    int fd = eye_tls_mapping_open(insider->proc, &mapping, &error);
    eye_privileges_lower(privileges);
    if (fd < 0 && !file->told && eye_tls_is_process(insider->proc, file->pid)) {
        eye_log_warning("inside TLS: nothing is seen of %s: %s", file->path, error.text);
        file->told = true;
    }
    return fd < 0 ? -1 : fd;
}

static void try_file(struct eye_insider *insider, struct file *file)
{
    struct eye_error error = {""};
    struct eye_elf *elf = NULL;
    EYE_AUTOCLOSE int fd = open_file(insider, file);
    if (fd < 0) {
        return;
    }
    file->tried = true;
    int result = eye_elf_open(fd, &elf, &error);
    if (result == 0) {
        result = probe_library(insider, file, fd, elf, &error);
    }
    eye_elf_close(elf);
    file->crowded = result == -ENOSPC || result == -EMFILE;
    if (result != 0 && result != -ECANCELED) {
        eye_log_warning("inside TLS: nothing is seen of %s: %s", file->path, error.text);
    }
}

/* ---- Which there are ---- */

static struct file *find_file(struct eye_insider *insider, const struct eye_tls_mapping *mapping)
{
    for (size_t i = 0; i < insider->file_count; i++) {
        struct file *file = insider->files[i];
        if (file->inode == mapping->inode && file->device == mapping->device) {
            return file;
        }
    }
    return NULL;
}

static void free_file(struct file *file)
{
    free(file->path);
    free(file);
}

/* NULL: out of memory. */
static struct file *new_file(const struct eye_tls_mapping *mapping)
{
    struct file *file = calloc(1, sizeof(*file));
    if (file != NULL) {
        *file = (struct file){.device = mapping->device,
                              .inode = mapping->inode,
                              .path = strdup(mapping->path),
                              .pid = mapping->pid,
                              .due = true,
                              .probed = {.library = -1}};
    }
    if (file != NULL && file->path == NULL) {
        free(file);
        return NULL;
    }
    return file;
}

/* It is tried by way of a process that lives. */
static void meet_again(struct file *file, const struct eye_tls_mapping *mapping)
{
    char *path = file->tried || file->pid == mapping->pid ? NULL : strdup(mapping->path);
    file->unmet = 0;
    file->due = !file->tried;
    if (path != NULL) {
        free(file->path);
        file->path = path;
        file->pid = mapping->pid;
    }
}

/* What has no room now may have some when others are gone. */
static void meet(void *context, const struct eye_tls_mapping *mapping)
{
    struct eye_insider *insider = context;
    struct file *file = find_file(insider, mapping);
    if (file != NULL) {
        meet_again(file, mapping);
        return;
    }
    file = insider->file_count < FILES_MAX ? new_file(mapping) : NULL;
    if (file != NULL) {
        insider->files[insider->file_count++] = file;
    }
}

/* Without rights: what is read may be anything. */
static void try_new(struct eye_insider *insider)
{
    for (size_t i = 0; i < insider->file_count; i++) {
        if (insider->files[i]->due) {
            insider->files[i]->due = false;
            try_file(insider, insider->files[i]);
        }
    }
}

static void let_go_of_unmet(struct eye_insider *insider)
{
    size_t kept = 0;
    for (size_t i = 0; i < insider->file_count; i++) {
        struct file *file = insider->files[i];
        if (++file->unmet > LOOKS_GONE) {
            let_go(insider, file);
            free_file(file);
        } else {
            insider->files[kept++] = file;
        }
    }
    insider->file_count = kept;
}

/* ---- What becomes of them ---- */

/* In doubt nothing is told of a library any more: a number that is wrong is worse than none. */
static void doubt(struct eye_insider *insider, struct file *file)
{
    struct eye_tls_tally tally = eye_tls_probes_tally(insider->probes, &file->probed);
    bool wrong = tally.impossible > 0;
    bool unpaired = tally.entries >= TALLY_LEAST && tally.exits < tally.entries / 2;
    if (wrong || unpaired) {
        eye_log_warning(
            "inside TLS: nothing is seen of %s any more: its probes see %s (%llu calls, %llu "
            "ends, %llu impossible)",
            file->path, wrong ? "what cannot be" : "calls that do not end", tally.entries,
            tally.exits, tally.impossible);
        file->doubted = true;
        let_go(insider, file);
    }
}

static void count(struct eye_insider *insider)
{
    uint64_t probed = 0;
    uint64_t refused = 0;
    uint64_t doubted = 0;
    for (size_t i = 0; i < insider->file_count; i++) {
        const struct file *file = insider->files[i];
        probed += file->probed.library >= 0;
        doubted += file->doubted;
        refused += file->tried && file->probed.library < 0 && !file->doubted;
    }
    atomic_store(&insider->counts.probed, probed);
    atomic_store(&insider->counts.refused, refused);
    atomic_store(&insider->counts.doubted, doubted);
    atomic_store(&insider->counts.joined,
                 insider->probes == NULL ? 0 : eye_tls_probes_joined(insider->probes));
}

static void care(struct eye_insider *insider)
{
    count(insider);
    if (insider->probes == NULL) {
        return;
    }
    /* Again: whoever told it while the programs were loaded may have been too early. */
    eye_tls_probes_follow(insider->probes, atomic_load(&insider->followed));
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
    for (size_t i = 0; i < insider->file_count; i++) {
        if (insider->files[i]->probed.library >= 0) {
            doubt(insider, insider->files[i]);
        }
    }
    eye_privileges_lower(privileges);
}

/* Those that had no room are tried again when they are met. */
static void offer_room(struct eye_insider *insider)
{
    for (size_t i = 0; i < insider->file_count && insider->roomier; i++) {
        struct file *file = insider->files[i];
        file->tried = file->tried && !file->crowded;
    }
    insider->roomier = false;
}

static void look_at_processes(struct eye_insider *insider)
{
    uint64_t begun_ns = eye_clock_monotonic_ns();
    offer_room(insider);
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_READING);
    eye_tls_mappings_scan(insider->proc, meet, insider);
    eye_privileges_lower(privileges);
    insider->looked_ns = eye_clock_monotonic_ns();
    uint64_t pause_ns = (insider->looked_ns - begun_ns) * LOOK_PART;
    insider->pause_ns = pause_ns > LOOK_NS ? pause_ns : LOOK_NS;
    insider->lost = false;
    let_go_of_unmet(insider);
    if (++insider->looks % LOOKS_FORGETTING == 0 && insider->probes != NULL) {
        privileges = eye_privileges_raise(EYE_PRIVILEGES_LOADING);
        eye_tls_probes_forget_sessions(insider->probes, insider->proc);
        eye_privileges_lower(privileges);
    }
}

static bool is_time_for_a_look(const struct eye_insider *insider, uint64_t now_ns)
{
    bool told = insider->watch != NULL && !insider->lost;
    uint64_t pause_ns =
        told && insider->pause_ns < LOOK_WATCHED_NS ? LOOK_WATCHED_NS : insider->pause_ns;
    return insider->looks == 0 || now_ns - insider->looked_ns >= pause_ns;
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

/* What may take all rights of the start; less is enough from then on. */
static void begin(struct eye_insider *insider)
{
    uint64_t privileges = eye_privileges_raise(EYE_PRIVILEGES_PROBING);
    find_way(insider);
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

int eye_insider_open(const struct socket_storage *programs, const char *proc,
                     struct eye_insider **ret_insider, struct eye_error *ret_error)
{
    struct eye_insider *insider = calloc(1, sizeof(*insider));
    if (insider == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    insider->tier = programs;
    insider->proc = strdup(proc);
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

void eye_insider_read(const struct eye_insider *insider, struct eye_tls_counts *ret_counts)
{
    *ret_counts = (struct eye_tls_counts){.probed = atomic_load(&insider->counts.probed),
                                          .refused = atomic_load(&insider->counts.refused),
                                          .doubted = atomic_load(&insider->counts.doubted),
                                          .joined = atomic_load(&insider->counts.joined)};
}

void eye_insider_close(struct eye_insider *insider)
{
    uint64_t one = 1;
    if (insider == NULL) {
        return;
    }
    if (write(insider->stop, &one, sizeof(one)) == sizeof(one)) {
        pthread_join(insider->thread, NULL);
    }
    for (size_t i = 0; i < insider->file_count; i++) {
        let_go(insider, insider->files[i]);
        free_file(insider->files[i]);
    }
    eye_tls_watch_close(insider->watch);
    eye_tls_probes_close(insider->probes);
    close(insider->stop);
    free(insider->proc);
    free(insider);
}
