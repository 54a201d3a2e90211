/* SPDX-License-Identifier: Apache-2.0 */
/* Remote ports of the ephemeral range on probation. */
#include "collector/aggregate/ports.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/base/clock.h"
#include "collector/base/file.h"
#include "collector/base/parse.h"

#define MINUTE_NS (60 * EYE_NS_PER_SECOND)

/*
 * So many minutes with connections make a name, and it is lost after so many without at most. Of
 * test suites that open 10 connections per second to listeners on ports of the kernel's choice,
 * each port sees one in fifty minutes.
 */
#define MINUTES_TO_EARN 4
#define MINUTES_TO_LOSE 10

void eye_ports_init(struct eye_ports *ports, uint16_t first, uint16_t last)
{
    ports->first = first;
    ports->last = last;
}

/* "32768\t60999\n", in place. */
static int parse_range(char *text, uint64_t *ret_first, uint64_t *ret_last)
{
    char *second = text + strcspn(text, " \t");
    if (*second == '\0') {
        return -EINVAL;
    }
    *second++ = '\0';
    second += strspn(second, " \t");
    second[strcspn(second, "\n")] = '\0';
    return eye_parse_u64(text, ret_first) != 0 || eye_parse_u64(second, ret_last) != 0 ? -EINVAL
                                                                                       : 0;
}

int eye_ports_read_range(const char *path, uint16_t *ret_first, uint16_t *ret_last)
{
    char text[64];
    EYE_AUTOCLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -errno : eye_file_read(fd, text, sizeof(text) - 1);
    if (length < 0) {
        return (int)length;
    }
    text[length] = '\0';
    uint64_t first = 0;
    uint64_t last = 0;
    if (parse_range(text, &first, &last) != 0 || first == 0 || first > last || last > UINT16_MAX) {
        return -EINVAL;
    }
    *ret_first = (uint16_t)first;
    *ret_last = (uint16_t)last;
    return 0;
}

/* One port's minute; true when it is another now. */
static bool judge(struct eye_ports *ports, uint32_t port)
{
    bool opened = ports->remote[port].opened;
    bool named = ports->remote[port].named;
    uint8_t minutes = ports->remote[port].minutes;
    minutes = opened ? (uint8_t)(minutes + (minutes < MINUTES_TO_LOSE ? 1 : 0))
                     : (uint8_t)(minutes - (minutes > 0 ? 1 : 0));
    ports->remote[port].opened = false;
    ports->remote[port].minutes = minutes;
    ports->remote[port].named = named ? minutes > 0 : minutes >= MINUTES_TO_EARN;
    return ports->remote[port].named != named;
}

bool eye_ports_judge(struct eye_ports *ports, uint64_t now_ns)
{
    if (now_ns < ports->judged_ns + MINUTE_NS) {
        return false;
    }
    bool changed = false;
    for (uint32_t port = ports->first; port <= ports->last; port++) {
        changed |= judge(ports, port);
    }
    ports->judged_ns = now_ns;
    return changed;
}

void eye_ports_format(uint16_t name, char ret_text[static EYE_PORT_BYTES])
{
    if (name == 0) {
        memcpy(ret_text, EYE_PORT_EPHEMERAL, sizeof(EYE_PORT_EPHEMERAL));
    } else {
        snprintf(ret_text, EYE_PORT_BYTES, "%u", (unsigned int)name);
    }
}
