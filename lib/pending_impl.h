#ifndef SCRY_LIB_PENDING_IMPL_H
#define SCRY_LIB_PENDING_IMPL_H

#include "lib/status.h"

/* A file that appears whole: it is written under another name in the folder of its target, which
 * takes the target's name when it is complete. */
typedef struct scryi_pending {
    char *path, *temp; /* temp NULL: nothing is pending */
} scryi_pending;

/* Makes the empty file p->temp, whose name ends like path (".nii.gz": libraries look at endings),
 * with the mode that the umask gives. On failure there is nothing to abandon.
 * errors  EINVAL: path is a folder; EIO: cannot write there; ENOMEM */
scry_status scryi_pending_create(scryi_pending *p, const char *path, const char *ending,
                                 scry_error *err);
/* Renames, replacing path. Nothing is pending after it. EIO leaves path as it was. */
scry_status scryi_pending_commit(scryi_pending *p, scry_error *err);
/* Removes what was written; accepts a zeroed or committed one. */
void scryi_pending_abandon(scryi_pending *p);

#endif
