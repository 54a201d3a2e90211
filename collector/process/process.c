/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The programs that were heard of: a hash table by key, and a queue with the longest unused first.
 */
#include "collector/process/process.h"

#include <string.h>
#include <sys/queue.h>

#include "bpf/abi.h"
#include "collector/base/hash.h"
#include "collector/base/table.h"
#include "collector/base/text.h"
#include "collector/process/containers.h"
#include "collector/process/names.h"
#include "collector/process/procfs.h"

/* A path of cgroups put together: each name behind a "/", and the NUL. */
#define CGROUP_PATH_BYTES (EYE_CGROUP_LEVELS * EYE_CGROUP_NAME_BYTES + 1)

/* Entries by pid, for who knows no more of a process. */
#define BUCKETS 1024

struct entry {
    uint32_t heard; /* pass in which somebody told of it, or /proc that it lives */
    uint32_t asked; /* the same, or pass in which /proc did not tell; the queue is sorted by it */
    TAILQ_ENTRY(entry) link; /* in `executed` until somebody asks for it, then in `used` */
    LIST_ENTRY(entry) same_bucket;
    bool executed;
    bool over;    /* its end was told, or found by a scan */
    bool settled; /* its environment was read, by the kernel or in /proc: no record tells more */
    bool by_environment;             /* its service is from there */
    bool by_container;               /* its service is the container's name or id */
    struct eye_container *container; /* that it is in; NULL: none */
    struct eye_process process;
};

TAILQ_HEAD(queue, entry);
LIST_HEAD(bucket, entry);

struct eye_processes {
    struct eye_table table; /* key to struct entry */
    struct queue used;
    struct queue executed; /* oldest first */
    size_t executed_count;
    struct bucket buckets[BUCKETS];
    size_t scanned; /* buckets, of the present scan */
    bool uncertain; /* it met a process of which /proc does not tell */
    uint64_t scans_failed;
    uint32_t pass;
    uint64_t generation;
    uint64_t renamed;
    uint64_t given_up;
    uint64_t malformed;
    uint64_t last_id;
    eye_introductions *more; /* may be NULL */
    void *more_context;
    struct eye_process kernel;
    struct eye_process unknown;
    struct eye_procfs procfs;
    struct eye_containers *containers;
};

static uint64_t hash_of(uint64_t owner)
{
    return eye_hash_bytes(&owner, sizeof(owner));
}

static bool has_key(const void *item, const void *key)
{
    const struct entry *entry = item;
    const uint64_t *owner = key;
    return entry->process.owner == *owner;
}

struct eye_processes *eye_processes_new(const char *proc, const char *root)
{
    EYE_AUTOFREE struct eye_processes *processes = calloc(1, sizeof(*processes));
    if (processes == NULL) {
        return NULL;
    }
    processes->containers = eye_containers_new(root, &processes->procfs);
    if (processes->containers == NULL) {
        return NULL;
    }
    TAILQ_INIT(&processes->used);
    TAILQ_INIT(&processes->executed);
    processes->scanned = BUCKETS;
    processes->kernel = (struct eye_process){
        .owner = EYE_OWNER_KERNEL,
        .id = ++processes->last_id,
        .service = "kernel",
        .executable = "kernel",
    };
    processes->unknown = (struct eye_process){
        .owner = EYE_OWNER_UNKNOWN,
        .id = ++processes->last_id,
        .service = "unknown",
        .executable = "unknown",
    };
    eye_procfs_init(&processes->procfs, proc);
    return EYE_TAKE(processes);
}

void eye_processes_free(struct eye_processes *processes)
{
    if (processes == NULL) {
        return;
    }
    struct entry *entry;
    eye_table_for_each (&processes->table, entry) {
        eye_containers_leave(processes->containers, entry->container);
        free(entry);
    }
    eye_table_done(&processes->table);
    eye_containers_free(processes->containers);
    eye_procfs_done(&processes->procfs);
    free(processes);
}

void eye_processes_on_unknown(struct eye_processes *processes, eye_introductions *more,
                              void *context)
{
    processes->more = more;
    processes->more_context = context;
}

static struct entry *look_up(const struct eye_processes *processes, uint64_t owner)
{
    return eye_table_find(&processes->table, hash_of(owner), has_key, &owner);
}

static uint32_t pid_of(uint64_t owner)
{
    return (uint32_t)(owner >> EYE_OWNER_PID_SHIFT);
}

