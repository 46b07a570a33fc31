#ifndef SCRY_APPS_RECON_MRI_MRI_IMPL_H
#define SCRY_APPS_RECON_MRI_MRI_IMPL_H

#include "apps/recon/mri/reconstruct.h"
#include "apps/recon/run.h"
#include "operators/coils.h"

/* Shared by the sources of this folder. */

struct scry_reconstructor {
    const scry_mri_request *request;
    const scry_scan *scan;
    scry_options options;
    size_t chains;
    scry_output_maps maps;
    scry_prior_pool pool;
    bool has_pool;
    double complex *psi;    /* noise covariance, coils x coils; NULL: not whitened */
    const char *noise_from; /* for messages; NULL: guessed */
    char noise_words[256];  /* where noise_from points to words about certainty */
    float complex *virtual; /* of whitened coils: compression to `coils` virtual ones, or whitening
                               by what maps leave unexplained, or both; NULL: none */
    size_t coils;           /* of the problems */
    double weight;          /* of the default method, by held-out samples; 0: not known */
    const struct scryi_plane
        *judged_on;   /* held-out samples are this plane's; NULL: the problem's */
    char choice[160]; /* how the method was chosen; "": it was named */
    double crop;      /* of ESPIRiT maps, chosen by held-out samples; 0: the request's */
    double unit;      /* intensity of bright tissue, file's unit: the scale rule */
};

/* ---- one 2-D problem's samples (plane.c) ---- */

/* Arrays are owned. Coils are whitened, so that E|n|^2 = 1, and compressed. */
struct scryi_plane {
    size_t coils, sets, ny, nx;
    unsigned axes;       /* SCRY_FOURIER_Y | SCRY_FOURIER_X, those still in k-space */
    int axis[2];         /* which of z, y, x (0, 1, 2) its rows and columns are */
    size_t places;       /* of the data: ny nx, or the number of samples off the grid */
    float complex *data; /* (coils, places) */
    unsigned char *mask; /* (places) */
    const scry_mri_scattered *scattered; /* of the slice; NULL: data are (coils, ny, nx) */
    const unsigned char *covered;        /* off the grid: the slice's mask (ny, nx) */
    float complex *maps;                 /* (coils, sets, ny, nx); NULL: root sum of squares */
    unsigned char *silent; /* of the file's coils: left out, their maps are 0; NULL: not known */
    double scale;          /* the largest root sum of squares of the whitened maps, by which maps
                              and data are divided: noise is E|n|^2 = 1/scale^2 */
};

/* maps as for scry_reconstructor_run. */
scry_status scryi_plane_make(struct scryi_plane *out, const scry_reconstructor *r,
                             const scry_mri_slice *s, size_t index, const float complex *maps,
                             scry_error *err);
void scryi_plane_free(struct scryi_plane *p); /* accepts a zeroed one */
/* Plane `index` of (coils, z, y, x), or of a mask, along the axis that is not in p->axis. */
void scryi_plane_take(float complex *out, const struct scryi_plane *p, const float complex *data,
                      const scry_mri_slice *s, size_t index);
void scryi_plane_take_mask(unsigned char *out, const struct scryi_plane *p,
                           const unsigned char *mask, const scry_mri_slice *s, size_t index);
/* Whitened, compressed: data (coils, n) of the file's coils in place of itself. */
scry_status scryi_plane_whiten(float complex **data, size_t n, const scry_reconstructor *r,
                               scry_error *err);

/* ---- k-space that is filled (grappa.c) ---- */

bool scryi_grappa_chosen(const scry_reconstructor *r);
/* Fills the missing lines of p->data, whose coils are whitened. */
scry_status scryi_plane_fill(struct scryi_plane *p, const scry_mri_slice *s,
                             const scry_reconstructor *r, size_t index, scry_error *err);
/* The image of samples as they are: coils combined by their maps, or by the root sum of squares. */
scry_status scryi_solve_coil_images(scry_mri_result *r, const struct scryi_plane *plane,
                                    scry_error *err);

