#ifndef SCRY_LIB_STATS_NOISE_IDENTIFY_H
#define SCRY_LIB_STATS_NOISE_IDENTIFY_H

#include "lib/api.h"
#include "lib/stats/noise.h"
#include "lib/stats/noise_spectrum.h"

#include <stdbool.h>

SCRY_BEGIN

/* A noise model estimated from the image itself: which pixels follow a model, whether the
 * noise is white, how much of it lies in the passband of the optics, and whether its variance grows
 * with brightness.
 *
 * Beyond the passband nothing of the specimen is left: the spectrum there is that of the noise. The
 * median over windows of their periodograms is compared, by Whittle's likelihood, with
 *
 *   S(f) = |M(f)|^2 |H(f)|^2 c (f^2 + f0^2)^(-p)  +  b N(f)  +  step^2/12
 *
 * for every treatment of a family (none; box, Gaussian and median filters; shifts, rotations and
 * enlargements by linear and cubic interpolation; duplicated and interlaced lines), each with the
 * spectrum N that it gives to white noise and, where it is linear, its transfer M. A treatment that
 * explains the spectrum better than none, by more than chance and by an effect that matters, makes
 * the noise `correlated`. Smoothed noise is stronger in the passband than pixels show, and the
 * level that is used is its power there: b times the mean of N weighted by |H|^2, the largest among
 * treatments that the data do not contradict. White noise of that power is a safe model: the data
 * hold no signal beyond the passband that it could hide. A too large noise loses sharpness, a too
 * small one invents structure.
 *
 * The model of the variance is fitted to windows: their power beyond the passband against their
 * mean. A slope that is significant and plausible keeps the camera model, its gain divided by the
 * ratio of in-band power to variance. Where windows with structure scatter more than flat ones of
 * their brightness, the image was denoised, and the model is that of the structure. */

/* Why the noise is not that of a raw camera image; a set of flags. */
enum scry_noise_finding {
    SCRY_NOISE_CORRELATED = 1,     /* smoothed, resampled or denoised */
    SCRY_NOISE_DIRECTIONAL = 2,    /* and differently along rows and columns */
    SCRY_NOISE_NONLINEAR = 4,      /* neighbours equal too often: a median filter, or copies */
    SCRY_NOISE_BLOCKS = 8,         /* 8 x 8 blocks: JPEG */
    SCRY_NOISE_QUANTISED = 16,     /* noise smaller than half a step of the values */
    SCRY_NOISE_CLIPPED = 32,       /* many pixels at the lowest value */
    SCRY_NOISE_FLAT_VARIANCE = 64, /* the variance does not grow with brightness */
    SCRY_NOISE_IMPLAUSIBLE = 128,  /* a fitted gain that no camera has */
    SCRY_NOISE_UNTOLD = 256,       /* too few pixels: only a standard deviation */
    SCRY_NOISE_DENOISED = 512      /* stronger on structure than beside it, at equal brightness */
};

typedef struct scry_noise_treatment {
    const char *name; /* "none", "box", "gaussian", "median", "linear", "cubic", "copied",
                       * "interlaced", "unknown" */
    double size;      /* width or sd of the filter in pixels, factor of enlargement, shift */
    double angle;     /* degrees, of a rotation */
    const char *axes; /* "both", "x" or "y" */
} scry_noise_treatment;

typedef struct scry_noise_model {
    /* the model to use */
    bool counts;  /* variance grows with the mean: gain, offset, read_noise hold */
    double sigma; /* Gaussian sd in the passband, unit of the image; always set */
    double gain, offset, read_noise; /* e-/ADU, ADU, e-: as the passband sees the noise */
    /* the noise as it is, for draws and held-out data */
    scry_noise_spectrum spectrum; /* N, mean 1 */
    double slope, intercept;      /* variance of a pixel = max(slope * mean + intercept, floor) */
    double slope_error, floor;
    double pixel_sigma; /* sd of a pixel at the mean brightness */
    double inflation;   /* in-band power / variance; 1 for white noise */
    /* the findings */
    unsigned findings; /* enum scry_noise_finding */
    scry_noise_treatment treatment;
    double evidence;      /* log likelihood ratio of the treatment against none */
    double correlation;   /* length over which noise is correlated, pixels; 1: white */
    double step;          /* distance of neighbouring values, 0: continuous */
    double ring[3][3];    /* measured / white fit beyond the passband: [inner, middle, outer]
                           * [along y, diagonal, along x]; NAN where no frequency is */
    double ring_error;    /* standard error of an entry's logarithm, mean of the nine */
    size_t windows, side; /* windows of side x side pixels that were used */
    size_t pixels, good;  /* all, and the ones that can follow a model */
    size_t constant, hot, lowest, highest, invalid, masked; /* why others cannot */
    double ties, ties_expected;  /* share of neighbours that are equal; and by chance */
    scry_camera_estimate camera; /* of `scry_noise_camera` on the good pixels, raw images */
    char line[400];              /* one sentence for the user, never empty */
} scry_noise_model;

SCRY_END

typedef struct scry_noise_context {
    scry_transfer_fn *transfer; /* |H|^2 of the optics; NULL: not known (or no blur) */
    void *ctx;
    bool integer;                   /* samples of an integer camera: gains of 0.01 to 100 e-/ADU */
    double saturation;              /* pixels at or above hold no measurement; INFINITY: none */
    scry_camera_known known;        /* the user's values win; NAN: not known */
    scry_noise_treatment treatment; /* as found before with another `transfer`: it is kept; name
                                     * NULL: it is looked for */
} scry_noise_context;

/* No optics, not integer, no saturation, nothing known. */
void scry_noise_context_init(scry_noise_context *context);

/* *out from planes x ny x nx pixels. known[i] = 0: not measured (may be NULL); pixels that are not
 * finite are left out. context NULL: as initialised. At most 4096 windows are looked at. An image
 * without information (all of one value, few pixels) is not an error as long as a sigma > 0 can be
 * given: findings say so.
 * errors  ESHAPE: no pixel; EINVAL: no finite known pixel, or all known pixels equal (nothing to
 *         estimate from), gain <= 0 or read noise < 0 in `known`; ENOMEM */
scry_status scry_noise_identify(scry_noise_model *out, const float *image,
                                const unsigned char *known, size_t planes, size_t ny, size_t nx,
                                const scry_noise_context *context, scry_error *err);

/* Variance of a pixel whose noiseless value is `mean` (unit of the image), as pixels scatter; times
 * `inflation`, as the passband sees it. */
double scry_noise_model_variance(const scry_noise_model *m, double mean);

/* The effect of the treatment on the signal, as a kernel to convolve with: *side x *side values of
 * sum 1, side odd, from scry_alloc. Filters are themselves (shifts without their shift); resampling
 * is the interpolation kernel on the new grid, whose transform is that of the signal's mean over
 * the phases of the grids; copies are a box. A median is a Gaussian of 0.12 of its size, which
 * takes from the passband as much as the median takes from images of cells; where edges are sharper
 * than noise it takes less. *kernel is NULL where there is none: no treatment, one that is unknown,
 * or interlacing. errors  ENOMEM */
scry_status scry_noise_treatment_kernel(float **kernel, size_t *side, const scry_noise_treatment *t,
                                        scry_error *err);

/* "smoothed (3 x 3 mean)": words for the treatment. */
void scry_noise_treatment_words(char *to, size_t size, const scry_noise_treatment *t);

#endif
