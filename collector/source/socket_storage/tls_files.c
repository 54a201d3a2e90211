/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/source/socket_storage/tls_files.h"

#include <stdlib.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/hash.h"
#include "collector/base/log.h"
#include "collector/base/text.h"

static uint64_t hash_of(uint64_t device, uint64_t inode)
{
    const uint64_t number[] = {device, inode};
    return eye_hash_bytes(number, sizeof(number));
}

static bool is_file(const void *item, const void *key)
{
    const struct eye_tls_known *file = item;
    const struct eye_tls_mapping *mapping = key;
    return file->inode == mapping->inode && file->device == mapping->device;
}

struct eye_tls_known *eye_tls_files_find(const struct eye_tls_files *files,
                                         const struct eye_tls_mapping *mapping)
{
    return eye_table_find(&files->by_number, hash_of(mapping->device, mapping->inode), is_file,
                          mapping);
}

static void free_file(struct eye_tls_known *file)
{
    if (file != NULL) {
        free(file->fate.reason);
        free(file->path);
        free(file);
    }
}

/* NULL: out of memory. */
static struct eye_tls_known *new_file(const struct eye_tls_mapping *mapping)
{
    struct eye_tls_known *file = calloc(1, sizeof(*file));
    if (file != NULL) {
        *file = (struct eye_tls_known){.device = mapping->device,
                                       .inode = mapping->inode,
                                       .path = strdup(mapping->path),
                                       .kind = mapping->kind,
                                       .pid = mapping->pid,
                                       .due = true,
                                       .processes = 1,
                                       .probed = {.library = -1}};
    }
    if (file != NULL && file->path == NULL) {
        free(file);
        return NULL;
    }
    return file;
}

static void forget(struct eye_tls_files *files, struct eye_tls_known *file)
{
    eye_table_remove(&files->by_number, hash_of(file->device, file->inode), file);
    free_file(file);
}

bool eye_tls_files_is_plain(struct eye_tls_files *files, const struct eye_tls_mapping *mapping)
{
    uint64_t hash = hash_of(mapping->device, mapping->inode);
    struct eye_tls_plain *plain = &files->plain[hash % EYE_TLS_PLAIN_MAX];
    if (plain->hash != hash || files->looks - plain->met > EYE_TLS_LOOKS_GONE) {
        return false;
    }
    plain->met = files->looks;
    return true;
}

void eye_tls_files_drop(struct eye_tls_files *files, size_t index)
{
    struct eye_tls_known *file = files->items[index];
    uint64_t hash = hash_of(file->device, file->inode);
    if (file->plain) {
        files->plain[hash % EYE_TLS_PLAIN_MAX] =
            (struct eye_tls_plain){.hash = hash, .met = files->looks};
    }
    pthread_mutex_lock(&files->lock);
    files->items[index] = files->items[--files->count];
    forget(files, file);
    pthread_mutex_unlock(&files->lock);
}

/* NULL: out of memory, before or now. */
static struct eye_tls_known *keep(struct eye_tls_files *files, struct eye_tls_known *file)
{
    if (file == NULL ||
        eye_table_insert(&files->by_number, hash_of(file->device, file->inode), file) != 0) {
        free_file(file);
        return NULL;
    }
    pthread_mutex_lock(&files->lock);
    files->items[files->count++] = file;
    pthread_mutex_unlock(&files->lock);
    return file;
}

struct eye_tls_known *eye_tls_files_add(struct eye_tls_files *files,
                                        const struct eye_tls_mapping *mapping)
{
    struct eye_tls_known *file =
        files->count < EYE_TLS_FILES_MAX ? keep(files, new_file(mapping)) : NULL;
    files->missed += file == NULL;
    if (file == NULL && !files->crowded) {
        eye_log_warning("inside TLS: nothing is seen of %s, and of others that come: %d files are "
                        "known already; it is tried again when some are gone",
                        mapping->path, EYE_TLS_FILES_MAX);
        files->crowded = true;
    }
    return file;
}

void eye_tls_files_move(struct eye_tls_files *files, struct eye_tls_known *file,
                        const struct eye_tls_mapping *mapping)
{
    char *path = file->pid == mapping->pid ? NULL : strdup(mapping->path);
    if (path != NULL) {
        pthread_mutex_lock(&files->lock);
        free(file->path);
        file->path = path;
        pthread_mutex_unlock(&files->lock);
        file->pid = mapping->pid;
    }
}

void eye_tls_files_settle(struct eye_tls_files *files, struct eye_tls_known *file,
                          const struct eye_tls_fate *fate)
{
    pthread_mutex_lock(&files->lock);
    char *before = file->fate.reason;
    file->fate = *fate;
    file->fate.known = true;
    pthread_mutex_unlock(&files->lock);
    if (before != fate->reason) {
        free(before);
    }
}

void eye_tls_files_note_look(struct eye_tls_files *files)
{
    unsigned patience = files->missed > 0 ? 0 : EYE_TLS_LOOKS_GONE; /* with those without probes */
    size_t kept = 0;
    pthread_mutex_lock(&files->lock);
    for (size_t i = 0; i < files->count; i++) {
        struct eye_tls_known *file = files->items[i];
        file->processes = file->met;
        file->met = 0;
        file->met_last = 0;
        if (file->unmet > (file->probed.library < 0 ? patience : EYE_TLS_LOOKS_GONE)) {
            forget(files, file);
        } else {
            files->items[kept++] = file;
        }
    }
    files->crowded &= kept == files->count;
    files->count = kept;
    files->beyond = files->missed;
    files->looks++;
    pthread_mutex_unlock(&files->lock);
}

void eye_tls_files_count(const struct eye_tls_files *files,
                         uint64_t ret_counts[EYE_TLS_OUTCOME_COUNT])
{
    memset(ret_counts, 0, EYE_TLS_OUTCOME_COUNT * sizeof(*ret_counts));
    for (size_t i = 0; i < files->count; i++) {
        const struct eye_tls_fate *fate = &files->items[i]->fate;
        ret_counts[fate->outcome] += fate->known;
    }
}

static void hand_on(const struct eye_tls_known *file, eye_tls_file_handler *handler, void *context)
{
    const struct eye_tls_fate *fate = &file->fate;
    struct eye_tls_file shown = {.outcome = fate->outcome,
                                 .library = fate->library,
                                 .way = fate->way,
                                 .reason = fate->reason,
                                 .sites = fate->sites,
                                 .stepped = fate->stepped,
                                 .calls = fate->calls,
                                 .took_ns = fate->took_ns,
                                 .processes = file->processes};
    eye_copy_shown(shown.path, sizeof(shown.path), file->path, strlen(file->path));
    handler(context, &shown);
}

void eye_tls_files_list(struct eye_tls_files *files, eye_tls_file_handler *handler, void *context)
{
    pthread_mutex_lock(&files->lock);
    for (size_t i = 0; i < files->count; i++) {
        if (files->items[i]->fate.known) {
            hand_on(files->items[i], handler, context);
        }
    }
    pthread_mutex_unlock(&files->lock);
}

void eye_tls_files_done(struct eye_tls_files *files)
{
    for (size_t i = 0; i < files->count; i++) {
        free_file(files->items[i]);
    }
    eye_table_done(&files->by_number);
    pthread_mutex_destroy(&files->lock);
}
