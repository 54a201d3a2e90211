/* SPDX-License-Identifier: Apache-2.0 */
/* A table of strings that begins anew with each request. */
#include "exporters/remote_write/symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "exporters/remote_write/packed.h"
#include "exporters/remote_write/write.pb-c.h"

/* A string packs to at least three bytes (the empty one, which comes once, to two). */
#define BYTES_MIN 3

struct key {
    const char *string;
    size_t length;
};

int eye_symbols_init(struct eye_symbols *symbols, size_t max_bytes)
{
    size_t capacity = max_bytes / BYTES_MIN + 1;
    /* Untouched pages of it cost nothing. */
    *symbols = (struct eye_symbols){
        .all = calloc(capacity, sizeof(struct eye_symbol)),
        .capacity = capacity,
    };
    eye_text_init(&symbols->packed, max_bytes);
    return symbols->all == NULL ? -ENOMEM : 0;
}

void eye_symbols_done(struct eye_symbols *symbols)
{
    free(symbols->all);
    symbols->all = NULL;
    eye_table_done(&symbols->by_string);
    eye_text_done(&symbols->packed);
}

static void append(struct eye_symbols *symbols, const char *string)
{
    EyeWrite__SymbolField field = EYE_WRITE__SYMBOL_FIELD__INIT;
    field.symbols = (char *)(uintptr_t)string; /* protobuf-c only reads what it packs */
    eye_packed_append(&symbols->packed, &field.base);
}

void eye_symbols_begin(struct eye_symbols *symbols)
{
    eye_table_clear(&symbols->by_string);
    eye_text_clear(&symbols->packed);
    symbols->count = 1;
    append(symbols, "");
}

static bool is_string(const void *item, const void *key)
{
    const struct eye_symbol *symbol = item;
    const struct key *wanted = key;
    return symbol->length == wanted->length &&
           memcmp(symbol->string, wanted->string, wanted->length) == 0;
}

static uint32_t add(struct eye_symbols *symbols, const struct key *key, uint64_t hash)
{
    struct eye_symbol *symbol = &symbols->all[symbols->count];
    append(symbols, key->string);
    if (symbols->packed.failed || symbols->count == symbols->capacity) {
        symbols->packed.failed = true;
        return 0;
    }
    *symbol = (struct eye_symbol){key->string, (uint32_t)key->length, (uint32_t)symbols->count};
    if (eye_table_insert(&symbols->by_string, hash, symbol) != 0) {
        symbols->packed.failed = true;
        return 0;
    }
    symbols->count++;
    return symbol->number;
}

uint32_t eye_symbols_number(struct eye_symbols *symbols, const char *string, size_t length,
                            uint64_t hash)
{
    const struct key key = {string, length};
    if (length == 0) {
        return 0;
    }
    const struct eye_symbol *found = eye_table_find(&symbols->by_string, hash, is_string, &key);
    return found != NULL ? found->number : add(symbols, &key, hash);
}