static struct bucket *bucket_of(struct eye_processes *processes, uint32_t pid)
{
    return &processes->buckets[pid % BUCKETS];
}

/* Somebody asked for it: from now on it is in nobody's way. */
static void promote(struct eye_processes *processes, struct entry *entry)
{
    if (entry->executed) {
        TAILQ_REMOVE(&processes->executed, entry, link);
        TAILQ_INSERT_TAIL(&processes->used, entry, link);
        processes->executed_count--;
        entry->executed = false;
        entry->asked = processes->pass;
    }
}

static void move_to_end(struct eye_processes *processes, struct entry *entry)
{
    entry->asked = processes->pass;
    TAILQ_REMOVE(&processes->used, entry, link);
    TAILQ_INSERT_TAIL(&processes->used, entry, link);
}

/* Once per pass is enough to know the longest unused, and keeps the queue out of most look-ups. */
static void touch(struct eye_processes *processes, struct entry *entry)
{
    entry->heard = processes->pass;
    promote(processes, entry);
    if (entry->asked != processes->pass) {
        move_to_end(processes, entry);
    }
}

static void leave_queue(struct eye_processes *processes, struct entry *entry)
{
    TAILQ_REMOVE(entry->executed ? &processes->executed : &processes->used, entry, link);
    processes->executed_count -= entry->executed;
    /* Of those that nobody asked for nobody has an id. */
    processes->generation += !entry->executed;
}

static void forget(struct eye_processes *processes, struct entry *entry)
{
    leave_queue(processes, entry);
    LIST_REMOVE(entry, same_bucket);
    eye_table_remove(&processes->table, hash_of(entry->process.owner), entry);
    eye_containers_leave(processes->containers, entry->container);
    free(entry);
}

/* ---- names ---- */

/* A program in the making. */
struct sketch {
    bool settled;
    bool by_environment;
    bool by_container;
    struct eye_container *container; /* joined: handed on, or left */
    struct eye_process process;
};

static void copy_parent(const struct eye_processes *processes, uint64_t owner,
                        struct sketch *sketch)
{
    const struct entry *parent = look_up(processes, owner);
    struct eye_process *process = &sketch->process;
    if (owner == 0 || parent == NULL) {
        return;
    }
    if (parent->by_environment && !sketch->by_environment) {
        memcpy(process->service, parent->process.service, sizeof(process->service));
        sketch->by_environment = true;
    }
    if (process->executable[0] == '\0') {
        memcpy(process->executable, parent->process.executable, sizeof(process->executable));
    }
}

static void join_cgroups(const struct eye_owner_record *record, char path[CGROUP_PATH_BYTES])
{
    size_t used = 0;
    for (size_t i = EYE_CGROUP_LEVELS; i > 0; i--) {
        size_t length = strlen(record->cgroups[i - 1]);
        if (length > 0) {
            path[used++] = '/';
            memcpy(path + used, record->cgroups[i - 1], length);
            used += length;
        }
    }
    path[used] = '\0';
}

/* What the record does not tell, and what in it may not be all: asked of /proc. */
static unsigned missing_names(const struct eye_owner_record *record, const struct sketch *sketch)
{
    unsigned missing = 0;
    if (!sketch->by_environment &&
        (record->flags & (EYE_OWNER_NO_ENVIRONMENT | EYE_OWNER_CUT_ENVIRONMENT)) != 0) {
        missing |= EYE_NAMES_ENVIRONMENT;
    }
    if ((record->flags & (EYE_OWNER_CUT_CGROUP | EYE_OWNER_NO_CGROUP)) != 0) {
        missing |= EYE_NAMES_CGROUP;
    }
    if (record->executable[0] == '\0') {
        missing |= EYE_NAMES_EXECUTABLE;
    }
    return missing;
}

/* Asks /proc for what is missing. It may run another program by now: its executable tells. */
static unsigned complete(struct eye_processes *processes, unsigned missing, struct sketch *sketch)
{
    struct eye_process asked = sketch->process;
    unsigned got =
        eye_procfs_describe(&processes->procfs, missing | EYE_NAMES_EXECUTABLE, &asked) & missing;
    if (sketch->process.executable[0] != '\0' &&
        strcmp(sketch->process.executable, asked.executable) != 0) {
        return 0;
    }
    sketch->process = asked;
    return got;
}

static size_t whole_bytes(const struct eye_owner_record *record)
{
    bool cut = (record->flags & EYE_OWNER_CUT_ENVIRONMENT) != 0;
    return cut ? eye_names_whole((const char *)(record + 1), record->environment_bytes)
               : record->environment_bytes;
}

