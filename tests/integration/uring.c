/* SPDX-License-Identifier: Apache-2.0 */
/*
 * uring PORT: connects to 127.0.0.1 and sends eight bytes by io_uring, whose workers do both
 * (IOSQE_ASYNC): no thread of the program's own touches the socket. Of test_owner_table.py.
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/io_uring.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ENTRIES 4

struct uring {
    int fd;
    char *submissions; /* the ring of them, and of completions: one mapping (5.4) */
    struct io_uring_sqe *entries;
    struct io_uring_params parameters;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static struct uring open_uring(void)
{
    struct uring uring = {.fd = -1};
    uring.fd = (int)syscall(SYS_io_uring_setup, ENTRIES, &uring.parameters);
    if (uring.fd < 0) {
        fail("io_uring_setup");
    }
    const struct io_uring_params *parameters = &uring.parameters;
    size_t bytes = parameters->cq_off.cqes + parameters->cq_entries * sizeof(struct io_uring_cqe);
    uring.submissions = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
                             uring.fd, IORING_OFF_SQ_RING);
    uring.entries = mmap(NULL, ENTRIES * sizeof(struct io_uring_sqe), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_POPULATE, uring.fd, IORING_OFF_SQES);
    if (uring.submissions == MAP_FAILED || uring.entries == MAP_FAILED) {
        fail("mmap");
    }
    return uring;
}

static unsigned *word(const struct uring *uring, unsigned offset)
{
    return (unsigned *)(void *)(uring->submissions + offset);
}

/* One operation, and its result. */
static int run(struct uring *uring, const struct io_uring_sqe *operation)
{
    const struct io_sqring_offsets *offsets = &uring->parameters.sq_off;
    unsigned tail = *word(uring, offsets->tail);
    unsigned slot = tail & *word(uring, offsets->ring_mask);
    uring->entries[slot] = *operation;
    uring->entries[slot].flags = IOSQE_ASYNC;
    word(uring, offsets->array)[slot] = slot;
    __atomic_store_n(word(uring, offsets->tail), tail + 1, __ATOMIC_RELEASE);
    if (syscall(SYS_io_uring_enter, uring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0) {
        fail("io_uring_enter");
    }
    const struct io_cqring_offsets *done = &uring->parameters.cq_off;
    unsigned head = *word(uring, done->head);
    const struct io_uring_cqe *entries =
        (const void *)(uring->submissions + uring->parameters.cq_off.cqes);
    int result = entries[head & *word(uring, done->ring_mask)].res;
    __atomic_store_n(word(uring, done->head), head + 1, __ATOMIC_RELEASE);
    return result;
}

int main(int count, char **arguments)
{
    uint16_t port = 0;
    if (count != 2 || sscanf(arguments[1], "%" SCNu16, &port) != 1) {
        fail("PORT");
    }
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct uring uring = open_uring();
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) {
        fail("socket");
    }
    const struct io_uring_sqe connecting = {.opcode = IORING_OP_CONNECT,
                                            .fd = fd,
                                            .addr = (uint64_t)(uintptr_t)&address,
                                            .off = sizeof(address)};
    const struct io_uring_sqe sending = {
        .opcode = IORING_OP_SEND, .fd = fd, .addr = (uint64_t)(uintptr_t) "by uring", .len = 8};
    if (run(&uring, &connecting) != 0 || run(&uring, &sending) != 8) {
        fprintf(stderr, "io_uring refuses\n");
        return 1;
    }
    return 0;
}
