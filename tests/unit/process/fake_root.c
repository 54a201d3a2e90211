/* SPDX-License-Identifier: Apache-2.0 */
/* Folders and files where runtimes have theirs. */
#include "tests/unit/process/fake_root.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "tests/support/folder.h"

#define PATH_BYTES 512

void fake_root_init(struct fake_root *root)
{
    snprintf(root->path, sizeof(root->path), "/tmp/test-root-XXXXXX");
    assert_non_null(mkdtemp(root->path));
}

void fake_root_done(struct fake_root *root)
{
    folder_remove(root->path);
}

void fake_root_make(const struct fake_root *root, const char *path)
{
    char full[PATH_BYTES];
    snprintf(full, sizeof(full), "%s/%s/", root->path, path);
    for (char *at = strchr(full + 1, '/'); at != NULL; at = strchr(at + 1, '/')) {
        *at = '\0';
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *at = '/';
    }
}

void fake_root_write(const struct fake_root *root, const char *path, const char *text)
{
    char folder[PATH_BYTES];
    char full[PATH_BYTES];
    char fresh[PATH_BYTES];
    snprintf(folder, sizeof(folder), "%s", path);
    char *name = strrchr(folder, '/');
    if (name != NULL) {
        *name = '\0';
        fake_root_make(root, folder);
    }
    snprintf(full, sizeof(full), "%s/%s", root->path, path);
    snprintf(fresh, sizeof(fresh), "%s/fresh", root->path);
    EYE_AUTOCLOSE int fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(rename(fresh, full), 0);
}
