/* SPDX-License-Identifier: Apache-2.0 */
/* The socket's file and its life. */
#include "collector/control/control.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "collector/base/listener.h"
#include "collector/base/log.h"
#include "collector/base/privileges.h"
#include "collector/control/routes.h"

/* Those who may ask; where there is no such group, root's alone. */
#define GROUP "sockeye"

/* Only for the owner and the group. */
#define SOCKET_MODE 0660
#define FOLDER_MODE 0755

/* Connections that the kernel holds until we accept them, such as all that come during a reload;
 * beyond, a client that does not wait is refused. */
#define BACKLOG 1024

/* Until the library, descriptors or memory are asked for again. */
#define REST_SECONDS 5

const char *eye_control_outcome_name(enum eye_control_outcome outcome)
{
    static const char *const names[] = {
#define X(identifier, name) name,
        EYE_CONTROL_OUTCOMES(X)
#undef X
    };
    return names[outcome];
}

/* ---- The file ---- */

/* The process that listens on @address; 0: nobody does; or -errno. */
static pid_t find_listener(const struct sockaddr_un *address)
{
    struct ucred peer = {0};
    socklen_t length = sizeof(peer);
    EYE_AUTOCLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -errno;
    }
    if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 && errno != EAGAIN) {
        return errno == ECONNREFUSED || errno == ENOENT ? 0 : -errno;
    }
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 && peer.pid > 0 ? peer.pid
                                                                                        : -EEXIST;
}

/* What is at @path goes if it is a socket that nobody listens on. */
static int make_way(const struct sockaddr_un *address, struct eye_error *ret_error)
{
    struct stat state;
    if (lstat(address->sun_path, &state) != 0) {
        return errno == ENOENT ? 0
                               : eye_error_set(ret_error, -errno, "cannot look at %s: %s",
                                               address->sun_path, strerror(errno));
    }
    if (!S_ISSOCK(state.st_mode)) {
        return eye_error_set(ret_error, -ENOTSOCK,
                             "%s is there and is no socket; remove it, or set another "
                             "control.socket",
                             address->sun_path);
    }
    pid_t pid = find_listener(address);
    if (pid > 0) {
        return eye_error_set(ret_error, -EEXIST,
                             "sockeye runs already, as process %d, which listens on %s; stop it, "
                             "or set another control.socket (\"\" for none)",
                             (int)pid, address->sun_path);
    }
    if (pid < 0) {
        return eye_error_set(ret_error, pid, "cannot ask who listens on %s: %s", address->sun_path,
                             strerror((int)-pid));
    }
    return unlink(address->sun_path) == 0 || errno == ENOENT
               ? 0
               : eye_error_set(ret_error, -errno, "cannot replace %s: %s", address->sun_path,
                               strerror(errno));
}

/* The package makes it on this host. getgrnam() would ask every directory of names, and keep a
 * third of a MiB of their libraries, to say mostly that it is not there. */
static bool find_group(gid_t *ret_group)
{
    FILE *groups = fopen("/etc/group", "re");
    const struct group *group = NULL;
    do {
        group = groups != NULL ? fgetgrent(groups) : NULL;
    } while (group != NULL && strcmp(group->gr_name, GROUP) != 0);
    *ret_group = group != NULL ? group->gr_gid : 0;
    if (groups != NULL) {
        fclose(groups);
    }
    return group != NULL;
}

/* Root's daemon gives it to those who administer; a missing group leaves it root's. */
static void give_to_group(const char *path)
{
    gid_t group;
    if (geteuid() == 0 && find_group(&group) && lchown(path, (uid_t)-1, group) != 0) {
        eye_log_warning("cannot give %s to the group " GROUP ": %s", path, strerror(errno));
    }
}

/* What the mask took away goes back, to what is at the path by itself: somebody might have put a
 * link there. */
