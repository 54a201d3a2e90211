/* SPDX-License-Identifier: Apache-2.0 */
/* The order of the layers, reading their files, and the end of a configuration. */
#include "config/config.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/base/text.h"
#include "config/builder.h"
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

/* Who writes the configuration decides what the daemon reads and writes, in its user's name. */
static void check_rights(struct eye_problems *warnings, const char *path, int fd)
{
    struct stat status;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        return; /* what is written to /dev/null or a pipe stays nowhere */
    }
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        eye_problems_add(warnings, 0,
                         "%s: others may write this file (mode %04o), and so decide what the "
                         "daemon does; run chmod go-w on it",
                         path, status.st_mode & 07777U);
    } else if (status.st_uid != 0 && status.st_uid != geteuid()) {
        eye_problems_add(warnings, 0,
                         "%s: user %u may write this file, and so decide what the daemon does; "
                         "run chown on it",
                         path, (unsigned int)status.st_uid);
    }
}

static int read_file(const char *path, struct eye_problems *warnings, struct eye_text *text)
{
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    check_rights(warnings, path, fd);
    return read_all(fd, text);
}

/* @may_miss: that there is no such file is no problem. */
static void add_file(struct eye_builder *builder, const char *path, bool may_miss)
{
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    eye_text_init(&text, 2 * EYE_DOCUMENT_BYTES_MAX);
    int result = read_file(path, &builder->warnings, &text);
    if (result == 0) {
        eye_builder_add_file(builder, path, eye_text_string(&text), text.length);
    } else if (result != -ENOENT || !may_miss) {
        eye_problems_add(&builder->problems, result, "%s: cannot be read: %s", path,
                         strerror(-result));
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
    add_file(builder, path, false);
}

static void add_folder(struct eye_builder *builder, const char *folder)
{
    struct dirent **entries;
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
    add_file(builder, path, file == NULL);
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
    eye_builder_init(&builder, source->sections, source->section_count);
    add_files(&builder, source->file);
    add_environment(&builder, source->environment);
    for (size_t i = 0; i < source->assignment_count; i++) {
        eye_builder_add_assignment(&builder, source->assignments[i]);
    }
    return eye_builder_finish(&builder, ret_config, ret_error);
}

void eye_config_free(struct eye_config *config)
{
    if (config == NULL) {
        return;
    }
    struct eye_scope scope = {.tables = {{eye_config_keys, eye_config_key_count, config}}};
    struct eye_exporter_list exporters = {config->exporters, config->exporter_count};
    struct eye_route_list routes = {.rules = config->routes.rules, .count = config->routes.count};
    eye_scope_done(&scope);
    eye_exporter_list_done(&exporters);
    eye_route_list_done(&routes);
    free(config->file);
    free(config->sources);
    free(config->warnings);
    free(config);
}
