#include "ui/terminfo.h"

#include <curses.h>
#include <term.h>
#include <unistd.h>

bool terminfo_exists(const char *type)
{
    int status;
    TERMINAL *before = cur_term;
    if (setupterm(type, STDOUT_FILENO, &status) != OK)
        return false;
    del_curterm(set_curterm(before));
    return true;
}
