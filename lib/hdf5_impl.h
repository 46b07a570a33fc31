#ifndef SCRY_LIB_HDF5_IMPL_H
#define SCRY_LIB_HDF5_IMPL_H

/* For readers and writers whose types lib/hdf5.h does not cover: ISMRMRD. */

#include "lib/hdf5.h"

#include <hdf5.h>

/* The open file, borrowed. */
hid_t scryi_hdf5_id(const scry_hdf5 *f);

/* Like SCRY_FAIL, "path: <fmt>", followed by the innermost reason that HDF5 gave for the call that
 * just failed. Calls into HDF5 stand between H5E_BEGIN_TRY and H5E_END_TRY, which keep it from
 * printing; the reason survives them until the next call into HDF5. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
scry_status scryi_hdf5_fail(const scry_hdf5 *f, scry_error *err, scry_status code, const char *fmt,
                            ...);

#endif
