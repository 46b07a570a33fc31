#define _XOPEN_SOURCE 700 /* realpath */

#include "lib/atomic_file_impl.h"

#include "lib/memory.h"
#include "lib/temp_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *atomic_file_kind(mode_t mode)
{
    return S_ISDIR(mode)    ? "a folder"
           : S_ISBLK(mode)  ? "a device"
           : S_ISCHR(mode)  ? "a device"
           : S_ISFIFO(mode) ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
                            : "no regular file";
}

scry_status scryi_atomic_file_target(char **target, const char *path, scry_error *err)
{
    struct stat link, info;
    char *real = NULL;
    *target = NULL;
    if (!lstat(path, &link)) {
        if (stat(path, &info))
            return SCRY_FAIL(
                err, SCRY_EINVAL,
                "%s: is a link to a file that is not there, expected the name of a file", path);
        if (!S_ISREG(info.st_mode))
            return SCRY_FAIL(err, SCRY_EINVAL, "%s: is %s, expected the name of a file", path,
                             atomic_file_kind(info.st_mode));
        if (S_ISLNK(link.st_mode) && !(real = realpath(path, NULL)))
            return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    }
    const char *name = real ? real : path;
    *target = scry_copy(name, strlen(name) + 1);
    free(real);
    return *target ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "%s: name of a file", path);
}

scry_status scryi_atomic_file_open(scryi_atomic_file *p, int *fd, const char *path,
                                   const char *ending, scry_error *err)
{
    *p = (scryi_atomic_file){0};
    scry_status st = scryi_atomic_file_target(&p->path, path, err);
    if (st == SCRY_OK) st = scry_temp_file_create(&p->temp, fd, p->path, ending, err);
    if (st != SCRY_OK) scryi_atomic_file_abandon(p);
    return st;
}

scry_status scryi_atomic_file_create(scryi_atomic_file *p, const char *path, const char *ending,
                                     scry_error *err)
{
    return scryi_atomic_file_open(p, NULL, path, ending, err);
}

static scry_status atomic_file_commit(scryi_atomic_file *p, bool replace, scry_error *err)
{
    struct stat info;
    scry_status st = SCRY_OK;
    if (!lstat(p->path, &info)) { /* it may have appeared meanwhile */
        if (!replace)
            st = SCRY_FAIL(err, SCRY_EINVAL, "%s: exists, and replacing it was not asked for",
                           p->path);
        else if (!S_ISREG(info.st_mode) && !S_ISLNK(info.st_mode))
            st = SCRY_FAIL(err, SCRY_EINVAL, "%s: is %s, expected the name of a file", p->path,
                           atomic_file_kind(info.st_mode));
    }
    if (st == SCRY_OK && rename(p->temp, p->path))
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", p->path, strerror(errno));
    if (st == SCRY_OK) {
        scry_temp_file_forget(p->temp);
        p->temp = NULL;
    }
    scryi_atomic_file_abandon(p);
    return st;
}

scry_status scryi_atomic_file_commit(scryi_atomic_file *p, scry_error *err)
{
    return atomic_file_commit(p, true, err);
}

/* link() does not replace a file that has appeared meanwhile; rename() would. */
scry_status scryi_atomic_file_commit_new(scryi_atomic_file *p, scry_error *err)
{
    if (link(p->temp, p->path)) /* it is there, or this file system has no links */
        return atomic_file_commit(p, false, err);
    scryi_atomic_file_abandon(p); /* removes the other name */
    return SCRY_OK;
}

void scryi_atomic_file_abandon(scryi_atomic_file *p)
{
    scry_free(p->path);
    scry_temp_file_remove(p->temp);
    *p = (scryi_atomic_file){0};
}
