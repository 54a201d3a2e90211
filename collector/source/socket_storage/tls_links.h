/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How the probes of TLS are attached, which is found out once: by links of many places at once, or,
 * on older kernels, by a perf event for each place. The same programs serve both. What is attached
 * goes with the process, however that ends. One thread's, with EYE_PRIVILEGES_PROBING raised.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "collector/base/error.h"
#include "collector/tls/library.h"

struct bpf_object;
struct bpf_program;

enum eye_tls_links_way {
    EYE_TLS_LINKS_NONE,
    EYE_TLS_LINKS_MULTI,  /* a link for many places (Linux 6.6); CAP_BPF and CAP_PERFMON */
    EYE_TLS_LINKS_EVENTS, /* a perf event for each (5.15): descriptors, and CAP_SYS_ADMIN */
};

struct eye_tls_links {
    enum eye_tls_links_way way;
    uint32_t event_type; /* of perf events at places of files */
    size_t events;       /* attached */
};

/* Places of one program in a file. */
struct eye_tls_places {
    const char *path;
    const struct bpf_program *program;
    const uint64_t *offsets;
    const uint64_t *cookies;
    uint32_t count;
};

/* The kernel takes a tenth of a second to take each away: so the daemon's end stays shorter than
 * what the service manager is told (STOP_GRACE_NS), with some 20 libraries. */
#define EYE_TLS_EVENTS_MAX 256

/* Those of one file. At first, and when they are detached: {0}. */
struct eye_tls_linked {
    int *links; /* owned */
    size_t count;
};

/**
 * Tries both ways at a file that nobody runs. 0, or -errno with a message that names what to do:
 * then @ret_links has the way NONE.
 */
int eye_tls_links_find(struct eye_tls_links *ret_links, struct eye_error *ret_error);

/** Before the object is loaded: its programs will be attached in this way. */
void eye_tls_links_prepare(const struct eye_tls_links *links, struct bpf_object *object);

/**
 * Whether so many places more can be attached: 0; -EMFILE, events would take more than half of the
 * descriptors that the process may have; -ENOSPC, more than EYE_TLS_EVENTS_MAX.
 */
int eye_tls_links_fit(const struct eye_tls_links *links, size_t places);

/** Adds to @linked. 0, -ENOMEM, or -errno of the kernel; what was attached before stays. */
int eye_tls_links_attach(struct eye_tls_links *links, const struct eye_tls_places *places,
                         struct eye_tls_linked *linked);

/** With events this takes its time, as above. */
void eye_tls_links_detach(struct eye_tls_links *links, struct eye_tls_linked *linked);
