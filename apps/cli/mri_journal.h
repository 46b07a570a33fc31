#ifndef SCRY_APPS_CLI_MRI_JOURNAL_H
#define SCRY_APPS_CLI_MRI_JOURNAL_H

#include "apps/cli/mri.h"

/* OUT.journal, by which a run of several slices that was stopped is continued (--resume); under
 * mpirun also OUT.journal-1 and so on, one a process. */

/* Is there one? */
bool mri_journal_exists(const char *out);
/* What run it is, in words: the command line without options that change no result; scry_free.
 * NULL: no memory. */
char *mri_journal_words(int argc, char **argv);
/* Puts the slices that the journals of the run hold into v, and opens this process's own. With
 * resume false they are begun anew. Notes the slices found. errors  those of
 * apps/recon/mri/journal.h */
scry_status mri_journal_begin(scry_mri_volume *v, scry_mri_volume_request *what, const char *out,
                              const char *words, bool resume, const scry_log *log, scry_error *err);
/* Closes this process's journal; the first one also removes all where the run is complete. */
void mri_journal_end(scry_mri_volume_request *what, const char *out, bool complete);

#endif
