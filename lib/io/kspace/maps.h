#ifndef SCRY_LIB_IO_KSPACE_MAPS_H
#define SCRY_LIB_IO_KSPACE_MAPS_H

#include "lib/status.h"

#include <complex.h>
#include <stddef.h>

/* Separate files for a reconstruction: coil sensitivities and sampling masks. Files are .cfl, or
 * HDF5 (.h5, .hdf5). Of a .cfl, dims 0 and 1 are x and y; where dim 0 is 1, dims 1 and 2 are, as in
 * k-space (lib/io/kspace/cfl_kspace.c). */

/* Maps of `slice` in a volume of `slices` slices: *maps[coil][set][y][x], released with scry_free,
 * and *sets. A file that holds one slice serves all.
 *   cfl    coils in dim 3, sets in dim 4, slices in dim 13
 *   HDF5   dataset "maps", complex: ((slice,) coil, set, y, x) or (coil, y, x)
 * errors  ESHAPE: names the coils, size or slices found and expected; EFORMAT, EIO as in the
 *         readers of the formats; ENUMERIC: NaN or infinite, or all of them zero; ENOMEM */
scry_status scry_maps_read(float complex **maps, size_t *sets, const char *path, size_t slice,
                           size_t slices, size_t coils, size_t ny, size_t nx, scry_error *err);

/* maps[slice][coil][set][y][x] to such a file, by the ending of path; whole or not at all, an
 * existing one is replaced. EINVAL: another ending */
scry_status scry_maps_write(const char *path, const float complex *maps, size_t slices,
                            size_t coils, size_t sets, size_t ny, size_t nx, scry_error *err);

/* mask[y][x], 1 where a sample was taken: the file's entries that are not 0. (y, x), or one line,
 * which is repeated: as long as an axis, and along the phase encodes (x for readout 1, y for 2)
 * where it could be either. Several slices are refused.
 *   cfl    one entry along all other dims
 *   HDF5   dataset: numbers, bool, or complex; NULL: "mask"
 *   .npy   numbers, bool, or complex
 * errors  ESHAPE: found and expected sizes; EINVAL: nothing is acquired; as above */
scry_status scry_mask_read(unsigned char *mask, const char *path, const char *dataset, size_t ny,
                           size_t nx, int readout, scry_error *err);

#endif