/* What people call the container names the service, when nothing nearer does. */
static void name_by_container(struct eye_process *process)
{
    if (process->names != NULL) {
        eye_copy_string(process->service, sizeof(process->service), process->names->name);
    }
}

static void finish(struct eye_processes *processes, struct sketch *sketch)
{
    struct eye_process *process = &sketch->process;
    sketch->container =
        eye_containers_join(processes->containers, &process->container, process->owner);
    sketch->by_container = sketch->container != NULL && process->service[0] == '\0';
    process->names = sketch->container == NULL ? NULL : eye_container_names(sketch->container);
    if (sketch->by_container) {
        name_by_container(process);
    }
    eye_names_finish(process);
}

static void sketch_record(struct eye_processes *processes, const struct eye_owner_record *record,
                          struct sketch *ret_sketch)
{
    char path[CGROUP_PATH_BYTES];
    struct eye_process *process = &ret_sketch->process;
    *ret_sketch = (struct sketch){.process.owner = record->owner};
    eye_names_of_environment(process, (const char *)(record + 1), whole_bytes(record));
    ret_sketch->by_environment = process->service[0] != '\0';
    eye_names_of_executable(process, record->executable, strlen(record->executable));
    copy_parent(processes, record->parent, ret_sketch);
    unsigned missing = missing_names(record, ret_sketch);
    unsigned got = missing != 0 ? complete(processes, missing, ret_sketch) : 0;
    if ((got & EYE_NAMES_CGROUP) == 0) {
        join_cgroups(record, path);
        eye_names_of_cgroup(process, path, strlen(path), true);
    }
    ret_sketch->settled = ((missing & ~got) & EYE_NAMES_ENVIRONMENT) == 0;
    finish(processes, ret_sketch);
}

/* Names of a program that was not introduced. Without its executable it is nobody we know. */
static void sketch_unknown(struct eye_processes *processes, uint64_t owner,
                           struct sketch *ret_sketch)
{
    struct eye_process *process = &ret_sketch->process;
    *ret_sketch = (struct sketch){.process.owner = owner};
    unsigned got = eye_procfs_describe(&processes->procfs, EYE_NAMES_ENVIRONMENT, process);
    ret_sketch->settled = got != 0;
    ret_sketch->by_environment = process->service[0] != '\0';
    eye_procfs_describe(&processes->procfs, EYE_NAMES_CGROUP | EYE_NAMES_EXECUTABLE, process);
    finish(processes, ret_sketch);
}

/* ---- entries ---- */

static enum eye_life life_of(const struct eye_processes *processes, const struct entry *entry)
{
    return entry->over ? EYE_LIFE_OVER : eye_procfs_life(&processes->procfs, entry->process.owner);
}

/* False when @entry has to go: its process is gone, or nobody could tell for too long. */
static bool may_stay(struct eye_processes *processes, struct entry *entry)
{
    enum eye_life life = life_of(processes, entry);
    if (life == EYE_LIFE_UNCERTAIN &&
        processes->pass - entry->heard > EYE_PROCESS_UNCERTAIN_PASSES) {
        processes->given_up++;
        return false;
    }
    entry->heard = life == EYE_LIFE_GOES_ON ? processes->pass : entry->heard;
    return life != EYE_LIFE_OVER;
}

/* The table is full. */
static void give_up_one(struct eye_processes *processes)
{
    struct entry *entry = TAILQ_FIRST(&processes->used);
    enum eye_life life = life_of(processes, entry);
    for (int spared = 0; life == EYE_LIFE_GOES_ON && spared < EYE_PROCESS_SPARE; spared++) {
        entry->heard = processes->pass;
        move_to_end(processes, entry);
        entry = TAILQ_FIRST(&processes->used);
        life = life_of(processes, entry);
    }
    processes->given_up += life != EYE_LIFE_OVER;
    forget(processes, entry);
}

/* Those that use sockets never give way to those that only might. */
static void make_room(struct eye_processes *processes)
{
    bool full = processes->table.count >= EYE_PROCESS_MAX;
    if (processes->executed_count >= EYE_PROCESS_EXECUTED_MAX ||
        (full && processes->executed_count > 0)) {
        forget(processes, TAILQ_FIRST(&processes->executed));
    } else if (full) {
        give_up_one(processes);
    }
}

