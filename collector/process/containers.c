/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Containers in a hash table by id, and in a queue with the one that was looked at longest ago
 * first; and the places where names are found.
 */
#include "collector/process/containers.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>

#include "collector/base/base.h"
#include "collector/base/file.h"
#include "collector/base/hash.h"
#include "collector/base/table.h"

#define LOGS "var/log/containers"

/* What is longer is no place of the table below. */
#define PATH_BYTES 256

struct eye_container {
    struct eye_container_id id;
    uint32_t members; /* programs in it */
    bool has_room;    /* counted against EYE_CONTAINER_MAX */
    bool is_complete; /* there is nothing more to be told */
    uint64_t witness; /* key of a program in it */
    uint64_t due_ns;
    uint64_t pause_ns;
    struct eye_container_names *names; /* NULL: nobody told. Owned */
    size_t source;                     /* index of the file that told the name... */
    struct eye_file_stamp stamp;       /* ...and its state; SOURCE_COUNT: another place */
    TAILQ_ENTRY(eye_container) link;
};

TAILQ_HEAD(container_queue, eye_container);

struct eye_containers {
    int root; /* descriptor of the host's root folder; -1: there is none */
    struct eye_procfs *procfs;
    struct eye_table table; /* id to struct eye_container */
    struct container_queue queue;
    size_t room_used;
    uint64_t now_ns;   /* of the last refresh */
    size_t bytes_left; /* of this interval */
    struct eye_container_stats stats;
};

/* ---- where names are found ---- */

/* A file below the root, with the id between both parts or without one. */
struct source {
    const char *before;
    const char *behind; /* NULL: the path has no id */
    eye_container_reader *read;
};

#define BUNDLES "io.containerd.runtime.v2.task/"
#define STORAGE "containers/storage/overlay-containers/"

static const struct source sources[] = {
    {"run/containerd/" BUNDLES "k8s.io/", "/config.json", eye_container_read_bundle},
    {"run/k3s/containerd/" BUNDLES "k8s.io/", "/config.json", eye_container_read_bundle},
    {"var/snap/microk8s/common/run/containerd/" BUNDLES "k8s.io/", "/config.json",
     eye_container_read_bundle},
    {"run/" STORAGE, "/userdata/config.json", eye_container_read_bundle},
    {"var/lib/docker/containers/", "/config.v2.json", eye_container_read_docker},
    {"var/snap/docker/common/var-lib-docker/containers/", "/config.v2.json",
     eye_container_read_docker},
    {"run/containerd/" BUNDLES "default/", "/config.json", eye_container_read_bundle},
    {"var/lib/" STORAGE "containers.json", NULL, eye_container_read_storage},
    {"var/lib/" STORAGE "volatile-containers.json", NULL, eye_container_read_storage},
};

#define SOURCE_COUNT EYE_ARRAY_LENGTH(sources)

/* What was found of one container so far. */
struct search {
    struct eye_containers *containers;
    const struct eye_container *container;
    struct eye_container_names names;
    size_t source;
    struct eye_file_stamp stamp;
    enum eye_container_outcome trouble; /* UNKNOWN: none */
    bool waits;                         /* for the next interval: this one has read enough */
};

static bool is_complete(const struct search *search)
{
    bool in_pod = search->container->id.pod[0] != '\0';
    return search->names.name[0] != '\0' && (!in_pod || search->names.pod[0] != '\0');
}

/* Of several troubles the first one is told. That a file is not there is none. */
static void note(struct search *search, int error)
{
    static const struct {
        int error;
        enum eye_container_outcome outcome;
    } troubles[] = {
        {-ENOENT, EYE_CONTAINER_UNKNOWN},   {-ENOTDIR, EYE_CONTAINER_UNKNOWN},
        {-EACCES, EYE_CONTAINER_DENIED},    {-EPERM, EYE_CONTAINER_DENIED},
        {-EFBIG, EYE_CONTAINER_TOO_LARGE},  {-EBADMSG, EYE_CONTAINER_MALFORMED},
        {-EINVAL, EYE_CONTAINER_MALFORMED}, {-ELOOP, EYE_CONTAINER_MALFORMED},
    };
    enum eye_container_outcome outcome = EYE_CONTAINER_FAILED;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(troubles); i++) {
        outcome = error == troubles[i].error ? troubles[i].outcome : outcome;
    }
    search->trouble = search->trouble == EYE_CONTAINER_UNKNOWN ? outcome : search->trouble;
}

