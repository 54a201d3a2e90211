/* SPDX-License-Identifier: Apache-2.0 */
/* ncurses: newterm() instead of initscr(), which would end the process. */
#include "collector/top/terminal.h"

#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <curses.h>
#include <errno.h>
#include <string.h>

#include "exporters/engine/shared_library.h"

/* How long an escape is waited for that begins a key: they come in one piece. */
#define ESCAPE_MS 25

#define FUNCTIONS(X)                                                                               \
    X(COLOR_PAIR)                                                                                  \
    X(cbreak)                                                                                      \
    X(curs_set)                                                                                    \
    X(delscreen)                                                                                   \
    X(delwin)                                                                                      \
    X(doupdate)                                                                                    \
    X(endwin)                                                                                      \
    X(getmaxx)                                                                                     \
    X(getmaxy)                                                                                     \
    X(has_colors)                                                                                  \
    X(init_pair)                                                                                   \
    X(keypad)                                                                                      \
    X(mvwaddnstr)                                                                                  \
    X(newterm)                                                                                     \
    X(newwin)                                                                                      \
    X(noecho)                                                                                      \
    X(nonl)                                                                                        \
    X(set_escdelay)                                                                                \
    X(start_color)                                                                                 \
    X(tigetstr)                                                                                    \
    X(use_default_colors)                                                                          \
    X(wattrset)                                                                                    \
    X(werase)                                                                                      \
    X(wgetch)                                                                                      \
    X(wnoutrefresh)                                                                                \
    X(wtimeout)

struct curses {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): it declares a name */
#define X(name) __typeof__(&(name)) name;
    FUNCTIONS(X)
#undef X
};

static const struct eye_symbol symbols[] = {
#define X(name) EYE_SYMBOL(name, struct curses, name),
    FUNCTIONS(X)
#undef X
};

static struct curses curses;
static SCREEN *terminal;
static WINDOW *window; /* all of it; grows and shrinks with it */
static bool colour;

/* What each style is, with colours and without. */
static const struct {
    int colour; /* -1: the terminal's own */
    attr_t attributes;
} styles[EYE_STYLES] = {
    [EYE_STYLE_PLAIN] = {-1, A_NORMAL},        [EYE_STYLE_GOOD] = {COLOR_GREEN, A_BOLD},
    [EYE_STYLE_BAD] = {COLOR_RED, A_BOLD},     [EYE_STYLE_HEADING] = {-1, A_REVERSE},
    [EYE_STYLE_HINT] = {COLOR_CYAN, A_NORMAL},
};

static bool wants_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    return (no_color == NULL || *no_color == '\0') && curses.has_colors();
}

static void make_colours(void)
{
    colour = wants_colour();
    if (!colour) {
        return;
    }
    curses.start_color();
    curses.use_default_colors();
    for (int style = 0; style < EYE_STYLES; style++) {
        curses.init_pair((short)(style + 1), (short)styles[style].colour, -1);
    }
}

/* -ENOTTY when this terminal is known to have no cursor that can be moved, or not known. */
static int open_terminal(struct eye_error *ret_error)
{
    const char *term = getenv("TERM");
    terminal = curses.newterm(NULL, stdout, stdin);
    if (terminal == NULL) {
        return eye_error_set(ret_error, -ENOTTY,
                             "TERM=%s: the terminal is not known, or there is no terminfo here; "
                             "--once needs none",
                             term == NULL ? "" : term);
    }
    const char *move = curses.tigetstr("cup");
    if (move != NULL && move != (const char *)-1 && (window = curses.newwin(0, 0, 0, 0)) != NULL) {
        return 0;
    }
    eye_terminal_close();
    return eye_error_set(ret_error, -ENOTTY,
                         "TERM=%s: the cursor of this terminal cannot be moved; --once needs none",
                         term == NULL ? "" : term);
}

int eye_terminal_open(struct eye_error *ret_error)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        return eye_error_set(ret_error, -ENOTTY,
                             "standard input or output is no terminal; --once needs none");
    }
    int result = eye_shared_library_open("libncursesw.so.6", "libncursesw6", symbols,
                                         EYE_ARRAY_LENGTH(symbols), &curses, ret_error);
    if (result == 0) {
        result = open_terminal(ret_error);
    }
    if (result != 0) {
        return result;
    }
    make_colours();
    curses.cbreak();
    curses.noecho();
    curses.nonl();
    curses.curs_set(0);
    curses.set_escdelay(ESCAPE_MS);
    curses.keypad(window, TRUE);
    curses.wtimeout(window, 0);
    return 0;
}

void eye_terminal_size(size_t *ret_width, size_t *ret_height)
{
    int width = curses.getmaxx(window);
    int height = curses.getmaxy(window);
    *ret_width = width > 0 ? (size_t)width : 0;
    *ret_height = height > 0 ? (size_t)height : 0;
}

static void set_style(enum eye_style style)
{
    attr_t pair = colour ? (attr_t)curses.COLOR_PAIR((int)style + 1) : 0;
    curses.wattrset(window, (int)(styles[style].attributes | pair));
}

void eye_terminal_draw(const struct eye_screen *screen)
{
    const char *line = eye_text_string(&screen->text);
    curses.werase(window);
    for (size_t i = 0; i < screen->lines; i++) {
        size_t length = strcspn(line, "\n");
        set_style(screen->styles[i]);
        curses.mvwaddnstr(window, (int)i, 0, line, (int)length);
        line += length + (line[length] == '\n');
    }
    curses.wnoutrefresh(window);
    curses.doupdate();
}

/* What ncurses calls them. */
static const struct {
    int curses;
    enum eye_key key;
} keys[] = {
    {KEY_UP, EYE_KEY_UP},
    {KEY_DOWN, EYE_KEY_DOWN},
    {KEY_PPAGE, EYE_KEY_PAGE_UP},
    {KEY_NPAGE, EYE_KEY_PAGE_DOWN},
    {KEY_HOME, EYE_KEY_HOME},
    {KEY_END, EYE_KEY_END},
    {KEY_BACKSPACE, EYE_KEY_BACKSPACE},
    {'\b', EYE_KEY_BACKSPACE},
    {0x7f, EYE_KEY_BACKSPACE},
    {KEY_ENTER, EYE_KEY_ENTER},
    {'\r', EYE_KEY_ENTER},
    {'\n', EYE_KEY_ENTER},
    {0x1b, EYE_KEY_ESCAPE},
    {KEY_RESIZE, EYE_KEY_RESIZE},
};

int eye_terminal_key(void)
{
    int pressed = curses.wgetch(window);
    for (size_t i = 0; i < EYE_ARRAY_LENGTH(keys); i++) {
        if (keys[i].curses == pressed) {
            return keys[i].key;
        }
    }
    return pressed == ERR ? EYE_KEY_NONE : pressed >= 0x100 ? EYE_KEY_RESIZE : pressed;
}

void eye_terminal_close(void)
{
    if (window != NULL) {
        curses.delwin(window);
        window = NULL;
    }
    if (terminal != NULL) {
        curses.endwin();
        curses.delscreen(terminal);
        terminal = NULL;
    }
}
