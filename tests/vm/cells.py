# SPDX-License-Identifier: Apache-2.0
"""The cells of the matrix: which kernel, how it is started, what must hold in it.

A cell can go when its release is not supported by Debian any more, or when no tier of the daemon
needs it.
"""

import dataclasses

# Classes and methods of tests/integration that need no more than a guest has.
SHORT = (
    "test_connections.ExactCounts",
    "test_connections.Failures.test_refused",
    "test_http.MessageFraming.test_keep_alive",
    "test_http.MessageFraming.test_chunked_bodies_with_extensions_and_trailers",
)
FULL = SHORT + (
    "test_connections.Churn",
    "test_udp.Counts",
    "test_udp.Directions",
    "test_udp.ManyFlows",
    "test_process_monitor.PythonSenders",
    "test_dns.Exact.test_outcomes",
    "test_nat.Translated.test_both_ends",
    "test_listeners.Queues.test_overflow",
    "test_connections.ReusedSocket",
    "test_connections.Failures.test_refused_over_ipv6",
    "test_connections.LiveConnection",
    "test_connections.OlderConnections.test_ipv4",
    "test_connections.AcceptedSockets.test_bytes_move_to_the_serving_child",
    "test_http.MessageFraming.test_pipeline_of_16_is_followed",
    "test_http.MessageFraming.test_single_byte_segments",
    "test_http.MessageFraming.test_split_at_every_byte",
    "test_http.MessageFraming.test_ipv6",
    "test_http.JoinedMidStream.test_within_the_body_of_a_response",
    "test_first_payload.Handshakes.test_syn_cookies_and_bare_acknowledgement_lost",
    "test_http.Unanswered.test_client_that_closes_its_half",
    "test_http2_frames.ByHand",
    "test_redis.ByHand",
    "test_kafka.OwnEnds",
    "test_owners.HandedOn.test_a_daemon_that_forks_after_connecting",
    "test_first_payload.FirstSegments.test_pipeline_of_16",
    "test_first_payload.FirstSegments.test_long_head_and_body",
)
# Inside TLS: by perf events before 6.6.
INSIDE_TLS = (
    "test_tls.OwnEnds",
)
# Not every kernel has it.
KERNEL_TLS = (
    "test_other_lives.KernelTls",
)
# What requests cost, in instructions.
COSTS = (
    "instructions.Costs",
)
# Each CPU is a thread of QEMU: what the programs do at the same time, they do at the same time on
# no more CPUs than the host has, but they are interrupted anywhere.
MANY_CPUS = (
    "test_cpus.EveryCpu",
)


@dataclasses.dataclass(frozen=True)
class Cell:
    """One boot. `tier` is what probe must find with the rights that the daemon needs, and `look` how
    it looks at live sockets then; `rights` are those of guest.py under which probe and daemon are
    compared; `append` goes to the kernel's command line; `cpus` is how many it has, on whatever the
    host has; `other`: the other daemon is probed, too; `prints`: what its tests print is shown;
    `counted`: its clock counts instructions."""

    name: str
    suite: str
    architecture: str = "amd64"
    append: tuple = ()
    lockdown: str = ""
    tier: str = "socket-storage"
    look: str = "storage"
    rights: tuple = ("root",)
    tests: tuple = FULL
    cpus: int = 2
    other: bool = True
    prints: bool = False
    counted: bool = False


def _locked_down(mode):
    return Cell(f"6.1 {mode}", "bookworm", append=(f"lockdown={mode}",), lockdown=mode, tests=SHORT,
                other=False)


CELLS = (
    # Below 5.11 there is no socket storage in tracing programs: probe and run must agree on that.
    Cell("5.10", "bullseye-security", tier="none", tests=()),
    Cell("6.1", "bookworm", rights=("root", "needed capabilities", "nobody"),
         tests=FULL + KERNEL_TLS + INSIDE_TLS),
    Cell("6.12", "bookworm-backports", tests=SHORT + INSIDE_TLS),
    Cell("newest", "sid", look="tables", tests=FULL + INSIDE_TLS),
    Cell("6.1 arm64", "bookworm", architecture="arm64", tests=SHORT + INSIDE_TLS, other=False),
    _locked_down("integrity"),
    _locked_down("confidentiality"),
    Cell("6.12 8 CPUs", "bookworm-backports", tests=MANY_CPUS, cpus=8, other=False, prints=True),
    Cell("6.12 counted", "bookworm-backports", rights=(), tests=COSTS, cpus=1, other=False,
         prints=True, counted=True),
)