static int open_source(const struct eye_containers *containers, const struct eye_container_id *id,
                       const struct source *source)
{
    char path[PATH_BYTES];
    bool has_id = source->behind != NULL;
    snprintf(path, sizeof(path), "%s%s%s", source->before, has_id ? id->text : "",
             has_id ? source->behind : "");
    return eye_file_open_below(containers->root, path, O_RDONLY);
}

/* 0 or -errno; -EDQUOT: this interval has read enough. */
static int load(struct eye_containers *containers, int fd, char **ret_bytes, size_t *ret_length)
{
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
        (size_t)status.st_size <= EYE_CONTAINER_FILE_BYTES &&
        (size_t)status.st_size > containers->bytes_left) {
        return -EDQUOT;
    }
    int result = eye_file_load(fd, EYE_CONTAINER_FILE_BYTES, ret_bytes, ret_length);
    if (result == 0) {
        containers->bytes_left -=
            *ret_length < containers->bytes_left ? *ret_length : containers->bytes_left;
    }
    return result;
}

static int read_source(struct search *search, size_t index)
{
    EYE_AUTOFREE char *bytes = NULL;
    size_t length = 0;
    struct stat status;
    EYE_AUTOCLOSE int fd = open_source(search->containers, &search->container->id, &sources[index]);
    if (fd < 0) {
        return fd;
    }
    /* Before it is read: what is written meanwhile is another state. */
    if (fstat(fd, &status) != 0) {
        return -errno;
    }
    int result = load(search->containers, fd, &bytes, &length);
    bool had_name = search->names.name[0] != '\0';
    if (result == 0) {
        result = sources[index].read(&search->container->id, (struct eye_span){bytes, length},
                                     &search->names);
    }
    if (result == 0 && !had_name && search->names.name[0] != '\0') {
        search->source = index;
        eye_file_stamp_set(&search->stamp, &status);
    }
    return result;
}

static void close_folder(DIR **folder)
{
    if (*folder != NULL) {
        closedir(*folder);
    }
}

static int read_logs(struct search *search)
{
    const struct eye_container_id *id = &search->container->id;
    EYE_AUTOCLOSE int fd =
        eye_file_open_below(search->containers->root, LOGS, O_RDONLY | O_DIRECTORY);
    EYE_CLEANUP(close_folder) DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL) {
        return fd < 0 ? fd : -errno;
    }
    fd = -1; /* the folder's now */
    const struct dirent *entry = readdir(folder);
    for (size_t i = 0; entry != NULL; i++, entry = readdir(folder)) {
        struct eye_span name = {entry->d_name, strlen(entry->d_name)};
        if (i == EYE_CONTAINER_LOGS_MAX) {
            return -EFBIG;
        }
        if (eye_container_read_log_name(id, name, &search->names) == 0) {
            break;
        }
    }
    return 0;
}

static int read_mounts(struct search *search)
{
    struct eye_span mounts;
    if (!eye_procfs_mounts(search->containers->procfs, search->container->witness, &mounts)) {
        return -ENOENT; /* the program is gone, and so perhaps its container */
    }
    return eye_container_read_mounts(&search->container->id, mounts, &search->names);
}

/* In the order of the table: what comes first has the better word, so none is left out. */
static void read_sources(struct search *search)
{
    for (size_t i = 0; i < SOURCE_COUNT && !is_complete(search) && !search->waits; i++) {
        int result = read_source(search, i);
        if (result == -EDQUOT) {
            search->waits = true;
        } else if (result != 0) {
            note(search, result);
        }
    }
}

/* What the kubelet tells of every runtime's. */
static void read_kubelet(struct search *search)
{
    static int (*const reads[])(struct search *) = {read_logs, read_mounts};
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(reads) && !is_complete(search); i++) {
        int result = reads[i](search);
        if (result != 0) {
            note(search, result);
        }
    }
}

/*
 * Whoever makes a container chooses its labels, and so could say that it is a pod's: the path of
 * its cgroup has the word. A pod has the same name as long as it lives, whoever has told it.
 */
