#ifndef SCRY_LIB_IO_KSPACE_KSPACE_IMPL_H
#define SCRY_LIB_IO_KSPACE_KSPACE_IMPL_H

/* The functions by which a file format is read and written through lib/io/kspace/kspace.h:
 * lib/io/kspace/ kspace.c recognises the format, checks arguments, and checks the slices of every
 * format. */

#include "lib/io/hdf5.h"
#include "lib/io/kspace/kspace.h"
#include "lib/io/kspace/kspace_write.h"

struct scryi_kspace_reader_ops {
    /* data[coil][z][y][x] and mask[z][y][x], never NULL, both zeroed before the call; frame and
     * slice are in range. Samples where the mask stays 0 are cleared by the caller. */
    scry_status (*read)(scry_kspace_reader *r, size_t frame, size_t slice, float complex *data,
                        unsigned char *mask, scry_error *err);
    /* NULL: as read of frame 0 */
    scry_status (*calibration)(scry_kspace_reader *r, size_t slice, float complex *data,
                               unsigned char *mask, scry_error *err);
    scry_status (*noise)(scry_kspace_reader *r, float complex *noise, scry_error *err);
    scry_status (*target)(scry_kspace_reader *r, size_t slice, float *target, scry_error *err);
    /* k[y][x][2], zeroed; NULL: always on the grid */
    scry_status (*trajectory)(scry_kspace_reader *r, size_t frame, size_t slice, float *k,
                              scry_error *err);
    void (*close)(scry_kspace_reader *r); /* frees state, which may be NULL or half built */
};

enum { SCRYI_KSPACE_WARNINGS = 16 };

struct scry_kspace_reader {
    const struct scryi_kspace_reader_ops *ops; /* set first thing by the format's open */
    scry_kspace_info info;                     /* filled by the format's open */
    char path[4096], dataset[256];             /* info.dataset points to the latter */
    scry_hdf5 *file;                           /* open, for formats in HDF5; closed by kspace.c */
    void *state;                               /* of the format */
    bool scattered;                            /* lines are no lines of the grid */
    unsigned char *mask;                       /* of one slice, for callers that want none */
    char warnings[SCRYI_KSPACE_WARNINGS][256];
    size_t warning_count, warning_next;
};

/* Once per text; those after the sixteenth are dropped. */
#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
void scryi_kspace_warn(scry_kspace_reader *r, const char *fmt, ...);

/* Leaves spikes out of a slice, with a warning that has their place, and warns of spokes that are
 * taken for lines (lib/io/kspace/plausible.c). `what` names the slice. */
scry_status scryi_kspace_examine(scry_kspace_reader *r, const char *what, float complex *data,
                                 unsigned char *mask, scry_error *err);

/* As scry_kspace_read, checked: the frames that calibrate a series (lib/io/kspace/series.c). */
scry_status scryi_kspace_series_mean(scry_kspace_reader *r, size_t slice, float complex *data,
                                     unsigned char *mask, scry_error *err);

/* For formats without a mask: a line along the readout (info.readout) that holds samples other than
 * exact 0 in some coil was acquired, whole if no more than 2 % of it is 0 (integers of a scanner
 * are 0 now and then), else where it is not 0 (asymmetric echoes, patterns in both axes). */
void scryi_kspace_mask_from_zeros(const scry_kspace_info *info, const float complex *data,
                                  unsigned char *mask);

/* Functions of each format. Open: fill r->info (not: format, dataset) and r->dataset; on failure
 * everything is released through ops->close. choice is never NULL. */
scry_status scryi_fastmri_open(scry_kspace_reader *r, scry_error *err);
scry_status scryi_plain_open(scry_kspace_reader *r, const scry_kspace_choice *choice,
                             scry_error *err);
/* Axes of a plain array of 2 to 5 axes into r->info; and its readout, from which lines are whole in
 * slice 0. */
void scryi_plain_axes(scry_kspace_info *info, const size_t *dims, int rank, bool coils_first);
scry_status scryi_plain_find_readout(scry_kspace_reader *r, scry_error *err);
bool scryi_npy_recognise(const char *path);
scry_status scryi_npy_kspace_open(scry_kspace_reader *r, scry_error *err);
/* choice->dataset: the measurement, "dataset_1", "/dataset_1/data"; NULL: choose. */
scry_status scryi_ismrmrd_open(scry_kspace_reader *r, const scry_kspace_choice *choice,
                               scry_error *err);
/* Does `dataset` name a measurement of an ISMRMRD file? */
bool scryi_ismrmrd_names(const scry_hdf5 *f, const char *dataset);
/* Is path (name.cfl, name.hdr, or name) a pair of files whose header begins as BART's do? A pair of
 * which one file is missing, or a .cfl or .hdr with other contents, is for scryi_cfl_open to name:
 * true for these endings. */
bool scryi_cfl_recognise(const char *path);
scry_status scryi_cfl_open(scry_kspace_reader *r, const scry_kspace_choice *choice,
                           scry_error *err);

/* The name of another format and a program that converts it; NULL: not known. */
const char *scryi_kspace_foreign(const char *path);

struct scryi_kspace_writer_ops {
    /* frame, slice in range, each given once, data finite and 0 where mask is 0; mask not NULL */
    scry_status (*write)(scry_kspace_writer *w, size_t frame, size_t slice,
                         const float complex *data, const unsigned char *mask, scry_error *err);
    scry_status (*target)(scry_kspace_writer *w, size_t slice, const float *target,
                          scry_error *err); /* NULL: the format has no place for one */
    /* The same for lines for calibration only, and for noise[coil][info.noise_samples]. */
    scry_status (*calibration)(scry_kspace_writer *w, size_t slice, const float complex *data,
                               const unsigned char *mask, scry_error *err);
    scry_status (*noise)(scry_kspace_writer *w, const float complex *noise, scry_error *err);
    /* Frees state, which may be NULL or half built. commit: every slice was written. */
    scry_status (*finish)(scry_kspace_writer *w, bool commit, scry_error *err);
};

struct scry_kspace_writer {
    const struct scryi_kspace_writer_ops *ops; /* set first thing by the format's create */
    scry_kspace_info info;                     /* checked */
    char path[4096];
    void *state;
    unsigned char *written; /* [frame][slice] */
    unsigned char *mask;    /* of ones, for callers that give none */
    scry_status failed;     /* of an earlier call: the file is lost */
};

/* Functions of each format; on failure everything is released through ops->finish. */
scry_status scryi_fastmri_create(scry_kspace_writer *w, scry_error *err);
scry_status scryi_ismrmrd_create(scry_kspace_writer *w, scry_error *err);
scry_status scryi_cfl_create(scry_kspace_writer *w, scry_error *err);
scry_status scryi_npy_kspace_create(scry_kspace_writer *w, scry_error *err);

#endif
