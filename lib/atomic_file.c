#include "lib/atomic_file_impl.h"

#include "lib/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void atomic_file_release(scryi_atomic_file *p)
{
    scry_free(p->path);
    scry_free(p->temp);
    *p = (scryi_atomic_file){0};
}

scry_status scryi_atomic_file_create(scryi_atomic_file *p, const char *path, const char *ending,
                                     scry_error *err)
{
    const char *slash = strrchr(path, '/');
    const int folder = slash ? (int)(slash - path) + 1 : 0;
    const size_t size = (size_t)folder + 64 + strlen(ending);
    struct stat info;
    int fd = -1;
    *p = (scryi_atomic_file){0};
    if (!stat(path, &info) && S_ISDIR(info.st_mode))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: is a folder, expected the name of a file", path);
    p->path = scry_copy(path, strlen(path) + 1);
    p->temp = scry_alloc(1, size);
    if (!p->path || !p->temp) {
        atomic_file_release(p);
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: name of a temporary file", path);
    }
    /* not mkstemp: it would leave the file readable by its owner only, against the user's umask */
    for (unsigned i = 0; i < 1000 && fd < 0; i++) {
        snprintf(p->temp, size, "%.*s.scry-%ld-%u.part%s", folder, path, (long)getpid(), i, ending);
        fd = open(p->temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST) break;
    }
    if (fd < 0) {
        const int reason = errno;
        atomic_file_release(p);
        return SCRY_FAIL(err, SCRY_EIO, "%s: cannot write there: %s", path, strerror(reason));
    }
    close(fd);
    return SCRY_OK;
}

scry_status scryi_atomic_file_commit(scryi_atomic_file *p, scry_error *err)
{
    scry_status st = SCRY_OK;
    if (rename(p->temp, p->path)) {
        st = SCRY_FAIL(err, SCRY_EIO, "%s: %s", p->path, strerror(errno));
        unlink(p->temp);
    }
    atomic_file_release(p);
    return st;
}

void scryi_atomic_file_abandon(scryi_atomic_file *p)
{
    if (p->temp) unlink(p->temp);
    atomic_file_release(p);
}
