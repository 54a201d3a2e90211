/* SPDX-License-Identifier: Apache-2.0 */
#include "collector/usm/dns/answer.h"

#include <string.h>

#include "bpf/usm/dns/record.h"
#include "collector/base/base.h"
#include "collector/base/clock.h"

#define HEADER_BYTES 12
#define NAME_BYTES 255 /* with the lengths of its labels, the last one 0 */
#define LABEL_BYTES 63
#define POINTER_BITS 0xc0
#define CLASS_INTERNET 1

/* Of a record behind its name: type, class, time to live, length of its data. */
#define RECORD_BYTES 10

struct message {
    const uint8_t *bytes;
    size_t size;
    size_t offset; /* of what is read next */
    bool failed;   /* something did not fit; nothing is read any more */
};

/* As it was sent, without pointers, in small letters. */
struct wire_name {
    uint8_t bytes[NAME_BYTES];
    size_t length; /* the last 0 included; 0: none */
};

struct record {
    struct wire_name name;
    uint16_t type;
    uint16_t class;
    uint64_t ttl_ns;
    size_t data;   /* offset */
    size_t length; /* of the data */
};

/* What was asked, or what that is an alias of, and how long this is so. */
struct subject {
    struct wire_name name;
    uint16_t type;
    uint64_t ttl_ns;
};

/* ---- Bytes ---- */

static bool has(struct message *message, size_t bytes)
{
    message->failed |= bytes > message->size - message->offset;
    return !message->failed;
}

