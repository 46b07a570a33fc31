#ifndef SCRY_LIB_IO_KSPACE_KSPACE_H
#define SCRY_LIB_IO_KSPACE_KSPACE_H

#include "lib/api.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef __cplusplus
#include <complex.h>
#endif

SCRY_BEGIN

/* K-space in files of any of these formats: fastMRI HDF5, ISMRMRD (MRD) HDF5, BART
 * .cfl/.hdr, a plain complex HDF5 dataset, or a complex NumPy array (.npy). A file is described
 * when it is opened and its samples are read slice by slice.
 *
 *   slice = (coil, z, y, x) complex        y, x: rows and columns as the format orders them, so
 *                                          that images come out in its orientation; z > 1: a volume
 *                                          that is encoded along z too
 *   fastMRI (slice, coil, H, W)            readout along y (H), phase encoding along x (W)
 *   BART, ISMRMRD                          readout along x, phase encoding along y, then z
 *
 * Samples lie on the centred grid: index floor(n/2) of an axis is k = 0. Samples that were not
 * acquired are 0 in the data and 0 in the mask. A line that was acquired several times is averaged,
 * so its noise is smaller; `averages` is the largest number of times. */

typedef enum scry_kspace_format {
    SCRY_KSPACE_FASTMRI = 0,
    SCRY_KSPACE_ISMRMRD,
    SCRY_KSPACE_CFL,
    SCRY_KSPACE_PLAIN, /* HDF5 with a complex dataset of 2 to 5 axes: (slice,) (coil,) (z,) y, x */
    SCRY_KSPACE_NPY    /* a NumPy array of these axes */
} scry_kspace_format;

/* Where the image lies in the patient, DICOM's LPS axes. */
typedef struct scry_geometry {
    bool known;
    double fov[3];       /* mm along x (columns), y (rows), z of the image as reconstructed */
    double position[3];  /* mm: centre of the first slice, or of a volume encoded along z */
    double along[3][3];  /* unit vectors: direction of growing x, y, z */
    double slice_gap[3]; /* from one slice to the next, mm; zeros for a single one */
    bool uneven;         /* slices are not equally far apart: no image of them has a step */
} scry_geometry;

typedef struct scry_kspace_info {
    scry_kspace_format format;
    const char *dataset; /* of the samples, as in messages: "kspace", "/dataset/data" */
    size_t frames;       /* repetitions x contrasts x phases x sets, the first slowest */
    size_t slices, coils, nz, ny, nx;
    int readout;    /* axis of the readout: 1 y, 2 x */
    bool scattered; /* samples lie off the grid, where scry_kspace_read_trajectory says: a slice has
                       ny readouts of nx samples, and nz is 1. A stack, Cartesian along z, is
                       transformed: its partitions became slices */
    size_t grid[3]; /* z, y, x: the matrix that scattered samples encode; else 0 */
    bool image_axis[3]; /* z, y, x already transformed to the image (BART, read-transformed) */
    size_t recon[3];    /* z, y, x of the image to write: smaller where the readout is
                           oversampled, larger where k-space is to be zero-padded */
    double encoded_fov[3], recon_fov[3]; /* mm, z, y, x; 0: not stated */
    bool has_mask;        /* the file holds a sampling mask of its own, apart from zeros */
    bool has_target;      /* fastMRI: reconstruction_rss or reconstruction_esc */
    size_t noise_samples; /* of noise scans, for each coil; 0: none */
    double noise_ratio;   /* variance of imaging samples over the variance of noise samples:
                             bandwidths */
    double sample_time;   /* us between imaging samples of the readout; 0: not stated */
    bool has_calibration; /* some lines are for calibration only */
    size_t calibration_frames, calibration_first; /* of the calibration that was read last: the
                             number of frames whose mean it is, and the first; 0: none was read */
    size_t averages;
    scry_geometry geometry;
    /* The file's own description; "" where it has none. */
    char acquisition[64], system[64], trajectory[32];
    double field_strength, tr, te; /* T, ms, ms; 0: not stated */
} scry_kspace_info;

/* Facts that the file does not contain; zeroed for defaults. */
typedef struct scry_kspace_choice {
    const char *dataset; /* plain HDF5: which dataset, where several are complex; ISMRMRD: the
                            measurement ("dataset_1") */
    bool transformed;    /* cfl, plain HDF5: the readout (of a cfl: dim 0) is in the image */
    double oversampling; /* of the readout, > 1: the image to write is n / oversampling; 0: as the
                            file says */
    bool scattered;      /* samples lie on a trajectory that is known from elsewhere, in the
                            order of the file */
    bool own_trajectory; /* samples off the grid, with a trajectory in the file, are expected too;
                            false: EUNSUP */
} scry_kspace_choice;

typedef struct scry_kspace_reader scry_kspace_reader;

/* The format is recognised by content. Read from one thread at a time (HDF5 is serial).
 * errors  EIO: cannot be read; EFORMAT: not k-space, truncated, wrong names, types or shapes,
 *         limits outside the matrix: the message states the value found and the value expected, and
 *         names another format that the file looks like; EUNSUP: non-Cartesian trajectories; ENOMEM
 */
scry_status scry_kspace_open(scry_kspace_reader **out, const char *path,
                             const scry_kspace_choice *choice, scry_error *err);
const scry_kspace_info *scry_kspace_describe(const scry_kspace_reader *r);
void scry_kspace_close(scry_kspace_reader *r); /* accepts NULL */

/* data[coil][z][y][x] of one slice and mask[z][y][x], 1 where acquired. mask NULL: not wanted.
 * A sample that is ten times as large as all around it, and has no counterpart on the other side of
 * k = 0, is a spike: it is left out, of a volume with its line, and a warning has its place.
 * ENUMERIC: NaN or infinite samples (how many, the first one's place), or all zero. */
scry_status scry_kspace_read(scry_kspace_reader *r, size_t frame, size_t slice, scry_complex *data,
                             unsigned char *mask, scry_error *err);
/* The same for the lines from which coils are calibrated, which all frames share: calibration-only
 * lines, and imaging lines of frame 0 where there are no calibration-only ones. In a file without
 * calibration-only lines, the mean of those frames that have all samples of the middle of k-space
 * that any frame has, or of all frames where none has (frames that interleave their lines: Breuer
 * et al. 2005, MRM 53:981). Frames with bad samples are left out. */
scry_status scry_kspace_read_calibration(scry_kspace_reader *r, size_t slice, scry_complex *data,
                                         unsigned char *mask, scry_error *err);
/* k[ny][nx][2]: ky, kx of each sample of a slice, in cycles per pixel of an image of info.grid, 0
 * where the mask is. In ISMRMRD files coordinates that do not exceed .5 are in this unit, those up
 * to half of the matrix in units of 1 / field of view; a warning says which was found.
 * errors  EUNSUP: samples lie on the grid; EINVAL: no such slice; EFORMAT, EIO */
scry_status scry_kspace_read_trajectory(scry_kspace_reader *r, size_t frame, size_t slice, float *k,
                                        scry_error *err);
/* noise[coil][noise_samples] */
scry_status scry_kspace_read_noise(scry_kspace_reader *r, scry_complex *noise, scry_error *err);
/* target[y][x] of one slice, recon size; EUNSUP without one. */
scry_status scry_kspace_read_target(scry_kspace_reader *r, size_t slice, float *target,
                                    scry_error *err);
/* The next warning that has not been returned yet; NULL when there are no more. */
const char *scry_kspace_warning(scry_kspace_reader *r);

const char *scry_kspace_format_name(scry_kspace_format f); /* "fastMRI HDF5" */

SCRY_END

#endif
