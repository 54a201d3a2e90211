/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reads a process through a descriptor of its directory: once that is open, every file is the same
 * process' or an error, even when the pid is given to another in between. A file that may not be
 * read (environ and exe of other users, without CAP_SYS_PTRACE) leaves the name to the next source.
 */
#include "collector/process/procfs.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/file.h"
#include "collector/base/parse.h"
#include "collector/base/text.h"

/* A pid in decimal and its NUL. */
#define PID_BYTES 11

/* A uint64_t in decimal and its NUL. */
#define U64_BYTES 21

/* Field 22 ends before byte 512: a command of 64 bytes at most and 20 numbers. */
#define STAT_BYTES 1024

#define CONTAINER_ID_DIGITS 64

#define SERVICE_BYTES sizeof(((struct eye_process *)NULL)->service)

/* A part of a text, not NUL-terminated. */
struct span {
    const char *start;
    size_t length;
};

/* Well-formed UTF-8 by its first two bytes (The Unicode Standard, table 3-7), without controls. */
struct utf8_form {
    unsigned char first_low, first_high;
    unsigned char second_low, second_high;
    size_t length;
};

static const struct utf8_form utf8_forms[] = {
    {0x20, 0x7e, 0x00, 0x00, 1}, {0xc2, 0xc2, 0xa0, 0xbf, 2}, {0xc3, 0xdf, 0x80, 0xbf, 2},
    {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3},
    {0xee, 0xef, 0x80, 0xbf, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
    {0xf4, 0xf4, 0x80, 0x8f, 4},
};

static bool has_form(struct span text, const struct utf8_form *form)
{
    const unsigned char *bytes = (const unsigned char *)text.start;
    if (bytes[0] < form->first_low || bytes[0] > form->first_high || text.length < form->length) {
        return false;
    }
    if (form->length > 1 && (bytes[1] < form->second_low || bytes[1] > form->second_high)) {
        return false;
    }
    for (size_t i = 2; i < form->length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return false;
        }
    }
    return true;
}

/* Bytes of the printable character that @text (not empty) starts with; 0 when it does not. */
static size_t printable_length(struct span text)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(utf8_forms); i++) {
        if (has_form(text, &utf8_forms[i])) {
            return utf8_forms[i].length;
        }
    }
    return 0;
}

static struct span skip(struct span text, size_t count)
{
    return (struct span){text.start + count, text.length - count};
}

/* Copies @text as far as whole characters fit, with "_" for every byte that is none. */
static void copy_clean(char *target, size_t size, struct span text)
{
    size_t used = 0;
    while (text.length > 0) {
        size_t length = printable_length(text);
        const char *source = length > 0 ? text.start : "_";
        length = length > 0 ? length : 1;
        if (used + length >= size) {
            break;
        }
        memcpy(target + used, source, length);
        used += length;
        text = skip(text, length);
    }
    target[used] = '\0';
}

static bool starts_with(struct span text, const char *prefix)
{
    size_t length = strlen(prefix);
    return text.length >= length && memcmp(text.start, prefix, length) == 0;
}

/* Takes @suffix off @text where it ends so. */
static bool cut_suffix(struct span *text, const char *suffix)
{
    size_t length = strlen(suffix);
    if (text->length < length || memcmp(text->start + text->length - length, suffix, length) != 0) {
        return false;
    }
    text->length -= length;
    return true;
}

/* Takes the text up to the next @separator off @rest; false when nothing is left. */
static bool next_part(struct span *rest, char separator, struct span *ret_part)
{
    if (rest->length == 0) {
        return false;
    }
    const char *end = memchr(rest->start, separator, rest->length);
    size_t length = end == NULL ? rest->length : (size_t)(end - rest->start);
    *ret_part = (struct span){rest->start, length};
    *rest = skip(*rest, end == NULL ? length : length + 1);
    return true;
}

static struct span trim(struct span text)
{
    while (text.length > 0 && text.start[0] == ' ') {
        text = skip(text, 1);
    }
    while (cut_suffix(&text, " ")) {
    }
    return text;
}

/* The value of the first "@key=value" in a list; empty without one. @key includes the "=". */
static struct span find_value(struct span list, char separator, const char *key)
{
    struct span part;
    while (next_part(&list, separator, &part)) {
        part = trim(part);
        if (starts_with(part, key)) {
            return trim(skip(part, strlen(key)));
        }
    }
    return (struct span){0};
}

static int hex_digit(char character)
{
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    if (character >= 'a' && character <= 'f') {
        return character - 'a' + 10;
    }
    if (character >= 'A' && character <= 'F') {
        return character - 'A' + 10;
    }
    return -1;
}

