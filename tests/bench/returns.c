/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_returns LIBRARY: attaches programs that do nothing at the entries and the returns of
 * SSL_read and SSL_write, as others do, says "ready", and stays until its input ends.
 */
#include <bpf/libbpf.h>
#include <stdio.h>

#include "bpf/returns.skel.h"

static int attach(const struct bpf_program *program, const char *library, const char *function,
                  bool at_return)
{
    LIBBPF_OPTS(bpf_uprobe_opts, options, .func_name = function, .retprobe = at_return);
    return bpf_program__attach_uprobe_opts(program, -1, library, 0, &options) == NULL;
}

int main(int count, char **words)
{
    static const char *const functions[] = {"SSL_read", "SSL_write"};
    struct returns *programs = count == 2 ? returns__open_and_load() : NULL;
    if (programs == NULL) {
        perror("bench_returns: load");
        return 1;
    }
    for (int i = 0; i < 2; i++) {
        if (attach(programs->progs.empty_entry, words[1], functions[i], false) ||
            attach(programs->progs.empty_return, words[1], functions[i], true)) {
            perror("bench_returns: attach");
            return 1;
        }
    }
    puts("ready");
    fflush(stdout);
    return getchar() == EOF ? 0 : 1;
}
