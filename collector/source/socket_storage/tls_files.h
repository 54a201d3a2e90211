/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that processes run code of, as far as they may have TLS, and what became of each. One
 * thread knows them (the insider's); others list them: a path and a fate change under the lock,
 * which is never held while a file is read, or probes are attached or taken away.
 */
#pragma once

#include <pthread.h>

#include "collector/base/table.h"
#include "collector/source/socket_storage/tls_probes.h"
#include "collector/source/tier.h"
#include "collector/tls/mapping.h"

/* Those included that cannot be probed. */
#define EYE_TLS_FILES_MAX 2048

/* What became of a file, as struct eye_tls_file has it. */
struct eye_tls_fate {
    bool known;
    enum eye_tls_outcome outcome;
    char *reason; /* owned by the file that has it */
    const char *library;
    const char *way;
    uint32_t sites;
    uint32_t stepped;
    uint64_t calls;
    uint64_t took_ns;
};

struct eye_tls_known {
    uint64_t device;
    uint64_t inode;
    enum eye_tls_kind kind;
    pid_t pid;      /* the process that was met first, or last while it is not opened */
    bool due;       /* it was met, and not tried since, or it is to be thought of again */
    bool tried;     /* it was opened: whether it can be probed is known */
    bool plain;     /* it is a program without TLS: only its number is kept */
    bool crowded;   /* there was no room for its probes */
    bool told;      /* that it cannot be opened */
    unsigned unmet; /* looks that have not met it */
    pid_t met_last; /* by the look that is under way */
    uint32_t met;   /* processes, by that look */
    struct eye_tls_probed probed;

    char *path; /* owned: in that process. Under the lock, as all that follows */
    uint32_t processes;
    struct eye_tls_fate fate;
};

/* A file that so many looks have not met is let go, and forgotten; when there is no room for
 * others, one that is not probed with the first. */
#define EYE_TLS_LOOKS_GONE 3

/* Programs without TLS, which are most, by the number of the file: of two with one place the later
 * one is known, and the other is opened again when it is met. */
#define EYE_TLS_PLAIN_MAX 16384

struct eye_tls_plain {
    uint64_t hash;
    uint64_t met; /* before the look with this number ended */
};

/* At first all zeros but for the lock. */
struct eye_tls_files {
    pthread_mutex_t lock;
    struct eye_tls_known *items[EYE_TLS_FILES_MAX]; /* owned */
    size_t count;
    struct eye_table by_number; /* the same, by device and inode */
    bool crowded;               /* that there is no room for more was told */
    uint64_t missed;            /* times that one was met and there was no room, since the last
                                 * look began */
    uint64_t beyond;            /* likewise, by that look */
    uint64_t looks;             /* that have ended */
    struct eye_tls_plain plain[EYE_TLS_PLAIN_MAX];
};

/** NULL: it is not known. */
struct eye_tls_known *eye_tls_files_find(const struct eye_tls_files *files,
                                         const struct eye_tls_mapping *mapping);

/** One that is not known yet. NULL: there is no room; the log says so, once until there is. */
struct eye_tls_known *eye_tls_files_add(struct eye_tls_files *files,
                                        const struct eye_tls_mapping *mapping);

/** Whether it was found to be a program without TLS, and met since. */
bool eye_tls_files_is_plain(struct eye_tls_files *files, const struct eye_tls_mapping *mapping);

/** The file at @index, of which nothing is to be told, makes room for the last one. */
void eye_tls_files_drop(struct eye_tls_files *files, size_t index);

/** From now on it is opened by way of this process. */
void eye_tls_files_move(struct eye_tls_files *files, struct eye_tls_known *file,
                        const struct eye_tls_mapping *mapping);

/** From now on that is told of the file. Takes over the reason. */
void eye_tls_files_settle(struct eye_tls_files *files, struct eye_tls_known *file,
                          const struct eye_tls_fate *fate);

/** After a look at all processes: notes who was met, and forgets what is gone, which is let go
 * already. */
void eye_tls_files_note_look(struct eye_tls_files *files);

/** Of each outcome. The thread that knows them. */
void eye_tls_files_count(const struct eye_tls_files *files,
                         uint64_t ret_counts[EYE_TLS_OUTCOME_COUNT]);

/** As eye_source_list_tls(). Any thread; whoever is handed files asks for no others. */
void eye_tls_files_list(struct eye_tls_files *files, eye_tls_file_handler *handler, void *context);

/** What is probed was let go before. */
void eye_tls_files_done(struct eye_tls_files *files);
