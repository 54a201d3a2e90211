# SPDX-License-Identifier: Apache-2.0
"""What a client's socket has dropped since it had no room for it comes again: what is read again is
in doubt, and so is what it answers. All of that is counted."""


def assert_seen_or_lost(test, expected, seen, lost):
    """At the client's end: nothing that was not expected ({what: count}), and what is missing was
    lost ({reason: count})."""
    test.assertLessEqual(seen.keys(), expected.keys())
    for what, count in seen.items():
        test.assertLessEqual(count, expected[what], what)
    test.assertGreaterEqual(sum(seen.values()) + lost.get("request_alone", 0),
                            sum(expected.values()), (seen, lost))
    test.assertLessEqual(lost.keys(), {"gap", "request_alone", "malformed"})
