/* SPDX-License-Identifier: Apache-2.0 */
/* The consumer's page comes first, then the producer's. */
#include "collector/source/ring_pages.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

static void unmap(const volatile unsigned long *page)
{
    if (page != NULL) {
        munmap((void *)(uintptr_t)page, page_bytes());
    }
}

int eye_ring_pages_map(int fd, struct eye_ring_pages *ret_pages)
{
    size_t page = page_bytes();
    void *consumer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    if (consumer == MAP_FAILED) {
        return -errno;
    }
    void *producer = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, (off_t)page);
    if (producer == MAP_FAILED) {
        int error = errno;
        unmap(consumer);
        return -error;
    }
    *ret_pages = (struct eye_ring_pages){consumer, producer};
    return 0;
}

void eye_ring_pages_unmap(struct eye_ring_pages *pages)
{
    unmap(pages->consumer);
    unmap(pages->producer);
    *pages = (struct eye_ring_pages){0};
}
