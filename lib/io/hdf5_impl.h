#ifndef SCRY_LIB_IO_HDF5_IMPL_H
#define SCRY_LIB_IO_HDF5_IMPL_H

/* Declarations that the sources of lib/io/hdf5.h share; also for readers and writers of types that
 * it does not cover: ISMRMRD. */

#include "lib/atomic_file_impl.h"
#include "lib/io/hdf5.h"

#include <hdf5.h>

struct scry_hdf5 {
    hid_t id;
    char *path;
    scryi_atomic_file file; /* being written, not yet renamed */
    size_t bytes;           /* of the file that is read */
};

/* The open file, borrowed. */
hid_t scryi_hdf5_id(const scry_hdf5 *f);

/* An object without a file, for path. NULL: no memory. */
scry_hdf5 *scryi_hdf5_new(const char *path);

/* Like SCRY_FAIL, "path: <fmt>", followed by the innermost reason that HDF5 gave for the call that
 * just failed. Calls into HDF5 stand between H5E_BEGIN_TRY and H5E_END_TRY, which keep it from
 * printing; the reason survives them until the next call into HDF5. */
#if defined(__GNUC__)
__attribute__((format(printf, 4, 5)))
#endif
scry_status
scryi_hdf5_fail(const scry_hdf5 *f, scry_error *err, scry_status code, const char *fmt, ...);

/* A box of a dataset, opened: start and count NULL for everything. Released by box_close, which
 * accepts a half-built one that began as SCRYI_HDF5_BOX. */
struct scryi_hdf5_box {
    hid_t set, in_file, in_memory;
    size_t count;
};
#define SCRYI_HDF5_BOX                                                                             \
    ((struct scryi_hdf5_box){H5I_INVALID_HID, H5I_INVALID_HID, H5I_INVALID_HID, 0})
scry_status scryi_hdf5_box_open(struct scryi_hdf5_box *box, const scry_hdf5 *f,
                                const scry_hdf5_info *info, const size_t *start,
                                const size_t *count, scry_error *err);
void scryi_hdf5_box_close(struct scryi_hdf5_box *box);

/* Properties of a new dataset: it does not note when it was made, so that the same values give the
 * same bytes. Closed by the caller. */
hid_t scryi_hdf5_creation(void);

/* Compound of two floats in memory, with the names given. Closed by the caller. */
hid_t scryi_hdf5_complex_type(const char *re, const char *im);

#endif
