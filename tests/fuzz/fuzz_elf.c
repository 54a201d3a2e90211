/* SPDX-License-Identifier: Apache-2.0 */
/* Any file as a library of TLS. Property: it is said what is wrong with it, in bounded time and
 * memory, or each place that is found stands in the file. */
#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

#include "collector/tls/library.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct eye_elf *elf, const struct eye_tls_plan *plan, size_t size)
{
    assert(plan->function_count <= EYE_TLS_FUNCTIONS_MAX);
    for (uint32_t i = 0; i < plan->function_count; i++) {
        const struct eye_sites *sites = &plan->functions[i].sites;
        assert(eye_elf_offset(elf, sites->entry.address) < size);
        for (uint32_t k = 0; k < sites->exit_count; k++) {
            assert(eye_elf_offset(elf, sites->exits[k].address) < size);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct eye_elf *elf = NULL;
    struct eye_tls_plan plan;
    struct eye_error error = {""};
    int fd = memfd_create("library", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) {
        close(fd);
        return 0;
    }
    if (eye_elf_open(fd, &elf, &error) != 0 || eye_tls_plan_make(elf, &plan, &error) != 0) {
        assert(error.text[0] != '\0');
    } else {
        check(elf, &plan, size);
    }
    eye_elf_close(elf);
    close(fd);
    return 0;
}