/* Marks each pixel (ny, nx): 0, no coil sees it; SCRYI_SEEN; and SCRYI_SEEN_AROUND, where at least
 * half of its region of side x side pixels (those of scry_chains; 0: each pixel is one) is seen. */
enum { SCRYI_SEEN = 1, SCRYI_SEEN_AROUND = 2 };
scry_status scryi_plane_seen(unsigned char **out, const struct scryi_plane *p, size_t side,
                             scry_error *err);

/* ---- samples off the grid (off_grid.c) ---- */

/* out->scattered, and from it data and mask; samples as for scry_mri_slice_take. */
scry_status scryi_mri_scatter(scry_mri_slice *out, const scry_scan *scan,
                              const scry_mri_samples *samples, scry_error *err);
/* (coils, samples) on the grid (coils, ny, nx): F A^H diag(density) y with one map of 1, and 0
 * where mask (ny, nx; NULL: 1 everywhere) is. */
scry_status scryi_mri_grid(float complex *grid, const unsigned char *mask,
                           const float complex *data, size_t coils, const scry_mri_scattered *s,
                           size_t ny, size_t nx, scry_error *err);
/* For methods that draw, from frequencies along readouts that no object within the field of view of
 * ny x nx pixels makes (*from says so), where neighbouring samples are close enough. Else, or where
 * those are quieter, from the samples that lie farthest out, with the signal that is there: by
 * that covariance, which is also that of what coil maps leave unexplained, classical images of
 * scans of little noise are 1.5 dB better (tests/bench/RESULTS.md), and held-out samples choose
 * their weight whatever the level. */
scry_status scryi_noise_off_grid(double complex *psi, const char **from,
                                 const scry_mri_scattered *s, size_t coils, size_t ny, size_t nx,
                                 bool draws, scry_error *err);
/* The first of them. *found: there are enough readouts of such steps (noise_lines.c). */
scry_status scryi_noise_along_lines(double complex *psi, bool *found, const scry_mri_scattered *s,
                                    size_t coils, size_t ny, size_t nx, scry_error *err);
/* The operator on the samples that `mask` keeps; maps as they are applied. */
scry_status scryi_off_grid_operator(scry_op **A, const struct scryi_plane *plane,
                                    const float complex *maps, const unsigned char *mask,
                                    scry_error *err);

/* ---- coils without a signal (silent.c) ---- */

struct scryi_noise_source;

/* Marks the coils of data (coils, ny, nx) whose samples hold noise alone, or are 0. */
scry_status scryi_coils_silent(unsigned char *silent, const struct scryi_plane *p,
                               const float complex *data, const unsigned char *mask, size_t coils,
                               scry_error *err);
/* Sets their n entries of x (coils, n) to 0. */
void scryi_coils_blank(float complex *x, const unsigned char *silent, size_t coils, size_t n);
void scryi_coils_silent_log(const scry_reconstructor *r, const struct scryi_plane *p);
/* scryi_noise_from_slice of the coils that hold a signal: a loud coil would decide for all which
 * places are the quietest. The others have a variance each, 0 where they are 0. */
scry_status scryi_noise_of_heard(double complex *psi, struct scryi_noise_source *source,
                                 const scry_mri_slice *s, const scry_scan *scan, scry_error *err);
/* Coils of no noise, by which nothing can be whitened, get the mean variance of the others. */
void scryi_noise_fill(double complex *psi, size_t coils);

/* ---- estimates from a slice (noise.c, holdout.c) ---- */

/* Which samples an estimate of the noise is from, and how sure it is: spread 0 where nothing tells
 * signal from noise but its place, so that it is a bound from above. */
struct scryi_noise_source {
    const char *from;
    scry_noise_certainty certainty;
};
/* The covariance of the coils' noise, coils x coils, from the samples themselves. */
scry_status scryi_noise_from_slice(double complex *psi, struct scryi_noise_source *source,
                                   const scry_mri_slice *s, const scry_scan *scan, scry_error *err);
/* "from, certainty" in words, for messages and reports. */
void scryi_noise_describe(char *words, size_t bytes, const struct scryi_noise_source *source);

