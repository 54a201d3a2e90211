/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the layers, reading their files, and the end of a configuration. */
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "collector/base/text.h"
#include "collector/base/trust.h"
#include "config/builder.h"
#include "config/connection_rules.h"
#include "config/schema.h"
#include "config/scope.h"

#define FOLDER "conf.d"

/* Reads until the end, or until there is more than a document may have. */
static int read_all(int fd, struct eye_text *text)
{
    char buffer[4096];
    while (text->length <= EYE_DOCUMENT_BYTES_MAX) {
        ssize_t count = read(fd, buffer, sizeof(buffer));
        if (count < 0) {
            return -errno;
        }
        if (count == 0) {
            break;
        }
        eye_text_append_bytes(text, buffer, (size_t)count);
    }
    return text->failed ? -ENOMEM : 0;
}

static void add_once(struct eye_problems *problems, const char *line)
{
    const char *known = problems->lines.length > 0 ? eye_text_string(&problems->lines) : "";
    if (strstr(known, line) == NULL) {
        eye_problems_add(problems, -EPERM, "%s", line);
    }
}

/* Who may write this decides what the daemon reads and writes, in its user's name. */
static void tell_rights(struct eye_problems *problems, const char *path, const struct stat *status)
{
    char line[PATH_MAX + 256];
    const char *noun = S_ISDIR(status->st_mode) ? "folder" : "file";
    if (!S_ISLNK(status->st_mode) && (status->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        snprintf(line, sizeof(line),
                 "%s: others may write this %s (mode %04o), and so decide what the daemon does; "
                 "run chmod go-w on it",
                 path, noun, status->st_mode & 07777U);
    } else {
        snprintf(line, sizeof(line),
                 "%s: user %u may write this %s, and so decide what the daemon does; run chown on "
                 "it",
                 path, (unsigned int)status->st_uid, S_ISLNK(status->st_mode) ? "link" : noun);
    }
    add_once(problems, line);
}

/*
 * Root takes nothing that everybody may write, and nothing of a user; but of the user whose the
 * first file is ("sudo sockeye -c mine.yaml") it is only warned, since who started it named that
 * one. The sticky bit of a folder is no help: who may add a file to conf.d needs to replace none.
 * Of a file system that is mounted read-only, as Kubernetes' ConfigMaps are, the modes say nothing.
 */
static void check_rights(struct eye_builder *builder, const char *path, const struct stat *status,
                         uid_t user)
{
    bool owned = eye_is_trusted_owner(status->st_uid);
    mode_t strangers = S_ISLNK(status->st_mode) ? 0 : status->st_mode & (S_IWGRP | S_IWOTH);
    bool refused =
        geteuid() == 0 && ((strangers & S_IWOTH) != 0 || (!owned && status->st_uid != user));
    if (!owned || strangers != 0) {
        tell_rights(refused ? &builder->problems : &builder->warnings, path, status);
    }
}

/* Who renames in a folder on the way puts another file there; beside this one, another conf.d. */
static void check_way(struct eye_builder *builder, const char *path, uid_t user)
{
    struct eye_stranger stranger = {.path = ""};
    eye_look_for_strangers(path, S_IWGRP | S_IWOTH, user, &stranger);
    if (stranger.path[0] != '\0') {
        const struct stat status = {.st_mode = stranger.mode, .st_uid = stranger.owner};
        check_rights(builder, stranger.path, &status, user);
    }
}

/* @is_first: the user whose it is may have the others, too. */
static void check(struct eye_builder *builder, const char *path, int fd, bool is_first)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode))) {
        return; /* what is written to /dev/null or a pipe stays nowhere */
    }
    if (is_first) {
        builder->user = status.st_uid;
    }
    check_way(builder, path, builder->user);
    if (!eye_is_read_only(fd)) {
        check_rights(builder, path, &status, builder->user);
    }
}

/* "-c <(command)": its writer is the user's own command. */
static bool is_anonymous_pipe(int fd)
{
    struct statfs where;
    return fstatfs(fd, &where) == 0 && where.f_type == PIPEFS_MAGIC;
}

/* The descriptor or -errno; -EINVAL: a named pipe or a device. Nothing hangs. */
static int open_file(const char *path)
{
    struct stat status;
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &status) != 0) {
        return -errno;
    }
    bool waits = is_anonymous_pipe(fd);
    if (!waits && !S_ISREG(status.st_mode) && !S_ISCHR(status.st_mode)) {
        return S_ISDIR(status.st_mode) ? -EISDIR : -EINVAL;
    }
    if (waits && fcntl(fd, F_SETFL, O_RDONLY) != 0) {
        return -errno;
    }
    return EYE_TAKE_FD(fd);
}