static uint16_t read_u16(struct message *message)
{
    if (!has(message, 2)) {
        return 0;
    }
    const uint8_t *at = message->bytes + message->offset;
    message->offset += 2;
    return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t read_u32(struct message *message)
{
    uint32_t high = read_u16(message);
    return high << 16 | read_u16(message);
}

static uint8_t small(uint8_t byte)
{
    return byte >= 'A' && byte <= 'Z' ? (uint8_t)(byte - 'A' + 'a') : byte;
}

/* Appends the label at @at, whose length stands there. */
static bool append_label(const struct message *message, size_t at, struct wire_name *name)
{
    size_t length = message->bytes[at];
    if (length > LABEL_BYTES || length >= message->size - at ||
        name->length + length + 1 > sizeof(name->bytes)) {
        return false;
    }
    name->bytes[name->length++] = (uint8_t)length;
    for (size_t i = 1; i <= length; i++) {
        name->bytes[name->length++] = small(message->bytes[at + i]);
    }
    return true;
}

/*
 * The name at @start; what it takes there goes to @ret_used. A pointer means what stands before all
 * that was read of the name, so there are no more of them than bytes.
 */
static bool expand(const struct message *message, size_t start, struct wire_name *ret_name,
                   size_t *ret_used)
{
    size_t at = start;
    size_t first = start; /* of the part that is being read */
    size_t used = 0;
    ret_name->length = 0;
    while (at < message->size) {
        uint8_t byte = message->bytes[at];
        if ((byte & POINTER_BITS) == POINTER_BITS) {
            size_t target = at + 1 < message->size
                                ? (size_t)(byte & ~POINTER_BITS) << 8 | message->bytes[at + 1]
                                : first;
            if (target >= first) {
                return false;
            }
            used = used == 0 ? at + 2 - start : used;
            first = target;
            at = target;
            continue;
        }
        if (!append_label(message, at, ret_name)) {
            return false;
        }
        at += (size_t)byte + 1;
        if (byte == 0) {
            *ret_used = used == 0 ? at - start : used;
            return true;
        }
    }
    return false;
}

static void read_name(struct message *message, struct wire_name *ret_name)
{
    size_t used = 0;
    if (message->failed || !expand(message, message->offset, ret_name, &used)) {
        message->failed = true;
        return;
    }
    message->offset += used;
}

static bool is_same(const struct wire_name *a, const struct wire_name *b)
{
    return a->length == b->length && memcmp(a->bytes, b->bytes, a->length) == 0;
}

/* ---- Records ---- */

/* RFC 2181, 8: with the highest bit set it is 0. */
static uint64_t read_ttl_ns(struct message *message)
{
    uint32_t seconds = read_u32(message);
    return seconds >> 31 ? 0 : seconds * EYE_NS_PER_SECOND;
}

/* False: it is cut or malformed. */
static bool read_record(struct message *message, struct record *ret_record)
{
    read_name(message, &ret_record->name);
    if (!has(message, RECORD_BYTES)) {
        return false;
    }
    ret_record->type = read_u16(message);
    ret_record->class = read_u16(message);
    ret_record->ttl_ns = read_ttl_ns(message);
    ret_record->length = read_u16(message);
    ret_record->data = message->offset;
    if (!has(message, ret_record->length)) {
        return false;
    }
    message->offset += ret_record->length;
    return true;
}

static bool is_about(const struct record *record, const struct subject *subject, uint16_t type)
{
    return record->class == CLASS_INTERNET && record->type == type &&
           is_same(&record->name, &subject->name);
}

static void shorten(struct subject *subject, uint64_t ttl_ns)
{
    subject->ttl_ns = ttl_ns < subject->ttl_ns ? ttl_ns : subject->ttl_ns;
}

/* @records: at the first of @count. True: @subject is an alias, and now what that stands for. */
static bool follow_alias(struct message records, size_t count, struct subject *subject)
{
    struct record record;
    for (size_t i = 0; i < count && read_record(&records, &record); i++) {
        struct wire_name target;
        size_t used = 0;
        if (is_about(&record, subject, EYE_DNS_CNAME) &&
            expand(&records, record.data, &target, &used) && used == record.length) {
            subject->name = target;
            shorten(subject, record.ttl_ns);
            return true;
        }
    }
    return false;
}

/* ---- Names ---- */

/* With dots, of which labels have none of their own; the root has none. Returns its length. */
static size_t write_text(const struct wire_name *name, char ret_text[static NAME_BYTES])
{
    size_t length = 0;
    for (size_t at = 0; at < name->length && name->bytes[at] != 0; at += name->bytes[at] + 1U) {
        if (length > 0) {
            ret_text[length++] = '.';
        }
        for (size_t i = 1; i <= name->bytes[at]; i++) {
            uint8_t byte = name->bytes[at + i];
            ret_text[length++] = byte == '.' ? '_' : (char)byte;
        }
    }
    return length;
}

/* False: @length is none of an address. */
static bool copy_address(const struct message *message, const struct record *record,
                         uint8_t ret_address[static EYE_ADDRESS_BYTES])
{
    static const uint8_t mapped[EYE_ADDRESS_BYTES] = {[10] = 0xff, [11] = 0xff};
    size_t expected = record->type == EYE_DNS_A ? 4 : EYE_ADDRESS_BYTES;
    memcpy(ret_address, mapped, sizeof(mapped));
    if (record->length == expected) {
        memcpy(ret_address + EYE_ADDRESS_BYTES - expected, message->bytes + record->data, expected);
    }
    return record->length == expected;
}

/* The question; false: the message is no answer to one for addresses. */
static bool read_question(struct message *message, struct subject *ret_asked, size_t *ret_answers)
{
    static const size_t flags = 2; /* where they stand */
    if (!has(message, HEADER_BYTES)) {
        return false;
    }
    const uint8_t *bytes = message->bytes;
    bool answer = bytes[flags] >> 3 == 0x10 && (bytes[flags + 1] & 15) == 0;
    message->offset = 4;
    bool one = read_u16(message) == 1;
    *ret_answers = read_u16(message);
    message->offset = HEADER_BYTES;
    read_name(message, &ret_asked->name);
    ret_asked->type = read_u16(message);
    ret_asked->ttl_ns = UINT64_MAX;
    bool internet = read_u16(message) == CLASS_INTERNET;
    return !message->failed && answer && one && internet &&
           (ret_asked->type == EYE_DNS_A || ret_asked->type == EYE_DNS_AAAA);
}

/* @records: at the first of @count, which are there. */
static bool is_whole(struct message records, size_t count)
{
    struct record record;
    bool whole = true;
    for (size_t i = 0; i < count && whole; i++) {
        whole = read_record(&records, &record);
    }
    return whole;
}

bool eye_dns_tell_names(const uint8_t *message, size_t bytes, eye_name_handler *handler,
                        void *context)
{
    struct message reader = {.bytes = message, .size = bytes};
    struct subject subject;
    struct record record;
    size_t answers = 0;
    char text[NAME_BYTES];
    if (!read_question(&reader, &subject, &answers) || !is_whole(reader, answers)) {
        return false;
    }
    size_t length = write_text(&subject.name, text);
    int aliases = 0;
    while (aliases < EYE_DNS_ALIASES_MAX && follow_alias(reader, answers, &subject)) {
        aliases++;
    }
    for (size_t i = 0; i < answers; i++) {
        uint8_t address[EYE_ADDRESS_BYTES];
        read_record(&reader, &record);
        if (is_about(&record, &subject, subject.type) && copy_address(&reader, &record, address)) {
            uint64_t ttl_ns = record.ttl_ns < subject.ttl_ns ? record.ttl_ns : subject.ttl_ns;
            handler(context, address, text, length, ttl_ns);
        }
    }
    return true;
}
