/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol "dns": the lookup of the semantic conventions
 * (https://opentelemetry.io/docs/specs/semconv/dns), and the same at the server's end. What is
 * asked about is never told: it may be anything. */
#include <stdio.h>

#include "bpf/usm/dns/record.h"
#include "collector/base/base.h"
#include "collector/usm/dns/answer.h"
#include "collector/usm/protocol.h"

/* https://www.iana.org/assignments/dns-parameters */
static const struct {
    uint16_t number;
    const char *name;
} types[] = {
    {1, "A"},       {2, "NS"},     {5, "CNAME"},  {6, "SOA"},    {12, "PTR"},
    {13, "HINFO"},  {15, "MX"},    {16, "TXT"},   {28, "AAAA"},  {33, "SRV"},
    {35, "NAPTR"},  {43, "DS"},    {44, "SSHFP"}, {46, "RRSIG"}, {47, "NSEC"},
    {48, "DNSKEY"}, {50, "NSEC3"}, {52, "TLSA"},  {64, "SVCB"},  {65, "HTTPS"},
    {251, "IXFR"},  {252, "AXFR"}, {255, "ANY"},  {256, "URI"},  {257, "CAA"},
};

static const char *const codes[EYE_DNS_CODE_MAX + 1] = {
    "NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED",
    "YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE", "DSOTYPENI",
};

/* Values of tags in a name's text. */
struct texts {
    char type[sizeof("TYPE65535")];
    char code[sizeof("RCODE65535")];
};

_Static_assert(sizeof(struct texts) <= EYE_REQUEST_TEXT_BYTES, "a name has room for its values");

static bool is_valid(const struct eye_request_head *head, const void *record)
{
    const struct eye_dns_body *body = record;
    bool known = body->opcode == EYE_DNS_QUERY || body->opcode == EYE_DNS_NOTIFY ||
                 body->opcode == EYE_DNS_UPDATE;
    return known && body->flags <= (EYE_DNS_TRUNCATED | EYE_DNS_OVER_TCP) &&
           (!eye_request_is_answered(head) || head->code <= EYE_DNS_CODE_MAX);
}

/* NULL: it has none that we know. */
static const char *type_name(uint16_t number)
{
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(types); i++) {
        if (types[i].number == number) {
            return types[i].name;
        }
    }
    return NULL;
}

/* What servers tell and change each other's zones with is no lookup of a type. */
static void name_question(const struct eye_dns_body *body, struct texts *texts,
                          struct eye_request_name *name)
{
    const char *type = body->opcode == EYE_DNS_NOTIFY   ? "NOTIFY"
                       : body->opcode == EYE_DNS_UPDATE ? "UPDATE"
                                                        : type_name(body->type);
    name->choice = EYE_CHOICE_OURS;
    if (type == NULL) {
        snprintf(texts->type, sizeof(texts->type), "TYPE%u", (unsigned int)body->type);
        type = texts->type;
        name->choice = EYE_CHOICE_CLIENTS;
    }
    name->chosen = EYE_TAG_TYPE;
    eye_request_name_tag(name, EYE_TAG_TYPE, type);
}

static void name_outcome(const struct eye_request_head *head, const struct eye_dns_body *body,
                         struct texts *texts, struct eye_request_name *name)
{
    if (!eye_request_is_answered(head)) {
        eye_request_name_tag(name, EYE_TAG_ERROR, eye_request_error_name(head));
        return;
    }
    const char *code = codes[head->code];
    if (code == NULL) {
        snprintf(texts->code, sizeof(texts->code), "RCODE%u", (unsigned int)head->code);
        code = texts->code;
    }
    eye_request_name_tag(name, EYE_TAG_RCODE, code);
    if (body->flags & EYE_DNS_TRUNCATED) {
        eye_request_name_tag(name, EYE_TAG_ERROR, "truncated");
    }
}

static void name_request(void *state, const struct eye_request_sample *sample,
                         const struct eye_request_place *place, struct eye_request_name *ret_name)
{
    (void)state;
    (void)place;
    const struct eye_request_head *head = sample->head;
    const struct eye_dns_body *body = sample->body;
    struct texts *texts = (struct texts *)(void *)ret_name->text;
    ret_name->metric = (head->flags & EYE_REQUEST_CLIENT) != 0 ? EYE_METRIC_DNS_LOOKUP
                                                               : EYE_METRIC_DNS_SERVER_LOOKUP;
    eye_request_name_tag(ret_name, EYE_TAG_TRANSPORT,
                         body->flags & EYE_DNS_OVER_TCP ? "tcp" : "udp");
    name_question(body, texts, ret_name);
    name_outcome(head, body, texts, ret_name);
}

const struct eye_protocol_type eye_protocol_dns = {
    .body_min = sizeof(struct eye_dns_body),
    .body_max = sizeof(struct eye_dns_body),
    .is_valid = is_valid,
    .name_request = name_request,
    .tell_names = eye_dns_tell_names,
};
