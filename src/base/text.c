#include "base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define REPLACEMENT 0xFFFDu

size_t text_decode(const char *text, size_t len, uint32_t *ret_char)
{
    const unsigned char *s = (const unsigned char *)text;
    if (len == 0)
        return 0;
    if (s[0] < 0x80) {
        *ret_char = s[0];
        return 1;
    }
    size_t need = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    *ret_char = REPLACEMENT;
    if (s[0] < 0xC2 || s[0] > 0xF4 || len < need)
        return 1;
    uint32_t ch = s[0] & (0x7Fu >> need);
    for (size_t i = 1; i < need; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 1;
        ch = ch << 6 | (s[i] & 0x3Fu);
    }
    if (ch < smallest[need] || ch > 0x10FFFF || (ch >= 0xD800 && ch <= 0xDFFF))
        return 1;
    *ret_char = ch;
    return need;
}

size_t text_encode(uint32_t ch, char *out)
{
    if (ch < 0x80) {
        out[0] = (char)ch;
        return 1;
    }
    if (ch > 0x10FFFF || (ch >= 0xD800 && ch <= 0xDFFF))
        return 0;
    size_t n = ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, ch >>= 6)
        out[i] = (char)(0x80 | (ch & 0x3F));
    out[0] = (char)((0xF0u << (4 - n)) | ch);
    return n;
}

int text_char_width(uint32_t ch)
{
    if (ch < 0x20 || (ch >= 0x7F && ch < 0xA0))
        return -1;
    if (ch < 0x7F)
        return 1;
    /* Bidirectional controls reorder what is shown ("trojan source"); line and paragraph
     * separators, the tag block and the byte order mark are invisible. */
    if ((ch >= 0x202A && ch <= 0x202E) || (ch >= 0x2066 && ch <= 0x2069) || ch == 0x200E ||
        ch == 0x200F || ch == 0x061C || ch == 0x2028 || ch == 0x2029 || ch == 0xFEFF ||
        (ch >= 0xE0000 && ch <= 0xE007F))
        return -1;
    /* Braille and box drawing are ours, and one cell wide in every locale. */
    if (ch >= 0x2500 && ch <= 0x28FF && ch < 0x2600)
        return 1;
    int width = wcwidth((wchar_t)ch);
    return width < 0 ? (ch == REPLACEMENT ? 1 : -1) : width;
}

size_t text_width(const char *text, size_t len)
{
    size_t width = 0;
    len = strnlen(text, len);
    while (len > 0) {
        uint32_t ch;
        size_t used = text_decode(text, len, &ch);
        int w = text_char_width(ch);
        width += w < 0 ? 1 : (size_t)w;
        text += used;
        len -= used;
    }
    return width;
}

size_t text_clean(char *out, size_t size, const char *text, size_t len)
{
    size_t n = 0;
    if (size == 0)
        return 0;
    if (len == SIZE_MAX)
        len = strlen(text);
    while (len > 0) {
        uint32_t ch;
        char bytes[4];
        size_t used = text_decode(text, len, &ch);
        if (ch == '\t' || ch == '\n' || ch == '\r')
            ch = ' ';
        else if (text_char_width(ch) < 0)
            ch = REPLACEMENT;
        size_t need = text_encode(ch, bytes);
        if (n + need >= size)
            break;
        memcpy(out + n, bytes, need);
        n += need;
        text += used;
        len -= used;
    }
    out[n] = '\0';
    return n;
}

char *text_clean_dup(const char *text, size_t len, size_t max)
{
    if (len == SIZE_MAX)
        len = strnlen(text, max);
    if (len > max)
        len = max;
    /* A bad byte of one grows to the three of U+FFFD. */
    size_t size = len * 3 + 1 < max + 1 ? len * 3 + 1 : max + 1;
    char *out = malloc(size);
    if (out != NULL)
        text_clean(out, size, text, len);
    return out;
}

const char *text_bytes(char *out, double bytes)
{
    static const char units[] = "BKMGTPE";
    int unit = 0;
    while (bytes >= 999.5 && unit < 6) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, TEXT_SHORT, unit > 0 && bytes < 9.95 ? "%.1f%c" : "%.0f%c", bytes, units[unit]);
    return out;
}

const char *text_duration(char *out, int64_t ms)
{
    long s = (long)(ms < 0 ? 0 : ms / 1000);
    if (s < 60)
        snprintf(out, TEXT_SHORT, "%lds", s);
    else if (s < 3600)
        snprintf(out, TEXT_SHORT, "%ldm", s / 60);
    else if (s < 86400)
        snprintf(out, TEXT_SHORT, "%ldh%02ldm", s / 3600, s / 60 % 60);
    else if (s < 100L * 86400)
        snprintf(out, TEXT_SHORT, "%ldd%02ldh", s / 86400, s / 3600 % 24);
    else
        snprintf(out, TEXT_SHORT, "%ldd", s / 86400);
    return out;
}

const char *text_latency(char *out, double ms)
{
    if (ms < 0.995)
        snprintf(out, TEXT_SHORT, "%.2fms", ms);
    else if (ms < 9.95)
        snprintf(out, TEXT_SHORT, "%.1fms", ms);
    else if (ms < 999.5)
        snprintf(out, TEXT_SHORT, "%.0fms", ms);
    else
        snprintf(out, TEXT_SHORT, ms < 9950 ? "%.1fs" : "%.0fs", ms / 1000);
    return out;
}

const char *text_percent(char *out, double percent)
{
    snprintf(out, TEXT_SHORT, percent < 99.95 ? "%.1f" : "%.0f", percent);
    return out;
}

bool text_contains(const char *text, const char *part)
{
    return strcasestr(text, part) != NULL;
}
