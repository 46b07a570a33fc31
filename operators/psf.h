#ifndef SCRY_OPERATORS_PSF_H
#define SCRY_OPERATORS_PSF_H

#include "lib/api.h"
#include "lib/space.h"
#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

SCRY_BEGIN

/* Point-spread functions: computed from the optics, or taken from a measured image.
 *
 * Every PSF made here is a float array (y, x) or (z, y, x), non-negative, of sum 1, of odd size on
 * every axis, its origin at n/2 rounded down. The z index grows as the focus moves away from the
 * coverslip, deeper into the sample.
 *
 * Models, for a point that emits incoherently, in scalar optics, where s = NA rho is the sine of
 * the angle times the index:
 *
 *   gaussian      exp(-x^2/2 sigma_x^2 - y^2/2 sigma_y^2 - z^2/2 sigma_z^2), sigma in voxels
 *   airy          [2 J1(v)/v]^2, v = 2 pi NA r / lambda; the focal plane only: one plane in 3-D
 *   born-wolf     |int_0^1 J0(v rho) exp(-i k NA^2 rho^2 z / (2 ni)) rho d rho|^2   (paraxial)
 *   gibson-lanni  |int_0^a J0(v rho) exp(i k W(rho, z)) rho d rho|^2
 *       W = depth q(ns) - z q(ni) + tg q(ng) - tg0 q(ng0) + wd [q(ni) - q(ni0)],
 *       q(n) = sqrt(n^2 - NA^2 rho^2), a = min(1, every index / NA)
 *   confocal      h(excitation) * (h(emission) convolved with the pinhole), both gibson-lanni
 *
 * Born & Wolf 1999, Principles of Optics, 8.8; Gibson & Lanni 1991, JOSA A 8:1601, in the form of
 * Li, Xue & Blu 2017, JOSA A 34:1029, Eq. 3; z is here the depth of the nominal focus. The axial
 * origin is the plane of the brightest on-axis intensity: the focal shift by aberrations is
 * reported, not applied, so that deconvolution does not move the image.
 *
 * The camera integrates over its pixels: lateral pixels are integrated by quadrature (gaussian: by
 * erf, on all axes). Planes are points of the focal series and are not integrated. */

typedef enum scry_psf_model {
    SCRY_PSF_GAUSSIAN = 0,
    SCRY_PSF_AIRY,
    SCRY_PSF_BORN_WOLF,
    SCRY_PSF_GIBSON_LANNI,
    SCRY_PSF_CONFOCAL,
    SCRY_PSF_MODEL_COUNT
} scry_psf_model;

typedef enum scry_psf_key {
    SCRY_PSF_SIGMA = 0,  /* px, every axis that has no value of its own */
    SCRY_PSF_SIGMA_X,    /* px; 0: no blur on this axis */
    SCRY_PSF_SIGMA_Y,    /* px */
    SCRY_PSF_SIGMA_Z,    /* px */
    SCRY_PSF_NA,         /* numerical aperture */
    SCRY_PSF_WAVELENGTH, /* nm, emission, in vacuum */
    SCRY_PSF_EXCITATION, /* nm, excitation, in vacuum */
    SCRY_PSF_PIXEL,      /* nm, lateral, in the sample */
    SCRY_PSF_SPACING,    /* nm, between planes */
    SCRY_PSF_NI,         /* refractive index of the immersion, and its design value */
    SCRY_PSF_NI0,
    SCRY_PSF_NS, /* refractive index of the sample */
    SCRY_PSF_NG, /* refractive index of the coverslip, and its design value */
    SCRY_PSF_NG0,
    SCRY_PSF_TG, /* um, thickness of the coverslip, and its design value */
    SCRY_PSF_TG0,
    SCRY_PSF_WD,      /* um, design thickness of the immersion layer */
    SCRY_PSF_DEPTH,   /* um, of the point below the coverslip */
    SCRY_PSF_PINHOLE, /* Airy units (1.22 lambda / NA), diameter; 0: a point */
    SCRY_PSF_SIZE,    /* px, lateral, odd */
    SCRY_PSF_SIZE_Z,  /* planes, odd */
    SCRY_PSF_ENERGY,  /* fraction of the energy inside an automatic support */
    SCRY_PSF_KEY_COUNT
} scry_psf_key;

