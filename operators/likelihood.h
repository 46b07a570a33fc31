#ifndef SCRY_OPERATORS_LIKELIHOOD_H
#define SCRY_OPERATORS_LIKELIHOOD_H

#include "lib/api.h"
#include "operators/op.h"

#include <stdbool.h>

SCRY_BEGIN

/* p(y | x) for y = noise(A x). The solver's variable u may have another unit than the physical
 * image x: x = scale * u + shift (scry_affine, the intensity map). A camera counts electrons:
 *
 *   mean   m(u) = A (scale u + shift) + background          [electrons; Gaussian noise: y's unit]
 *   gaussian          y = m + sigma n
 *   poisson           (y - offset) gain ~ Poisson(m)
 *   poisson-gaussian  (y - offset) gain = Poisson(m) + read_noise n       [y in ADU]
 *
 * The last one is a convolution without a closed form. It is replaced by the shifted Poisson
 * distribution of Snyder, Hammoud & White 1993, JOSA A 10:1014: with e = (y - offset) gain,
 *
 *   e + r^2 ~ Poisson(m + r^2),    -log p = m + r^2 - (e + r^2) log(m + r^2),
 *
 * which has the right mean and variance for every m, tends to the exact distribution for r -> 0 and
 * for large m, and has a score of mean zero at the truth; nothing is clipped, so dark pixels are
 * unbiased. For r = 1 to 2.5 e-, log p between means one sd apart is right to 4 % at 1 e-, 1.2 % at
 * 20 e- and 0.2 % at 100 e- (tests/test_likelihood.c, against the exact sum).
 *
 * Below v0 = max(r^2, 0.01 e-^2) of variance (m < 0 when r >= 0.1) no count has this distribution,
 * but iterates can reach it: -log p continues as the parabola of curvature 1/v0 with the same value
 * and slope, so it is finite, and every function below agrees with every other, for all u. In
 * short, d(-log p)/dm = (m - e) / v,    v(m) = max(m + r^2, v0). */
typedef enum scry_noise_kind {
    SCRY_NOISE_GAUSSIAN = 0,
    SCRY_NOISE_POISSON,
    SCRY_NOISE_POISSON_GAUSSIAN
} scry_noise_kind;

typedef struct scry_noise {
    scry_noise_kind kind;
    double sigma;      /* gaussian: sd in the unit of y, per real component */
    double gain;       /* e-/ADU */
    double offset;     /* ADU */
    double read_noise; /* e- */
    double background; /* e- (gaussian: unit of y), added to the mean of every pixel */
} scry_noise;

typedef struct scry_affine {
    double scale, shift; /* x = scale u + shift */
} scry_affine;

typedef struct scry_likelihood scry_likelihood;

/* Borrows A and keeps a copy of y (cod of A). map NULL: x = u. A need not map constants to
 * constants; where A is complex the shift and the background belong to the real part.
 * errors  EINVAL: sigma <= 0, gain <= 0, read_noise < 0 (0 is legal), scale <= 0, any of these, the
 *         background, the offset or the shift not finite; poisson: a pixel below the offset, which
 *         is not a possible count; EUNSUP: counts of a complex image; ENUMERIC: y not finite;
 *         ENOMEM */
scry_status scry_likelihood_create(scry_likelihood **out, const scry_op *A, const float *y,
                                   const scry_noise *noise, const scry_affine *map,
                                   scry_error *err);
void scry_likelihood_free(scry_likelihood *L);

const scry_op *scry_likelihood_op(const scry_likelihood *L);
const scry_noise *scry_likelihood_noise(const scry_likelihood *L);
scry_affine scry_likelihood_map(const scry_likelihood *L);
size_t scry_likelihood_work_bytes(const scry_likelihood *L);
size_t scry_likelihood_value_bytes(const scry_likelihood *L); /* of _value and _deviance alone */
/* true when log p is quadratic in u, so that `linearise` is exact and does not depend on u */
bool scry_likelihood_is_gaussian(const scry_likelihood *L);

/* *nll = -log p(y | u), up to a constant that does not depend on u. work, here and below:
 * scry_likelihood_work_bytes(L) bytes. */
scry_status scry_likelihood_value(const scry_likelihood *L, double *nll, const float *u, void *work,
                                  scry_error *err);

/* g = grad_u log p(y | u); g may alias u. */
scry_status scry_likelihood_score(const scry_likelihood *L, float *g, const float *u, void *work,
                                  scry_error *err);

/* The local Gaussian model  -log p(y | u) ~ 1/2 (A u - b)^T W (A u - b),  W diagonal.
 *   Au  A u at the point of expansion (cod);  b, W out (cod), in the unit of A u; W may alias Au
 * Gaussian noise: exact, Au may be NULL. Otherwise Fisher scoring: W = scale^2 / v(m), with which
 * the model's gradient at u is the score, and b = (e - background)/scale - (shift/scale) A 1.
 * For a mean more than six standard deviations below the count, the variance at that bound is used:
 * there W is smaller than Fisher's, and the model's gradient is a damped score. */
scry_status scry_likelihood_linearise(const scry_likelihood *L, float *W, float *b, const float *Au,
                                      scry_error *err);

/* z = argmin_u  -log p(y | u) + |u - v|^2 / (2 t).  Gaussian: closed form where A has an SVD, else
 * conjugate gradients on (t A^T W A + I) z = t A^T W b + v; otherwise damped Newton steps with CG
 * inside, each of which lowers the objective. z holds the start on entry (v is a good choice); z
 * and v must not alias.
 *   iterations  bound of each CG; tol remaining gradient, relative to the right-hand side above
 * Stopping at `iterations` is not a failure: read result, which may be NULL.
 * errors  EINVAL: t not positive; ENUMERIC: v or z not finite */
typedef struct scry_prox_result {
    size_t outer, inner; /* Newton steps, CG iterations in total; both 0 for a closed form */
    double residual;     /* remaining gradient, relative as in tol */
} scry_prox_result;
scry_status scry_likelihood_prox(const scry_likelihood *L, float *z, const float *v, double t,
                                 size_t iterations, double tol, void *work,
                                 scry_prox_result *result, scry_error *err);

/* Deviance 2 [log p(y | saturated) - log p(y | u)] and the number of measurements; their ratio is
 * the chi2 per pixel, 1 for a model that explains the data without fitting the noise (Gaussian:
 * exactly; Poisson: 1 + 1/(6 m) + O(m^-2) on average, 1.008 at 20 electrons, McCullagh & Nelder
 * 1989). */
scry_status scry_likelihood_deviance(const scry_likelihood *L, double *deviance, size_t *count,
                                     const float *u, void *work, scry_error *err);

SCRY_END

#endif
