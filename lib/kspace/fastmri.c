#include "lib/kspace/kspace_impl.h"

scry_status scryi_fastmri_open(scry_kspace_reader *r, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s: fastMRI files cannot be read yet", r->path);
}

scry_status scryi_plain_open(scry_kspace_reader *r, const scry_kspace_choice *choice,
                             scry_error *err)
{
    (void)choice;
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s: plain HDF5 files cannot be read yet", r->path);
}

scry_status scryi_fastmri_create(scry_kspace_writer *w, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s: fastMRI files cannot be written yet", w->path);
}
