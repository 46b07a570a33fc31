#ifndef SCRY_APPS_RECON_MRI_JOURNAL_H
#define SCRY_APPS_RECON_MRI_JOURNAL_H

#include "apps/recon/mri/volume.h"

/* Finished problems of a volume in a file, one after another as they come, so that a run which is
 * stopped, by whatever, can be continued. Values are those in memory: a run that is continued on
 * the same machine ends with the same bytes as one that was never stopped. Problems that failed are
 * not in it, and are tried again. A record that was not written to its end is ignored. */
typedef struct scry_mri_journal scry_mri_journal;

/* `run` says of what run it is, in words. keep: appends to the journal of this run that is there;
 * else begins anew. One file for each process.
 * errors  EIO: cannot be written; ENOMEM */
scry_status scry_mri_journal_open(scry_mri_journal **out, const char *path, const char *run,
                                  const scry_mri_volume *v, bool keep, scry_error *err);
void scry_mri_journal_close(scry_mri_journal *j); /* accepts NULL; the file stays */

/* Appends one finished problem. frame, slice: numbers in the file. EIO: the first failure, after
 * which nothing more is written. */
scry_status scry_mri_journal_add(scry_mri_journal *j, const scry_mri_volume *v, size_t frame,
                                 size_t slice, size_t index, scry_error *err);

/* Puts the problems of a journal into v, those of this process (rank of ranks) that are not there
 * yet; *count is increased by their number.
 * errors  EINVAL: the journal is of another run, or of a volume of another size: both are named;
 *         EFORMAT: no journal; EIO: cannot be read (errno ENOENT: is not there); ENOMEM */
scry_status scry_mri_journal_restore(scry_mri_volume *v, size_t *count, const char *path,
                                     const char *run, const scry_mri_volume_request *request,
                                     scry_error *err);

#endif
