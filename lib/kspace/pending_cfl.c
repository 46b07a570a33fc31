#include "lib/kspace/kspace_impl.h"

bool scryi_cfl_recognise(const char *path)
{
    (void)path;
    return false;
}

scry_status scryi_cfl_open(scry_kspace_reader *r, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s: cfl files cannot be read yet", r->path);
}

scry_status scryi_cfl_create(scry_kspace_writer *w, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s: cfl files cannot be written yet", w->path);
}
