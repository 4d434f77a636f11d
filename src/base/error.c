#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/text.h"

int error_set(struct error *error, int code, const char *format, ...)
{
    if (error != NULL) {
        char raw[sizeof(error->text)];
        va_list args;
        va_start(args, format);
        vsnprintf(raw, sizeof(raw), format, args);
        va_end(args);
        error->code = code;
        /* Sentences quote names that come from outside. */
        text_clean(error->text, sizeof(error->text), raw, SIZE_MAX);
    }
    return code;
}
