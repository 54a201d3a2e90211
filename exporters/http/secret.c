/* SPDX-License-Identifier: Apache-2.0 */
/* Reading secrets from where only we can read them, and wiping every copy that is not handed on. */
#include "exporters/http/secret.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "collector/base/file.h"
#include "collector/base/log.h"

/* What a file may hold: the secret, a line break of either kind, and one byte to see more by. */
#define CONTENT_BYTES (EYE_SECRET_MAX_BYTES + 3)

static const char *credentials_directory(void)
{
    return getenv("CREDENTIALS_DIRECTORY");
}

/*
 * systemd gives a service's user its credentials through an ACL, which shows in the mode as a group
 * that may read. The folder is the service's own, so the mode says nothing there.
 */
static bool is_credential(const char *path)
{
    const char *directory = credentials_directory();
    size_t length = directory == NULL ? 0 : strlen(directory);
    return length > 0 && strncmp(path, directory, length) == 0 && path[length] == '/';
}

static int check_open_file(int fd, const char *path, struct eye_error *ret_error)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return eye_error_set(ret_error, -errno, "cannot read %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return eye_error_set(ret_error, -EINVAL, "%s is not a regular file", path);
    }
    if ((status.st_mode & (S_IRGRP | S_IROTH)) != 0 && !is_credential(path)) {
        return eye_error_set(ret_error, -EPERM,
                             "%s holds a secret and others may read it (mode %04o); chmod 600 %s",
                             path, (unsigned)status.st_mode & 07777U, path);
    }
    return 0;
}

/* Opens @path for reading, checked; the descriptor or -errno with a message. */
static int open_checked(const char *path, struct eye_error *ret_error)
{
    /* Without O_NONBLOCK a pipe would hang the start. */
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int error = errno;
        return eye_error_set(ret_error, -error, "cannot open %s: %s%s", path, strerror(error),
                             error == EACCES ? "; make it a file of the daemon's own user" : "");
    }
    int result = check_open_file(fd, path, ret_error);
    return result == 0 ? EYE_TAKE_FD(fd) : result;
}

int eye_secret_check_file(const char *path, struct eye_error *ret_error)
{
    EYE_AUTOCLOSE int fd = open_checked(path, ret_error);
    return fd < 0 ? fd : 0;
}

static void cut_line_break(char *text)
{
    size_t length = strlen(text);
    if (length > 0 && text[length - 1] == '\n') {
        text[--length] = '\0';
    }
    if (length > 0 && text[length - 1] == '\r') {
        text[length - 1] = '\0';
    }
}

/* What is wrong with a secret, or NULL. A control character would end the header that carries it.
 */
static const char *fault(const char *value)
{
    if (value[0] == '\0') {
        return "is empty";
    }
    if (strlen(value) > EYE_SECRET_MAX_BYTES) {
        return "is longer than a secret can be";
    }
    for (const char *at = value; *at != '\0'; at++) {
        if ((unsigned char)*at < 0x20 || *at == 0x7f) {
            return "holds a control character";
        }
    }
    return NULL;
}