/* The byte that "@mark" and two hex digits at the start of @text mean; -1 when it is not so. */
static int escaped_byte(struct span text, const char *mark)
{
    size_t length = strlen(mark);
    if (text.length < length + 2 || !starts_with(text, mark)) {
        return -1;
    }
    int high = hex_digit(text.start[length]);
    int low = hex_digit(text.start[length + 1]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

/* The same as copy_clean() for a text in which "@mark" and two hex digits stand for a byte. */
static void copy_unescaped(char *target, size_t size, struct span text, const char *mark)
{
    char plain[SERVICE_BYTES];
    size_t used = 0;
    while (text.length > 0 && used < sizeof(plain)) {
        int byte = escaped_byte(text, mark);
        plain[used++] = byte < 0 ? text.start[0] : (char)byte;
        text = skip(text, byte < 0 ? 1 : strlen(mark) + 2);
    }
    copy_clean(target, size, (struct span){plain, used});
}

/* Reads a file of /proc whole, cut at @size. */
static int read_file(int directory, const char *name, char *buffer, size_t size,
                     struct span *ret_text)
{
    EYE_AUTOCLOSE int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    ssize_t length = eye_file_read(fd, buffer, size);
    if (length < 0) {
        return (int)length;
    }
    *ret_text = (struct span){buffer, (size_t)length};
    return 0;
}

/* The same, where a file that cannot be read is as good as an empty one. */
static struct span content_of(struct eye_procfs *procfs, int directory, const char *name)
{
    struct span text = {0};
    read_file(directory, name, procfs->content, sizeof(procfs->content), &text);
    return text;
}

#define STAT_START_TICKS 22
#define STAT_START_STACK 28

static int parse_field(struct span field, uint64_t *ret_value)
{
    char digits[U64_BYTES];
    copy_clean(digits, sizeof(digits), field);
    return eye_parse_u64(digits, ret_value);
}

/* Fields are counted from behind the last ")": the command before it may hold anything. */
static int parse_image(struct span stat, struct eye_process_image *ret_image)
{
    const char *command_end = memrchr(stat.start, ')', stat.length);
    if (command_end == NULL) {
        return -EBADMSG;
    }
    struct span rest = skip(stat, (size_t)(command_end - stat.start) + 1);
    struct span field = {0};
    struct eye_process_image image = {0};
    int result = -EBADMSG;
    for (int number = 2; next_part(&rest, ' ', &field) && number <= STAT_START_STACK; number++) {
        if (number == STAT_START_TICKS) {
            result = parse_field(field, &image.start_ticks);
        } else if (number == STAT_START_STACK && parse_field(field, &image.start_stack) != 0) {
            image.start_stack = 0;
        }
    }
    if (result == 0) {
        *ret_image = image;
    }
    return result;
}

static int read_image(int directory, const char *name, struct eye_process_image *ret_image)
{
    char buffer[STAT_BYTES];
    struct span stat = {buffer, 0};
    int result = read_file(directory, name, buffer, sizeof(buffer), &stat);
    return result != 0 ? result : parse_image(stat, ret_image);
}

/* user@1000.service is a whole user session. @unit is without its suffix. */
static bool is_user_manager(struct span unit)
{
    if (!starts_with(unit, "user@")) {
        return false;
    }
    unit = skip(unit, strlen("user@"));
    while (unit.length > 0 && unit.start[0] >= '0' && unit.start[0] <= '9') {
        unit = skip(unit, 1);
    }
    return unit.length == 0;
}

/*
 * The innermost service of a systemd path, without ".service"; empty without one. A service above
 * a Kubernetes pod (containerd without its systemd driver) is the runtime's, not the pod's.
 */
static struct span unit_of_path(struct span path)
{
    struct span unit = {0};
    struct span element;
    while (next_part(&path, '/', &element)) {
        if (starts_with(element, "kubepods")) {
            unit = (struct span){0};
        } else if (cut_suffix(&element, ".service") && !is_user_manager(element)) {
            unit = element;
        }
    }
    /* systemd's cg_escape(): "_" stands before what could be taken for a file of the kernel. */
    if (starts_with(unit, "_")) {
        unit = skip(unit, 1);
    }
    return unit;
}

static size_t hex_run(struct span text)
{
    size_t length = 0;
    while (length < text.length && hex_digit(text.start[length]) >= 0) {
        length++;
    }
    return length;
}

/* The innermost container id of a path, whatever stands around it; empty without one. */
static struct span container_of_path(struct span path)
{
    struct span id = {0};
    while (path.length > 0) {
        size_t length = hex_run(path);
        if (length == CONTAINER_ID_DIGITS) {
            id = (struct span){path.start, length};
        }
        path = skip(path, length > 0 ? length : 1);
    }
    return id;
}

/* A line is "hierarchy:controllers:path" (cgroups(7)); systemd's own is named, or version 2. */
static void read_cgroup_line(struct span line, struct eye_process *process)
{
    struct span hierarchy;
    struct span controllers;
    cut_suffix(&line, " (deleted)");
    if (!next_part(&line, ':', &hierarchy) || !next_part(&line, ':', &controllers)) {
        return;
    }
    if (process->container[0] == '\0') {
        copy_clean(process->container, sizeof(process->container), container_of_path(line));
    }
    bool systemd = controllers.length == 0 || starts_with(controllers, "name=systemd");
    if (process->service[0] == '\0' && systemd) {
        copy_unescaped(process->service, sizeof(process->service), unit_of_path(line), "\\x");
    }
}

static void read_cgroup(struct eye_procfs *procfs, int directory, struct eye_process *process)
{
    struct span rest = content_of(procfs, directory, "cgroup");
    struct span line;
    while (next_part(&rest, '\n', &line)) {
        read_cgroup_line(line, process);
    }
}

/* OTEL_RESOURCE_ATTRIBUTES is "key=value,...", percent-encoded (OpenTelemetry resource SDK). */
static void read_environment(struct eye_procfs *procfs, int directory, struct eye_process *process)
{
    struct span environment = content_of(procfs, directory, "environ");
    struct span service = find_value(environment, '\0', "DD_SERVICE=");
    if (service.length == 0) {
        service = find_value(environment, '\0', "OTEL_SERVICE_NAME=");
    }
    copy_clean(process->service, sizeof(process->service), service);
    if (service.length == 0) {
        struct span attributes = find_value(environment, '\0', "OTEL_RESOURCE_ATTRIBUTES=");
        copy_unescaped(process->service, sizeof(process->service),
                       find_value(attributes, ',', "service.name="), "%");
    }
}

/* Kernel threads and zombies have no executable: the command name stands in. */
static void read_executable(struct eye_procfs *procfs, int directory, struct eye_process *process)
{
    struct span name = {0};
    ssize_t length = readlinkat(directory, "exe", procfs->content, sizeof(procfs->content));
    if (length > 0) {
        struct span path = {procfs->content, (size_t)length};
        cut_suffix(&path, " (deleted)");
        while (next_part(&path, '/', &name)) {
        }
    }
    if (name.length == 0) {
        name = content_of(procfs, directory, "comm");
        cut_suffix(&name, "\n");
    }
    copy_clean(process->executable, sizeof(process->executable), name);
}

/* What /proc did not name. */
static void name_rest(struct eye_process *process, const char *comm)
{
    if (process->executable[0] == '\0') {
        struct span name = {comm, strlen(comm)};
        copy_clean(process->executable, sizeof(process->executable), name);
    }
    if (process->executable[0] == '\0') {
        eye_copy_string(process->executable, sizeof(process->executable), "unknown");
    }
    if (process->service[0] == '\0' && process->container[0] != '\0') {
        eye_copy_string(process->service, sizeof(process->service), process->container);
    }
    if (process->service[0] == '\0') {
        eye_copy_string(process->service, sizeof(process->service), process->executable);
    }
}

bool eye_procfs_describe(struct eye_procfs *procfs, uint32_t pid, const char *comm,
                         struct eye_process *ret_process)
{
    struct eye_process process = {.pid = pid};
    char name[PID_BYTES];
    snprintf(name, sizeof(name), "%" PRIu32, pid);
    EYE_AUTOCLOSE int directory = openat(procfs->root, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct eye_process_image image = {0};
    bool there = read_image(directory, "stat", &image) == 0;
    process.start_ticks = image.start_ticks;
    process.start_stack = image.start_stack;
    if (there) {
        read_environment(procfs, directory, &process);
        read_cgroup(procfs, directory, &process);
        read_executable(procfs, directory, &process);
    }
    name_rest(&process, comm);
    *ret_process = process;
    return there;
}

int eye_procfs_image(const struct eye_procfs *procfs, uint32_t pid,
                     struct eye_process_image *ret_image)
{
    char name[PID_BYTES + sizeof("/stat")];
    snprintf(name, sizeof(name), "%" PRIu32 "/stat", pid);
    return read_image(procfs->root, name, ret_image);
}

void eye_procfs_init(struct eye_procfs *procfs, const char *root)
{
    procfs->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

void eye_procfs_done(struct eye_procfs *procfs)
{
    if (procfs->root >= 0) {
        close(procfs->root);
    }
}