/* Copies the id of @sketch's process, too, and takes its container over. */
static void set(struct eye_processes *processes, struct entry *entry, struct sketch *sketch)
{
    eye_containers_leave(processes->containers, entry->container);
    entry->settled = sketch->settled;
    entry->by_environment = sketch->by_environment;
    entry->by_container = sketch->by_container;
    entry->container = EYE_TAKE(sketch->container);
    entry->process = sketch->process;
}

static void drop(struct eye_processes *processes, struct sketch *sketch)
{
    eye_containers_leave(processes->containers, sketch->container);
}

/* @executed: nobody has asked for it yet. */
static struct entry *add(struct eye_processes *processes, struct sketch *sketch, bool executed)
{
    make_room(processes);
    EYE_AUTOFREE struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL ||
        eye_table_insert(&processes->table, hash_of(sketch->process.owner), entry) != 0) {
        drop(processes, sketch);
        return NULL;
    }
    sketch->process.id = ++processes->last_id;
    set(processes, entry, sketch);
    entry->heard = processes->pass;
    entry->asked = processes->pass;
    entry->executed = executed;
    processes->executed_count += executed;
    TAILQ_INSERT_TAIL(executed ? &processes->executed : &processes->used, entry, link);
    LIST_INSERT_HEAD(bucket_of(processes, pid_of(sketch->process.owner)), entry, same_bucket);
    return EYE_TAKE(entry);
}

static bool has_names(const struct eye_process *process, const struct eye_process *other)
{
    return strcmp(process->service, other->service) == 0 &&
           strcmp(process->executable, other->executable) == 0 &&
           strcmp(process->container.text, other->container.text) == 0;
}

static bool is_nobody(const struct eye_process *process)
{
    return strcmp(process->executable, "unknown") == 0;
}

/* A better answer than the one that was given. */
static void correct(struct eye_processes *processes, struct entry *entry, struct sketch *sketch)
{
    sketch->process.id = entry->process.id;
    if (!has_names(&entry->process, &sketch->process)) {
        sketch->process.id = ++processes->last_id;
        processes->generation++;
        processes->renamed++;
    }
    set(processes, entry, sketch);
}

static bool is_valid(const struct eye_owner_record *record, size_t bytes)
{
    if (bytes < sizeof(*record) || record->environment_bytes > bytes - sizeof(*record) ||
        record->owner >> EYE_OWNER_PID_SHIFT == 0 ||
        memchr(record->executable, '\0', sizeof(record->executable)) == NULL) {
        return false;
    }
    for (size_t i = 0; i < EYE_CGROUP_LEVELS; i++) {
        if (memchr(record->cgroups[i], '\0', sizeof(record->cgroups[i])) == NULL) {
            return false;
        }
    }
    return true;
}

void eye_processes_take(void *context, const void *bytes, size_t size)
{
    struct eye_processes *processes = context;
    const struct eye_owner_record *record = bytes;
    if (!is_valid(record, size)) {
        processes->malformed++;
        return;
    }
    bool executed = (record->flags & EYE_OWNER_EXECUTED) != 0;
    struct entry *entry = look_up(processes, record->owner);
    if (entry != NULL && !executed) {
        touch(processes, entry);
    }
    /* The first whole answer stays: programs write over their environment. */
    if (entry != NULL && entry->settled) {
        return;
    }
    struct sketch sketch;
    sketch_record(processes, record, &sketch);
    if (entry == NULL) {
        add(processes, &sketch, executed);
    } else if (sketch.settled || is_nobody(&entry->process)) {
        correct(processes, entry, &sketch);
    } else {
        drop(processes, &sketch);
    }
}

bool eye_processes_knows(const struct eye_processes *processes, uint64_t owner)
{
    return owner == EYE_OWNER_KERNEL || owner == EYE_OWNER_UNKNOWN ||
           look_up(processes, owner) != NULL;
}

const struct eye_process *eye_processes_find(struct eye_processes *processes, uint64_t owner)
{
    if (owner == EYE_OWNER_KERNEL || owner == EYE_OWNER_UNKNOWN) {
        return owner == EYE_OWNER_KERNEL ? &processes->kernel : &processes->unknown;
    }
    struct entry *entry = look_up(processes, owner);
    if (entry == NULL && processes->more != NULL) {
        processes->more(processes->more_context);
        entry = look_up(processes, owner);
    }
    if (entry == NULL) {
        struct sketch sketch;
        sketch_unknown(processes, owner, &sketch);
        entry = add(processes, &sketch, false);
    }
    if (entry == NULL) {
        return &processes->unknown; /* out of memory */
    }
    touch(processes, entry);
    return &entry->process;
}

