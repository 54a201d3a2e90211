/* SPDX-License-Identifier: Apache-2.0 */
/* Long division of 1 by the weight, stopped at the first digit that is precise enough. */
#include "exporters/statsd/rate.h"

#include <assert.h>
#include <stdbool.h>

#define MAX_DIGITS (EYE_STATSD_RATE_BYTES - 2)

/* Of counts up to 10^9 the error is less than what anybody prints. */
#define TOLERANCE 1e-12

/* What doubles make of the rate @numerator / @denominator, both exact, is what its text reads as.
 */
static bool weighs(uint64_t numerator, double denominator, uint64_t weight)
{
    double counted = 1.0 / ((double)numerator / denominator);
    return counted >= (double)weight && counted <= (double)weight * (1 + TOLERANCE);
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

size_t eye_statsd_rate_format(uint64_t weight, char *ret_text)
{
    assert(weight >= 2 && weight <= EYE_STATSD_MAX_WEIGHT);
    uint64_t quotient = 0;
    uint64_t remainder = 1;
    double denominator = 1;
    for (size_t digits = 1; digits <= MAX_DIGITS; digits++) {
        remainder *= 10;
        quotient = quotient * 10 + remainder / weight;
        remainder %= weight;
        denominator *= 10;
        if (quotient == 0) {
            continue;
        }
        if (weighs(quotient, denominator, weight)) {
            return write_fraction(quotient, digits, ret_text);
        }
        /* The double nearest to 1/n may weigh a little less than n: then the next smaller one. */
        if (weighs(quotient - 1, denominator, weight)) {
            return write_fraction(quotient - 1, digits, ret_text);
        }
    }
    assert(false); /* log10(weight) + 12 digits are always enough */
    return 0;
}
