#ifndef SCRY_LIB_ATOMIC_FILE_IMPL_H
#define SCRY_LIB_ATOMIC_FILE_IMPL_H

#include "lib/status.h"

/* A file that appears whole or not at all: it is written under another name in the target's folder,
 * and renamed when it is complete. */
typedef struct scryi_atomic_file {
    char *path, *temp; /* temp NULL: no file is being written */
} scryi_atomic_file;

/* Makes the empty file p->temp, whose name ends like path (".nii.gz": libraries look at endings),
 * with the mode that the umask gives. On failure there is nothing to abandon.
 * errors  EINVAL: path is a folder; EIO: cannot write there; ENOMEM */
scry_status scryi_atomic_file_create(scryi_atomic_file *p, const char *path, const char *ending,
                                     scry_error *err);
/* Renames the file, replacing path. EIO leaves path as it was. */
scry_status scryi_atomic_file_commit(scryi_atomic_file *p, scry_error *err);
/* Removes what was written; accepts a zeroed or committed one. */
void scryi_atomic_file_abandon(scryi_atomic_file *p);

#endif
