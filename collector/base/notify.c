/* SPDX-License-Identifier: Apache-2.0 */
/* One datagram per message, to the address as it was given. */
#include "collector/base/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/clock.h"
#include "collector/base/parse.h"
#include "collector/base/text.h"

/* A line for a person, and with the assignments around it: systemd takes 4096 bytes
 * (NOTIFY_BUFFER_MAX). */
#define STATUS_BYTES 512
#define MESSAGE_BYTES (STATUS_BYTES + 128)

/* Who wants to hear from us more often would have us do little else. */
#define WATCHDOG_LEAST_NS (10 * EYE_NS_PER_MS)

/* sd_notify(3): a path, or behind "@" a name of the abstract namespace (unix(7)), where a NUL is
 * in its place and no other one ends the name. 0 or -errno. */
static int parse_address(struct eye_notify *notify, const char *text)
{
    size_t length = strlen(text);
    if (text[0] != '/' && text[0] != '@') {
        return -EAFNOSUPPORT;
    }
    if (length < 2 || length >= sizeof(notify->address.sun_path)) {
        return length < 2 ? -EINVAL : -ENAMETOOLONG;
    }
    notify->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(notify->address.sun_path, text, length);
    bool abstract = text[0] == '@';
    if (abstract) {
        notify->address.sun_path[0] = '\0';
    }
    notify->address_length =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (abstract ? 0 : 1));
    return 0;
}

static int open_socket(struct eye_notify *notify, const char *text)
{
    int result = parse_address(notify, text);
    if (result == 0) {
        notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        result = notify->fd < 0 ? -errno : 0;
    }
    return result;
}

/* WATCHDOG_PID is another's when a wrapper started us that does not pass the duty on. */
static bool is_ours(const char *pid)
{
    uint64_t number;
    return pid == NULL || (eye_parse_u64(pid, &number) == 0 && number == (uint64_t)getpid());
}

static uint64_t read_watchdog_ns(void)
{
    const char *text = getenv("WATCHDOG_USEC");
    uint64_t us;
    if (text == NULL || !is_ours(getenv("WATCHDOG_PID")) || eye_parse_u64(text, &us) != 0 ||
        us == 0 || us > UINT64_MAX / EYE_NS_PER_US) {
        return 0;
    }
    uint64_t ns = us * EYE_NS_PER_US;
    return ns > WATCHDOG_LEAST_NS ? ns : WATCHDOG_LEAST_NS;
}

int eye_notify_open(struct eye_notify *notify, struct eye_error *ret_error)
{
    *notify = (struct eye_notify){.fd = -1};
    const char *text = getenv("NOTIFY_SOCKET");
    int result = 0;
    if (text != NULL && text[0] != '\0') {
        result = open_socket(notify, text);
        if (result != 0) {
            eye_error_set(ret_error, result,
                          "NOTIFY_SOCKET=%s: %s; the service manager hears nothing of this daemon, "
                          "which suits Type=exec",
                          text, strerror(-result));
        } else {
            notify->watchdog_ns = read_watchdog_ns();
        }
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return result;
}

void eye_notify_close(struct eye_notify *notify)
{
    if (notify->fd >= 0) {
        close(notify->fd);
        notify->fd = -1;
    }
}

bool eye_notify_is_wanted(const struct eye_notify *notify)
{
    return notify->fd >= 0;
}

static int send_once(const struct eye_notify *notify, const char *message, size_t length)
{
    ssize_t sent;
    do {
        sent = sendto(notify->fd, message, length, MSG_DONTWAIT | MSG_NOSIGNAL,
                      (const struct sockaddr *)&notify->address, notify->address_length);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

/* With what is owed before it. @format gives whole assignments, each with its line feed. */
static int EYE_PRINTF(2, 3) tell(struct eye_notify *notify, const char *format, ...)
{
    if (notify->fd < 0) {
        return 0;
    }
    bool owed = atomic_exchange(&notify->owes_ready, false);
    char message[MESSAGE_BYTES];
    size_t start = (size_t)snprintf(message, sizeof(message), "%s", owed ? "READY=1\n" : "");
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(message + start, sizeof(message) - start, format, arguments);
    va_end(arguments);
    int result = send_once(notify, message, start + (size_t)length);
    if (result != 0 && owed) {
        atomic_store(&notify->owes_ready, true);
    }
    return result;
}

int eye_notify_ready(struct eye_notify *notify)
{
    atomic_store(&notify->owes_ready, true);
    return tell(notify, "%s", "");
}

int eye_notify_status(struct eye_notify *notify, const char *text)
{
    char shown[STATUS_BYTES];
    eye_copy_shown(shown, sizeof(shown), text, strlen(text));
    return tell(notify, "STATUS=%s\n", shown);
}

int eye_notify_reloading(struct eye_notify *notify)
{
    return tell(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64 "\n",
                eye_clock_monotonic_ns() / EYE_NS_PER_US);
}

int eye_notify_extend(struct eye_notify *notify, uint64_t ns)
{
    return tell(notify, "EXTEND_TIMEOUT_USEC=%" PRIu64 "\n", ns / EYE_NS_PER_US);
}

int eye_notify_stopping(struct eye_notify *notify, uint64_t ns)
{
    atomic_store(&notify->owes_ready, false);
    return tell(notify, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" PRIu64 "\n", ns / EYE_NS_PER_US);
}

int eye_notify_watchdog(struct eye_notify *notify)
{
    return tell(notify, "WATCHDOG=1\n");
}
