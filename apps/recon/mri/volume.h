#ifndef SCRY_APPS_RECON_MRI_VOLUME_H
#define SCRY_APPS_RECON_MRI_VOLUME_H

#include "apps/recon/mri/reconstruct.h"
#include "apps/recon/mri/scan_file.h"

/* Slices of a scan in a file, reconstructed into one volume: several slices at a time, or several
 * of their chains, in one or several processes. A slice that fails leaves the others alone. */

/* The result of one 2-D problem; plain bytes, all 0 until it is done, so that processes can merge
 * their entries. */
typedef struct scry_mri_entry {
    size_t done, failed_chains, samples, coils;
    double holdout, holdout_chi2, scale, seconds;
    scry_diagnosis diagnosis;
    scry_counts counts;
    scry_start_point start;
    char failure[256]; /* "" when it went well */
} scry_mri_entry;

typedef struct scry_mri_volume {
    size_t frames, slices, dims[3], count; /* count: voxels of all */
    size_t first;                          /* number in the file of the first of the slices */
    int across;                            /* axis (z, y, x) along which problems are counted */
    bool cplx;
    bool joined; /* the frames of a slice are one problem: one process has them all */
    const scry_output_maps *asked; /* the request's */
    float *mean, *maps;            /* (frames, slices, z, y, x), mean in pairs where cplx; maps one
                                      after another; NaN where a problem failed, and 0 where
                                      another process has it */
    size_t problems;               /* of a slice */
    scry_mri_entry *entries;       /* frames x slices x problems */
    float *zero_filled;            /* (z, y, x) of the middle slice; NULL: not asked for */
} scry_mri_volume;

typedef struct scry_mri_volume_request {
    size_t first, last;           /* slices of the file */
    bool cplx;                    /* complex values; false: magnitudes */
    bool zero_filled;             /* also A^H y of the middle slice's samples, as an image */
    const scry_output_maps *maps; /* the maps of the reconstructor's request, borrowed */
    uint64_t seed;  /* the random numbers of a plane are a function of the seed and of its number */
    size_t threads; /* slices at a time, or chains where there are fewer slices */
    size_t rank, ranks; /* the number of this process and of all processes that share the
                           work. ranks 0: one process */
    /* monitors; NULL: none */
    scry_chains_monitor *chains; /* of the only problem, where there is just one */
    void (*steps)(size_t more, size_t total, void *ctx); /* `more` of the `total` steps of all
                                chains of all problems of this process; calls do not overlap */
    void *ctx;
    struct scry_mri_journal *journal; /* takes every problem that is done; NULL: none */
} scry_mri_volume_request;

/* Calibrates the reconstructor by the middle slice, allocates the volume, and refuses a run for
 * which the machine has too little memory. *v is to be freed in any case.
 * errors  those of scry_scan_file_read_middle, scry_reconstructor_calibrate and scry_recon_afford
 */
scry_status scry_mri_volume_prepare(scry_mri_volume *v, scry_reconstructor *rec,
                                    scry_scan_file *file, const scry_mri_volume_request *request,
                                    scry_error *err);
void scry_mri_volume_free(scry_mri_volume *v); /* accepts a zeroed one */

/* The number of problems of this process, done or not. */
size_t scry_mri_volume_share(const scry_mri_volume *v, const scry_mri_volume_request *request);
/* Solves the problems of this process that are not done (apps/recon/mri/journal.h). A failure is
 * recorded in its entry; after scry_cancel the remaining problems are skipped. */
void scry_mri_volume_run(scry_mri_volume *v, const scry_reconstructor *rec, scry_scan_file *file,
                         const scry_mri_volume_request *request);

/* ---- results ---- */

size_t scry_mri_volume_entries(const scry_mri_volume *v); /* frames x slices x problems */
/* "frame 0, slice 3, plane 7" of entry i, where there are several of them. Returns buf. */
const char *scry_mri_volume_place(const scry_mri_volume *v, size_t i, char *buf, size_t size);
/* Makes a volume of a run that was stopped: problems that are not done become NaN. Returns how many
 * are done. */
size_t scry_mri_volume_blank(scry_mri_volume *v);
/* The summary of all successful problems. */
scry_diagnosis_summary scry_mri_volume_summary(const scry_mri_volume *v);

#endif