/* Moves samples from `mask` (places) to *held, which the caller frees, to judge the image by them:
 * a share of the lines (whole ones, where the readout is in the image or off the grid) or samples
 * outside of the middle sixteenth of k-space, drawn by the seed. EINVAL: none was moved. */
scry_status scryi_hold_out(unsigned char **held, unsigned char *mask, const struct scryi_plane *p,
                           double share, uint64_t seed, scry_error *err);

/* ---- one problem (pose.c), and the phase of its image (phase.c) ---- */

enum { SCRYI_RINGS = 33 }; /* of the spectrum of the imaginary part */

/* Freed together. */
struct scryi_mri_posterior {
    const scry_reconstructor *r;
    const struct scryi_plane *plane;
    scry_op *A;
    float complex *y;     /* measured samples */
    float complex *phase; /* unit phase of the image, n; NULL: left to the method */
    double beside;        /* factor of u's imaginary part in the image */
    unsigned char *mask;  /* samples to reconstruct from */
    unsigned char *held;  /* samples held out; NULL: none */
    unsigned char *seen;  /* scryi_plane_seen, in regions of R-hat and ESS */
    scry_likelihood *L;
    int label; /* class of the slice; -1: none */
    scry_prior *prior, *model;
    double sigma;                  /* sd of a sample, per real component */
    double width;                  /* sd of the Gaussian that smooths the phase, pixels */
    double imaginary[SCRYI_RINGS]; /* power spectrum of the imaginary part: scry_radial */
    bool constrained;              /* that spectrum is of the first estimate, and is not learnt */
    scry_recon_problem problem;
    unsigned char *judged; /* pixels where R-hat and ESS count */
};

/* The monitor that may stop a run. */
struct scryi_mri_watch {
    scry_chains_monitor *monitor;
    void *ctx;
};

/* Operator, likelihood and, for methods that work by a network, its priors. *p is to be freed in
 * any case. */
scry_status scryi_mri_pose(struct scryi_mri_posterior *p, const scry_reconstructor *r,
                           const struct scryi_plane *plane, uint64_t seed, scry_error *err);
void scryi_mri_posterior_free(struct scryi_mri_posterior *p); /* accepts a zeroed one */
/* Puts phase, map and imaginary part of *p into operator, likelihood and priors. */
scry_status scryi_mri_apply_phase(struct scryi_mri_posterior *p, scry_error *err);
/* The operator on the samples of `mask` (places), with the phase of the image in the maps (NULL: as
 * it is). */
scry_status scryi_mri_operator(scry_op **A, const struct scryi_plane *plane,
                               const unsigned char *mask, const float complex *phase,
                               scry_error *err);

/* The sd of a sample per real component. */
double scryi_mri_sigma(const scry_reconstructor *r, const struct scryi_plane *plane);

/* The plane's samples where A, the operator of `mask`, measures. *y from scry_alloc. */
scry_status scryi_mri_samples(float complex **y, const scry_op *A, const struct scryi_plane *plane,
                              const unsigned char *mask, scry_error *err);

/* The likelihood of the samples under A, in place of the one before; the variable has this unit. */
scry_status scryi_mri_likelihood(struct scryi_mri_posterior *p, scry_affine map, scry_error *err);
/* An estimate without a prior from the likelihood of *p; u is complex (n). */
scry_status scryi_mri_first_estimate(float complex *u, const struct scryi_mri_posterior *p,
                                     scry_error *err);

/* y - A x of the plane's samples in `mask`, which the caller frees: *count of all coils; *size:
 * |y|. x in the unit of the file, beside `phase` (NULL: as it is). */
scry_status scryi_mri_misfit(float complex **misfit, size_t *count, double *size,
                             const struct scryi_plane *plane, const unsigned char *mask,
                             const float complex *phase, const float complex *x, scry_error *err);

/* A plane's image: that of scry_reconstructor_run. */
scry_status scryi_mri_solve(scry_mri_result *out, const scry_reconstructor *r,
                            const struct scryi_plane *plane, uint64_t seed, size_t threads,
                            const struct scryi_mri_watch *watch, scry_error *err);

/* ---- what coil maps leave unexplained (unexplained.c) ---- */

