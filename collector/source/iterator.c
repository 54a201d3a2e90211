/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an iterator's file to its end. */
#include "collector/source/iterator.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* What the kernel's own buffer holds (8 pages): no read gives more. */
#define READ_BYTES 32768

int eye_iterator_run(const struct bpf_link *link, size_t record_bytes, eye_iterator_sink *sink,
                     void *context)
{
    EYE_AUTOCLOSE int fd = bpf_iter_create(bpf_link__fd(link));
    if (fd < 0) {
        return -errno;
    }
    _Alignas(8) char data[READ_BYTES];
    size_t held = 0;
    for (;;) {
        ssize_t got = read(fd, data + held, sizeof(data) - held);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        /* EAGAIN: the program asked for it, or a million objects gave nothing; reading on
         * continues. */
        bool on_its_way = got < 0 && errno == EAGAIN;
        if (got <= 0 && !on_its_way) {
            return got < 0 ? -errno : 0;
        }
        held += on_its_way ? 0 : (size_t)got;
        size_t whole = record_bytes == 0 ? held : held - held % record_bytes;
        if (sink != NULL) {
            sink(context, data, whole);
        }
        memmove(data, data + whole, held - whole);
        held -= whole;
    }
}