static int undo_mask(const char *path)
{
    struct stat state;
    char own[64];
    EYE_AUTOCLOSE int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &state) != 0) {
        return -errno;
    }
    if (!S_ISSOCK(state.st_mode) || state.st_uid != geteuid()) {
        return -EEXIST;
    }
    snprintf(own, sizeof(own), "/proc/self/fd/%d", fd);
    return chmod(own, SOCKET_MODE) == 0 ? 0 : -errno;
}

/* Threads share the mask, so it stays as it is. The file begins with the mode of the descriptor,
 * which Linux keeps for a socket, too, less the mask: at no moment may others ask. */
static int bind_privately(int fd, const struct sockaddr_un *address)
{
    if (fchmod(fd, SOCKET_MODE) != 0 ||
        bind(fd, (const struct sockaddr *)address, sizeof(*address)) != 0) {
        return -errno;
    }
    return undo_mask(address->sun_path);
}

static int listen_at(struct eye_control *control, const struct sockaddr_un *address, int *ret_fd,
                     struct eye_error *ret_error)
{
    struct stat state = {0};
    EYE_AUTOCLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = fd < 0 ? -errno : bind_privately(fd, address);
    if (result == 0 && (listen(fd, BACKLOG) != 0 || lstat(address->sun_path, &state) != 0)) {
        result = -errno;
    }
    if (result != 0) {
        return eye_error_set(ret_error, result, "cannot listen on %s: %s", address->sun_path,
                             strerror(-result));
    }
    control->device = state.st_dev;
    control->inode = state.st_ino;
    *ret_fd = EYE_TAKE_FD(fd);
    give_to_group(address->sun_path);
    return 0;
}

/* One of ours holds it for milliseconds. Whoever may read the folder may hold it for ever: he is
 * not waited for. */
#define LOCK_TRIES 20
#define LOCK_PAUSE_MS 50

static void wait_for_lock(int fd, int tries)
{
    for (int i = 0; i < tries && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
        poll(NULL, 0, LOCK_PAUSE_MS);
    }
}

/* Two daemons that start at once would take each other's fresh socket for an old one: one looks and
 * binds at a time. The lock is of the folder. 0 with a descriptor, or -errno with a message. */
static int lock_folder(const char *path, int tries, int *ret_fd, struct eye_error *ret_error)
{
    char copy[PATH_MAX];
    eye_copy_string(copy, sizeof(copy), path);
    const char *folder = dirname(copy);
    if (mkdir(folder, FOLDER_MODE) != 0 && errno != EEXIST) {
        return eye_error_set(ret_error, -errno, "cannot make %s for the control socket: %s", folder,
                             strerror(errno));
    }
    EYE_AUTOCLOSE int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return eye_error_set(ret_error, -errno, "cannot open %s for the control socket: %s", folder,
                             strerror(errno));
    }
    wait_for_lock(fd, tries);
    *ret_fd = EYE_TAKE_FD(fd);
    return 0;
}

/* Makes the file at @path. */
static int open_file(struct eye_control *control, const char *path, int tries, int *ret_fd,
                     struct eye_error *ret_error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (!eye_copy_string(address.sun_path, sizeof(address.sun_path), path)) {
        return eye_error_set(ret_error, -ENAMETOOLONG,
                             "control.socket %s is longer than the %zu bytes that a socket's path "
                             "may have",
                             path, sizeof(address.sun_path) - 1);
    }
    EYE_AUTOCLOSE int folder = -1;
    int result = lock_folder(path, tries, &folder, ret_error);
    if (result == 0) {
        result = make_way(&address, ret_error);
    }
    return result == 0 ? listen_at(control, &address, ret_fd, ret_error) : result;
}

int eye_control_listen(struct eye_control *control, const char *path, struct eye_error *ret_error)
{
    char *copy = strdup(path);
    if (copy == NULL) {
        return eye_error_set(ret_error, -ENOMEM, "out of memory");
    }
    int result = open_file(control, path, LOCK_TRIES, &control->doors[EYE_CONTROL_SOCKET].listen_fd,
                           ret_error);
    if (result != 0) {
        free(copy);
        return result;
    }
    control->path = copy;
    return 0;
}