/* Whitens the coils by it, too, in r->virtual and *plane, where samples that are held out are
 * predicted better by that (scry_mri_request.judge_noise). slice, index and maps are those that
 * *plane was made from. */
scry_status scryi_whiten_unexplained(scry_reconstructor *r, struct scryi_plane *plane,
                                     const scry_mri_slice *slice, size_t index,
                                     const float complex *maps, size_t threads, scry_error *err);
/* r->unit of the plane: the scale rule, on the grid (reconstruct.c). */
scry_status scryi_mri_unit(scry_reconstructor *r, const struct scryi_plane *p, scry_error *err);

/* ---- choices by held-out samples (judge.c) ---- */

enum { SCRYI_DEFAULT_SAMPLES = 16 };
/* Whether maps that reach farther, of `wider`, predict samples that are held out better than those
 * of `plane`, which is otherwise the same. */
scry_status scryi_mri_prefers(bool *wider_is_better, const scry_reconstructor *r,
                              const struct scryi_plane *plane, const struct scryi_plane *wider,
                              size_t threads, scry_error *err);
/* The weight of the default method that predicts held-out samples best, and how well. */
struct scryi_mri_weighed {
    double weight, chi2;
};
/* first: where the search begins; 0: at the default. The samples are those of `judge`, the same
 * slice otherwise whitened, so that one noise counts for several whitenings; NULL: those of plane.
 */
scry_status scryi_mri_weight(struct scryi_mri_weighed *found, const scry_reconstructor *r,
                             const struct scryi_plane *plane, const struct scryi_plane *judge,
                             double first, size_t threads, scry_error *err);
/* The default method's image (plane's ny, nx; unit of the file) by a quick run, nothing held out.
 * weight: 0: its default. The caller frees it. */
scry_status scryi_mri_quick_image(scry_mri_result *out, const scry_reconstructor *r,
                                  const struct scryi_plane *plane, double weight, size_t threads,
                                  scry_error *err);
/* The weight of the method, and the method, where the request leaves them to it. A plane that has
 * too few samples to judge by keeps the defaults. */
scry_status scryi_mri_choose(scry_reconstructor *r, const struct scryi_plane *plane, size_t threads,
                             scry_error *err);

/* ---- partial Fourier (partial.c) ---- */

struct scryi_partial {
    unsigned axis;  /* SCRY_FOURIER_Y or SCRY_FOURIER_X; 0: none */
    size_t half;    /* samples to either side of k = 0 that have their counterpart */
    double missing; /* of the axis, more on one side than on the other */
};

/* Whether the image is to be constrained to be real beside a smooth phase: `auto` where the samples
 * of an axis reach farther to one side. */
bool scryi_partial_find(struct scryi_partial *out, const struct scryi_plane *p,
                        scry_image_phase choice);
/* The unit phase (n) of the image from the middle of that axis; *beside: rms of the imaginary part
 * that remains, over that of the real part. */
scry_status scryi_partial_phase(float complex *phase, double *beside,
                                const struct scryi_mri_posterior *p,
                                const struct scryi_partial *partial, scry_error *err);
/* A of complex images becomes A of their real parts and `beside` times their imaginary ones;
 * unchanged after a failure. */
scry_status scryi_partial_constrain(scry_op **A, double beside, scry_error *err);

/* phase = exp(i arg(G u)), G a Gaussian blur of `width` pixels: keeps noise and aliasing out of the
 * phase, and does not blur fine anatomy of constant phase. */
scry_status scryi_phase_smooth(float complex *phase, const float complex *u, size_t ny, size_t nx,
                               double width, scry_error *err);
/* The smoothest phase that explains nearly all of u, and its width. */
scry_status scryi_phase_choose(float complex *phase, double *width, const float complex *u,
                               size_t ny, size_t nx, scry_error *err);
/* Learns phase and imaginary part from short chains, as many at a time as there are threads, in
 * place of the first estimate. */
scry_status scryi_phase_learn(struct scryi_mri_posterior *p, uint64_t seed, size_t threads,
                              const struct scryi_mri_watch *watch, scry_error *err);

#endif
