/* SPDX-License-Identifier: Apache-2.0 */
/*
 * map SECONDS: maps a page of a file to run code of, and takes the mapping away. Prints how often,
 * and the nanoseconds that it took.
 */
#include "tests/bench/load.h"

#include <fcntl.h>
#include <sys/mman.h>

#define MAPS_AT_ONCE 64
#define PAGE 4096

int main(int count, char **arguments)
{
    uint64_t maps = 0;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (count != 2 || fd < 0) {
        fprintf(stderr, "usage: map SECONDS\n");
        return 2;
    }
    uint64_t start_ns = load_now_ns();
    uint64_t end_ns = start_ns + load_number(arguments[1]) * 1000000000;
    while (load_now_ns() < end_ns) {
        for (int i = 0; i < MAPS_AT_ONCE; i++) {
            void *page = mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
            if (page == MAP_FAILED || munmap(page, PAGE) != 0) {
                load_fail("mmap");
            }
        }
        maps += MAPS_AT_ONCE;
    }
    printf("%llu %llu\n", (unsigned long long)maps, (unsigned long long)(load_now_ns() - start_ns));
    return 0;
}
