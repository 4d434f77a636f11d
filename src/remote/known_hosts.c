#include "remote/known_hosts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES_MAX 256
#define FILE_MAX (16 * 1024 * 1024)

static int add(struct known_hosts *known, enum known_marker marker, ssh_key key, const char *file,
               int line)
{
    if (known->count >= ENTRIES_MAX)
        return -E2BIG;
    struct known_host *entries =
        realloc(known->entries, (known->count + 1) * sizeof(*known->entries));
    if (entries == NULL)
        return -ENOMEM;
    known->entries = entries;
    char *copy = strdup(file);
    if (copy == NULL)
        return -ENOMEM;
    entries[known->count++] =
        (struct known_host){.marker = marker, .key = key, .file = copy, .line = line};
    return 0;
}

/* "@revoked pattern type key": takes the marker off. NULL for one that is not known. */
static const char *take_marker(const char *line, enum known_marker *ret_marker)
{
    static const struct {
        const char *text;
        enum known_marker marker;
    } markers[] = {{"@cert-authority", KNOWN_AUTHORITY}, {"@revoked", KNOWN_REVOKED}};
    *ret_marker = KNOWN_PLAIN;
    if (line[0] != '@')
        return line;
    for (size_t i = 0; i < 2; i++) {
        size_t len = strlen(markers[i].text);
        if (strncmp(line, markers[i].text, len) == 0 && line[len] == ' ') {
            *ret_marker = markers[i].marker;
            return line + len + strspn(line + len, " ");
        }
    }
    return NULL;
}

static int read_line(struct known_hosts *known, char *line, const char *file, int number,
                     const char *name)
{
    enum known_marker marker;
    line[strcspn(line, "\r\n")] = '\0';
    for (char *tab = line; (tab = strchr(tab, '\t')) != NULL;)
        *tab = ' '; /* libssh splits at blanks alone */
    const char *text = take_marker(line + strspn(line, " "), &marker);
    if (text == NULL || text[0] == '\0' || text[0] == '#')
        return 0;
    /* libssh compares each pattern by itself and so does not see that "!name" takes one out of the
     * others: such a line is left alone, which at worst asks for a key that is known. */
    if (memchr(text, '!', strcspn(text, " ")) != NULL && marker != KNOWN_REVOKED)
        return 0;
    struct ssh_knownhosts_entry *entry = NULL;
    if (ssh_known_hosts_parse_line(name, text, &entry) != SSH_OK)
        return 0; /* of another host, or of a kind of key that libssh does not know */
    int status = add(known, marker, entry->publickey, file, number);
    if (status == 0)
        entry->publickey = NULL;
    ssh_knownhosts_entry_free(entry);
    return status;
}

int known_hosts_read(struct known_hosts *known, const char *file, const char *name)
{
    FILE *stream = fopen(file, "re");
    if (stream == NULL)
        return errno == ENOENT || errno == ENOTDIR ? 0 : -errno;
    struct stat st;
    int status = 0;
    if (fstat(fileno(stream), &st) < 0)
        status = -errno;
    else if (st.st_size > FILE_MAX)
        status = -EFBIG;
    char *line = NULL;
    size_t size = 0;
    for (int number = 1; status == 0 && getline(&line, &size, stream) >= 0; number++)
        status = read_line(known, line, file, number, name);
    free(line);
    fclose(stream);
    return status;
}

void known_hosts_done(struct known_hosts *known)
{
    for (size_t i = 0; i < known->count; i++) {
        ssh_key_free(known->entries[i].key);
        free(known->entries[i].file);
    }
    free(known->entries);
    *known = (struct known_hosts){0};
}

static int open_to_append(const char *file)
{
    int fd = open(file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 || errno != ENOENT)
        return fd >= 0 ? fd : -errno;
    char *dir = strdup(file);
    char *slash = dir != NULL ? strrchr(dir, '/') : NULL;
    if (slash != NULL)
        *slash = '\0';
    int made = slash != NULL ? mkdir(dir, 0700) : -1;
    free(dir);
    if (made < 0)
        return -ENOENT;
    fd = open(file, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : -errno;
}

int known_hosts_add(const char *file, const char *name, ssh_key key)
{
    char *base64 = NULL, *line = NULL;
    if (ssh_pki_export_pubkey_base64(key, &base64) != SSH_OK)
        return -ENOMEM;
    int fd = open_to_append(file);
    int status = fd < 0 ? fd : 0;
    if (status == 0) {
        char last = '\n';
        off_t size = lseek(fd, 0, SEEK_END);
        bool cut = size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
        int len = asprintf(&line, "%s%s %s %s\n", cut ? "\n" : "", name,
                           ssh_key_type_to_char(ssh_key_type(key)), base64);
        if (len < 0)
            line = NULL;
        if (len < 0)
            status = -ENOMEM;
        else if (write(fd, line, (size_t)len) != len)
            status = -EIO;
    }
    if (fd >= 0)
        close(fd);
    free(line);
    ssh_string_free_char(base64);
    return status;
}
