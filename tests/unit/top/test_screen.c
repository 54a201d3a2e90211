/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Screens of recorded answers, as they are in tests/data/top: another one is left beside the test,
 * NAME.is, to be looked at and, if it is right, to take the place of NAME.txt.
 */
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/top/cells.h"
#include "collector/top/keys.h"

#define SCREEN_MAX_BYTES 65536

static json_t *answers;

static int setup(void **state)
{
    (void)state;
    answers = json_load_file(EYE_TOP_DATA "/answers.json", 0, NULL);
    return answers == NULL;
}

static int teardown(void **state)
{
    (void)state;
    json_decref(answers);
    return 0;
}

static void read_golden(const char *name, char *ret_text)
{
    char path[256];
    snprintf(path, sizeof(path), EYE_TOP_DATA "/%s.txt", name);
    FILE *file = fopen(path, "r");
    size_t length = file == NULL ? 0 : fread(ret_text, 1, SCREEN_MAX_BYTES - 1, file);
    ret_text[length] = '\0';
    if (file != NULL) {
        fclose(file);
    }
}

static void assert_golden(const char *name, const char *text)
{
    static char golden[SCREEN_MAX_BYTES];
    char path[256];
    read_golden(name, golden);
    if (strcmp(golden, text) == 0) {
        return;
    }
    snprintf(path, sizeof(path), "%s.is", name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    fail_msg("the screen is not tests/data/top/%s.txt, but %s", name, path);
}

/* Each line is as wide as the screen. */
static void assert_lines(const char *text, size_t width, size_t height)
{
    char line[4096];
    size_t lines = 0;
    for (; *text != '\0'; lines++) {
        size_t length = strcspn(text, "\n");
        assert_true(length < sizeof(line));
        memcpy(line, text, length);
        line[length] = '\0';
        assert_int_equal(eye_cells_width(line), width);
        text += length + 1;
    }
    assert_int_equal(lines, height);
}

static void draw(const char *locale, const char *keys, size_t width, size_t height,
                 struct eye_screen *screen)
{
    EYE_CLEANUP(eye_moment_done) struct eye_moment moment = {0};
    struct eye_top_choice choice = {0};
    assert_non_null(setlocale(LC_CTYPE, locale));
    assert_int_equal(eye_moment_read(answers, eye_cells_utf8(), &moment), 0);
    for (; *keys != '\0'; keys++) {
        eye_top_press(&choice, *keys == '\n' ? EYE_KEY_ENTER : *keys, eye_screen_rows(height));
    }
    assert_int_equal(eye_screen_draw(screen, &moment, &choice, width, height), 0);
    assert_lines(eye_text_string(&screen->text), width, height);
}

static void screens__as_recorded(void **state)
{
    static const struct {
        const char *name;
        const char *locale;
        const char *keys;
        size_t width;
        size_t height;
    } cases[] = {
        {"connections_80x24", "C.UTF-8", "", 80, 24},
        {"connections_200x12", "C.UTF-8", "", 200, 12},
        {"connections_ascii", "C", "", 80, 12},
        {"connections_by_service", "C.UTF-8", "g<", 120, 12},
        {"connections_filtered", "C.UTF-8", "/shop\n ", 80, 12},
        {"connections_typing", "C.UTF-8", "/sho", 60, 10},
        {"requests_80x24", "C.UTF-8", "2", 80, 24},
        {"requests_by_route", "C.UTF-8", "2gggss", 120, 12},
        {"help", "C.UTF-8", "?", 80, 24},
    };
    struct eye_screen screen = {0};
    (void)state;
    eye_text_init(&screen.text, SCREEN_MAX_BYTES);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(cases); i++) {
        draw(cases[i].locale, cases[i].keys, cases[i].width, cases[i].height, &screen);
        assert_golden(cases[i].name, eye_text_string(&screen.text));
    }
    eye_text_done(&screen.text);
}

static void screens__of_every_size(void **state)
{
    struct eye_screen screen = {0};
    (void)state;
    eye_text_init(&screen.text, SCREEN_MAX_BYTES);
    for (size_t width = 0; width < 160; width += 3) {
        for (size_t height = 5; height < 30; height += 5) {
            draw("C.UTF-8", width % 2 == 0 ? "g" : "2", width, height, &screen);
        }
    }
    eye_text_done(&screen.text);
}

static void screens__without_a_daemon(void **state)
{
    static const char words[] = "{\"status\": null, \"connections\": null, \"requests\": null, "
                                "\"message\": \"nobody \\u001b[31m listens\"}";
    EYE_CLEANUP(eye_moment_done) struct eye_moment moment = {0};
    struct eye_screen screen = {0};
    struct eye_top_choice choice = {0};
    json_t *none = json_loads(words, 0, NULL);
    (void)state;
    eye_text_init(&screen.text, SCREEN_MAX_BYTES);
    assert_int_equal(eye_moment_read(none, true, &moment), 0);
    assert_int_equal(eye_screen_draw(&screen, &moment, &choice, 80, 24), 0);
    const char *text = eye_text_string(&screen.text);
    assert_int_equal(strncmp(text, "sockeye does not answer ", 24), 0);
    assert_non_null(strstr(text, "\nnobody ?[31m listens "));
    assert_int_equal(screen.styles[0], EYE_STYLE_BAD);
    assert_int_equal(screen.styles[23], EYE_STYLE_BAD);
    eye_text_done(&screen.text);
    json_decref(none);
}

static void print__whole(void **state)
{
    EYE_CLEANUP(eye_moment_done) struct eye_moment moment = {0};
    EYE_CLEANUP(eye_text_done) struct eye_text text;
    struct eye_top_choice choice = {.view = EYE_TOP_REQUESTS};
    (void)state;
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    eye_text_init(&text, SCREEN_MAX_BYTES);
    assert_int_equal(eye_moment_read(answers, true, &moment), 0);
    assert_int_equal(eye_screen_print(&text, &moment, &choice, 160), 0);
    assert_golden("requests_printed", eye_text_string(&text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(screens__as_recorded),
        cmocka_unit_test(screens__of_every_size),
        cmocka_unit_test(screens__without_a_daemon),
        cmocka_unit_test(print__whole),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
