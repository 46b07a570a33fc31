#ifndef SCRY_LIB_IO_ZARR_ZARR_H
#define SCRY_LIB_IO_ZARR_ZARR_H

#include "lib/io/tiff/tiff.h"

/* Images in OME-Zarr folders: OME-NGFF 0.4 and older in zarr format 2, 0.5 in zarr format 3. An
 * image is described, numbered and converted as one in a TIFF is (lib/io/tiff/tiff.h); its flavour
 * is SCRY_TIFF_OME.
 *
 * Sources: zarr specification 2 and 3 (zarr-specs.readthedocs.io), OME-NGFF 0.4 and 0.5
 * (ngff.openmicroscopy.org). */

/* Whether `path` is a folder that holds zarr metadata: an image, a group or an array. */
bool scry_zarr_is(const char *path);
/* Whether a file to be written is to be OME-Zarr: the name ends with ".zarr", or ".zarr/". */
bool scry_zarr_is_name(const char *path);

/* ---- reading ---- */

typedef struct scry_zarr_reader scry_zarr_reader;

/* Opens an image: a group with multiscales, of which the full resolution is read; image `series`,
 * from 0, of a group of several (bioformats2raw layout; a well of a plate); or a bare array, whose
 * last axes are taken as t, c, z, y, x. Samples: uint8 to uint32, int8 to int32, float32, float64,
 * bool; chunks in C or Fortran order, uncompressed, zlib, gzip, zstd, blosc; format 3 also in
 * shards. Pixel sizes and the frame interval are those of the coordinate transformations; the names
 * of channels those of "omero", or of the OME-XML that bioformats2raw leaves
 * (OME/METADATA.ome.xml), which has the objective and wavelengths too. EIO     a file cannot be
 * opened EINVAL  series is beyond those that the folder has EFORMAT the metadata are damaged or
 * contradict each other, named with file and key EUNSUP  legal, but not read: type, codec, filter,
 * axis or chunk grid is named; a plate */
scry_status scry_zarr_open(scry_zarr_reader **out, const char *path, size_t series,
                           scry_error *err);
void scry_zarr_close(scry_zarr_reader *r); /* accepts NULL */

/* Borrowed until scry_zarr_close. levels: reduced copies that were passed over. */
const scry_tiff_info *scry_zarr_describe(const scry_zarr_reader *r);
/* "OME-Zarr 0.4 (zarr 2), chunks of 1 x 1 x 8 x 64 x 64, blosc", borrowed. */
const char *scry_zarr_layout(const scry_zarr_reader *r);
/* The name of image i of the folder, "" when it has none. */
const char *scry_zarr_series_name(const scry_zarr_reader *r, size_t i);

size_t scry_zarr_warnings(const scry_zarr_reader *r);
const char *scry_zarr_warning(const scry_zarr_reader *r, size_t i);

/* out[y][x] = the plane (c, z, t), in the unit of the file; chunks that are not there hold the fill
 * value, which is counted in a warning. Values that no float is equal to are rounded.
 * EINVAL   the plane is outside the axes
 * EFORMAT  a chunk is short, or does not decode to its size
 * ENUMERIC a double exceeds the range of float */
scry_status scry_zarr_read_plane(scry_zarr_reader *r, size_t c, size_t z, size_t t, float *out,
                                 scry_error *err);

/* ---- writing ---- */

typedef struct scry_zarr_writer scry_zarr_writer;

/* Starts an image modelled on `like`: sizes, type, calibration, names of channels. It has one
 * level, axes t c z y x, and chunks of one plane or a part of it, by blosc (lz4) as zarr's own
 * libraries do; SCRY_TIFF_DEFLATE: zlib. `like` and all that it points at are copied. Nothing
 * appears at `path` before scry_zarr_finish.
 *   version  of zarr: 2 (OME-NGFF 0.4) or 3 (0.5)
 * EINVAL: a size is zero, path exists and opts->force is not set, or is there and no zarr folder;
 * EUNSUP: LZW; EIO */
scry_status scry_zarr_create(scry_zarr_writer **out, const char *path, int version,
                             const scry_tiff_info *like, const scry_tiff_options *opts,
                             scry_error *err);
const scry_tiff_info *scry_zarr_planned(const scry_zarr_writer *w);

/* As scry_tiff_write_plane. */
scry_status scry_zarr_write_plane(scry_zarr_writer *w, size_t c, size_t z, size_t t,
                                  const float *in, scry_error *err);

/* Completes the folder, moves it to `path` and frees w, whatever it returns: as scry_tiff_finish.
 */
scry_status scry_zarr_finish(scry_zarr_writer *w, scry_tiff_written *result, scry_error *err);
void scry_zarr_abort(scry_zarr_writer *w); /* accepts NULL */

#endif
