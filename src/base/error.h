/* An error as a sentence: what happened to which thing, and what to do about it.
 * Functions that can fail take a `struct error *` (may be NULL) and return a negative errno. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

struct error {
    int code;       /* negative errno, 0 = no error */
    char text[480]; /* one sentence, printable, no newline at its end */
};

/* Writes the sentence into `error` (NULL is allowed) and returns `code`. */
int error_set(struct error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