typedef enum scry_psf_origin {
    SCRY_PSF_UNSET = 0, /* unknown; in `size` and `size_z`: automatic */
    SCRY_PSF_DEFAULT,
    SCRY_PSF_FILE,
    SCRY_PSF_GIVEN
} scry_psf_origin;

typedef struct scry_psf_params {
    scry_psf_model model;
    double value[SCRY_PSF_KEY_COUNT]; /* meaningful where origin is not UNSET */
    scry_psf_origin origin[SCRY_PSF_KEY_COUNT];
    bool find_width; /* sigma=auto: sigma is the starting value (operators/psf_width.h) */
} scry_psf_params;

/* Nothing set. */
void scry_psf_params_init(scry_psf_params *p, scry_psf_model model);

/* "gaussian:sigma=2,sigma_z=3" -> params with the given keys set; "sigma=auto" sets find_width, and
 * sigma to 1.6. EINVAL, with the legal names and the one nearest to the word given: unknown model
 * or key, a key that the model does not use, twice the same key, a value that is not a number or
 * out of its range. */
scry_status scry_psf_parse(scry_psf_params *p, const char *spec, scry_error *err);

/* Fills in the defaults and checks all values for an image of rank 2 or 3 (z, y, x). Calling it
 * twice changes nothing. Defaults: sigma_x, _y, _z = sigma; ni from na (<= 0.95 air 1, <= 1.27
 * water 1.333, else oil 1.518); ni0 = ni; ns = ni; ng = 1.5255; ng0 = ng; tg = 170; tg0 = tg; wd =
 * 150; depth 0; pinhole 1; energy 0.99 (gaussian 0.9997: four sigma).
 * EINVAL: a required key is missing (the message names it and says where it can come from); na >
 * ni; size even. */
scry_status scry_psf_complete(scry_psf_params *p, int rank, scry_error *err);

/* One line for each parameter, with unit and origin: "  na           1.4         given". As
 * snprintf: returns the length that the whole text has, without the final zero. */
size_t scry_psf_describe(const scry_psf_params *p, char *text, size_t size);

/* Statistics of any PSF. Axes as in the space, rank 1 to 3, in voxels. */
#define SCRY_PSF_MAX_RANK 3
typedef struct scry_psf_stats {
    double sum, min, max;
    size_t peak[SCRY_PSF_MAX_RANK];      /* index of the first maximum */
    double centroid[SCRY_PSF_MAX_RANK];  /* of the core: the voxels around the peak above half the
                                            maximum */
    double fwhm[SCRY_PSF_MAX_RANK];      /* on the axis through the peak; 0: never falls to half */
    double asymmetry[SCRY_PSF_MAX_RANK]; /* |h - mirrored h|_1 / 2 |h|_1 about the peak, 0 to 1 */
    double border; /* mean of the outermost lateral voxels / max; 0 when those axes have length 1 */
} scry_psf_stats;

/* ESHAPE: complex, or rank above 3; ENUMERIC: NaN or infinite. */
scry_status scry_psf_measure(scry_psf_stats *out, const float *psf, const scry_space *s,
                             scry_error *err);

typedef struct scry_psf_info {
    double energy;      /* fraction of the energy inside the support, of the planes that are kept */
    double focus_shift; /* um, depth of the brightest plane minus depth of the point */
    scry_psf_stats stats;
} scry_psf_info;

/* Where a PSF is computed. */
typedef struct scry_psf_grid {
    int rank;            /* 2: (y, x), 3: (z, y, x) */
    const size_t *limit; /* largest size that an automatic support may take on each axis (rank
                            entries, 0: 129), or NULL. In a plane the size is at most 129 even then.
                            The size becomes odd by rounding down. Sizes in the params take
                            precedence. */
} scry_psf_grid;

