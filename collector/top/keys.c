/* SPDX-License-Identifier: Apache-2.0 */
/* The table of keys. */
#include "collector/top/keys.h"

#include <string.h>

#include "collector/base/base.h"

/* ---- Tables ---- */

static void show(struct eye_top_choice *choice, enum eye_top_view_id view)
{
    choice->view = view;
    choice->help = false;
}

static void show_connections(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    show(choice, EYE_TOP_CONNECTIONS);
}

static void show_requests(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    show(choice, EYE_TOP_REQUESTS);
}

static void show_next(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    show(choice, (enum eye_top_view_id)((choice->view + 1) % EYE_TOP_VIEWS));
}

/* ---- Order ---- */

static void step_sorting(struct eye_top_choice *choice, size_t by)
{
    size_t count = eye_top_view(choice->view)->sorting_count;
    choice->sorting[choice->view] = (choice->sorting[choice->view] + by) % count;
    choice->first[choice->view] = 0;
}

static void sort_by_next(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    step_sorting(choice, 1);
}

static void sort_by_former(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    step_sorting(choice, eye_top_view(choice->view)->sorting_count - 1);
}

static void group_by_next(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    size_t count = eye_top_view(choice->view)->grouping_count;
    choice->grouping[choice->view] = (choice->grouping[choice->view] + 1) % count;
    choice->first[choice->view] = 0;
}

/* ---- Places ---- */

/* The screen knows where the last row is. */
static void move(struct eye_top_choice *choice, size_t rows, bool down)
{
    size_t *first = &choice->first[choice->view];
    if (down) {
        *first = *first < SIZE_MAX - rows ? *first + rows : SIZE_MAX;
    } else {
        *first = *first > rows ? *first - rows : 0;
    }
}

static void up(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    move(choice, 1, false);
}

static void down(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    move(choice, 1, true);
}

static void page_up(struct eye_top_choice *choice, size_t page)
{
    move(choice, page, false);
}

static void page_down(struct eye_top_choice *choice, size_t page)
{
    move(choice, page, true);
}

static void home(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    move(choice, SIZE_MAX, false);
}

static void end(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    move(choice, SIZE_MAX, true);
}

/* ---- All else ---- */

static void begin_filter(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    choice->typing = true;
    choice->help = false;
}

static void turn_frozen(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    choice->frozen = !choice->frozen;
}

static void turn_help(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    choice->help = !choice->help;
}

static void end_help(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    choice->help = false;
}

static void quit(struct eye_top_choice *choice, size_t page)
{
    (void)page;
    choice->over = true;
}

static const struct {
    int key;
    void (*press)(struct eye_top_choice *choice, size_t page);
} keys[] = {
    {'1', show_connections},
    {'2', show_requests},
    {'\t', show_next},
    {'s', sort_by_next},
    {'>', sort_by_next},
    {'<', sort_by_former},
    {'g', group_by_next},
    {'/', begin_filter},
    {' ', turn_frozen},
    {'?', turn_help},
    {'h', turn_help},
    {EYE_KEY_ESCAPE, end_help},
    {'q', quit},
    {EYE_KEY_UP, up},
    {EYE_KEY_DOWN, down},
    {EYE_KEY_PAGE_UP, page_up},
    {EYE_KEY_PAGE_DOWN, page_down},
    {EYE_KEY_HOME, home},
    {EYE_KEY_END, end},
};

static void type(struct eye_top_choice *choice, int key)
{
    size_t length = strlen(choice->filter);
    if (key == EYE_KEY_ENTER || key == EYE_KEY_ESCAPE) {
        choice->typing = false;
        choice->filter[key == EYE_KEY_ESCAPE ? 0 : length] = '\0';
    } else if (key == EYE_KEY_BACKSPACE && length > 0) {
        choice->filter[length - 1] = '\0';
    } else if (key >= ' ' && key <= '~' && length + 1 < sizeof(choice->filter)) {
        choice->filter[length] = (char)key;
        choice->filter[length + 1] = '\0';
    }
    choice->first[choice->view] = 0;
}

void eye_top_press(struct eye_top_choice *choice, int key, size_t page)
{
    if (choice->typing) {
        type(choice, key);
        return;
    }
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(keys); i++) {
        if (keys[i].key == key) {
            keys[i].press(choice, page);
        }
    }
}
