/* SPDX-License-Identifier: Apache-2.0 */
/* The libraries of this host, and what is left of them when they are cut or damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <gnutls/gnutls.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "collector/base/base.h"
#include "collector/tls/library.h"

#define CUTS 64
#define DAMAGES 400

static char path[PATH_MAX];

static int note_path(struct dl_phdr_info *info, size_t size, void *name)
{
    (void)size;
    if (strstr(info->dlpi_name, name) != NULL) {
        snprintf(path, sizeof(path), "%s", info->dlpi_name);
    }
    return 0;
}

/* The file that this process has loaded. */
static int open_own(const char *name)
{
    char wanted[64];
    snprintf(wanted, sizeof(wanted), "%s", name);
    path[0] = '\0';
    dl_iterate_phdr(note_path, wanted);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static int make(int fd, struct eye_tls_plan *plan, struct eye_error *error)
{
    struct eye_elf *elf = NULL;
    int result = eye_elf_open(fd, &elf, error);
    if (result == 0) {
        result = eye_tls_plan_make(elf, plan, error);
    }
    eye_elf_close(elf);
    return result;
}

/* What is wanted of every library, however it is built. */
static void assert_whole(const struct eye_tls_plan *plan)
{
    bool has[] = {[EYE_TLS_READS] = false, [EYE_TLS_WRITES] = false, [EYE_TLS_ENDS] = false};
    for (uint32_t i = 0; i < plan->function_count; i++) {
        const struct eye_tls_function *function = &plan->functions[i];
        has[function->direction] = true;
        assert_int_not_equal(function->sites.entry.address, 0);
        assert_int_equal(function->sites.exit_count == 0, function->direction == EYE_TLS_ENDS);
    }
    assert_true(has[EYE_TLS_READS] && has[EYE_TLS_WRITES] && has[EYE_TLS_ENDS]);
    assert_int_not_equal(plan->client_random.offset, 0);
}

static void library__gnutls_of_this_host(void **state)
{
    struct eye_tls_plan plan = {0};
    struct eye_error error = {""};
    (void)state;
    assert_non_null(gnutls_check_version(NULL)); /* it is loaded */
    EYE_AUTOCLOSE int fd = open_own("libgnutls.so");
    assert_int_equal(make(fd, &plan, &error), 0);
    assert_string_equal(plan.library, "GnuTLS");
    assert_whole(&plan);
    /* The member is asked of a session. */
    gnutls_session_t session = NULL;
    gnutls_datum_t random = {0};
    assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT), 0);
    gnutls_session_get_random(session, &random, NULL);
    assert_int_equal(plan.client_random.pointer, 0);
    assert_ptr_equal(random.data, (uint8_t *)session + plan.client_random.offset);
    gnutls_deinit(session);
}

static void library__this_program_is_none(void **state)
{
    struct eye_tls_plan plan;
    struct eye_error error = {""};
    (void)state;
    EYE_AUTOCLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    assert_int_equal(make(fd, &plan, &error), -ENOENT);
    assert_non_null(strstr(error.text, "no library of TLS that is known"));
}

/* A copy of the file behind @fd in memory. */
static int copy_of(int fd, uint8_t **ret_bytes, size_t *ret_size)
{
    struct stat status;
    assert_int_equal(fstat(fd, &status), 0);
    int copy = memfd_create("library", MFD_CLOEXEC);
    assert_true(copy >= 0);
    *ret_size = (size_t)status.st_size;
    assert_int_equal(ftruncate(copy, status.st_size), 0);
    *ret_bytes = mmap(NULL, *ret_size, PROT_READ | PROT_WRITE, MAP_SHARED, copy, 0);
    assert_ptr_not_equal(*ret_bytes, MAP_FAILED);
    assert_int_equal(pread(fd, *ret_bytes, *ret_size, 0), status.st_size);
    return copy;
}

/* It says so, or is as it was: the end of a file is debugging information at most. */
static void library__cut_anywhere_is_no_harm(void **state)
{
    struct eye_tls_plan plan;
    struct eye_error error = {""};
    uint8_t *bytes;
    size_t size;
    (void)state;
    EYE_AUTOCLOSE int fd = open_own("libgnutls.so");
    EYE_AUTOCLOSE int copy = copy_of(fd, &bytes, &size);
    munmap(bytes, size);
    for (size_t i = CUTS; i-- > 0;) {
        assert_int_equal(ftruncate(copy, (off_t)(size * i / CUTS)), 0);
        assert_int_not_equal(make(copy, &plan, &error), 0);
    }
}

/* One byte after another of what libelf and we interpret becomes another one. What is found then
 * may be wrong, and nothing more. */
static void library__damaged_anywhere_is_no_harm(void **state)
{
    struct eye_tls_plan plan;
    uint8_t *bytes;
    size_t size;
    uint32_t random = 1;
    (void)state;
    EYE_AUTOCLOSE int fd = open_own("libgnutls.so");
    EYE_AUTOCLOSE int copy = copy_of(fd, &bytes, &size);
    const Elf64_Ehdr *header = (const void *)bytes;
    size_t sections = header->e_shoff;
    size_t section_bytes = (size_t)header->e_shnum * sizeof(Elf64_Shdr);
    for (int i = 0; i < DAMAGES; i++) {
        random = random * 1664525 + 1013904223;
        size_t at = i % 2 == 0 ? random % 1024 : sections + random % section_bytes;
        uint8_t before = bytes[at];
        bytes[at] = (uint8_t)(random >> 24);
        (void)make(copy, &plan, NULL);
        bytes[at] = before;
    }
    assert_int_equal(make(copy, &plan, NULL), 0);
    munmap(bytes, size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(library__gnutls_of_this_host),
        cmocka_unit_test(library__this_program_is_none),
        cmocka_unit_test(library__cut_anywhere_is_no_harm),
        cmocka_unit_test(library__damaged_anywhere_is_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
