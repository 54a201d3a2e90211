/* SPDX-License-Identifier: Apache-2.0 */
/* Every subcommand. */
#include <stddef.h>

#include "collector/base/base.h"
#include "collector/commands.h"

/* "help" stands apart: a command may follow it. */
const struct eye_command eye_command_table[] = {
    {
        .name = "run",
        .meaning = "the daemon, in the foreground",
        .options = EYE_OPTION_BIT(CONFIG) | EYE_OPTION_BIT(SET) | EYE_OPTION_BIT(ONCE),
        .notes =
            "Without a configuration file it watches everything and prints to the console.\n"
            "The list of exporters is a key, too:\n\n"
            "  sockeye run --set 'exporters=[{type: console, format: json}]'\n\n"
            "SIGTERM, SIGINT and other signals that end programs end it when what was counted\n"
            "has been sent, a second SIGINT at once.\n\n"
            "Exit codes: 0; 1 it could not start, the last table could not be written, or\n"
            "--once could not see or send everything (what a spool took counts as sent);\n"
            "2 wrong usage; 78 invalid configuration.\n",
        .run = eye_command_run,
    },
    {
        .name = "check",
        .meaning = "is the configuration valid?",
        .options = EYE_OPTION_BIT(CONFIG) | EYE_OPTION_BIT(SET) | EYE_OPTION_BIT(OPEN) |
                   EYE_OPTION_BIT(DEFAULT),
        .notes =
            "\"run\" refuses what \"check\" refuses, and what \"check --open\" refuses. To try\n"
            "makes files and spools that do not exist yet. Root tries as the user of\n"
            "run.user, with no right beyond that one's. What the running daemon has is a\n"
            "note, no error.\n\n"
            "Exit codes: 0 valid; 1 valid, but it could not be opened, or no memory;\n"
            "2 wrong usage; 78 invalid.\n",
        .run = eye_command_check,
    },
    {
        .name = "probe",
        .meaning = "what this kernel and these rights allow, and why not",
        .options = EYE_OPTION_BIT(CONFIG) | EYE_OPTION_BIT(SET) | EYE_OPTION_BIT(JSON),
        .notes =
            "Exit codes: 0 connections and protocols can be seen (or connections, where the\n"
            "configuration switches protocols off); 3 connections only;\n"
            "1 nothing, and \"run\" would not start; 2 wrong usage; 78 invalid configuration.\n",
        .run = eye_command_probe,
    },
    {
        .name = "status",
        .meaning = "how the running daemon is",
        .options = EYE_OPTION_BIT(SOCKET) | EYE_OPTION_BIT(JSON),
        .notes = "Degraded is what somebody has to do something about: an exporter that fails, a\n"
                 "protocol that cannot be followed, intervals that do not end. Losses and full\n"
                 "budgets are shown with what the last interval added.\n\n"
                 "Exit codes: 0 healthy; 1 degraded, or no answer; 2 wrong usage; 3 not running.\n",
        .run = eye_command_status,
    },
    {
        .name = "top",
        .meaning = "connections and requests, live",
        .experimental = true,
        .options = EYE_OPTION_BIT(ONCE) | EYE_OPTION_BIT(INTERVAL) | EYE_OPTION_BIT(SOCKET) |
                   EYE_OPTION_BIT(JSON),
        .notes =
            "The key ? tells the others. --once and --json print what one interval brought, and\n"
            "need no terminal; NO_COLOR is heeded.\n\n"
            "It looks at the daemon that runs, and changes nothing there. Where none does, root\n"
            "starts one for the time being, without a configuration, that exports nothing;\n"
            "not where --socket names one.\n\n"
            "Exit codes: 0; 1 something was not told, or there is no terminal; 2 wrong usage;\n"
            "3 not running, and it may not start one.\n",
        .run = eye_command_top,
    },
    {
        .name = "reload",
        .meaning = "the running daemon reads its configuration again",
        .options = EYE_OPTION_BIT(SOCKET),
        .notes = "It is applied whole or not at all; an invalid one changes nothing, and is told\n"
                 "with file and line. SIGHUP does the same, and tells it in the log.\n\n"
                 "Exit codes: 0 applied; 1 nothing has changed; 2 wrong usage; 3 not running.\n",
        .run = eye_command_reload,
    },
    {
        .name = "replay",
        .meaning = "requests in a capture of tcpdump, without root",
        .experimental = true,
        .options = EYE_OPTION_BIT(CONFIG) | EYE_OPTION_BIT(SET) | EYE_OPTION_BIT(END) |
                   EYE_OPTION_BIT(JSON),
        .operand = "CAPTURE",
        .notes =
            "CAPTURE is a file, pcap or pcapng, or - for standard input. Its packets go through\n"
            "what looks at those of this host; a capture has no processes, so services are\n"
            "unknown. Each connection is told once, as one end saw it. Who connected is told\n"
            "by its SYN; without one the lower port is the service's.\n\n"
            "The configuration is read only where --config names it: then its exporters get all\n"
            "series once, with the time of the last packet, and no table is printed. What could\n"
            "not be used is told in any case.\n\n"
            "Exit codes: 0; 1 no such capture, or something was not sent; 2 wrong usage; 3 the\n"
            "file is cut or damaged, and what stands before that is told; 78 invalid\n"
            "configuration.\n",
        .run = eye_command_replay,
    },
    {
        .name = "inspect",
        .meaning = "where TLS could be probed in a library or program",
        .experimental = true,
        .options = EYE_OPTION_BIT(JSON),
        .operand = "LIBRARY",
        .notes =
            "LIBRARY is a file: libssl.so.3, libgnutls.so.30, a program of Go or with OpenSSL\n"
            "inside; of one that loads its library, that library (ldd PROGRAM names it). Read\n"
            "is its code, which the kernel's probes have to suit: ENTRY is the place in the file "
            "at\n"
            "which a call is seen, EXITS are those at which its result is, STEPPED those of them\n"
            "that are slow, because the kernel runs the instruction itself instead of computing\n"
            "what it does. Nothing is attached.\n\n"
            "Exit codes: 0; 1 there is no place, or no library of TLS, and why; 2 wrong usage.\n",
        .run = eye_command_inspect,
    },
    {
        .name = "metrics",
        .meaning = "every metric: name, kind, unit, tags, stability, meaning",
        .options = EYE_OPTION_BIT(JSON) | EYE_OPTION_BIT(MARKDOWN),
        .run = eye_command_metrics,
    },
    {.name = "version", .meaning = "the version", .run = eye_command_version},
};
const size_t eye_command_count = EYE_ARRAY_LENGTH(eye_command_table);
