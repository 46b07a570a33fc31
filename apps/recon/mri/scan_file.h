#ifndef SCRY_APPS_RECON_MRI_SCAN_FILE_H
#define SCRY_APPS_RECON_MRI_SCAN_FILE_H

#include "apps/recon/mri/scan.h"
#include "lib/io/kspace/kspace.h"

/* A scan in a file: the common properties are read when it is opened, then the slices one by one,
 * each with the sampling mask and the coil maps from other files where they are given. */

/* Borrowed until the file is closed. */
typedef struct scry_scan_file_request {
    const char *path;
    scry_kspace_choice choice;
    const char *mask;       /* a file with the samples to use; NULL: all that were acquired */
    const char *maps;       /* a file of coil maps; NULL: none */
    const char *noise_file; /* a file of noise, in place of that scan: the noise scans of a file of
                               k-space or, where it has none, all of its first slice; NULL: none */
    const char *trajectory; /* a file of sample positions (lib/io/kspace/trajectory.h), as many as a
                               slice has; NULL: Cartesian */
    size_t size[2]; /* of the image, y and x, with a trajectory; 0: as the trajectory says */
    bool noise;     /* the noise scan is wanted, where there is one */
} scry_scan_file_request;

typedef struct scry_scan_file scry_scan_file;

/* errors  those of scry_kspace_open, scry_mask_read, scry_kspace_trajectory_read and
 *         scry_kspace_read_noise; ESHAPE: another number of samples than the trajectory has, or of
 *         coils than the noise; EINVAL: a trajectory and a mask, or a trajectory without units and
 *         no size */
scry_status scry_scan_file_open(scry_scan_file **out, const scry_scan_file_request *request,
                                scry_error *err);
void scry_scan_file_close(scry_scan_file *f); /* accepts NULL */

const scry_kspace_info *scry_scan_file_info(const scry_scan_file *f);
const scry_scan *scry_scan_file_scan(const scry_scan_file *f); /* for a reconstructor */
/* The next warning of the reader; NULL when there are no more. */
const char *scry_scan_file_warning(scry_scan_file *f);

/* One slice, and its *maps (coils, sets, y, x), which the caller frees with scry_free; NULL: no
 * file of maps is given. One thread at a time.
 * errors  those of scry_kspace_read, scry_mri_slice_take and scry_maps_read; EINVAL: the mask keeps
 *         no sample; EUNSUP: maps of a file for a volume encoded along z. Nothing is to be freed
 *         then. */
scry_status scry_scan_file_read(scry_mri_slice *out, float complex **maps, scry_scan_file *f,
                                size_t frame, size_t slice, scry_error *err);

/* The slice of frame 0 in the middle of first .. last, or the nearest to it that can be read: a
 * slice of NaN or zeros does not prevent the run. As scry_scan_file_read, with the error of the
 * middle.
 */
scry_status scry_scan_file_read_middle(scry_mri_slice *out, float complex **maps, scry_scan_file *f,
                                       size_t first, size_t last, scry_error *err);

#endif