static int read_file(struct eye_builder *builder, const char *path, bool is_first,
                     struct eye_text *text)
{
    EYE_AUTOCLOSE int fd = open_file(path);
    if (fd < 0) {
        return fd;
    }
    check(builder, path, fd, is_first);
    return read_all(fd, text);
}

/* @may_miss: that there is no such file is no problem. */
static void add_file(struct eye_builder *builder, const char *path, bool is_first, bool may_miss)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, 2 * EYE_DOCUMENT_BYTES_MAX);
    int result = read_file(builder, path, is_first, &text);
    if (result == 0) {
        char label[PATH_MAX]; /* who makes a file of conf.d chooses its name */
        eye_copy_shown(label, sizeof(label), path, strlen(path));
        eye_builder_add_file(builder, label, eye_text_string(&text), text.length);
    } else if (result != -ENOENT || !may_miss) {
        eye_problems_add(&builder->problems, result, "%s: cannot be read: %s", path,
                         result == -EINVAL ? "it is not a regular file" : strerror(-result));
    }
}

/* Hidden files are an editor's or a package manager's, not the user's. */
static int is_part(const struct dirent *entry)
{
    const char *ending = strrchr(entry->d_name, '.');
    return entry->d_name[0] != '.' && ending != NULL &&
           (strcmp(ending, ".yaml") == 0 || strcmp(ending, ".yml") == 0);
}

/* alphasort() would order by locale. */
static int by_name(const struct dirent **left, const struct dirent **right)
{
    return strcmp((*left)->d_name, (*right)->d_name);
}

static void add_part(struct eye_builder *builder, const char *folder, const char *name)
{
    EYE_AUTOFREE char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        path = NULL;
        eye_problems_add_out_of_memory(&builder->problems);
        return;
    }
    add_file(builder, path, false, false);
}

static void add_folder(struct eye_builder *builder, const char *folder)
{
    struct dirent **entries;
    EYE_AUTOCLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) {
        check(builder, folder, fd, false);
    }
    int count = scandir(folder, &entries, is_part, by_name);
    if (count < 0) {
        if (errno != ENOENT && errno != ENOTDIR) {
            eye_problems_add(&builder->problems, -errno, "%s: cannot be read: %s", folder,
                             strerror(errno));
        }
        return;
    }
    for (int i = 0; i < count; i++) {
        add_part(builder, folder, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

/* The file and the folder beside it. */
static void add_files(struct eye_builder *builder, const char *file)
{
    const char *path = file == NULL ? EYE_CONFIG_DEFAULT_FILE : file;
    add_file(builder, path, true, file == NULL);
    const char *slash = strrchr(path, '/');
    int length = slash == NULL ? 0 : (int)(slash - path) + 1;
    EYE_AUTOFREE char *folder = NULL;
    if (asprintf(&folder, "%.*s" FOLDER, length, path) < 0) {
        folder = NULL;
        eye_problems_add_out_of_memory(&builder->problems);
        return;
    }
    add_folder(builder, folder);
}

static void add_environment(struct eye_builder *builder, char *const *environment)
{
    for (; environment != NULL && *environment != NULL; environment++) {
        eye_builder_add_variable(builder, *environment);
    }
}

int eye_config_load(const struct eye_config_source *source, struct eye_config **ret_config,
                    struct eye_error *ret_error)
{
    EYE_CLEANUP(eye_builder_done) struct eye_builder builder;
    eye_builder_init(&builder, source);
    if (!source->no_file) {
        add_files(&builder, source->file);
    }
    add_environment(&builder, source->environment);
    for (size_t i = 0; i < source->assignment_count; i++) {
        eye_builder_add_assignment(&builder, source->assignments[i]);
    }
    return eye_builder_finish(&builder, ret_config, ret_error);
}

/* All configurations come from calloc() in the builder, or are their maker's: none is const by
 * nature. */
static struct eye_config *writable(const struct eye_config *config)
{
    return (struct eye_config *)(uintptr_t)config;
}

const struct eye_config *eye_config_ref(const struct eye_config *config)
{
    writable(config)->references++;
    return config;
}

static void destroy(struct eye_config *config)
{
    struct eye_scope scope = {
        .tables = {{eye_config_keys, eye_config_key_count, config, config->origins}}};
    struct eye_exporter_list exporters = {config->exporters, config->exporter_count};
    struct eye_route_list routes = {.rules = {config->routes.rules, config->routes.count}};
    eye_scope_done(&scope);
    eye_connection_tables_done(config);
    eye_exporter_list_done(&exporters);
    eye_route_list_done(&routes);
    free(config->file);
    free(config->sources);
    free(config->warnings);
    free(config);
}

void eye_config_unref(const struct eye_config *constant)
{
    struct eye_config *config = writable(constant);
    if (config != NULL && --config->references == 0) {
        destroy(config);
    }
}