void eye_processes_sweep(struct eye_processes *processes, uint32_t pass)
{
    struct entry *entry;
    size_t stay = 0;
    processes->pass = pass;
    eye_procfs_look(&processes->procfs);
    while ((entry = TAILQ_FIRST(&processes->used)) != NULL && stay < EYE_PROCESS_ASK &&
           pass - entry->asked > EYE_PROCESS_KEEP_PASSES) {
        if (may_stay(processes, entry)) {
            move_to_end(processes, entry);
            stay++;
        } else {
            forget(processes, entry);
        }
    }
}

/* ---- ends ---- */

void eye_processes_take_end(void *context, const void *bytes, size_t size)
{
    struct eye_processes *processes = context;
    const struct eye_ended_record *record = bytes;
    if (size != sizeof(*record)) {
        processes->malformed++;
        return;
    }
    struct entry *entry = look_up(processes, record->owner);
    if (entry != NULL) {
        entry->over = true;
    }
}

/* Not later; of two moments half a range of the key's (6 days) apart nobody can tell. */
static bool began_before(const struct entry *entry, uint64_t boottime_ns)
{
    uint64_t start = entry->process.owner >> EYE_OWNER_START_SHIFT;
    uint32_t units = (uint32_t)((boottime_ns >> EYE_OWNER_START_UNIT_SHIFT) - start);
    return (units & EYE_OWNER_START_MASK) <= EYE_OWNER_START_MASK / 2;
}

void eye_processes_end(struct eye_processes *processes, uint32_t pid, uint64_t boottime_ns)
{
    struct entry *entry;
    LIST_FOREACH(entry, bucket_of(processes, pid), same_bucket)
    {
        if (pid_of(entry->process.owner) == pid && began_before(entry, boottime_ns)) {
            entry->over = true;
        }
    }
}

void eye_processes_doubt(struct eye_processes *processes)
{
    processes->scanned = 0;
    processes->uncertain = false;
    eye_procfs_look(&processes->procfs);
}

/* Returns how many it asked for. */
static size_t scan_bucket(struct eye_processes *processes, const struct bucket *bucket)
{
    struct entry *entry;
    size_t asked = 0;
    LIST_FOREACH(entry, bucket, same_bucket)
    {
        enum eye_life life = life_of(processes, entry);
        asked += !entry->over;
        entry->over = life == EYE_LIFE_OVER;
        processes->uncertain |= life == EYE_LIFE_UNCERTAIN;
    }
    return asked;
}

void eye_processes_scan(struct eye_processes *processes)
{
    size_t asked = 0;
    if (processes->scanned == BUCKETS) {
        return;
    }
    while (processes->scanned < BUCKETS && asked < EYE_PROCESS_SCAN_STEP) {
        asked += scan_bucket(processes, &processes->buckets[processes->scanned++]);
    }
    if (processes->scanned == BUCKETS) {
        processes->scans_failed += processes->uncertain;
    }
}

uint64_t eye_processes_scans_failed(const struct eye_processes *processes)
{
    return processes->scans_failed;
}

/* An eye_container_renamed. What was counted under the old names stays there. */
static void rename_programs(void *context, const struct eye_container *container)
{
    struct eye_processes *processes = context;
    struct entry *entry;
    eye_table_for_each (&processes->table, entry) {
        if (entry->container != container) {
            continue;
        }
        entry->process.names = eye_container_names(container);
        entry->process.id = ++processes->last_id;
        if (entry->by_container) {
            name_by_container(&entry->process);
        }
    }
    processes->generation++;
    processes->renamed++;
}

void eye_processes_refresh(struct eye_processes *processes, uint64_t now_ns)
{
    eye_containers_refresh(processes->containers, now_ns, rename_programs, processes);
}

struct eye_container_stats eye_processes_containers(const struct eye_processes *processes)
{
    return eye_containers_stats(processes->containers);
}

uint64_t eye_processes_malformed(const struct eye_processes *processes)
{
    return processes->malformed;
}

uint64_t eye_processes_given_up(const struct eye_processes *processes)
{
    return processes->given_up;
}

size_t eye_processes_count(const struct eye_processes *processes)
{
    return processes->table.count;
}

uint64_t eye_processes_generation(const struct eye_processes *processes)
{
    return processes->generation;
}

uint64_t eye_processes_renamed(const struct eye_processes *processes)
{
    return processes->renamed;
}
