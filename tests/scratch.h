#ifndef SCRY_TESTS_SCRATCH_H
#define SCRY_TESTS_SCRATCH_H

/* A folder of a test's own for the files that it writes, removed with all that is in it. */

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_folder[64];

static inline int scratch_open(void **state)
{
    (void)state;
    snprintf(scratch_folder, sizeof scratch_folder, "/tmp/scry-test-XXXXXX");
    return mkdtemp(scratch_folder) ? 0 : -1;
}

/* Up to four names at a time. */
static inline const char *scratch(const char *name)
{
    static char paths[4][400];
    static int turn;
    char *path = paths[turn = (turn + 1) % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch_folder, name);
    return path;
}

/* Files in the folder: those written and, after a failure, those left behind. */
static inline int scratch_count(void)
{
    int count = 0;
    DIR *folder = opendir(scratch_folder);
    for (struct dirent *e; folder && (e = readdir(folder));)
        count += e->d_name[0] != '.';
    if (folder) {
        rewinddir(folder); /* temporary names begin with a dot too (lib/temp_file.h) */
        for (struct dirent *e; (e = readdir(folder));)
            count += e->d_name[0] == '.' && strstr(e->d_name, ".scry-");
        closedir(folder);
    }
    return count;
}

static inline void scratch_clear(void)
{
    DIR *folder = opendir(scratch_folder);
    for (struct dirent *e; folder && (e = readdir(folder));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) unlink(scratch(e->d_name));
    if (folder) closedir(folder);
}

static inline int scratch_close(void **state)
{
    (void)state;
    scratch_clear();
    return rmdir(scratch_folder);
}

static inline void scratch_write(const char *name, const void *bytes, size_t n)
{
    FILE *f = fopen(scratch(name), "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f)) abort();
}

/* Is a program of this name on the path? */
static inline int scratch_program(const char *name)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null 2>&1", name);
    return system(command) == 0;
}

#endif
