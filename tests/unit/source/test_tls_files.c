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

#define LOOKS 3

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

/* It was opened and is a program without TLS, or its process was gone. */
static void try_in_vain(struct eye_tls_known *file)
{
    assert_non_null(file);
    file->due = false;
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
        eye_tls_files_note_look(files, LOOKS);
    }
}

static void crowd_of_strangers__takes_no_place(void **state)
{
    struct eye_tls_files *files = *state;
    settle(files, meet(files, 1));
    for (uint64_t i = 0; i < 3 * EYE_TLS_FILES_MAX; i++) {
        try_in_vain(meet(files, 10 + i));
        assert_non_null(find(files, 10 + i));
    }
    assert_int_equal(files->count, EYE_TLS_FILES_MAX);
    assert_non_null(find(files, 1));
    assert_null(find(files, 10));
    assert_non_null(find(files, 10 + 2 * EYE_TLS_FILES_MAX + 2)); /* the oldest went first */
    look(files, 1);
    assert_int_equal(files->beyond, 0);
}

static void what_is_to_be_tried__is_not_given_up(void **state)
{
    struct eye_tls_files *files = *state;
    for (uint64_t i = 0; i < EYE_TLS_FILES_MAX; i++) {
        assert_non_null(meet(files, 10 + i));
    }
    assert_null(meet(files, 1));
    try_in_vain(find(files, 10 + 7));
    assert_non_null(meet(files, 1));
    assert_null(find(files, 10 + 7));
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
    look(files, 1);
    assert_int_equal(files->beyond, 5);
    uint64_t counts[EYE_TLS_OUTCOME_COUNT];
    eye_tls_files_count(files, counts);
    assert_int_equal(counts[EYE_TLS_REFUSED], EYE_TLS_FILES_MAX);
    look(files, LOOKS);
    assert_int_equal(files->beyond, 0);
    assert_int_equal(files->count, 0);
    assert_non_null(meet(files, 1));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(crowd_of_strangers__takes_no_place),
        TEST(what_is_to_be_tried__is_not_given_up),
        TEST(what_there_is_no_room_for__is_counted),
    };
    return cmocka_run_group_tests_name("tls_files", tests, NULL, NULL);
}
