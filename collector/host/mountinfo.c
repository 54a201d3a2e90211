/* SPDX-License-Identifier: Apache-2.0 */
/* Takes a line apart at its blanks. */
#include "collector/host/mountinfo.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/parse.h"

/* Where fields stand: before the separator, and behind it. */
#define FIELD_ID 0
#define FIELD_DEVICE 2
#define FIELD_PATH 4
#define FIELD_TYPE 0
#define FIELD_OPTIONS 2

static char *skip_fields(char *text, int count)
{
    for (; count > 0 && text != NULL; count--) {
        text = strchr(text, ' ');
        text = text == NULL ? NULL : text + 1;
    }
    return text;
}

static bool is_octal(char character)
{
    return character >= '0' && character <= '7';
}

/* In place. */
static void unescape(char *text)
{
    char *target = text;
    while (*text != '\0') {
        if (text[0] == '\\' && is_octal(text[1]) && is_octal(text[2]) && is_octal(text[3])) {
            *target++ = (char)((text[1] - '0') << 6 | (text[2] - '0') << 3 | (text[3] - '0'));
            text += 4;
        } else {
            *target++ = *text++;
        }
    }
    *target = '\0';
}

/* "8:1" */
static bool parse_device(const char *text, uint64_t *ret_device)
{
    unsigned int major;
    unsigned int minor;
    bool parsed = text != NULL && sscanf(text, "%u:%u", &major, &minor) == 2;
    *ret_device = parsed ? (uint64_t)major << 32 | minor : 0;
    return parsed;
}

static void end_field(char *field)
{
    field[strcspn(field, " \n")] = '\0';
}

int eye_mount_parse(char *line, struct eye_mount *ret_mount)
{
    static const char separator[] = " - ";
    char *behind = strstr(line, separator);
    if (behind == NULL) {
        return -EBADMSG;
    }
    *behind = '\0';
    behind += strlen(separator);
    char *path = skip_fields(line, FIELD_PATH);
    struct eye_mount mount = {.path = path, .type = behind + FIELD_TYPE};
    if (path == NULL || !parse_device(skip_fields(line, FIELD_DEVICE), &mount.device)) {
        return -EBADMSG;
    }
    char *options = skip_fields(behind, FIELD_OPTIONS);
    mount.options = options == NULL ? behind + strlen(behind) : options;
    end_field(mount.options);
    end_field(line + FIELD_ID);
    end_field(path);
    end_field(behind + FIELD_TYPE);
    if (eye_parse_u64(line + FIELD_ID, &mount.id) != 0) {
        return -EBADMSG;
    }
    unescape(path);
    *ret_mount = mount;
    return 0;
}