static void settle_pod(const struct eye_container *container, struct eye_container_names *names)
{
    const struct eye_container_names *known = container->names;
    if (container->id.pod[0] == '\0') {
        memset(names->pod, 0, sizeof(names->pod));
        memset(names->namespace_name, 0, sizeof(names->namespace_name));
    } else if (known != NULL && names->pod[0] == '\0') {
        memcpy(names->pod, known->pod, sizeof(names->pod));
        memcpy(names->namespace_name, known->namespace_name, sizeof(names->namespace_name));
    }
}

/* ---- one container ---- */

static bool same_names(const struct eye_container_names *names,
                       const struct eye_container_names *others)
{
    return strcmp(names->name, others->name) == 0 && strcmp(names->pod, others->pod) == 0 &&
           strcmp(names->namespace_name, others->namespace_name) == 0;
}

/* True when they are other ones. */
static bool take_names(struct eye_containers *containers, struct eye_container *container,
                       const struct eye_container_names *names)
{
    if (container->names != NULL && same_names(container->names, names)) {
        return false;
    }
    if (container->names == NULL) {
        container->names = calloc(1, sizeof(*container->names));
        containers->stats.named += container->names != NULL;
    }
    if (container->names != NULL) {
        *container->names = *names;
    }
    return container->names != NULL;
}

static uint64_t pause_after(const struct eye_container *container)
{
    if (container->is_complete || container->pause_ns == 0) {
        return EYE_CONTAINER_LOOK_NS;
    }
    uint64_t longer_ns = 2 * container->pause_ns;
    return longer_ns < EYE_CONTAINER_PAUSE_MAX_NS ? longer_ns : EYE_CONTAINER_PAUSE_MAX_NS;
}

static void set_due(const struct eye_containers *containers, struct eye_container *container)
{
    container->pause_ns = pause_after(container);
    container->due_ns = containers->now_ns + container->pause_ns;
}

/* True when the names changed; those that are known stay when nobody tells any. */
static bool take_result(struct eye_containers *containers, struct eye_container *container,
                        struct search *search)
{
    bool found = search->names.name[0] != '\0';
    containers->stats.outcomes[found ? EYE_CONTAINER_NAMED : search->trouble]++;
    settle_pod(container, &search->names);
    if (found) {
        container->is_complete = is_complete(search);
        container->source = search->source;
        container->stamp = search->stamp;
    }
    set_due(containers, container);
    return found && take_names(containers, container, &search->names);
}

static bool read_names(struct eye_containers *containers, struct eye_container *container)
{
    struct search search = {.containers = containers,
                            .container = container,
                            .source = SOURCE_COUNT,
                            .trouble = EYE_CONTAINER_UNKNOWN};
    read_sources(&search);
    if (search.waits) {
        containers->stats.outcomes[EYE_CONTAINER_POSTPONED]++;
        return false; /* it is due still */
    }
    if (container->id.pod[0] != '\0') {
        read_kubelet(&search);
    }
    return take_result(containers, container, &search);
}

/* False when all is known, and what told the name is as it was, or gone. */
static bool may_have_changed(const struct eye_containers *containers,
                             const struct eye_container *container)
{
    struct stat status;
    struct eye_file_stamp stamp = container->stamp;
    if (!container->is_complete || container->source == SOURCE_COUNT) {
        return !container->is_complete;
    }
    EYE_AUTOCLOSE int fd = open_source(containers, &container->id, &sources[container->source]);
    return fd >= 0 && fstat(fd, &status) == 0 && eye_file_stamp_set(&stamp, &status);
}

/* ---- all of them ---- */

const char *eye_container_outcome_name(enum eye_container_outcome outcome)
{
    static const char *const names[] = {
#define X(identifier, name) name,
        EYE_CONTAINER_OUTCOMES(X)
#undef X
    };
    return names[outcome];
}

static uint64_t hash_of(const struct eye_container_id *id)
{
    return eye_hash_bytes(id->text, strlen(id->text));
}

static bool has_id(const void *item, const void *key)
{
    const struct eye_container *container = item;
    const struct eye_container_id *id = key;
    return container->id.is_name == id->is_name && strcmp(container->id.text, id->text) == 0;
}