/* Our own file, not that of another daemon, or what somebody else put there. */
static bool has_file(const struct eye_control *control)
{
    struct stat state;
    return lstat(control->path, &state) == 0 && state.st_dev == control->device &&
           state.st_ino == control->inode;
}

static void move_to(struct eye_control_door *door, int fd)
{
    if (door->serving) {
        eye_server_move(&door->server, fd);
    } else {
        eye_cleanup_close(&door->listen_fd);
        door->listen_fd = fd;
    }
}

/* It is gone, or another one: a cleaner of temporary files, a package, a mistaken hand. Who holds
 * the folder's lock is not waited for, since the daemon has more to do. */
static void make_file_again(struct eye_control *control)
{
    int fd = -1;
    struct eye_error why;
    uint64_t privileges = eye_privileges_raise(EYE_CAPABILITY(CAP_DAC_OVERRIDE));
    int result = open_file(control, control->path, 1, &fd, &why);
    eye_privileges_lower(privileges);
    if (result == 0) {
        move_to(&control->doors[EYE_CONTROL_SOCKET], fd);
        eye_log_warning("somebody removed the control socket %s; it is there again", control->path);
    } else if (!control->lost) {
        eye_log_warning("somebody removed the control socket, and it cannot be made again yet: %s",
                        why.text);
    }
    control->lost = result != 0;
}

static void look_after_file(struct eye_control *control)
{
    uint64_t now_ns = eye_clock_monotonic_ns();
    if (control->path == NULL || now_ns < control->look_ns) {
        return;
    }
    control->look_ns = now_ns + control->running->interval_ns;
    if (!has_file(control)) {
        make_file_again(control);
    }
}

/* ---- The port ---- */

int eye_control_check(const struct eye_config *config, struct eye_error *ret_error)
{
    const char *address = config->control.listen;
    if (address == NULL && config->control.token_file != NULL) {
        return eye_error_set(ret_error, -EINVAL,
                             "%s: control.token_file has no use without control.listen",
                             eye_config_origin(config, "control.token_file"));
    }
    if (address != NULL && config->control.token_file == NULL && !eye_listen_is_local(address)) {
        return eye_error_set(ret_error, -EINVAL,
                             "%s: control.listen %s can be reached from elsewhere; set "
                             "control.token_file, or listen on 127.0.0.1 or [::1]",
                             eye_config_origin(config, "control.listen"), address);
    }
    return 0;
}

int eye_control_listen_on_port(struct eye_control *control, const char *address,
                               const char *token_file, struct eye_error *ret_error)
{
    int result = token_file == NULL
                     ? 0
                     : eye_secret_read(token_file, NULL, NULL, &control->token, ret_error);
    if (result != 0) {
        return result;
    }
    result = eye_listen_open(address, &control->doors[EYE_CONTROL_PORT].listen_fd);
    return result == 0 ? 0
                       : eye_error_set(ret_error, result,
                                       "cannot listen on %s: %s; %sset another control.listen",
                                       address, strerror(-result), eye_listen_hint(result));
}

/* ---- Life ---- */

void eye_control_init(struct eye_control *control)
{
    *control = (struct eye_control){0};
    for (size_t i = 0; i < EYE_CONTROL_DOORS; i++) {
        control->doors[i] = (struct eye_control_door){
            .control = control, .entrance = (enum eye_control_entrance)i, .listen_fd = -1};
    }
}

