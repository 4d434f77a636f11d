/* Text from outside is hostile: this is the one place that makes it printable, and that knows how
 * wide it is. Also the short forms of numbers that people read. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decodes one character of UTF-8. Returns the bytes used (>= 1 for len >= 1); what is not valid
 * UTF-8 gives U+FFFD and uses one byte. */
size_t text_decode(const char *text, size_t len, uint32_t *ret_char);

/* Encodes one character, `out` holds 4 bytes. Returns the bytes written; 0 for what UTF-8 has not.
 */
size_t text_encode(uint32_t ch, char *out);

/* Columns that a character takes: 0 (combining), 1 or 2; -1 for what must not reach a terminal
 * (controls, escapes, bidirectional overrides, private use that terminals take as commands). */
int text_char_width(uint32_t ch);

/* Columns of a text (already clean or not). Reads at most `len` bytes, or to the NUL. */
size_t text_width(const char *text, size_t len);

/* Copies `text` (at most `len` bytes, or to its NUL if SIZE_MAX) into `out`, NUL-terminated and
 * printable: tabs and newlines become a space, every other control, escape, invalid byte or
 * bidirectional override becomes U+FFFD. Never cuts a character. Returns bytes written. */
size_t text_clean(char *out, size_t size, const char *text, size_t len);

/* A printable copy on the heap of at most `max` bytes; NULL when memory is out. */
char *text_clean_dup(const char *text, size_t len, size_t max);

/* Short forms, right for a column of at most 6 cells; `out` should hold 16 bytes. All return
 * `out`. Bytes are powers of 1024: 0B 512B 1.5K 23M 1.2G. */
#define TEXT_SHORT 16
const char *text_bytes(char *out, double bytes);
/* 0s 59s 12m 3h04 5d02h: at most two units. */
const char *text_duration(char *out, int64_t ms);
/* Milliseconds with three digits that matter: 0.42ms 12ms 1.2s. */
const char *text_latency(char *out, double ms);
/* 12.3 for percent: one digit below 100, none above. */
const char *text_percent(char *out, double percent);

/* Does `text` contain `part`, letters compared without case (ASCII)? Empty `part`: true. */
bool text_contains(const char *text, const char *part);

#endif