/* Copies @value if it is good. @origin names it in messages. */
static int copy_value(const char *value, const char *origin, char **ret_value,
                      struct eye_error *ret_error)
{
    const char *problem = fault(value);
    if (problem != NULL) {
        return eye_error_set(ret_error, -EINVAL, "%s %s", origin, problem);
    }
    char *copy = strdup(value);
    if (copy == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    *ret_value = copy;
    return 0;
}

static int read_file(const char *path, char **ret_value, struct eye_error *ret_error)
{
    EYE_AUTOCLOSE int fd = open_checked(path, ret_error);
    if (fd < 0) {
        return fd;
    }
    char content[CONTENT_BYTES + 1] = "";
    ssize_t length = eye_file_read(fd, content, CONTENT_BYTES);
    int result;
    if (length < 0) {
        result = eye_error_set(ret_error, (int)length, "cannot read %s: %s", path,
                               strerror((int)-length));
    } else if (memchr(content, '\0', (size_t)length) != NULL) {
        result = eye_error_set(ret_error, -EINVAL, "%s holds a control character", path);
    } else {
        cut_line_break(content);
        result = copy_value(content, path, ret_value, ret_error);
    }
    explicit_bzero(content, sizeof(content));
    return result;
}

static int read_secret_file(const char *path, struct eye_secret *ret_secret,
                            struct eye_error *ret_error)
{
    /* Looked at first: what changes while it is read is read again. */
    struct eye_secret secret = {.path = strdup(path)};
    eye_file_has_changed(path, &secret.stamp);
    int result = secret.path == NULL ? eye_error_set(ret_error, -ENOMEM, "out of memory")
                                     : read_file(path, &secret.value, ret_error);
    if (result != 0) {
        eye_secret_done(&secret);
        return result;
    }
    *ret_secret = secret;
    return 0;
}

/* -ENOENT without a message when systemd gave us no such credential. */
static int read_credential(const char *name, struct eye_secret *ret_secret,
                           struct eye_error *ret_error)
{
    const char *directory = credentials_directory();
    EYE_AUTOFREE char *path = NULL;
    if (directory == NULL || name == NULL) {
        return -ENOENT;
    }
    if (asprintf(&path, "%s/%s", directory, name) < 0) {
        path = NULL;
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    return access(path, F_OK) != 0 && errno == ENOENT
               ? -ENOENT
               : read_secret_file(path, ret_secret, ret_error);
}

static int read_variable(const char *name, struct eye_secret *ret_secret,
                         struct eye_error *ret_error)
{
    const char *value = name == NULL ? NULL : getenv(name);
    struct eye_secret secret = {0};
    char content[CONTENT_BYTES + 1] = "";
    if (value == NULL || value[0] == '\0') {
        return -ENOENT;
    }
    /* What is cut here is longer than a secret can be. */
    snprintf(content, sizeof(content), "%s", value);
    cut_line_break(content);
    int result = copy_value(content, name, &secret.value, ret_error);
    explicit_bzero(content, sizeof(content));
    if (result == 0) {
        *ret_secret = secret;
    }
    return result;
}

int eye_secret_read(const char *path, const char *credential, const char *variable,
                    struct eye_secret *ret_secret, struct eye_error *ret_error)
{
    if (path != NULL) {
        return read_secret_file(path, ret_secret, ret_error);
    }
    int result = read_credential(credential, ret_secret, ret_error);
    return result == -ENOENT ? read_variable(variable, ret_secret, ret_error) : result;
}

static void wipe(char *value)
{
    if (value != NULL) {
        explicit_bzero(value, strlen(value));
        free(value);
    }
}

static bool read_again(struct eye_secret *secret, struct eye_error *ret_error)
{
    char *value = NULL;
    if (read_file(secret->path, &value, ret_error) != 0) {
        return false;
    }
    assert(value != NULL && secret->value != NULL);
    bool changed = strcmp(value, secret->value) != 0;
    wipe(changed ? secret->value : value);
    if (changed) {
        secret->value = value;
    }
    return changed;
}

bool eye_secret_refresh(struct eye_secret *secret)
{
    return secret->path != NULL && read_again(secret, NULL);
}

bool eye_secret_follow(struct eye_secret *secret)
{
    if (secret->path == NULL || !eye_file_has_changed(secret->path, &secret->stamp)) {
        return false;
    }
    struct eye_error error = {""};
    bool changed = read_again(secret, &error);
    if (error.text[0] != '\0') {
        eye_log_warning("%s; the secret that was read from it before stays in use", error.text);
    }
    return changed;
}

void eye_secret_done(struct eye_secret *secret)
{
    wipe(secret->value);
    free(secret->path);
    *secret = (struct eye_secret){0};
}
