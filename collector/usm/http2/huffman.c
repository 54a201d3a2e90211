/* SPDX-License-Identifier: Apache-2.0 */
/* The code is canonical: of two of one length the lesser symbol has the lesser code, and longer
 * ones follow the shorter. So lengths are all that need be known. */
#include "collector/usm/http2/huffman.h"

#include <pthread.h>
#include <stdbool.h>

#define SYMBOLS 256 /* the end of a string, of 30 bits like others, is none of them */
#define BITS_MAX 30

static const uint8_t lengths[SYMBOLS] = {
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6,  10, 10, 12, 13, 6,  8,  11, 10, 10, 8,  11, 8,  6,  6,  6,
    5,  5,  5,  6,  6,  6,  6,  6,  6,  6,  7,  8,  15, 6,  12, 10, 13, 6,  7,  7,  7,  7,  7,  7,
    7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  7,  8,  7,  8,  13, 19, 13, 14, 6,
    15, 5,  6,  5,  6,  5,  6,  6,  6,  5,  7,  7,  6,  6,  6,  5,  6,  7,  6,  5,  5,  6,  7,  7,
    7,  7,  7,  15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
};

/* By length of code: the first one, how many there are, and where their symbols stand. */
static struct {
    uint32_t first[BITS_MAX + 1];
    uint16_t count[BITS_MAX + 1];
    uint16_t place[BITS_MAX + 1];
    uint8_t symbols[SYMBOLS];
} code;

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void order_symbols(void)
{
    uint32_t next = 0;
    uint16_t place = 0;
    for (unsigned int bits = 1; bits <= BITS_MAX; bits++) {
        next <<= 1;
        code.first[bits] = next;
        code.place[bits] = place;
        for (unsigned int symbol = 0; symbol < SYMBOLS; symbol++) {
            if (lengths[symbol] == bits) {
                code.symbols[place++] = (uint8_t)symbol;
            }
        }
        code.count[bits] = (uint16_t)(place - code.place[bits]);
        next += code.count[bits];
    }
}

size_t eye_huffman_decode(const uint8_t *bytes, size_t length, char *ret_text, size_t room)
{
    size_t decoded = 0;
    uint32_t value = 0;
    unsigned int bits = 0;
    pthread_once(&once, order_symbols);
    for (size_t i = 0; i < 8 * length && decoded < room; i++) {
        value = value << 1 | ((unsigned int)bytes[i / 8] >> (7 - i % 8) & 1U);
        bits++;
        uint32_t place = value - code.first[bits];
        if (value >= code.first[bits] && place < code.count[bits]) {
            ret_text[decoded++] = (char)code.symbols[code.place[bits] + place];
            value = 0;
            bits = 0;
        } else if (bits == BITS_MAX) {
            break;
        }
    }
    return decoded;
}
