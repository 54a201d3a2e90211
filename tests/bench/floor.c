/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_floor CGROUP: attaches programs that do nothing where the daemon attaches its own, says
 * "ready", and stays until its input ends: what the kernel counts for them is what its statistics
 * and the calls cost.
 */
#include <bpf/libbpf.h>
#include <fcntl.h>
#include <stdio.h>

#include "bpf/floor.skel.h"

static int refuse(const char *what)
{
    perror(what);
    return 1;
}

int main(int count, char **words)
{
    int cgroup = count == 2 ? open(words[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    struct floor *programs = floor__open_and_load();
    if (programs == NULL || cgroup < 0) {
        return refuse(programs == NULL ? "bench_floor: load" : "bench_floor: cgroup");
    }
    if (bpf_program__attach(programs->progs.empty_state) == NULL ||
        bpf_program__attach(programs->progs.empty_again) == NULL ||
        bpf_program__attach_cgroup(programs->progs.empty_sent, cgroup) == NULL ||
        bpf_program__attach_cgroup(programs->progs.empty_received, cgroup) == NULL) {
        return refuse("bench_floor: attach");
    }
    puts("ready");
    fflush(stdout);
    return getchar() == EOF ? 0 : 1;
}
