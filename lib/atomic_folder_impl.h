#ifndef SCRY_LIB_ATOMIC_FOLDER_IMPL_H
#define SCRY_LIB_ATOMIC_FOLDER_IMPL_H

#include "lib/status.h"

#include <stdbool.h>

/* A folder that appears whole: it is filled under another name beside its target, and takes the
 * target's name when it is complete. */
typedef struct scryi_atomic_folder {
    char *path, *temp; /* temp NULL: no folder is being written */
    bool (*may_replace)(const char *path);
} scryi_atomic_folder;

/* Makes the empty folder p->temp. may_replace: which folders the new one may take the place of;
 * NULL: none. errors  EINVAL: something else is at path; EIO, ENOMEM */
scry_status scryi_atomic_folder_create(scryi_atomic_folder *p, const char *path,
                                       bool (*may_replace)(const char *path), scry_error *err);
/* Gives it its name; the folder that it replaces is removed after that. On failure path is as it
 * was. No temporary folder is left. */
scry_status scryi_atomic_folder_commit(scryi_atomic_folder *p, scry_error *err);
/* Removes the temporary folder; accepts a zeroed or committed one. */
void scryi_atomic_folder_abandon(scryi_atomic_folder *p);

#endif
