/* SPDX-License-Identifier: Apache-2.0 */
/* Lines as kernels write them into mountinfo. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/base/base.h"
#include "collector/host/mountinfo.h"

static void mount_parse__reads_fields(void **state)
{
    static const struct {
        const char *line;
        uint64_t id;
        const char *path;
        const char *type;
    } cases[] = {
        {"41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n", 41,
         "/sys/fs/cgroup/unified", "cgroup2"},
        {"26 25 0:23 / /sys/fs/cgroup rw shared:4 master:1 - cgroup2 none rw,nsdelegate", 26,
         "/sys/fs/cgroup", "cgroup2"},
        {"70 45 0:38 / /tmp/a\\040b\\011c\\012d\\134e rw - cgroup2 cgroup2 rw\n", 70,
         "/tmp/a b\tc\nd\\e", "cgroup2"},
        {"70 45 0:38 / /octal\\0409 rw - cgroup2 cgroup2 rw\n", 70, "/octal 9", "cgroup2"},
        {"70 45 0:38 / /cut\\04 rw - cgroup2 cgroup2 rw\n", 70, "/cut\\04", "cgroup2"},
        {"70 45 0:38 / /no\\989octal rw - cgroup2 cgroup2 rw\n", 70, "/no\\989octal", "cgroup2"},
        {"71 45 0:38 / /a\\040-\\040cgroup2\\040b rw - tmpfs none rw\n", 71, "/a - cgroup2 b",
         "tmpfs"},
        {"22 27 0:21 / /proc rw - proc proc rw,hidepid=invisible\n", 22, "/proc", "proc"},
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        char line[256];
        struct eye_mount mount = {0};
        snprintf(line, sizeof(line), "%s", cases[i].line);
        assert_int_equal(eye_mount_parse(line, &mount), 0);
        assert_int_equal(mount.id, cases[i].id);
        assert_string_equal(mount.path, cases[i].path);
        assert_string_equal(mount.type, cases[i].type);
    }
}

static void mount_parse__reads_options(void **state)
{
    char overlay[] = "9 1 0:9 / /m rw shared:1 - overlay overlay rw,lowerdir=/a:/b,upperdir=/c\n";
    char none[] = "9 1 0:9 / /m rw - tmpfs";
    struct eye_mount mount;
    (void)state;
    assert_int_equal(eye_mount_parse(overlay, &mount), 0);
    assert_string_equal(mount.type, "overlay");
    assert_string_equal(mount.options, "rw,lowerdir=/a:/b,upperdir=/c");
    assert_true(mount.device == 9);
    assert_int_equal(eye_mount_parse(none, &mount), 0);
    assert_string_equal(mount.type, "tmpfs");
    assert_string_equal(mount.options, "");
}

static void mount_parse__refuses_what_is_no_line_and_leaves_output(void **state)
{
    static const char *const lines[] = {
        "",
        "\n",
        " - cgroup2 cgroup2 rw",
        "41 31 0:38 /",
        "41 31 0:38 / /sys/fs/cgroup rw cgroup2 cgroup2 rw",
        "41 31 0:38 / - cgroup2 cgroup2 rw",
        "x 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
        "41 31 038 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
    };
    (void)state;
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(lines); i++) {
        char line[256];
        struct eye_mount mount = {.id = 7};
        snprintf(line, sizeof(line), "%s", lines[i]);
        assert_int_equal(eye_mount_parse(line, &mount), -EBADMSG);
        assert_int_equal(mount.id, 7);
        assert_null(mount.path);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(mount_parse__reads_fields),
        cmocka_unit_test(mount_parse__reads_options),
        cmocka_unit_test(mount_parse__refuses_what_is_no_line_and_leaves_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
