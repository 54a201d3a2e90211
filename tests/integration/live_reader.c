/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the live iterator of a daemon over and over beside it, until standard input ends, so that
 * closes meet it all the time. What an iterator reports it reports once: these records are not the
 * daemon's any more, so their sums are printed. The daemon may not look meanwhile: both would
 * gather in the same place.
 *
 *   live_reader PID PORT   ->   "reading", and in the end "PASSES OPENED SENT RECEIVED"
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bpf/abi.h"

#include "bpf/socket_storage.skel.h"

struct sums {
    uint64_t passes;
    uint64_t opened;
    uint64_t sent_bytes;
    uint64_t received_bytes;
};

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "live_reader: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* The number behind @key in one of the files of /proc/PID/fdinfo; 0: none. */
static uint32_t read_id(const char *path, const char *key)
{
    char line[256];
    uint32_t id = 0;
    FILE *file = fopen(path, "re");
    while (file != NULL && id == 0 && fgets(line, sizeof(line), file) != NULL) {
        if (strncmp(line, key, strlen(key)) == 0) {
            sscanf(line + strlen(key), "%" SCNu32, &id);
        }
    }
    if (file != NULL) {
        fclose(file);
    }
    return id;
}

static bool is_called(int fd, bool program, const char *name)
{
    struct bpf_prog_info of_program = {0};
    struct bpf_map_info of_map = {0};
    uint32_t length = program ? sizeof(of_program) : sizeof(of_map);
    void *info = program ? (void *)&of_program : (void *)&of_map;
    return bpf_obj_get_info_by_fd(fd, info, &length) == 0 &&
           strcmp(program ? of_program.name : of_map.name, name) == 0;
}

/* A descriptor of our own for the daemon's program or map of this name. */
static int find_object(const char *pid, bool program, const char *name)
{
    char path[512];
    int found = -1;
    snprintf(path, sizeof(path), "/proc/%s/fdinfo", pid);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        fail(path);
    }
    for (struct dirent *entry = readdir(folder); entry != NULL && found < 0;
         entry = readdir(folder)) {
        snprintf(path, sizeof(path), "/proc/%s/fdinfo/%s", pid, entry->d_name);
        uint32_t id = read_id(path, program ? "prog_id:" : "map_id:");
        int fd = id == 0 ? -1 : program ? bpf_prog_get_fd_by_id(id) : bpf_map_get_fd_by_id(id);
        if (fd >= 0 && is_called(fd, program, name)) {
            found = fd;
        } else if (fd >= 0) {
            close(fd);
        }
    }
    closedir(folder);
    if (found < 0) {
        fail(name);
    }
    return found;
}

static int link_iterator(const char *pid)
{
    union bpf_iter_link_info info = {
        .map.map_fd = (uint32_t)find_object(pid, false, "sockets"),
    };
    LIBBPF_OPTS(bpf_link_create_opts, options, .iter_info = &info, .iter_info_len = sizeof(info));
    int link = bpf_link_create(find_object(pid, true, "tcp_live"), 0, BPF_TRACE_ITER, &options);
    if (link < 0) {
        fail("cannot link the iterator");
    }
    return link;
}

static void add(struct sums *sums, const struct eye_connection_record *record, uint16_t port)
{
    if (record->port != port) {
        return;
    }
    sums->opened += (record->flags & EYE_CONNECTION_OPENED) != 0;
    sums->sent_bytes += record->sent_bytes;
    sums->received_bytes += record->received_bytes;
}

/* Where the program leaves its records. */
static struct socket_storage__bss *map_shared(const char *pid)
{
    int map = find_object(pid, false, "socket_s.bss");
    void *shared =
        mmap(NULL, sizeof(struct socket_storage__bss), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);
    if (shared == MAP_FAILED) {
        fail("cannot map what is shared");
    }
    return shared;
}

static void take_gathered(struct socket_storage__bss *shared, uint16_t port, struct sums *sums)
{
    for (size_t i = 0; i < shared->eye_gathered_count; i++) {
        add(sums, &shared->eye_gathered[i].connection, port);
    }
    shared->eye_gathered_count = 0;
}

static void read_pass(int link, struct socket_storage__bss *shared, uint16_t port,
                      struct sums *sums)
{
    char none;
    ssize_t result;
    int fd = bpf_iter_create(link);
    if (fd < 0) {
        fail("cannot begin a pass");
    }
    do {
        result = read(fd, &none, sizeof(none));
        take_gathered(shared, port, sums);
    } while (result < 0 && errno == EAGAIN);
    if (result < 0) {
        fail("cannot read a pass");
    }
    close(fd);
    sums->passes++;
}

int main(int argc, char **argv)
{
    uint16_t port = 0;
    if (argc != 3 || sscanf(argv[2], "%" SCNu16, &port) != 1) {
        return 2;
    }
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    struct sums sums = {0};
    int link = link_iterator(argv[1]);
    struct socket_storage__bss *shared = map_shared(argv[1]);
    puts("reading");
    fflush(stdout);
    while (poll(&input, 1, 0) == 0) {
        read_pass(link, shared, port, &sums);
    }
    printf("%" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", sums.passes, sums.opened,
           sums.sent_bytes, sums.received_bytes);
    return 0;
}
