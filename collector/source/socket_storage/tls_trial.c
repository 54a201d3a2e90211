/* SPDX-License-Identifier: Apache-2.0 */
/* A place in our own code, and what the kernel says of a probe there. */
#include "collector/source/socket_storage/tls_trial.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#include "collector/base/base.h"
#include "collector/source/socket_storage/tls_probes.h"

/* Nobody passes it: the probe is to be taken, and not to be hit. */
__attribute__((noinline, used)) static void pass_nowhere(void)
{
    __asm__ volatile("nop");
}

/* The program itself comes first (dl_iterate_phdr(3)). */
static int note_base(struct dl_phdr_info *info, size_t size, void *ret_base)
{
    (void)size;
    *(uint64_t *)ret_base = info->dlpi_addr;
    return 1;
}

static uint64_t own_place(const struct eye_elf *elf)
{
    uint64_t base = 0;
    dl_iterate_phdr(note_base, &base);
    return eye_elf_offset(elf, (uintptr_t)pass_nowhere - base);
}

/* What libbpf would print is in the message, as far as it is worth it. */
__attribute__((format(printf, 2, 0))) static int print_nothing(enum libbpf_print_level level,
                                                               const char *format,
                                                               va_list arguments)
{
    (void)level;
    (void)format;
    (void)arguments;
    return 0;
}

static int try_at(struct eye_features *features, int fd, struct eye_elf *elf,
                  struct eye_error *ret_error)
{
    int result = eye_decoder_open(eye_elf_code(elf)->machine, ret_error);
    if (result != 0) {
        return result;
    }
    libbpf_print_fn_t printer = libbpf_set_print(print_nothing);
    result = eye_tls_probes_try(eye_helper_allowed(features, EYE_HELPER_TRACING_READS_STRINGS), fd,
                                own_place(elf), ret_error);
    libbpf_set_print(printer);
    return result;
}

int eye_tls_try(struct eye_features *features, struct eye_error *ret_error)
{
    struct eye_elf *elf = NULL;
    EYE_AUTOCLOSE int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return eye_error_set(ret_error, -errno, "cannot open /proc/self/exe: %s", strerror(errno));
    }
    int result = eye_elf_open(fd, &elf, ret_error);
    if (result == 0) {
        result = try_at(features, fd, elf, ret_error);
    }
    eye_elf_close(elf);
    return result;
}
