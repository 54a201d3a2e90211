/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML by libyaml. The text is parsed twice: once as events, which need no memory, to see that it
 * is bounded, then as nodes.
 */
#include "config/document.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* An exporter's key is five deep. */
#define DEPTH_MAX 16

/* A thousand exporters with all their keys have fewer. */
#define NODES_MAX 100000

/* libyaml compares each alias with each anchor. */
#define ANCHORS_MAX 100

#define MESSAGE_BYTES 512

void eye_document_problem(struct eye_document *document, const yaml_mark_t *mark, const char *path,
                          const char *format, ...)
{
    const struct eye_origin *origin = document->origin;
    char place[48] = "";
    if (mark != NULL && origin->path == NULL) {
        snprintf(place, sizeof(place), "%zu:%zu:", mark->line + 1, mark->column + 1);
    }
    bool repeats = path == NULL || (origin->path != NULL && strcmp(origin->path, path) == 0);
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    eye_problems_add(document->problems, -EINVAL, "%s:%s %s%s%s", origin->label, place,
                     repeats ? "" : path, repeats ? "" : ": ", message);
}

char *eye_document_place(const struct eye_document *document, const yaml_mark_t *mark)
{
    char *place = NULL;
    if (mark == NULL || document->origin->path != NULL) {
        return strdup(document->origin->label);
    }
    int length =
        asprintf(&place, "%s:%zu:%zu", document->origin->label, mark->line + 1, mark->column + 1);
    return length < 0 ? NULL : place;
}

