/* SPDX-License-Identifier: Apache-2.0 */
/* Reading Accept and Accept-Encoding. */
#include "exporters/openmetrics/negotiate.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "collector/base/base.h"

/* A quality of 1 in thousandths: RFC 9110 allows three decimals. */
#define QUALITY_ONE 1000

/* A part of a header. */
struct span {
    const char *bytes;
    size_t length;
};

/* One element of a list: "text/plain;version=0.0.4;q=0.5". */
struct element {
    struct span name;
    struct span version; /* of a media type; empty: not given */
    int quality;         /* thousandths; negative: malformed */
};

const char *eye_page_content_type(enum eye_page_format format)
{
    static const char *const types[] = {
        [EYE_PAGE_TEXT] = "text/plain; version=0.0.4; charset=utf-8",
        [EYE_PAGE_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8",
    };
    return types[format];
}

static bool span_is(struct span span, const char *word)
{
    return strlen(word) == span.length && strncasecmp(span.bytes, word, span.length) == 0;
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t';
}

static struct span trim(struct span span)
{
    while (span.length > 0 && is_blank(span.bytes[0])) {
        span.bytes++;
        span.length--;
    }
    while (span.length > 0 && is_blank(span.bytes[span.length - 1])) {
        span.length--;
    }
    return span;
}

/* Cuts the next part off @rest at @separator, which does not count inside quotes. */
static struct span next_part(struct span *rest, char separator)
{
    size_t length = 0;
    bool quoted = false;
    for (; length < rest->length; length++) {
        char character = rest->bytes[length];
        if (character == '"') {
            quoted = !quoted;
        } else if (quoted && character == '\\' && length + 1 < rest->length) {
            length++;
        } else if (!quoted && character == separator) {
            break;
        }
    }
    struct span part = {rest->bytes, length};
    size_t used = length < rest->length ? length + 1 : length;
    rest->bytes += used;
    rest->length -= used;
    return trim(part);
}

static struct span unquote(struct span span)
{
    if (span.length >= 2 && span.bytes[0] == '"' && span.bytes[span.length - 1] == '"') {
        span.bytes++;
        span.length -= 2;
    }
    return span;
}

/* qvalue = ( "0" [ "." 0*3DIGIT ] ) / ( "1" [ "." 0*3("0") ] ); -1 when it is not one. */
static int parse_quality(struct span span)
{
    if (span.length == 0 || span.length > 5 || (span.bytes[0] != '0' && span.bytes[0] != '1') ||
        (span.length > 1 && span.bytes[1] != '.')) {
        return -1;
    }
    int quality = (span.bytes[0] - '0') * QUALITY_ONE;
    int place = QUALITY_ONE / 10;
    for (size_t i = 2; i < span.length; i++, place /= 10) {
        if (isdigit((unsigned char)span.bytes[i]) == 0) {
            return -1;
        }
        quality += (span.bytes[i] - '0') * place;
    }
    return quality <= QUALITY_ONE ? quality : -1;
}

static void read_parameter(struct element *element, struct span parameter)
{
    struct span value = parameter;
    struct span name = next_part(&value, '=');
    value = unquote(trim(value));
    if (span_is(name, "q")) {
        element->quality = parse_quality(value);
    } else if (span_is(name, "version")) {
        element->version = value;
    }
}

/* The next element of a list, or false at its end. */
static bool next_element(struct span *rest, struct element *ret_element)
{
    if (rest->length == 0) {
        return false;
    }
    struct span text = next_part(rest, ',');
    struct element element = {.name = next_part(&text, ';'), .quality = QUALITY_ONE};
    while (text.length > 0) {
        read_parameter(&element, next_part(&text, ';'));
    }
    *ret_element = element;
    return true;
}

static struct span span_of(const char *header)
{
    return (struct span){header, header == NULL ? 0 : strlen(header)};
}

static bool names_version(const struct element *element, const char *version)
{
    return element->version.length == 0 || span_is(element->version, version);
}

/* How exactly a range names text 0.0.4: 0 not at all. */
static int text_precision(const struct element *element)
{
    if (span_is(element->name, "text/plain")) {
        return names_version(element, "0.0.4") ? 3 : 0;
    }
    if (span_is(element->name, "text/*")) {
        return 2;
    }
    return span_is(element->name, "*/*") ? 1 : 0;
}

enum eye_page_format eye_negotiate_format(const char *accept)
{
    struct span rest = span_of(accept);
    struct element element;
    int openmetrics = 0;
    int text = 0;
    int precision = 1;
    while (next_element(&rest, &element)) {
        int precise = text_precision(&element);
        if (element.quality < 0) {
            continue;
        }
        if (span_is(element.name, "application/openmetrics-text") &&
            names_version(&element, "1.0.0") && element.quality > openmetrics) {
            openmetrics = element.quality;
        } else if (precise > precision || (precise == precision && element.quality > text)) {
            text = element.quality;
            precision = precise;
        }
    }
    return openmetrics > 0 && openmetrics >= text ? EYE_PAGE_OPENMETRICS : EYE_PAGE_TEXT;
}

bool eye_negotiate_gzip(const char *accept_encoding)
{
    struct span rest = span_of(accept_encoding);
    struct element element;
    bool any = false;
    while (next_element(&rest, &element)) {
        if (span_is(element.name, "gzip")) {
            return element.quality > 0;
        }
        if (span_is(element.name, "*")) {
            any = element.quality > 0;
        }
    }
    return any;
}
