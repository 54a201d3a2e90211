/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The processes that were seen: a hash table by pid, and three queues. An entry waits in `running`
 * (longest unused first), in `ended` (longest ended first), or, thrown out while pointers to it may
 * still be held, in `retired` until the next sweep.
 */
#include "collector/process/process.h"

#include <errno.h>
#include <string.h>
#include <sys/queue.h>

#include "collector/base/hash.h"
#include "collector/base/table.h"
#include "collector/process/procfs.h"

/*
 * Evictions between two sweeps. Whoever starts more processes than this beyond EYE_PROCESS_MAX
 * within one interval gets "unknown" for the rest of it.
 */
#define RETIRED_MAX 4096

struct entry {
    uint64_t round; /* sweeps before the last look-up */
    TAILQ_ENTRY(entry) link;
    bool ended;
    uint64_t ended_ns;
    struct eye_process process;
};

TAILQ_HEAD(queue, entry);

struct eye_processes {
    struct eye_table table; /* pid to struct entry, running or ended */
    struct queue running;
    struct queue ended;
    struct queue retired;
    size_t retired_count;
    uint64_t round;
    uint64_t generation;
    uint64_t last_id;
    struct eye_process kernel;
    struct eye_process unknown;
    struct eye_procfs procfs;
};

static uint64_t hash_of(uint32_t pid)
{
    return eye_hash_bytes(&pid, sizeof(pid));
}

static bool has_pid(const void *item, const void *key)
{
    const struct entry *entry = item;
    const uint32_t *pid = key;
    return entry->process.pid == *pid;
}

struct eye_processes *eye_processes_new(const char *root)
{
    struct eye_processes *processes = calloc(1, sizeof(*processes));
    if (processes == NULL) {
        return NULL;
    }
    TAILQ_INIT(&processes->running);
    TAILQ_INIT(&processes->ended);
    TAILQ_INIT(&processes->retired);
    processes->kernel = (struct eye_process){
        .id = ++processes->last_id,
        .service = "kernel",
        .executable = "kernel",
    };
    processes->unknown = (struct eye_process){
        .id = ++processes->last_id,
        .service = "unknown",
        .executable = "unknown",
    };
    eye_procfs_init(&processes->procfs, root);
    return processes;
}

static void free_queue(struct queue *queue)
{
    struct entry *next;
    for (struct entry *entry = TAILQ_FIRST(queue); entry != NULL; entry = next) {
        next = TAILQ_NEXT(entry, link);
        free(entry);
    }
    TAILQ_INIT(queue);
}

void eye_processes_free(struct eye_processes *processes)
{
    if (processes == NULL) {
        return;
    }
    free_queue(&processes->running);
    free_queue(&processes->ended);
    free_queue(&processes->retired);
    eye_table_done(&processes->table);
    eye_procfs_done(&processes->procfs);
    free(processes);
}

static struct queue *queue_of(struct eye_processes *processes, const struct entry *entry)
{
    return entry->ended ? &processes->ended : &processes->running;
}

/* Takes the entry out of everything; its memory is the caller's. */
static void take_out(struct eye_processes *processes, struct entry *entry)
{
    TAILQ_REMOVE(queue_of(processes, entry), entry, link);
    eye_table_remove(&processes->table, hash_of(entry->process.pid), entry);
    processes->generation++;
}

/* Room for one more entry, or false when too many were thrown out since the last sweep. */
static bool make_room(struct eye_processes *processes)
{
    if (processes->table.count < EYE_PROCESS_MAX) {
        return true;
    }
    if (processes->retired_count >= RETIRED_MAX) {
        return false;
    }
    struct entry *victim = TAILQ_FIRST(&processes->ended);
    if (victim == NULL) {
        victim = TAILQ_FIRST(&processes->running);
    }
    take_out(processes, victim);
    TAILQ_INSERT_TAIL(&processes->retired, victim, link);
    processes->retired_count++;
    return true;
}

static struct entry *add(struct eye_processes *processes, uint32_t pid, const char *comm,
                         uint64_t now_ns)
{
    if (!make_room(processes)) {
        return NULL;
    }
    EYE_AUTOFREE struct entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL || eye_table_insert(&processes->table, hash_of(pid), entry) != 0) {
        return NULL;
    }
    entry->ended = !eye_procfs_describe(&processes->procfs, pid, comm, &entry->process);
    entry->ended_ns = now_ns;
    entry->process.id = ++processes->last_id;
    entry->round = processes->round;
    TAILQ_INSERT_TAIL(queue_of(processes, entry), entry, link);
    return EYE_TAKE(entry);
}

/* Once per round is enough to know the longest unused, and keeps the queue out of most look-ups. */
static void touch(struct eye_processes *processes, struct entry *entry)
{
    if (entry->round == processes->round) {
        return;
    }
    entry->round = processes->round;
    if (!entry->ended) {
        TAILQ_REMOVE(&processes->running, entry, link);
        TAILQ_INSERT_TAIL(&processes->running, entry, link);
    }
}

const struct eye_process *eye_processes_find(struct eye_processes *processes, uint32_t pid,
                                             const char *comm, uint64_t now_ns)
{
    if (pid == 0) {
        return &processes->kernel;
    }
    struct entry *entry = eye_table_find(&processes->table, hash_of(pid), has_pid, &pid);
    if (entry != NULL) {
        touch(processes, entry);
        return &entry->process;
    }
    entry = add(processes, pid, comm, now_ns);
    return entry != NULL ? &entry->process : &processes->unknown;
}

static void forget(struct eye_processes *processes, struct entry *entry)
{
    take_out(processes, entry);
    free(entry);
}

static void end(struct eye_processes *processes, struct entry *entry, uint64_t now_ns)
{
    TAILQ_REMOVE(&processes->running, entry, link);
    entry->ended = true;
    entry->ended_ns = now_ns;
    TAILQ_INSERT_TAIL(&processes->ended, entry, link);
}

static bool is_same(const struct eye_process *process, const struct eye_process_image *image)
{
    return image->start_ticks == process->start_ticks && image->start_stack == process->start_stack;
}

/* A pid that runs another program by now (used again, or an exec) is described when it is next
 * asked for. */
static void check(struct eye_processes *processes, struct entry *entry, uint64_t now_ns)
{
    if (entry->ended && now_ns >= entry->ended_ns + EYE_PROCESS_KEEP_NS) {
        forget(processes, entry);
        return;
    }
    struct eye_process_image image;
    int result = eye_procfs_image(&processes->procfs, entry->process.pid, &image);
    if (result == 0 && !is_same(&entry->process, &image)) {
        forget(processes, entry);
    } else if ((result == -ENOENT || result == -ESRCH) && !entry->ended) {
        end(processes, entry, now_ns);
    }
}

static void check_queue(struct eye_processes *processes, struct queue *queue, uint64_t now_ns)
{
    struct entry *next;
    for (struct entry *entry = TAILQ_FIRST(queue); entry != NULL; entry = next) {
        next = TAILQ_NEXT(entry, link);
        check(processes, entry, now_ns);
    }
}

void eye_processes_sweep(struct eye_processes *processes, uint64_t now_ns)
{
    free_queue(&processes->retired);
    processes->retired_count = 0;
    check_queue(processes, &processes->ended, now_ns);
    check_queue(processes, &processes->running, now_ns);
    processes->round++;
}

size_t eye_processes_count(const struct eye_processes *processes)
{
    return processes->table.count;
}

uint64_t eye_processes_generation(const struct eye_processes *processes)
{
    return processes->generation;
}
