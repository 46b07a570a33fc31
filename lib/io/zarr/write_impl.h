#ifndef SCRY_LIB_IO_ZARR_WRITE_IMPL_H
#define SCRY_LIB_IO_ZARR_WRITE_IMPL_H

/* Declarations that the sources of the zarr writer share. */

#include "lib/atomic_folder_impl.h"
#include "lib/io/zarr/zarr_impl.h"

struct scry_zarr_writer {
    scry_tiff_info info; /* planned */
    scryi_atomic_folder folder;
    int version; /* of zarr */
    scryi_zarr_codec codec;
    size_t chunk_y, chunk_x;
    scry_status failed; /* status of an earlier call: the image is lost */
    bool *written;      /* by plane (t, c, z) */
    double *ranges;     /* min, max for each channel */
    float *values;      /* of one chunk */
    unsigned char *bytes, *packed;
    size_t packed_size;
    char *provenance;
    scry_tiff_channel *channels;
    scry_tiff_written result;
};

/* Metadata of the level "0", and of the group, into the temporary folder: describe.c. */
scry_status scryi_zarr_describe_array(const scry_zarr_writer *w, scry_error *err);
scry_status scryi_zarr_describe_image(const scry_zarr_writer *w, scry_error *err);

#endif
