/* SPDX-License-Identifier: Apache-2.0 */
/* Files below a folder of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/stat.h>

#include "collector/base/base.h"
#include "tests/support/folder.h"
#include "tests/unit/config/config_fixture.h"

static const char *const dialects[] = {"none", "datadog", "graphite", NULL};
static const char *const parts[] = {"head", "body", "tail", NULL};

static bool is_url(const char *text)
{
    return strstr(text, "://") != NULL;
}

#define SINK(member) offsetof(struct sink_values, member)

static const struct eye_config_key sink_keys[] = {
    {.path = "fast",
     .type = EYE_CONFIG_BOOL,
     .offset = SINK(fast),
     .default_value = "false",
     .help = "Fast."},
    {.path = "retries",
     .type = EYE_CONFIG_COUNT,
     .offset = SINK(retries),
     .default_value = "3",
     .max = 10,
     .help = "Retries."},
    {.path = "timeout",
     .type = EYE_CONFIG_DURATION,
     .offset = SINK(timeout_ns),
     .default_value = "1500ms",
     .help = "Timeout."},
    {.path = "buffer",
     .type = EYE_CONFIG_SIZE,
     .offset = SINK(buffer_bytes),
     .default_value = "64KiB",
     .min = 1024,
     .max = 1 << 20,
     .help = "Buffer."},
    {.path = "dialect",
     .type = EYE_CONFIG_CHOICE,
     .offset = SINK(dialect),
     .default_value = "datadog",
     .choices = dialects,
     .help = "Dialect."},
    {.path = "parts",
     .type = EYE_CONFIG_FLAGS,
     .offset = SINK(parts),
     .default_value = "[head, tail]",
     .choices = parts,
     .help = "Parts."},
    {.path = "url",
     .type = EYE_CONFIG_TEXT,
     .offset = SINK(url),
     .foreign = "host endpoint",
     .series = true,
     .default_value = "udp://127.0.0.1:8125",
     .valid = is_url,
     .expects = "SCHEME://ADDRESS",
     .help = "Receiver."},
    {.path = "tls.ca", .type = EYE_CONFIG_TEXT, .offset = SINK(ca), .help = "Certificates."},
    {.path = "headers",
     .type = EYE_CONFIG_LIST,
     .offset = SINK(headers),
     .default_value = "[a, b]",
     .help = "Headers."},
};

static const struct eye_config_section console = {.type = "console",
                                                  .foreign = "stdout everything"};
static const struct eye_config_section null_section = {.type = "null"};
static const struct eye_config_section sink = {
    .type = "sink",
    .foreign = "everything",
    .keys = sink_keys,
    .key_count = EYE_ARRAY_LENGTH(sink_keys),
    .values_size = sizeof(struct sink_values),
};

const struct eye_config_section *const fixture_sections[] = {&console, &null_section, &sink};
const size_t fixture_section_count = EYE_ARRAY_LENGTH(fixture_sections);
const char *const fixture_tiers[] = {"auto", "socket-storage", "other", NULL};

int fixture_set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    if (fixture == NULL) {
        return -1;
    }
    *state = fixture;
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/eye-config-XXXXXX");
    return mkdtemp(fixture->folder) == NULL ? -1 : 0;
}

int fixture_tear_down(void **state)
{
    struct fixture *fixture = *state;
    eye_config_unref(fixture->config);
    int result = folder_remove(fixture->folder);
    free(fixture);
    return result;
}

static void path_of(const struct fixture *fixture, const char *name, char ret_path[static 256])
{
    snprintf(ret_path, 256, "%s/%s", fixture->folder, name);
}

static void make_folders(char *path, size_t start)
{
    for (char *slash = strchr(path + start, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

void fixture_write(struct fixture *fixture, const char *name, const char *text)
{
    char path[256];
    path_of(fixture, name, path);
    make_folders(path, strlen(fixture->folder) + 1);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    size_t written = fwrite(text, 1, strlen(text), file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(written, strlen(text));
}

int fixture_load(struct fixture *fixture, const struct eye_config_source *source)
{
    char path[256];
    path_of(fixture, "main.yaml", path);
    struct eye_config_source whole = source == NULL ? (struct eye_config_source){0} : *source;
    whole.file = whole.file == NULL ? path : whole.file;
    whole.sections = fixture_sections;
    whole.section_count = fixture_section_count;
    whole.tiers = fixture_tiers;
    eye_config_unref(EYE_TAKE(fixture->config));
    fixture->error.text[0] = '\0';
    return eye_config_load(&whole, &fixture->config, &fixture->error);
}

int fixture_load_text(struct fixture *fixture, const char *text)
{
    fixture_write(fixture, "main.yaml", text);
    return fixture_load(fixture, NULL);
}

const char *fixture_error(struct fixture *fixture)
{
    char *text = fixture->error.text;
    size_t length = strlen(fixture->folder) + 1;
    char *found;
    while ((found = strstr(text, fixture->folder)) != NULL) {
        memmove(found, found + length, strlen(found + length) + 1);
    }
    return text;
}