/* libyaml knows the place of a byte that is no YAML at all only by its offset. */
static yaml_mark_t mark_of_offset(const char *bytes, size_t offset)
{
    yaml_mark_t mark = {.index = offset};
    for (size_t i = 0; i < offset; i++) {
        bool continues = ((unsigned char)bytes[i] & 0xc0) == 0x80;
        mark.column += continues ? 0 : 1;
        if (bytes[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

/* libyaml says the same of a tab in the place of spaces as of every character that it cannot use.
 */
static const char *words_of(const yaml_parser_t *parser)
{
    bool tab = parser->error == YAML_SCANNER_ERROR && *parser->buffer.pointer == '\t';
    return tab ? "a tab, YAML indents with spaces only" : parser->problem;
}

static int parser_problem(struct eye_document *document, const yaml_parser_t *parser,
                          const char *bytes)
{
    if (parser->error == YAML_MEMORY_ERROR) {
        eye_problems_add_out_of_memory(document->problems);
        return -ENOMEM;
    }
    yaml_mark_t mark = parser->problem_mark;
    if (parser->error == YAML_READER_ERROR) {
        mark = mark_of_offset(bytes, parser->problem_offset);
    }
    eye_document_problem(document, &mark, NULL, "%s", words_of(parser));
    return -EINVAL;
}

/* What a text amounts to so far. */
struct extent {
    size_t documents;
    size_t nodes;
    size_t anchors;
    size_t depth;
};

static bool has_anchor(const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return event->data.scalar.anchor != NULL;
    case YAML_SEQUENCE_START_EVENT:
        return event->data.sequence_start.anchor != NULL;
    case YAML_MAPPING_START_EVENT:
        return event->data.mapping_start.anchor != NULL;
    default:
        return false;
    }
}

static void measure(struct extent *extent, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        extent->documents++;
        break;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        extent->depth++;
        extent->nodes++;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        extent->depth--;
        break;
    case YAML_SCALAR_EVENT:
    case YAML_ALIAS_EVENT:
        extent->nodes++;
        break;
    default:
        break;
    }
    extent->anchors += has_anchor(event) ? 1 : 0;
}

/* NULL when the text is within bounds so far. */
static const char *excess(const struct extent *extent)
{
    if (extent->documents > 1) {
        return "a second YAML document, only one is read";
    }
    if (extent->depth > DEPTH_MAX) {
        return "nested too deep";
    }
    if (extent->nodes > NODES_MAX) {
        return "too many values";
    }
    return extent->anchors > ANCHORS_MAX ? "too many anchors" : NULL;
}

/* Looks at one event; 1 after the last, 0, or -errno. */
static int check_event(struct eye_document *document, yaml_parser_t *parser, const char *bytes,
                       struct extent *extent)
{
    yaml_event_t event;
    if (!yaml_parser_parse(parser, &event)) {
        return parser_problem(document, parser, bytes);
    }
    measure(extent, &event);
    yaml_mark_t mark = event.start_mark;
    bool last = event.type == YAML_STREAM_END_EVENT;
    yaml_event_delete(&event);
    const char *problem = excess(extent);
    if (problem != NULL) {
        eye_document_problem(document, &mark, NULL, "%s", problem);
        return -EINVAL;
    }
    return last ? 1 : 0;
}

static int start_parser(struct eye_document *document, yaml_parser_t *parser, const char *bytes,
                        size_t length)
{
    if (!yaml_parser_initialize(parser)) {
        eye_problems_add_out_of_memory(document->problems);
        return -ENOMEM;
    }
    yaml_parser_set_input_string(parser, (const unsigned char *)bytes, length);
    return 0;
}

static int check_bounds(struct eye_document *document, const char *bytes, size_t length)
{
    yaml_parser_t parser;
    int result = start_parser(document, &parser, bytes, length);
    if (result != 0) {
        return result;
    }
    struct extent extent = {0};
    while (result == 0) {
        result = check_event(document, &parser, bytes, &extent);
    }
    yaml_parser_delete(&parser);
    return result < 0 ? result : 0;
}

static int load(struct eye_document *document, const char *bytes, size_t length)
{
    yaml_parser_t parser;
    int result = start_parser(document, &parser, bytes, length);
    if (result != 0) {
        return result;
    }
    if (!yaml_parser_load(&parser, &document->yaml)) {
        result = parser_problem(document, &parser, bytes);
    }
    yaml_parser_delete(&parser);
    return result;
}

int eye_document_init(struct eye_document *document, const struct eye_origin *origin,
                      const char *bytes, size_t length, struct eye_problems *problems)
{
    *document = (struct eye_document){
        .origin = origin,
        .problems = problems,
        .visits_left = NODES_MAX,
    };
    if (length > EYE_DOCUMENT_BYTES_MAX) {
        eye_document_problem(document, NULL, NULL, "larger than 1MiB");
        return -EINVAL;
    }
    int result = check_bounds(document, bytes, length);
    return result != 0 ? result : load(document, bytes, length);
}

void eye_document_done(struct eye_document *document)
{
    yaml_document_delete(&document->yaml);
}

yaml_node_t *eye_document_root(struct eye_document *document)
{
    return yaml_document_get_root_node(&document->yaml);
}

yaml_node_t *eye_document_node(struct eye_document *document, int index)
{
    if (document->visits_left == 0) {
        return NULL;
    }
    document->visits_left--;
    if (document->visits_left == 0) {
        eye_document_problem(document, NULL, NULL, "aliases repeat too many values");
        return NULL;
    }
    return yaml_document_get_node(&document->yaml, index);
}

static const char *plain_text(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
        return NULL;
    }
    return (const char *)node->data.scalar.value;
}

bool eye_document_refuse_merge(struct eye_document *document, const yaml_node_t *key)
{
    const char *text = plain_text(key);
    if (text == NULL || strcmp(text, "<<") != 0) {
        return false;
    }
    eye_document_problem(document, &key->start_mark, NULL,
                         "merge keys (\"<<\") are not read: write the keys themselves here; an "
                         "alias (*name) may stand for a whole value");
    return true;
}

bool eye_node_is_null(const yaml_node_t *node)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    const char *text = plain_text(node);
    for (size_t i = 0; text != NULL && i < EYE_ARRAY_LENGTH(nulls); i++) {
        if (strcmp(text, nulls[i]) == 0) {
            return true;
        }
    }
    return false;
}

static const char *noun_of(const yaml_node_t *node)
{
    switch (node->type) {
    case YAML_SEQUENCE_NODE:
        return "a list";
    case YAML_MAPPING_NODE:
        return "a mapping";
    default:
        return eye_node_is_null(node) ? "nothing" : "a single value";
    }
}

bool eye_document_expect(struct eye_document *document, const yaml_node_t *node,
                         yaml_node_type_t type, const char *path, const char *noun)
{
    if (node->type == type) {
        return true;
    }
    eye_document_problem(document, &node->start_mark, path, "expected %s, not %s", noun,
                         noun_of(node));
    return false;
}

/* NUL and other bytes below space, DEL, and U+0080 to U+009F. */
static bool has_control(const unsigned char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool is_c1 = text[i] == 0xc2 && i + 1 < length && text[i + 1] < 0xa0;
        if (text[i] < ' ' || text[i] == 0x7f || is_c1) {
            return true;
        }
    }
    return false;
}

const char *eye_document_scalar(struct eye_document *document, const yaml_node_t *node,
                                const char *path, const char *noun)
{
    if (!eye_document_expect(document, node, YAML_SCALAR_NODE, path, noun)) {
        return NULL;
    }
    if (has_control(node->data.scalar.value, node->data.scalar.length)) {
        eye_document_problem(document, &node->start_mark, path, "control characters in a value");
        return NULL;
    }
    return (const char *)node->data.scalar.value;
}