/* Computes a PSF. Completes a copy of p.
 *   *psf   from scry_alloc, release with scry_free;  info may be NULL
 * An automatic support holds the fraction `energy` of the intensity in its planes. A widefield PSF
 * has the same energy in each plane, so `energy` cannot bound their number: without `size_z` it
 * takes the planes that the limit allows. Confocal ones, and any without a limit, end where the
 * on-axis intensity stays below 1 % of its maximum. EINVAL: as scry_psf_complete, find_width is
 * set, or the PSF is so large or aberrated that its integrals would take more than 4096 nodes. */
scry_status scry_psf_create(float **psf, scry_space *s, const scry_psf_params *p,
                            const scry_psf_grid *grid, scry_psf_info *info, scry_error *err);

/* Warnings about a measured PSF, as bits. */
enum {
    SCRY_PSF_WARN_OFF_CENTRE = 1, /* it had to be moved by more than an eighth of an axis */
    SCRY_PSF_WARN_CORNER = 2,     /* the origin was in the corner (Fourier order): rolled */
    SCRY_PSF_WARN_ASYMMETRIC =
        4,                      /* laterally: more than 30 % of the intensity has no mirror image */
    SCRY_PSF_WARN_BORDER = 8,   /* it has not decayed at its border: a part of it is missing */
    SCRY_PSF_WARN_CROPPED = 16, /* the limit cut off more energy than `energy` allows */
    SCRY_PSF_WARN_NEGATIVE = 32 /* values below the background amount to more than 5 % of the sum */
};
typedef struct scry_psf_prepare_opts {
    double background;               /* subtracted; NaN: estimated */
    double energy;                   /* to keep, 0..1 */
    size_t limit[SCRY_PSF_MAX_RANK]; /* largest size on each axis, 0: none */
} scry_psf_prepare_opts;
void scry_psf_prepare_opts_init(scry_psf_prepare_opts *o); /* NaN, 0.999, no limit */

typedef struct scry_psf_report {
    double background, noise;           /* unit of the file; noise: robust sd at the border */
    double negative;                    /* |sum of clipped values| / sum */
    ptrdiff_t shift[SCRY_PSF_MAX_RANK]; /* voxels by which the content was moved */
    double residual[SCRY_PSF_MAX_RANK]; /* sub-voxel remainder of the centroid, -0.5..0.5 */
    double energy;                      /* share of the energy that the crop keeps */
    unsigned warnings;
    scry_psf_stats stats; /* of the result */
} scry_psf_report;

/* Prepares a measured PSF: background subtracted (the median of the lateral border; 0 for a file
 * that already sums to one), values below three times the noise of that border set to zero, the
 * core's centroid moved to the centre by whole voxels, cropped to the smallest box that keeps
 * `energy` (odd on every axis; larger than the file where a tail is off-centre, with zeros there),
 * sum 1.
 *   in   rank 2 or 3, not kept, not changed;  opts, report may be NULL
 * ESHAPE: complex or another rank; ENUMERIC: NaN or infinite (which voxel); EINVAL: all equal, or
 * nothing above the background. */
scry_status scry_psf_prepare(float **psf, scry_space *s, const float *in, const scry_space *is,
                             const scry_psf_prepare_opts *opts, scry_psf_report *report,
                             scry_error *err);

/* The same PSF on another voxel grid: scale[a] = old voxel size / new voxel size (rank entries), so
 * that a width of w voxels becomes w * scale. Axis by axis the cumulative sum is interpolated by
 * Steffen's monotone cubic and differenced at the new voxel borders: the sum is kept, nothing turns
 * negative, and larger voxels integrate. Sizes come out odd, centre on centre. An axis of scale 1
 * and odd size is copied. EINVAL: a scale not within 1/64..64; ESHAPE: complex, rank above 3.
 * Steffen 1990, A&A 239:443. */
scry_status scry_psf_resample(float **out, scry_space *os, const float *psf, const scry_space *s,
                              const double *scale, scry_error *err);

SCRY_END

#endif
