/* SPDX-License-Identifier: Apache-2.0 */
/* fork, exec, and the wait for an answer. */
#include "collector/top/own.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "collector/base/clock.h"
#include "collector/control/client.h"

/* A start takes one second here, and some on a busy host. */
#define START_NS (60 * EYE_NS_PER_SECOND)
#define LOOK_AGAIN_NS (50 * EYE_NS_PER_MS)

/* Of the log of one that could not start: its last lines say why. */
#define LOG_SHOWN_BYTES 900

#define ANSWER_MAX_BYTES 4096

extern char **environ;

/* ---- The child ---- */

/* What would configure it, or speak for us. */
static void clear_environment(void)
{
    static const char *const prefixes[] = {"SOCKEYE_", "NOTIFY_SOCKET=", "WATCHDOG_"};
    size_t kept = 0;
    for (char **variable = environ; *variable != NULL; variable++) {
        bool ours = false;
        for (size_t i = 0; i < EYE_ARRAY_LENGTH(prefixes); i++) {
            ours |= strncmp(*variable, prefixes[i], strlen(prefixes[i])) == 0;
        }
        if (!ours) {
            environ[kept++] = *variable;
        }
    }
    environ[kept] = NULL;
}

/* The tier that shows single connections. */
#define TIER "source.tier=socket-storage"

/* Apart from the terminal's keys, which are ours. Returns only when that failed. */
static void become_daemon(const struct eye_own *own, pid_t parent, const sigset_t *mask)
{
    char setting[EYE_OWN_PATH_BYTES + 16];
    snprintf(setting, sizeof(setting), "control.socket=%s", own->socket);
    char *words[] = {
        "sockeye", "run",         "-c",    "/dev/null", "--set", setting,
        "--set",   "interval=1s", "--set", TIER,        "--set", "exporters=[{type: \"null\"}]",
        NULL,
    };
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent || null_fd < 0 ||
        setsid() < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(null_fd, STDOUT_FILENO) < 0 ||
        dup2(own->log_fd, STDERR_FILENO) < 0) {
        return;
    }
    clear_environment();
    pthread_sigmask(SIG_SETMASK, mask, NULL);
    execv("/proc/self/exe", words);
    dprintf(STDERR_FILENO, "cannot execute /proc/self/exe: %s\n", strerror(errno));
}

static int fork_daemon(struct eye_own *own, const sigset_t *ends, struct eye_error *ret_error)
{
    sigset_t mask;
    pid_t parent = getpid();
    pthread_sigmask(SIG_UNBLOCK, NULL, &mask);
    for (int signal = 1; signal < NSIG; signal++) {
        if (sigismember(ends, signal) == 1) {
            sigdelset(&mask, signal);
        }
    }
    pid_t pid = fork();
    if (pid == 0) {
        become_daemon(own, parent, &mask);
        _exit(EXIT_FAILURE);
    }
    if (pid < 0) {
        return eye_error_set(ret_error, -errno, "cannot start a daemon: fork: %s", strerror(errno));
    }
    own->pid = pid;
    return 0;
}

/* ---- Around it ---- */

/* The log loses its name at once, so nothing of it stays behind. */
static int make_folder(struct eye_own *own, struct eye_error *ret_error)
{
    char path[EYE_OWN_PATH_BYTES];
    eye_copy_string(own->folder, sizeof(own->folder), P_tmpdir "/sockeye-top-XXXXXX");
    if (mkdtemp(own->folder) == NULL) {
        int error = errno;
        own->folder[0] = '\0';
        return eye_error_set(ret_error, -error, "cannot make a folder in %s: %s", P_tmpdir,
                             strerror(error));
    }
    snprintf(own->socket, sizeof(own->socket), "%.40s/control.sock", own->folder);
    snprintf(path, sizeof(path), "%.40s/log", own->folder);
    own->log_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    if (own->log_fd < 0) {
        return eye_error_set(ret_error, -errno, "%s: %s", path, strerror(errno));
    }
    unlink(path);
    return 0;
}

static int tell_log(const struct eye_own *own, struct eye_error *ret_error)
{
    char log[LOG_SHOWN_BYTES + 1];
    off_t size = lseek(own->log_fd, 0, SEEK_END);
    off_t begin = size > LOG_SHOWN_BYTES ? size - LOG_SHOWN_BYTES : 0;
    ssize_t length = pread(own->log_fd, log, LOG_SHOWN_BYTES, begin);
    log[length > 0 ? length : 0] = '\0';
    return eye_error_set(ret_error, -ECHILD, "no daemon runs, and one could not be started: %s",
                         eye_trim(log, "\n"));
}

static bool has_ended(struct eye_own *own)
{
    if (waitpid(own->pid, NULL, WNOHANG) != own->pid) {
        return false;
    }
    own->pid = 0;
    return true;
}

static bool answers(const struct eye_own *own)
{
    EYE_CLEANUP(eye_text_done) struct eye_text body;
    eye_text_init(&body, ANSWER_MAX_BYTES);
    return eye_client_ask(own->socket, "GET", "/ready", 1, &body, NULL) == 200;
}

static int wait_for_answer(struct eye_own *own, const sigset_t *ends, struct eye_error *ret_error)
{
    const struct timespec pause = {.tv_nsec = (long)LOOK_AGAIN_NS};
    uint64_t end_ns = eye_clock_monotonic_ns() + START_NS;
    while (!answers(own)) {
        if (has_ended(own)) {
            return tell_log(own, ret_error);
        }
        if (sigtimedwait(ends, NULL, &pause) > 0) {
            return -ECANCELED;
        }
        if (eye_clock_monotonic_ns() > end_ns) {
            return tell_log(own, ret_error);
        }
    }
    return 0;
}

int eye_own_start(struct eye_own *own, const sigset_t *ends, struct eye_error *ret_error)
{
    int result = make_folder(own, ret_error);
    if (result == 0) {
        result = fork_daemon(own, ends, ret_error);
    }
    return result == 0 ? wait_for_answer(own, ends, ret_error) : result;
}

void eye_own_stop(struct eye_own *own)
{
    if (own->pid > 0) {
        kill(own->pid, SIGTERM);
        while (waitpid(own->pid, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    if (own->folder[0] != '\0') {
        unlink(own->socket);
        rmdir(own->folder);
    }
    eye_cleanup_close(&own->log_fd);
    *own = EYE_OWN_NONE;
}
