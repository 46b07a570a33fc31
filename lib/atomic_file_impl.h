#ifndef SCRY_LIB_ATOMIC_FILE_IMPL_H
#define SCRY_LIB_ATOMIC_FILE_IMPL_H

#include "lib/status.h"

#include <stdbool.h>

/* A file that appears whole: it is written under another name in the folder of its target
 * (lib/temp_file.h), and takes the target's name when it is complete. */
typedef struct scryi_atomic_file {
    char *path,
        *temp; /* path: the target, where a link leads to; temp NULL: no file is being written */
} scryi_atomic_file;

/* Whether `path` may be written: nothing is there, or a regular file, or a link to one, whose
 * target *target is then; scry_free it. errors  EINVAL: it is a folder, a device, a FIFO, a socket,
 * or a link to a missing file, which the message names; ENOMEM */
scry_status scryi_atomic_file_target(char **target, const char *path, scry_error *err);

/* Makes the empty file p->temp, whose name ends like `ending`. On failure there is nothing to
 * abandon. errors  those of scryi_atomic_file_target and scry_temp_file_create */
scry_status scryi_atomic_file_create(scryi_atomic_file *p, const char *path, const char *ending,
                                     scry_error *err);
/* The same, open in *fd for reading and writing. */
scry_status scryi_atomic_file_open(scryi_atomic_file *p, int *fd, const char *path,
                                   const char *ending, scry_error *err);
/* Renames, replacing path. No temporary file is left after it. EIO or EINVAL, as above, leaves path
 * as it was. */
scry_status scryi_atomic_file_commit(scryi_atomic_file *p, scry_error *err);
/* As commit, unless something is at path by now: EINVAL. */
scry_status scryi_atomic_file_commit_new(scryi_atomic_file *p, scry_error *err);
/* Removes the temporary file; accepts a zeroed or committed one. */
void scryi_atomic_file_abandon(scryi_atomic_file *p);

#endif
