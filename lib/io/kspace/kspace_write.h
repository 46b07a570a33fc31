#ifndef SCRY_LIB_IO_KSPACE_KSPACE_WRITE_H
#define SCRY_LIB_IO_KSPACE_KSPACE_WRITE_H

#include "lib/io/kspace/kspace.h"

/* Writing, slice by slice. The file appears whole, by rename, at close; an existing one is replaced
 * (callers ask before). info is as in kspace.h: its format chooses the file format (PLAIN is
 * refused), the other members go into the headers; axes that are already transformed are EUNSUP
 * except for CFL. An ISMRMRD file holds the acquired lines only; fastMRI a mask when it is one of
 * whole phase-encoding lines. */
typedef struct scry_kspace_writer scry_kspace_writer;
scry_status scry_kspace_create(scry_kspace_writer **out, const char *path,
                               const scry_kspace_info *info, scry_error *err);
scry_status scry_kspace_write(scry_kspace_writer *w, size_t frame, size_t slice,
                              const float complex *data, const unsigned char *mask,
                              scry_error *err);
/* The reference image of reconstructions (fastMRI only): write it before scry_kspace_finish. */
scry_status scry_kspace_write_target(scry_kspace_writer *w, size_t slice, const float *target,
                                     scry_error *err);
/* A scan without signal, noise[coil][info.noise_samples], and lines for calibration only of a slice
 * (ISMRMRD only): before the first slice. EUNSUP: the format has no place for them. */
scry_status scry_kspace_write_noise(scry_kspace_writer *w, const float complex *noise,
                                    scry_error *err);
scry_status scry_kspace_write_calibration(scry_kspace_writer *w, size_t slice,
                                          const float complex *data, const unsigned char *mask,
                                          scry_error *err);
/* commit false: leaves no trace. The writer is freed either way. NULL is accepted. */
scry_status scry_kspace_finish(scry_kspace_writer *w, bool commit, scry_error *err);

#endif
