/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a tier is: a const table that says how one way to look at sockets is tried, opened, read and
 * closed. A tier is a folder here and a name in CMakeLists.txt; whoever reads sockets knows
 * source.h only. probe(), open(), prepare() and settle() run in the main thread, the others in the
 * collector's.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpf/abi.h"
#include "bpf/tls/abi.h"
#include "collector/base/error.h"
#include "collector/base/privileges.h"
#include "collector/base/steps.h"
#include "collector/host/features.h"
#include "collector/source/rings.h"

/* What is seen of sockets. X(identifier, name, what is lost without it) */
#define EYE_ABILITIES(X)                                                                           \
    X(CONNECTIONS, "connections", "cannot observe the kernel")                                     \
    X(OLDER_SOCKETS, "older sockets", "connections older than the daemon are not seen")            \
    X(PACKETS, "packets", "overflows of listeners, UDP and requests of protocols are not seen")    \
    X(PROTOCOLS, "protocols", "requests of protocols are not seen")                                \
    X(PROCESSES, "processes", "execs and ends of processes are not traced")                        \
    X(UDP, "UDP", "UDP is not seen")                                                               \
    X(UNSENT, "connects", "connects that fail before a SYN is sent are not seen")                  \
    X(ROWS, "single connections", "single connections cannot be shown")

enum eye_ability {
#define X(identifier, ...) EYE_ABILITY_##identifier,
    EYE_ABILITIES(X)
#undef X
        EYE_ABILITY_COUNT,
};

/** "connections"; and what is lost without it, as the beginning of a message. */
const char *eye_ability_name(enum eye_ability ability);
const char *eye_ability_cost(enum eye_ability ability);

/* At most one line for each ability, feature and protocol, why it is no better tier, and what the
 * way of looking costs. */
#define EYE_NOT_SEEN_MAX (2 + EYE_ABILITY_COUNT + EYE_FEATURE_COUNT + EYE_PROTOCOL_COUNT)

/* What a tier sees on this host. */
struct eye_sight {
    uint64_t since_ns;  /* monotonic: what older sockets sent before does not count */
    bool own_namespace; /* of no other network namespace than its own anything is seen */
    size_t unseeded;    /* network namespaces whose older sockets are not known */
    struct eye_error not_seen[EYE_NOT_SEEN_MAX]; /* a line each: what is lost, why, what to do */
    atomic_bool over[EYE_NOT_SEEN_MAX];          /* that line is true no more: it is seen now */
    atomic_size_t not_seen_count; /* the collector's thread may add lines, any thread read them */
};

/** Adds a line; returns its place. */
size_t eye_sight_note(struct eye_sight *sight, const struct eye_error *why);

/** Adds what the want of @feature costs; false when it is missing. */
bool eye_sight_note_feature(struct eye_sight *sight, struct eye_features *features,
                            enum eye_feature feature);

/* A kernel program, and what needs it. An ability needs all of its programs. */
struct eye_program_info {
    const char *name;
    enum eye_ability ability;
};

/* Programs of one tier; of a tier that would have more the tables below have no room, and it does
 * not compile. */
#define EYE_PROGRAMS_MAX 48

/* A program loaded and attached alone. */
struct eye_program_trial {
    bool used; /* here; if not, it was not tried */
    bool loads;
    bool attaches;         /* and it loads: it works here; of an iterator: it can be run */
    int error;             /* errno of the refusal; 0 when it attaches */
    uint32_t instructions; /* that the verifier processed; 0: it did not come to that */
    char reason[256];      /* why it does not load: the verifier's last words, else libbpf's */
};

/* What a tier would see here. */
struct eye_tier_trial {
    struct eye_program_trial programs[EYE_PROGRAMS_MAX]; /* in the order of the tier's */
    const struct eye_tier_type *programs_of; /* whose these are: that tier, or the best one */
    bool connections;
    bool udp;
    bool protocols;           /* requests are seen too, at least of a part of the host */
    bool everywhere;          /* of the whole host, if they are seen */
    bool nat;                 /* packets tell of it */
    bool tls;                 /* plaintext inside TLS can be read */
    struct eye_error tls_why; /* and why not; "": it was not tried, or the tier cannot at all */
    const char *look;     /* how live sockets are looked at, as source.look has it; NULL: one way */
    const char *look_why; /* why not the other way; NULL: it is the usual one */
    struct eye_sight sight;
};

struct eye_program_stats {
    const char *name;
    bool works;    /* loaded, and attached or run; else this kernel refused it or its ability */
    uint64_t runs; /* 0 unless the kernel counts (kernel.bpf_stats_enabled) */
    uint64_t time_ns;
};

/* Of all processes of the host since they are followed. */
struct eye_process_counts {
    uint64_t execs;
    uint64_t exits;
};

/* What became of a file that may hold a library of TLS: how outcomes are called, in this order. */
#define EYE_TLS_OUTCOMES(X)                                                                        \
    X(PROBED, "probed")                                                                            \
    X(REFUSED, "refused")   /* no place for a probe is known, or the kernel refuses it */          \
    X(DOUBTED, "doubted")   /* let go, since its probes saw what cannot be */                      \
    X(EXCLUDED, "excluded") /* by protocols.tls.exclude, or what is known to suffer from probes */

enum eye_tls_outcome {
#define X(identifier, name) EYE_TLS_##identifier,
    EYE_TLS_OUTCOMES(X)
#undef X
        EYE_TLS_OUTCOME_COUNT,
};

