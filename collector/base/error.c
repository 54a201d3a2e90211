/* SPDX-License-Identifier: Apache-2.0 */
/* Formats error messages into the caller's buffer. */
#include "collector/base/error.h"

#include <stdarg.h>

#include "collector/base/text.h"

int eye_error_set(struct eye_error *ret_error, int code, const char *format, ...)
{
    if (ret_error == NULL) {
        return code;
    }
    va_list arguments;
    va_start(arguments, format);
    eye_format_shown(ret_error->text, sizeof(ret_error->text), format, arguments);
    va_end(arguments);
    return code;
}
