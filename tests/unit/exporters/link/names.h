/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A name that tests resolve, whatever /etc/hosts and the name servers say: programs that link
 * link_names get its addresses from getaddrinfo(3), and the C library's answer for other names.
 */
#pragma once

/* ::1 and then 127.0.0.1. */
#define NAME_OF_BOTH "both.test"
