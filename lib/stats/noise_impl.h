#ifndef SCRY_LIB_STATS_NOISE_IMPL_H
#define SCRY_LIB_STATS_NOISE_IMPL_H

#include "lib/stats/noise_identify.h"

/* Shared by the sources of the noise model: the mask of pixels, the windows and their periodograms,
 * the family of treatments, and the line through variances. */

/* ---- the line through (mean, variance), noise.c ---- */

struct scryi_noise_blocks {
    size_t count;
    float *mean, *var, *spare;
    double scatter; /* standard error of a variance, relative to it */
};

/* Iteratively reweighted line; a finite `slope` is kept. Fills slope, slope_error and intercept. */
void scryi_noise_line(scry_camera_estimate *e, const struct scryi_noise_blocks *b, double slope);

/* Gain, offset and read noise from the line; fills the rest of *e, the note included. */
void scryi_noise_conclude(scry_camera_estimate *e, const struct scryi_noise_blocks *b,
                          const scry_camera_known *known);

/* ---- which pixels can follow a noise model, noise_mask.c ---- */

enum scryi_noise_pixel { SCRYI_PIXEL_BAD = 0, SCRYI_PIXEL_GOOD = 1, SCRYI_PIXEL_LOWEST = 2 };

struct scryi_noise_mask {
    size_t planes, ny, nx;
    unsigned char *state; /* planes x ny x nx, enum scryi_noise_pixel */
    double step;          /* distance of values, 0: continuous */
    double lowest;        /* the smallest good value */
    double highest;
    double mean;                /* of good pixels */
    double dark;                /* one of them in a thousand is darker; INFINITY: they are few */
    double ties, ties_expected; /* share of pixels equal to their right neighbour, and by chance */
};

/* Fills state (caller's), the size and the counts of *out. */
scry_status scryi_noise_mask(struct scryi_noise_mask *m, scry_noise_model *out, const float *image,
                             const unsigned char *known, size_t planes, size_t ny, size_t nx,
                             const scry_noise_context *context, scry_error *err);

/* ---- windows, noise_windows.c ---- */

enum { SCRYI_WINDOW_MAX = 32, SCRYI_WINDOWS_MAX = 4096 };

/* Periodograms of windows of side x side pixels under the taper cos^4 (its transform has five
 * entries an axis, so bright structure leaks no further than two), half-plane of side x (side/2 +
 * 1) bins, row fy = i / side, wrapped. White noise of variance v has the expectation v. */
struct scryi_noise_windows {
    size_t side, bins, count;
    float *power;    /* count x bins */
    float *mean;     /* count: weighted mean */
    float *lowest;   /* count: share of pixels at the lowest value */
    size_t censored; /* windows with many of them that had to be used */
};
scry_status scryi_noise_windows_create(struct scryi_noise_windows *w, const float *image,
                                       const struct scryi_noise_mask *m, size_t side,
                                       scry_error *err);
void scryi_noise_windows_free(struct scryi_noise_windows *w);

/* Independent exponentials per bin of the half-plane: 1 / 1.944^2, the noise bandwidth of cos^4. */
#define SCRYI_BIN_FREEDOM .2645

/* The mean over the taper's neighbourhood that a smooth spectrum S (side x (side/2+1)) has in a
 * periodogram; in place through scratch of the same size. */
void scryi_noise_smear(float *S, float *scratch, size_t side);

/* ---- treatments, noise_shapes.c ---- */

size_t scryi_noise_shape_count(void);
scry_noise_treatment scryi_noise_shape(size_t k);
bool scryi_noise_shape_is(size_t k, const scry_noise_treatment *t); /* several may be */
bool scryi_noise_shape_nonlinear(size_t k);
bool scryi_noise_shape_repeats(size_t k); /* makes copies of pixels */
/* Of an enlargement by interpolation, that of the grid; 1 for other treatments. */
double scryi_noise_shape_factor(size_t k);
/* Spectrum that treatment k gives to white noise of variance 1 (not normalised: |M|^2 for a
 * filter), and its transfer |M|^2 to the signal, 1 where that is not a filter. */
double scryi_noise_shape_power(size_t k, double fy, double fx);
double scryi_noise_shape_transfer(size_t k, double fy, double fx);

/* Transform of the kernel of linear or cubic interpolation, u in cycles per source pixel. */
double scryi_noise_interpolation(bool cubic, double u);

/* Power beyond 0.35 cycles a pixel of white noise of variance 1 after the median of treatment k,
 * relative to that on flat ground, where the image has a slope of `slope` sd of the noise a pixel:
 * 1 on flat ground, and towards the unfiltered power on steep slopes, where a median picks among
 * the pixels of one level. 1 for other treatments. */
double scryi_noise_shape_on_slope(size_t k, double slope);

/* ---- fits, noise_fit.c ---- */

/* Frequency of bin i of a half-plane of side x (side/2 + 1), cycles per pixel. */
void scryi_noise_frequency(double *fy, double *fx, size_t i, size_t side);

