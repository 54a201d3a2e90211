/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A container: which one (from the path of a cgroup), and what people call it (from the files that
 * its runtime and the kubelet leave on the host, in their formats). All names are hostile, see
 * eye_names_copy(). Pure functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "collector/process/span.h"

/* 64 digits, or a name, cut to fit. */
#define EYE_CONTAINER_ID_BYTES 65
#define EYE_POD_UID_BYTES 37

/* Zeroed: in none. */
struct eye_container_id {
    char text[EYE_CONTAINER_ID_BYTES];
    char pod[EYE_POD_UID_BYTES]; /* uid of the Kubernetes pod, with "-"; "" without one */
    bool is_name;                /* the text is what people call it (LXC, nspawn) */
};

/** Writes the tag `container`: the first 12 digits of a long id, as runtimes show it, else all. */
void eye_container_tag(const struct eye_container_id *id, char ret_tag[EYE_CONTAINER_ID_BYTES]);

/* Cut to fit: a container's name in a pod and a namespace have 63 characters at most, a pod 253. */
struct eye_container_names {
    char name[128];
    char pod[254];
    char namespace_name[64];
};

/**
 * What a file is to tell, of the container @id. Each name that the file has and @names has not is
 * filled in; whether one was is told by @names. 0, or -EBADMSG with @names untouched when it is not
 * in its format.
 */
typedef int eye_container_reader(const struct eye_container_id *id, struct eye_span file,
                                 struct eye_container_names *names);

/** OCI's config.json, whose annotations the CRI plug-in of containerd, CRI-O and nerdctl fill. */
eye_container_reader eye_container_read_bundle;

/** Docker's config.v2.json: labels, else the name. */
eye_container_reader eye_container_read_docker;

/** The list of containers of containers/storage (podman): id and names. */
eye_container_reader eye_container_read_storage;

/** A file's name in /var/log/containers: POD_NAMESPACE_CONTAINER-ID.log (kubelet). */
eye_container_reader eye_container_read_log_name;

/** /proc/PID/mountinfo: what the kubelet mounts into a container lies in a folder with its name. */
eye_container_reader eye_container_read_mounts;
