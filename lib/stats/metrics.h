#ifndef SCRY_LIB_STATS_METRICS_H
#define SCRY_LIB_STATS_METRICS_H

#include "lib/api.h"
#include "lib/space.h"
#include "lib/status.h"

#include <stddef.h>

SCRY_BEGIN

/* How far an estimate is from a reference. In all of these functions
 *   est, ref  n real values, or the space s; they may alias
 *   mask      NULL, or as many values: only entries with mask != 0 count
 *   range     the span of values taken as 1 (skimage: data_range); 0: max - min of ref
 * sums run in double precision, in an order that does not depend on threads
 * errors    EINVAL: range < 0, not finite, or 0 for a constant ref; an empty mask; ESHAPE: n is 0
 *           ENUMERIC: a value that counts is NaN or infinite */

typedef struct scry_fidelity {
    size_t count; /* entries compared */
    double range; /* the one used */
    double psnr;  /* 10 log10(range^2 / mean (est - ref)^2) dB; +inf when equal */
    double mae;   /* mean |est - ref| */
    double nmse;  /* sum (est - ref)^2 / sum ref^2, fastMRI (Zbontar et al. 2018); NaN if ref = 0 */
    double nrmse; /* sqrt(nmse): skimage's "euclidean" */
    /* Range-invariant PSNR: of a est + b, the least-squares fit to ref (Weigert et al. 2018, Nature
     * Methods 15:1090, supplement). A constant est is fitted by a = 0. */
    double ri_psnr, a, b;
} scry_fidelity;

scry_status scry_fidelity_measure(scry_fidelity *out, const float *est, const float *ref,
                                  const float *mask, size_t n, double range, scry_error *err);

typedef enum scry_ssim_window {
    SCRY_SSIM_GAUSSIAN = 0, /* 11 x 11, sigma 1.5, population covariance: Wang et al. 2004 */
    SCRY_SSIM_UNIFORM       /* 7 x 7, sample covariance: default of skimage, and fastMRI */
} scry_ssim_window;

/* Mean structural similarity (Wang et al. 2004, IEEE TIP 13:600, Eq. 13; K1 = .01, K2 = .03) over
 * the pixels whose window lies inside the plane. Axes before the last two are planes: their maps
 * are averaged together. mask selects pixels of the map. ESHAPE: a plane smaller than the window;
 * EINVAL also when the mask keeps no pixel whose window is inside. */
scry_status scry_ssim(double *ssim, const float *est, const float *ref, const float *mask,
                      const scry_space *s, double range, scry_ssim_window window, scry_error *err);

/* The scores that fastMRI's challenge reports for a volume s = (slice, y, x) of magnitudes (Zbontar
 * et al. 2018, arXiv:1811.08839, Sec. 6): NMSE and PSNR over the whole volume, SSIM with the
 * uniform window, mean over slices; `range` 0: the maximum of ref, for both. The average of the
 * scores of single slices is a different number. *ssim is NaN where a slice is smaller than the
 * window. EINVAL also for a range of 0 because no value of ref is positive. */
scry_status scry_volume_measure(scry_fidelity *out, double *ssim, const float *est,
                                const float *ref, const scry_space *s, double range,
                                scry_error *err);

/* Fourier ring correlation of two planes, ring by ring:
 *   frc(q) = sum Re(F1 conj F2) / sqrt(sum |F1|^2 sum |F2|^2),  rings of width 1/min(ny, nx)
 * after the mean is removed and a Hann window applied. Saxton & Baumeister 1982, J. Microsc.
 * 127:127; for light microscopy Nieuwenhuizen et al. 2013, Nature Methods 10:557. */
typedef struct scry_frc {
    size_t rings;
    double *frequency;   /* cycles per pixel of the image given: mean of the ring, to 1/2 or 1/4 */
    double *correlation; /* -1 .. 1 */
    double *samples;     /* Fourier samples in the ring */
    double cutoff;       /* where the curve, smoothed over 3 rings, first falls below 1/7 */
    double resolution;   /* 1/cutoff in pixels */
    int crossed; /* 0: the curve never falls below 1/7, and cutoff is the last frequency (a bound)
                  */
} scry_frc;

/* Two images of one scene with independent noise. ny, nx >= 8. ENUMERIC: not finite; EINVAL: one is
 * constant. Release with scry_frc_clear, which accepts a zeroed struct. */
scry_status scry_frc_two(scry_frc *out, const float *a, const float *b, size_t ny, size_t nx,
                         scry_error *err);

/* One image: the two pairs of diagonal neighbours of every 2 x 2 block are four images of half the
 * size with independent noise (Koho et al. 2019, Nature Communications 10:3103). The pixel shift
 * inside a pair is undone by its phase, where Koho et al. calibrate the curve; frequencies end at
 * 1/4 cycle per pixel, so a resolution finer than 4 pixels cannot be measured. Correlated noise (a
 * resampled or processed image) raises the curve. ny, nx >= 16. */
scry_status scry_frc_one(scry_frc *out, const float *image, size_t ny, size_t nx, scry_error *err);
void scry_frc_clear(scry_frc *frc);

SCRY_END

#endif