/* Beyond 0.35 cycles a pixel, where scryi_noise_shape_on_slope holds. */
bool scryi_noise_far_out(size_t i, size_t side);

/* The fitted spectra: medians of all windows, and of the darkest third where there are 18. */
struct scryi_noise_spectra {
    size_t side, bins, used;
    int sets;
    size_t *index;        /* bins that count: beyond the taper's reach of f = 0 */
    double *weight;       /* their degrees of freedom */
    float *median[2];     /* bins each */
    double brightness[2]; /* median of the windows of each set */
    double floor;         /* variance of rounding */
};
scry_status scryi_noise_spectra_create(struct scryi_noise_spectra *s,
                                       const struct scryi_noise_windows *w, double floor,
                                       scry_error *err);
void scryi_noise_spectra_free(struct scryi_noise_spectra *s);

struct scryi_noise_fit {
    double loss[2], total; /* -log likelihood of each set, and their mean */
    double level[2];       /* b: variance of the noise before the treatment */
    double strength[2];    /* c */
    int signal[2];         /* which model of the signal was best */
};

/* One fit for each treatment of the family, scryi_noise_shape_count() of them; or of treatment
 * `only`, when that is one of them, and the rest of `fits` is left alone. */
scry_status scryi_noise_fit_all(struct scryi_noise_fit *fits, const struct scryi_noise_spectra *s,
                                size_t only, scry_transfer_fn *transfer, void *ctx,
                                scry_error *err);

/* The fitted signal and noise (without the floor) of treatment k, bins each. */
scry_status scryi_noise_fit_model(float *signal, float *noise, const struct scryi_noise_fit *fit,
                                  size_t k, int set, const struct scryi_noise_spectra *s,
                                  scry_transfer_fn *transfer, void *ctx, scry_error *err);

/* Mean of treatment k's spectrum (not normalised) where the image hangs between signal and noise:
 * weighted by W (1 - W), W the Wiener filter of the fit, before the treatment, which passes or
 * stops both alike. There a white model of the noise decides how far an image is sharpened. */
double scryi_noise_fit_cutoff(const struct scryi_noise_fit *fit, size_t k, int set,
                              const struct scryi_noise_spectra *s, scry_transfer_fn *transfer,
                              void *ctx);

/* ---- JPEG, noise_blocks.c ---- */

/* Whether the image was compressed in blocks of 8 x 8, at any offset; and its noise then:
 * of the pixels before, and of the rounding of coefficients in the passband, which is also given by
 * itself: it has the same variance where the image is dark and the noise before was rounded away.
 */
scry_status scryi_noise_blocks_find(bool *found, double *variance, double *rounding,
                                    const float *image, const struct scryi_noise_mask *m,
                                    scry_error *err);

/* ---- denoised images, noise_structured.c ---- */

/* *kept: noise is stronger where there is structure than where the image is flat, at the same
 * brightness; b, one entry a window of w, then keeps those of the third with most structure. */
scry_status scryi_noise_keep_structured(bool *kept, struct scryi_noise_blocks *b,
                                        const struct scryi_noise_windows *w, scry_error *err);

/* ---- choices, noise_choice.c ---- */

void scryi_noise_shape_spectrum(scry_noise_spectrum *s, size_t k);

/* The treatment that explains the spectra best, and the largest in-band power that the data allow,
 * relative to the variance of the best. */
struct scryi_noise_choice {
    size_t best;
    double evidence, inflation;
    double beyond;                     /* share of frequencies that hold noise alone */
    double blocks, rounding;           /* variance that JPEG left, and made; or 0 */
    double variance[2], brightness[2]; /* of a pixel, by the fits to all and to dark windows */
    bool hidden;                       /* beyond the passband rounding is all that shows */
    /* of each window: power in the passband, and brightness */
    float *inband, *mean, *scratch;
    size_t count;
    double freedom;          /* of an entry of inband */
    double *weight, weights; /* of the frequencies in it, and their sum */
    double reach;            /* from the part of the passband that windows see to all of it */
    bool tied; /* neighbours are equal too often, and no treatment of the family says why */
};

/* Fills *ch, which starts as {.inflation = 1, .reach = 1}, and the rings, windows, evidence and
 * findings of *out. scryi_noise_choice_free releases it. No window: out->windows stays 0. */
scry_status scryi_noise_study(scry_noise_model *out, struct scryi_noise_choice *ch,
                              const float *image, const struct scryi_noise_mask *m,
                              const scry_noise_context *c, scry_error *err);

void scryi_noise_choice_free(struct scryi_noise_choice *ch);

/* Mean of N of treatment k, and its mean over the passband, before normalisation. */
void scryi_noise_shape_levels(size_t k, const scry_noise_context *c, double *mean, double *inband);

double scryi_noise_quiet(const struct scryi_noise_choice *ch, const scry_noise_model *m,
                         double mean);

#endif
