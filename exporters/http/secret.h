/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, passwords and tokens: from a file, from a systemd credential or from the environment, never
 * from the configuration itself, an argument or a URL. Nothing here ever prints one. Main thread at
 * start; then the one thread that uses it follows its file.
 */
#pragma once

#include <stdbool.h>

#include "collector/base/error.h"
#include "collector/base/file.h"

/* Longest secret. */
#define EYE_SECRET_MAX_BYTES 4096

struct eye_secret {
    char *value;                 /* owned; wiped when freed; NULL: none */
    char *path;                  /* where it was read, for refresh; NULL: the environment */
    struct eye_file_stamp stamp; /* of that file when it was looked at last */
};

/**
 * Finds a secret, in this order: the file @path (NULL: not set), the file @credential in
 * $CREDENTIALS_DIRECTORY, the environment variable @variable (each may be NULL; empty is
 * not set). A trailing line break is cut. 0; -ENOENT when there is none anywhere and no @path was
 * given, without a message; or -errno with a message that names the file but not the content:
 * -EPERM when group or others may read it, -EINVAL when it is empty, too long, or holds a control
 * character.
 */
int eye_secret_read(const char *path, const char *credential, const char *variable,
                    struct eye_secret *ret_secret, struct eye_error *ret_error);

/** Reads the file again; true when the value is another. On any problem the old one stays. */
bool eye_secret_refresh(struct eye_secret *secret);

/**
 * The same, if the file has changed since it was looked at: cheap enough for every request. A new
 * content that cannot be used is told in the log, once.
 */
bool eye_secret_follow(struct eye_secret *secret);

/** Wipes and frees. Takes a zeroed one. */
void eye_secret_done(struct eye_secret *secret);

/** 0, or -EPERM when group or others may read @path, or another -errno; with a message. */
int eye_secret_check_file(const char *path, struct eye_error *ret_error);
