/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of /proc/PID/maps, and the files of this process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "collector/base/base.h"
#include "collector/tls/mapping.h"

static bool parse(const char *text, struct eye_tls_mapping *mapping)
{
    static char line[512];
    snprintf(line, sizeof(line), "%s", text);
    return eye_tls_mapping_parse(line, mapping);
}

static void mapping__code_of_libraries_of_tls(void **state)
{
    static const char *const names[] = {
        "/usr/lib/x86_64-linux-gnu/libssl.so.3",
        "/app/libs/libssl-81ffa89e.so.1.1",
        "/x/libgnutls.so.30.34.3",
        "/usr/bin/node",
        "/opt/my app/libssl.so.3 (deleted)",
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(names); i++) {
        char line[256];
        struct eye_tls_mapping mapping;
        snprintf(line, sizeof(line), "7f00-7fff r-xp 0001f000 fe:01 4711                   %s\n",
                 names[i]);
        assert_true(parse(line, &mapping));
        assert_int_equal(mapping.kind, EYE_TLS_LIBRARY);
        assert_int_equal(mapping.inode, 4711);
        assert_int_equal(mapping.device, 0xfeULL << 32 | 1);
        assert_string_equal(mapping.path, names[i]);
    }
}

static void mapping__code_of_programs(void **state)
{
    static const char *const lines[] = {
        "7f00-7fff r-xp 0001f000 fe:01 4711 /usr/bin/node_exporter\n",
        "7f00-7fff r-xp 0001f000 fe:01 4711 /opt/a.song (deleted)\n",
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(lines); i++) {
        struct eye_tls_mapping mapping;
        assert_true(parse(lines[i], &mapping));
        assert_int_equal(mapping.kind, EYE_TLS_PROGRAM);
    }
}

static void mapping__of_others_is_none(void **state)
{
    static const char *const lines[] = {
        "7f00-7fff r--p 0001f000 fe:01 4711 /usr/lib/libssl.so.3\n",
        "7f00-7fff r-xp 0001f000 fe:01 4711 /usr/lib/libcrypto.so.3\n",
        "7f00-7fff r-xp 0001f000 fe:01 4711 /usr/lib/libssl3.so\n",
        "7f00-7fff r-xp 0001f000 fe:01 4711 /x/_ssl.cpython-311-x86_64-linux-gnu.so\n",
        "7f00-7fff r-xp 0001f000 fe:01 4711 /usr/lib/libz.so (deleted)\n",
        "7f00-7fff r-xp 0001f000 fe:01 4711 /usr/lib/libz.so-1\n",
        "7f00-7fff r-xp 0001f000 fe:01 4711 /memfd:runc (deleted)\n",
        "7f00-7fff r-xp 00000000 00:00 0 [vdso]\n",
        "7f00-7fff r-xp 00000000 00:00 0\n",
        "7f00-7fff r-xp 0001f000 fe:01\n",
        "r-xp libssl.so.3\n",
        "",
    };
    struct eye_tls_mapping mapping;
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(lines); i++) {
        assert_false(parse(lines[i], &mapping));
    }
}

struct found {
    const char *path;
    struct eye_tls_mapping mapping;
    int count;
};

static void note(void *context, const struct eye_tls_mapping *mapping)
{
    struct found *found = context;
    if (mapping->pid == getpid() && strncmp(mapping->path, found->path, strlen(found->path)) == 0) {
        found->mapping = *mapping;
        found->mapping.path = found->path;
        found->count++;
    }
}

static void mapping__is_found_and_opened(void **state)
{
    char path[] = "/tmp/libssl.XXXXXX";
    struct stat status = {0};
    struct eye_error error = {""};
    (void)state;
    EYE_AUTOCLOSE int fd = mkstemp(path);
    assert_true(fd >= 0 && ftruncate(fd, 4096) == 0 && fstat(fd, &status) == 0);
    struct found found = {.path = path};
    void *area = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    assert_ptr_not_equal(area, MAP_FAILED);
    assert_int_equal(eye_tls_mappings_scan("/proc", note, &found), 0);
    assert_int_equal(found.count, 1);
    assert_int_equal(found.mapping.inode, status.st_ino);
    EYE_AUTOCLOSE int again = eye_tls_mapping_open("/proc", &found.mapping, &error);
    assert_true(again >= 0);
    /* Another file in its place, and none. */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(eye_tls_mapping_open("/proc", &found.mapping, &error), -ENOENT);
    EYE_AUTOCLOSE int other = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(other >= 0);
    assert_int_equal(eye_tls_mapping_open("/proc", &found.mapping, &error), -ESTALE);
    assert_non_null(strstr(error.text, "was replaced"));
    unlink(path);
    munmap(area, 4096);
    assert_int_equal(eye_tls_mappings_scan("/nowhere", note, &found), -ENOENT);
}

/* To open a device does something, and whoever lets a program run chooses what stands at its path
 * afterwards. */
static void mapping__what_is_no_file_is_not_opened(void **state)
{
    char folder[] = "/tmp/libssl.XXXXXX";
    char path[64];
    struct eye_error error = {""};
    struct stat status = {0};
    char event[256];
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/libssl.so.3", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(stat(path, &status), 0);
    EYE_AUTOCLOSE int watch = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(watch >= 0 && inotify_add_watch(watch, path, IN_OPEN) >= 0);
    const struct eye_tls_mapping mapping = {
        .kind = EYE_TLS_LIBRARY, .pid = getpid(), .inode = status.st_ino, .path = path};
    assert_int_equal(eye_tls_mapping_open("/proc", &mapping, &error), -ESTALE);
    assert_non_null(strstr(error.text, "was replaced"));
    assert_int_equal(read(watch, event, sizeof(event)), -1);
    assert_int_equal(errno, EAGAIN);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mapping__code_of_libraries_of_tls),
        cmocka_unit_test(mapping__code_of_programs),
        cmocka_unit_test(mapping__of_others_is_none),
        cmocka_unit_test(mapping__is_found_and_opened),
        cmocka_unit_test(mapping__what_is_no_file_is_not_opened),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
