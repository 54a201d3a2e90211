/* SPDX-License-Identifier: Apache-2.0 */
/* Long division of 1 by the weight, stopped at the first digit that is precise enough. */
#include "exporters/dogstatsd/rate.h"

#include <assert.h>
#include <stdbool.h>

static const double powers_of_ten[EYE_RATE_MAX_DIGITS + 1] = {
    1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
};

/*
 * With quotient * weight + remainder == 10^digits the rate quotient / 10^digits lies above
 * 1 / (weight + 1) exactly when quotient > remainder. What doubles make of it is tried: numerator
 * and denominator are exact, so this quotient is the double that reading the text gives.
 */
static bool weighs(uint64_t quotient, uint64_t remainder, size_t digits, uint64_t weight)
{
    if (quotient <= remainder) {
        return false;
    }
    double rate = (double)quotient / powers_of_ten[digits];
    return (uint64_t)(1.0 / rate) == weight;
}

static size_t write_fraction(uint64_t numerator, size_t digits, char *ret_text)
{
    ret_text[0] = '0';
    ret_text[1] = '.';
    for (size_t place = digits; place > 0; place--) {
        ret_text[1 + place] = (char)('0' + numerator % 10);
        numerator /= 10;
    }
    return 2 + digits;
}

size_t eye_rate_format(uint64_t weight, char *ret_text)
{
    assert(weight >= 2 && weight <= EYE_RATE_MAX_WEIGHT);
    uint64_t quotient = 0;
    uint64_t remainder = 1;
    for (size_t digits = 1; digits <= EYE_RATE_MAX_DIGITS; digits++) {
        remainder *= 10;
        quotient = quotient * 10 + remainder / weight;
        remainder %= weight;
        if (weighs(quotient, remainder, digits, weight)) {
            return write_fraction(quotient, digits, ret_text);
        }
        /* 1/n itself may weigh n - 1, as for 3125: then the next smaller fraction. */
        if (quotient > 0 && weighs(quotient - 1, remainder + weight, digits, weight)) {
            return write_fraction(quotient - 1, digits, ret_text);
        }
    }
    assert(false); /* 2 * log10(weight) + 2 digits are always enough */
    return 0;
}