struct eye_containers *eye_containers_new(const char *root, struct eye_procfs *procfs)
{
    struct eye_containers *containers = calloc(1, sizeof(*containers));
    if (containers == NULL) {
        return NULL;
    }
    containers->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    containers->procfs = procfs;
    containers->bytes_left = EYE_CONTAINER_INTERVAL_BYTES;
    TAILQ_INIT(&containers->queue);
    return containers;
}

void eye_containers_free(struct eye_containers *containers)
{
    if (containers == NULL) {
        return;
    }
    if (containers->root >= 0) {
        close(containers->root);
    }
    eye_table_done(&containers->table);
    free(containers);
}

static bool take_room(struct eye_containers *containers, struct eye_container *container)
{
    if (!container->has_room && containers->room_used < EYE_CONTAINER_MAX) {
        container->has_room = true;
        containers->room_used++;
    }
    return container->has_room;
}

static struct eye_container *add(struct eye_containers *containers,
                                 const struct eye_container_id *id, uint64_t owner)
{
    EYE_AUTOFREE struct eye_container *container = calloc(1, sizeof(*container));
    if (container == NULL || eye_table_insert(&containers->table, hash_of(id), container) != 0) {
        return NULL;
    }
    container->id = *id;
    container->witness = owner;
    container->source = SOURCE_COUNT;
    containers->stats.count++;
    TAILQ_INSERT_TAIL(&containers->queue, container, link);
    if (!take_room(containers, container)) {
        containers->stats.outcomes[EYE_CONTAINER_NO_ROOM]++;
    } else if (id->is_name) {
        struct eye_container_names names = {0};
        memcpy(names.name, id->text, sizeof(id->text));
        take_names(containers, container, &names);
    } else {
        read_names(containers, container);
    }
    return EYE_TAKE(container);
}

struct eye_container *eye_containers_join(struct eye_containers *containers,
                                          const struct eye_container_id *id, uint64_t owner)
{
    if (id->text[0] == '\0') {
        return NULL;
    }
    struct eye_container *container = eye_table_find(&containers->table, hash_of(id), has_id, id);
    if (container == NULL) {
        container = add(containers, id, owner);
    }
    if (container != NULL) {
        container->members++;
        container->witness = owner;
    }
    return container;
}

void eye_containers_leave(struct eye_containers *containers, struct eye_container *container)
{
    if (container == NULL || --container->members > 0) {
        return;
    }
    TAILQ_REMOVE(&containers->queue, container, link);
    eye_table_remove(&containers->table, hash_of(&container->id), container);
    containers->stats.count--;
    containers->stats.named -= container->names != NULL;
    containers->room_used -= container->has_room;
    free(container->names);
    free(container);
}

const struct eye_container_names *eye_container_names(const struct eye_container *container)
{
    return container->names;
}

/* True when it has other names now. */
static bool look(struct eye_containers *containers, struct eye_container *container)
{
    if (container->id.is_name || containers->now_ns < container->due_ns ||
        !take_room(containers, container)) {
        return false;
    }
    if (may_have_changed(containers, container)) {
        return read_names(containers, container);
    }
    set_due(containers, container);
    return false;
}

/* Each is looked at once; those for which nothing was left of the interval are first in the next
 * one. */
void eye_containers_refresh(struct eye_containers *containers, uint64_t now_ns,
                            eye_container_renamed *renamed, void *context)
{
    struct eye_container *last = TAILQ_LAST(&containers->queue, container_queue);
    struct eye_container *container = TAILQ_FIRST(&containers->queue);
    containers->now_ns = now_ns;
    containers->bytes_left = EYE_CONTAINER_INTERVAL_BYTES;
    while (container != NULL) {
        struct eye_container *next = container == last ? NULL : TAILQ_NEXT(container, link);
        if (look(containers, container)) {
            renamed(context, container);
        }
        if (container->due_ns > now_ns) {
            TAILQ_REMOVE(&containers->queue, container, link);
            TAILQ_INSERT_TAIL(&containers->queue, container, link);
        }
        container = next;
    }
    containers->bytes_left = EYE_CONTAINER_INTERVAL_BYTES;
}

struct eye_container_stats eye_containers_stats(const struct eye_containers *containers)
{
    return containers->stats;
}
