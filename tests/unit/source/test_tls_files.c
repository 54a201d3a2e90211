/* SPDX-License-Identifier: Apache-2.0 */
/* Files that may have TLS: who is known, and who makes room when strangers come in crowds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/base/base.h"
#include "collector/source/socket_storage/tls_files.h"

static int setup(void **state)
{
    struct eye_tls_files *files = calloc(1, sizeof(*files));
    assert_non_null(files);
    pthread_mutex_init(&files->lock, NULL);
    *state = files;
    return 0;
}

static int teardown(void **state)
{
    eye_tls_files_done(*state);
    free(*state);
    return 0;
}

static struct eye_tls_mapping mapping(uint64_t inode)
{
    return (struct eye_tls_mapping){
        .kind = EYE_TLS_PROGRAM, .pid = 1, .device = 1, .inode = inode, .path = "/bin/one"};
}

static struct eye_tls_known *meet(struct eye_tls_files *files, uint64_t inode)
{
    const struct eye_tls_mapping met = mapping(inode);
    return eye_tls_files_add(files, &met);
}

static struct eye_tls_known *find(struct eye_tls_files *files, uint64_t inode)
{
    const struct eye_tls_mapping wanted = mapping(inode);
    return eye_tls_files_find(files, &wanted);
}

static bool is_plain(struct eye_tls_files *files, uint64_t inode)
{
    const struct eye_tls_mapping met = mapping(inode);
    return eye_tls_files_is_plain(files, &met);
}

/* It was opened and is a program without TLS. */
static void find_plain(struct eye_tls_files *files, uint64_t inode)
{
    struct eye_tls_known *file = meet(files, inode);
    assert_non_null(file);
    file->plain = true;
    eye_tls_files_drop(files, files->count - 1);
}

static void settle(struct eye_tls_files *files, struct eye_tls_known *file)
{
    const struct eye_tls_fate fate = {.outcome = EYE_TLS_REFUSED, .reason = strdup("no room")};
    assert_non_null(file);
    file->due = false;
    eye_tls_files_settle(files, file, &fate);
}

static void look(struct eye_tls_files *files, unsigned times)
{
    for (unsigned i = 0; i < times; i++) {
        for (size_t k = 0; k < files->count; k++) {
            files->items[k]->unmet++;
        }
        eye_tls_files_note_look(files);
    }
}

static void plain_programs__take_no_place(void **state)
{
    struct eye_tls_files *files = *state;
    size_t known = 0;
    settle(files, meet(files, 1));
    for (uint64_t i = 0; i < 3000; i++) {
        find_plain(files, 10 + i);
    }
    for (uint64_t i = 0; i < 3000; i++) {
        known += is_plain(files, 10 + i) ? 1 : 0;
    }
    assert_in_range(known, 2600, 3000); /* some have the place of others */
    assert_int_equal(files->count, 1);
    assert_non_null(find(files, 1));
    assert_false(is_plain(files, 1));
}

/* What has its number then may be another file. */
static void a_plain_program_that_is_gone__is_forgotten(void **state)
{
    struct eye_tls_files *files = *state;
    find_plain(files, 7);
    look(files, EYE_TLS_LOOKS_GONE);
    assert_true(is_plain(files, 7)); /* met */
    look(files, EYE_TLS_LOOKS_GONE + 1);
    assert_false(is_plain(files, 7));
}

/* Its process was gone: it is tried when another one has it. */
static void what_could_not_be_opened__is_not_plain(void **state)
{
    struct eye_tls_files *files = *state;
    settle(files, meet(files, 1));
    assert_non_null(meet(files, 7));
    settle(files, meet(files, 8));
    eye_tls_files_drop(files, 1);
    assert_null(find(files, 7));
    assert_false(is_plain(files, 7));
    assert_non_null(find(files, 1));
    assert_non_null(find(files, 8));
    assert_int_equal(files->count, 2);
}

static void what_there_is_no_room_for__is_counted(void **state)
{
    struct eye_tls_files *files = *state;
    for (uint64_t i = 0; i < EYE_TLS_FILES_MAX; i++) {
        settle(files, meet(files, 10 + i));
    }
    for (uint64_t i = 0; i < 5; i++) {
        assert_null(meet(files, 1 + i));
    }
    uint64_t counts[EYE_TLS_OUTCOME_COUNT];
    eye_tls_files_count(files, counts);
    assert_int_equal(counts[EYE_TLS_REFUSED], EYE_TLS_FILES_MAX);
    look(files, 1);
    assert_int_equal(files->beyond, 5);
    files->missed = 0;
    assert_non_null(meet(files, 1)); /* those that the look has not met are forgotten at once */
    assert_int_equal(files->count, 1);
    look(files, 1);
    assert_int_equal(files->beyond, 0);
    assert_int_equal(files->count, 1);
    look(files, EYE_TLS_LOOKS_GONE);
    assert_int_equal(files->count, 0);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(plain_programs__take_no_place),
        TEST(a_plain_program_that_is_gone__is_forgotten),
        TEST(what_could_not_be_opened__is_not_plain),
        TEST(what_there_is_no_room_for__is_counted),
    };
    return cmocka_run_group_tests_name("tls_files", tests, NULL, NULL);
}
