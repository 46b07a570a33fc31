#define _GNU_SOURCE /* renameat2 */

#include "lib/atomic_folder_impl.h"

#include "lib/memory.h"
#include "lib/temp_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Whether a folder is at the target, which may be replaced. */
static scry_status atomic_folder_check(bool *there, const scryi_atomic_folder *p, scry_error *err)
{
    struct stat info;
    *there = !lstat(p->path, &info);
    if (!*there) return SCRY_OK;
    if (!p->may_replace)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: exists, and replacing it was not asked for",
                         p->path);
    if (S_ISDIR(info.st_mode) && p->may_replace(p->path)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: is %s, which is not replaced", p->path,
                     S_ISDIR(info.st_mode)   ? "a folder of another kind"
                     : S_ISLNK(info.st_mode) ? "a link"
                                             : "no folder");
}

scry_status scryi_atomic_folder_create(scryi_atomic_folder *p, const char *path,
                                       bool (*may_replace)(const char *path), scry_error *err)
{
    size_t n = strlen(path);
    bool there;
    while (n > 1 && path[n - 1] == '/')
        n--;
    *p = (scryi_atomic_folder){.path = scry_copy(path, n + 1), .may_replace = may_replace};
    if (!p->path) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: name of a folder", path);
    p->path[n] = '\0';
    scry_status st = atomic_folder_check(&there, p, err);
    if (st == SCRY_OK) st = scry_temp_folder_create(&p->temp, p->path, err);
    if (st != SCRY_OK) scryi_atomic_folder_abandon(p);
    return st;
}

/* Where a file system cannot exchange names: for a moment there is neither. False: errno says why.
 */
static bool atomic_folder_steps(const scryi_atomic_folder *p, bool there)
{
    char *old = NULL;
    if (there && scry_temp_folder_create(&old, p->path, NULL) != SCRY_OK) return false;
    bool moved = !there || !rename(p->path, old);
    if (moved && rename(p->temp, p->path)) {
        const int reason = errno;
        moved = false;
        if (there && rename(old, p->path)) {
            scry_temp_file_forget(old); /* it holds what was there before, and stays */
            old = NULL;
        }
        errno = reason;
    }
    const int reason = errno;
    scry_temp_file_remove(old);
    errno = reason;
    return moved;
}

scry_status scryi_atomic_folder_commit(scryi_atomic_folder *p, scry_error *err)
{
    bool there;
    scry_status st = atomic_folder_check(&there, p, err); /* it may have appeared meanwhile */
    if (st != SCRY_OK) goto done;
    const unsigned how = there ? RENAME_EXCHANGE : RENAME_NOREPLACE;
    bool exchanged = there;
    bool moved = !renameat2(AT_FDCWD, p->temp, AT_FDCWD, p->path, how);
    if (!moved && (errno == EINVAL || errno == ENOSYS)) {
        exchanged = false;
        moved = atomic_folder_steps(p, there);
    }
    if (!moved) {
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", p->path, strerror(errno));
    } else if (!exchanged) { /* else the temporary name is that of the old one, to be removed */
        scry_temp_file_forget(p->temp);
        p->temp = NULL;
    }
done:
    scryi_atomic_folder_abandon(p);
    return st;
}

void scryi_atomic_folder_abandon(scryi_atomic_folder *p)
{
    scry_free(p->path);
    scry_temp_file_remove(p->temp);
    *p = (scryi_atomic_folder){0};
}
