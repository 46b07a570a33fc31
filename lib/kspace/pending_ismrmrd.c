#include "lib/kspace/kspace_impl.h"

scry_status scryi_ismrmrd_open(scry_kspace_reader *r, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s: ISMRMRD files cannot be read yet", r->path);
}

scry_status scryi_ismrmrd_create(scry_kspace_writer *w, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s: ISMRMRD files cannot be written yet", w->path);
}