/** "probed" */
const char *eye_tls_outcome_name(enum eye_tls_outcome outcome);

/* Of what is read inside TLS. */
struct eye_tls_counts {
    uint64_t files[EYE_TLS_OUTCOME_COUNT]; /* now */
    uint64_t beyond; /* likewise: met with a process, and there is no room to know them */
    uint64_t hellos; /* ends of connections so far that were seen to begin TLS */
    uint64_t joined[EYE_TLS_MEANS]; /* sessions so far whose socket is known, by what told it */
};

/* One of these files. Its path is a stranger's word, made fit to be shown; so is what the reason
 * has of it. */
struct eye_tls_file {
    enum eye_tls_outcome outcome;
    char path[1024];     /* within the root of a process that has it; what is longer is cut */
    const char *library; /* "OpenSSL"; NULL: it was never probed, nor this one and those below */
    const char *way;     /* "method-table" */
    const char *reason;  /* why it is not probed; NULL: it is. Valid while it is handed on */
    uint32_t sites;      /* places of its probes */
    uint32_t stepped;    /* those of them that the kernel does not emulate: dear ones */
    uint64_t calls;      /* of its functions that were seen to end, as of some seconds ago */
    uint64_t took_ns;    /* to read it and to attach the probes */
    uint32_t processes;  /* that had it at the last look */
};

typedef void eye_tls_file_handler(void *context, const struct eye_tls_file *file);

struct eye_ring_stats {
    uint64_t records; /* read so far */
    double fill;      /* used part now, 0 .. 1 */
};

struct eye_tier_type {
    const char *name; /* as source.tier has it */

    /* What it sees on no host, a line each; NULL-terminated. */
    const char *const *never_seen;

    /* Its kernel programs. */
    const struct eye_program_info *programs;
    size_t program_count;

    /* Its owners have the numbers of source.proc, whatever pid namespace that is of. */
    bool any_proc;

    /** Is there all that it cannot be without? 0, or -errno with a message: what is lost, what is
     * missing, what to do. */
    int (*check)(struct eye_features *features, struct eye_error *ret_error);

    /** After check(): tries what it needs, and takes it away again. @ret_trial comes zeroed, but
     * for lines of its sight. */
    void (*probe)(struct eye_features *features, struct eye_tier_trial *ret_trial);

    /**
     * After check(): loads, attaches and finds the sockets that exist already, in every network
     * namespace. What this kernel or host refuses is done without and noted in @sight, as long as
     * connections are seen. Both outlive the state. @steps: asked before each, may be NULL. 0;
     * -ECANCELED when they do not go on; or -errno with a message: what is missing and what to do.
     */
    int (*open)(struct eye_features *features, const struct eye_steps *steps,
                struct eye_sight *sight, void **ret_state, struct eye_error *ret_error);

    /** Where a ring's records go; each is set before the first drain. */
    void (*on_record)(void *state, enum eye_ring ring, eye_record_handler *handler, void *context);

    /** Readable when there is something to drain: for epoll, and may be one itself. */
    int (*descriptor)(const void *state);

    /** Reads all rings, or the owners' alone, also while a record of another ring is handled; a
     * bounded number of records, so that nothing else starves. */
    void (*drain)(void *state);
    void (*drain_owners)(void *state);

    /** As eye_source_is_readable(). */
    bool (*is_readable)(const void *state);

    /** As eye_source_role(); NULL: EYE_ROLE_COLLECTOR. */
    enum eye_role (*role)(const void *state);

    void (*read_ring)(const void *state, enum eye_ring ring, struct eye_ring_stats *ret_stats);

    /** As the functions of source.h that are called so. @rows: what open_rows() made. */
    int (*open_rows)(const void *state, void **ret_rows, struct eye_error *ret_error);
    int (*read_rows)(const void *rows, eye_record_handler *handler, void *context);
    void (*drain_rows)(void *rows, eye_record_handler *handler, void *context);
    uint64_t (*lost_rows)(const void *rows);
    void (*close_rows)(void *rows);

    /** As eye_source_read_live(). *ret_records: how many were handed on, also of a look that
     * failed. */
    int (*read_live)(void *state, uint32_t pass, bool full, eye_record_handler *handler,
                     void *context, uint64_t *ret_records);

    /** As the functions of source.h. */
    bool (*follows_processes)(const void *state);
    struct eye_process_counts (*process_counts)(const void *state);
    bool (*tells_nat)(const void *state);
    bool (*read_tls)(const void *state, struct eye_tls_counts *ret_counts);
    bool (*list_tls)(const void *state, eye_tls_file_handler *handler, void *context);

    /** As the functions of source.h. What prepare() and settle() touch, the others leave alone. */
    int (*prepare)(void *state, const struct eye_config *config, struct eye_error *ret_error);
    void (*apply)(void *state);
    void (*settle)(void *state);
    bool (*retry)(void *state);
    bool (*is_whole)(const void *state);
    void (*losses)(const void *state, uint64_t ret_losses[EYE_LOSS_COUNT]);

    /** Of the programs that the configuration wants; returns how many. */
    size_t (*read_programs)(const void *state,
                            struct eye_program_stats ret_stats[EYE_PROGRAMS_MAX]);

    /** Takes NULL and what open() left half done. */
    void (*close)(void *state);
};

/* The generated table of all tiers, best first, NULL-terminated; order of CMakeLists.txt. */
extern const struct eye_tier_type *const eye_tier_types[];
