/* SPDX-License-Identifier: Apache-2.0 */
/* What a text of SQL that leaves the kernel half promises: no string, and no number. */
#pragma once

#include <ctype.h>

#include "tests/fuzz/promise.h"
#include "tests/support/http_host.h"

static bool goes_into_names(unsigned char byte)
{
    return isalnum(byte) || byte == '_' || byte == '$' || byte >= 0x80;
}

/* @quotes: what begins a string. */
static void check_text(const struct http_host *host, const char *quotes)
{
    bool name = false;
    bool number = false;
    for (size_t i = 0; i < EYE_SQL_TEXT_BYTES && host->text.text[i] != 0; i++) {
        unsigned char byte = host->text.text[i];
        PROMISE(strchr(quotes, byte) == NULL);
        number = number ? goes_into_names(byte) : !name && isdigit(byte);
        PROMISE(!number || byte == '0');
        name = goes_into_names(byte);
    }
    PROMISE(host->text.cut <= 1);
}
