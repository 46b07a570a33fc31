#ifndef SCRY_APPS_CLI_MRI_PAGE_H
#define SCRY_APPS_CLI_MRI_PAGE_H

#include "apps/cli/mri.h"
#include "apps/recon/mri/volume.h"

/* --report run.html of scry mri: the middle slice, zero-filled and reconstructed, its sd where
 * there is one, their spectra, and a line for each slice. work->page has the log; settings: the
 * report as JSON. The volume has its zero-filled slice. Errors of scry_page_write. */
scry_status mri_page_write(const scry_mri_volume *v, const mri_work *work, const char *in,
                           const scry_json_node *settings, scry_error *err);

#endif
