/* SPDX-License-Identifier: Apache-2.0 */
/* A made-up root folder of a host with files of container runtimes. Every function fails the
 * running test when it cannot. */
#pragma once

struct fake_root {
    char path[32];
};

void fake_root_init(struct fake_root *root);
void fake_root_done(struct fake_root *root);

/** Writes the file @path below the root, with the folders that it needs, as runtimes do: in one
 * step, in the place of what was there. */
void fake_root_write(const struct fake_root *root, const char *path, const char *text);

/** Makes the folder @path below the root, with those that it needs. */
void fake_root_make(const struct fake_root *root, const char *path);