void eye_control_open(struct eye_control *control, const struct eye_running *running,
                      eye_control_reload *reload, eye_control_watch *watch, void *context)
{
    struct eye_server_setup setup = {
        .name = "control",
        .answer = eye_control_answer,
        .counts =
            {
                .peers = {.gave_way = &control->counts[EYE_CONTROL_BUSY],
                          .too_late = &control->counts[EYE_CONTROL_TIMEOUT]},
                .other = &control->counts[EYE_CONTROL_OTHER],
            },
    };
    control->running = running;
    control->reload = reload;
    control->watch = watch;
    control->context = context;
    for (size_t i = 0; i < EYE_CONTROL_DOORS; i++) {
        setup.context = &control->doors[i];
        eye_server_init(&control->doors[i].server, &setup);
    }
}

/* Somebody comes for the first time. */
static void begin_to_serve(struct eye_control_door *door)
{
    struct eye_error why;
    int result = eye_http_server_load(&why);
    if (result == 0) {
        result = eye_server_open(&door->server, door->listen_fd);
        eye_error_set(&why, result, "cannot begin: %s", strerror(-result));
    }
    door->serving = result == 0;
    if (door->serving) {
        door->listen_fd = -1;
    } else {
        eye_log_error("control socket: %s; tried again in %d s", why.text, REST_SECONDS);
        door->rest_until_ns = eye_clock_monotonic_ns() + REST_SECONDS * EYE_NS_PER_SECOND;
    }
}

static uint64_t prepare(struct eye_control_door *door, struct pollfd ret_fds[EYE_SERVER_FDS])
{
    if (door->serving) {
        return eye_server_prepare(&door->server, ret_fds);
    }
    bool resting = eye_clock_monotonic_ns() < door->rest_until_ns;
    ret_fds[0] = (struct pollfd){.fd = resting ? -1 : door->listen_fd, .events = POLLIN};
    ret_fds[1] = (struct pollfd){.fd = -1};
    return resting ? door->rest_until_ns : UINT64_MAX;
}

uint64_t eye_control_prepare(struct eye_control *control, struct pollfd ret_fds[EYE_CONTROL_FDS])
{
    uint64_t until_ns = control->path == NULL ? UINT64_MAX : control->look_ns;
    for (size_t i = 0; i < EYE_CONTROL_DOORS; i++) {
        uint64_t own_ns = prepare(&control->doors[i], &ret_fds[i * EYE_SERVER_FDS]);
        until_ns = own_ns < until_ns ? own_ns : until_ns;
    }
    return until_ns;
}

void eye_control_serve(struct eye_control *control, const struct pollfd fds[EYE_CONTROL_FDS])
{
    for (size_t i = 0; i < EYE_CONTROL_DOORS; i++) {
        struct eye_control_door *door = &control->doors[i];
        if (!door->serving && fds[i * EYE_SERVER_FDS].revents != 0) {
            begin_to_serve(door);
        }
        if (door->serving) {
            eye_server_serve(&door->server, &fds[i * EYE_SERVER_FDS]);
        }
    }
    look_after_file(control);
}

void eye_control_reloaded(struct eye_control *control)
{
    for (size_t i = 0; i < EYE_CONTROL_DOORS; i++) {
        if (control->doors[i].serving) {
            eye_server_wake(&control->doors[i].server);
        }
    }
}

/* In a folder of another user it stays, when `run.user` took the right away that made it. Nobody
 * listens there, and a start replaces it. */
static void remove_file(const struct eye_control *control)
{
    if (has_file(control) && unlink(control->path) != 0) {
        eye_log_info("the control socket %s stays until the next start, which replaces it: %s",
                     control->path, strerror(errno));
    }
}

void eye_control_close(struct eye_control *control)
{
    if (control->path != NULL) {
        remove_file(control);
        free(EYE_TAKE(control->path));
    }
    for (size_t i = 0; i < EYE_CONTROL_DOORS; i++) {
        struct eye_control_door *door = &control->doors[i];
        if (door->serving) {
            eye_server_close(&door->server);
        }
        door->serving = false;
        eye_cleanup_close(&door->listen_fd);
    }
    eye_secret_done(&control->token);
}
