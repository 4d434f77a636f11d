#include "ui/keymap.h"

const char *const context_titles[CONTEXT__COUNT] = {
    [CONTEXT_ANY] = "Everywhere",
    [CONTEXT_PANES] = "Panes",
    [CONTEXT_LIST] = "Lists",
    [CONTEXT_READING] = "Details and help",
};

const struct binding bindings[] = {
    {'j', CONTEXT_LIST, ACTION_DOWN, 0, "move", "down"},
    {INPUT_DOWN, CONTEXT_LIST, ACTION_DOWN, 0, NULL, NULL},
    {'k', CONTEXT_LIST, ACTION_UP, 0, NULL, "up"},
    {INPUT_UP, CONTEXT_LIST, ACTION_UP, 0, NULL, NULL},
    {INPUT_PAGE_DOWN, CONTEXT_LIST, ACTION_PAGE_DOWN, 0, NULL, "a page down"},
    {INPUT_CTRL('F'), CONTEXT_LIST, ACTION_PAGE_DOWN, 0, NULL, NULL},
    {INPUT_PAGE_UP, CONTEXT_LIST, ACTION_PAGE_UP, 0, NULL, "a page up"},
    {INPUT_CTRL('B'), CONTEXT_LIST, ACTION_PAGE_UP, 0, NULL, NULL},
    {'g', CONTEXT_LIST, ACTION_FIRST, 0, NULL, "to the top"},
    {INPUT_HOME, CONTEXT_LIST, ACTION_FIRST, 0, NULL, NULL},
    {'G', CONTEXT_LIST, ACTION_LAST, 0, NULL, "to the end"},
    {INPUT_END, CONTEXT_LIST, ACTION_LAST, 0, NULL, NULL},
    {'/', CONTEXT_LIST, ACTION_FILTER, 2, "filter", "filter; /!text shows what does not match"},
    {'s', CONTEXT_LIST, ACTION_SORT, 4, "sort", "sort by the next column"},
    {'S', CONTEXT_LIST, ACTION_SORT_REVERSE, 0, NULL, "reverse the order"},
    {'p', CONTEXT_LIST, ACTION_GROUP, 6, "group", "group by compose project, or not"},

    {'1', CONTEXT_PANES, ACTION_PANE_1, 0, NULL, "to the pane of that number"},
    {'2', CONTEXT_PANES, ACTION_PANE_1 + 1, 0, NULL, NULL},
    {'3', CONTEXT_PANES, ACTION_PANE_1 + 2, 0, NULL, NULL},
    {'4', CONTEXT_PANES, ACTION_PANE_1 + 3, 0, NULL, NULL},
    {'5', CONTEXT_PANES, ACTION_PANE_1 + 4, 0, NULL, NULL},
    {'6', CONTEXT_PANES, ACTION_PANE_1 + 5, 0, NULL, NULL},
    {'7', CONTEXT_PANES, ACTION_PANE_1 + 6, 0, NULL, NULL},
    {'8', CONTEXT_PANES, ACTION_PANE_1 + 7, 0, NULL, NULL},
    {'9', CONTEXT_PANES, ACTION_PANE_1 + 8, 0, NULL, NULL},
    {INPUT_TAB, CONTEXT_PANES, ACTION_PANE_NEXT, 3, "pane", "to the next pane"},
    {INPUT_SHIFT_TAB, CONTEXT_PANES, ACTION_PANE_PREVIOUS, 0, NULL, "to the pane before"},
    {INPUT_ENTER, CONTEXT_PANES, ACTION_OPEN, 1, "open", "open: everything known of the item"},
    {'z', CONTEXT_PANES, ACTION_ZOOM, 5, "zoom", "zoom the pane, and back"},

    {'j', CONTEXT_READING, ACTION_DOWN, 2, "down", "scroll down"},
    {INPUT_DOWN, CONTEXT_READING, ACTION_DOWN, 0, NULL, NULL},
    {'k', CONTEXT_READING, ACTION_UP, 3, "up", "scroll up"},
    {INPUT_UP, CONTEXT_READING, ACTION_UP, 0, NULL, NULL},
    {' ', CONTEXT_READING, ACTION_PAGE_DOWN, 0, NULL, "a page down"},
    {INPUT_PAGE_DOWN, CONTEXT_READING, ACTION_PAGE_DOWN, 0, NULL, NULL},
    {INPUT_PAGE_UP, CONTEXT_READING, ACTION_PAGE_UP, 0, NULL, "a page up"},
    {'g', CONTEXT_READING, ACTION_FIRST, 0, NULL, "to the top"},
    {INPUT_HOME, CONTEXT_READING, ACTION_FIRST, 0, NULL, NULL},
    {'G', CONTEXT_READING, ACTION_LAST, 0, NULL, "to the end"},
    {INPUT_END, CONTEXT_READING, ACTION_LAST, 0, NULL, NULL},

    {'?', CONTEXT_ANY, ACTION_HELP, 1, "help", "this help"},
    {INPUT_F1, CONTEXT_ANY, ACTION_HELP, 0, NULL, NULL},
    {INPUT_ESC, CONTEXT_ANY, ACTION_ESCAPE, 0, NULL, "back: closes, or clears the filter"},
    {'q', CONTEXT_ANY, ACTION_BACK, 1, "quit", "back; from the panes themselves: quit"},
    {INPUT_CTRL('C'), CONTEXT_ANY, ACTION_QUIT, 0, NULL, "quit from anywhere"},
    {'Z', CONTEXT_ANY, ACTION_ZONE, 7, "zone", "times in the host's zone, UTC or yours"},
    {'r', CONTEXT_ANY, ACTION_RETRY, 0, NULL, "connect again now, when the link is down"},
    {INPUT_CTRL('L'), CONTEXT_ANY, ACTION_REDRAW, 0, NULL, "draw the whole screen again"},
    {INPUT_CTRL('Z'), CONTEXT_ANY, ACTION_SUSPEND, 0, NULL, "to the shell; fg comes back"},
};
const size_t n_bindings = sizeof(bindings) / sizeof(bindings[0]);

bool keymap_reaches(enum context active, enum context context)
{
    return context == active || context == CONTEXT_ANY ||
           (active == CONTEXT_LIST && context == CONTEXT_PANES);
}

enum action keymap_find(enum context active, uint32_t key)
{
    for (size_t i = 0; i < n_bindings; i++)
        if (bindings[i].key == key && keymap_reaches(active, bindings[i].context))
            return bindings[i].action;
    return ACTION_NONE;
}
