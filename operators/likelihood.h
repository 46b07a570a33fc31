#ifndef SCRY_OPERATORS_LIKELIHOOD_H
#define SCRY_OPERATORS_LIKELIHOOD_H

#include "operators/op.h"

#include <stdbool.h>

/* p(y | x) for y = noise(A x). The solver's variable u may live in another unit than the physical
 * image x: x = scale * u + shift (scry_affine, the intensity map). A camera counts electrons:
 *
 *   mean   m(u) = A (scale u + shift) + background          [electrons; Gaussian noise: y's unit]
 *   gaussian          y = m + sigma n
 *   poisson           (y - offset) gain ~ Poisson(m)
 *   poisson-gaussian  (y - offset) gain = Poisson(m) + read_noise n       [y in ADU]
 */
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

/* Borrows A and keeps a copy of y (cod of A). EINVAL: sigma <= 0, gain <= 0, read_noise < 0 (poisson-
 * gaussian: read_noise may be 0), scale <= 0; ENUMERIC: y not finite. A's images of constants need
 * not be constant. */
scry_status scry_likelihood_create(scry_likelihood **out, const scry_op *A, const float *y,
                                   const scry_noise *noise, const scry_affine *map,
                                   scry_error *err);
void scry_likelihood_free(scry_likelihood *L);

const scry_op *scry_likelihood_op(const scry_likelihood *L);
const scry_noise *scry_likelihood_noise(const scry_likelihood *L);
scry_affine scry_likelihood_map(const scry_likelihood *L);
size_t scry_likelihood_work_bytes(const scry_likelihood *L);
/* true when log p is quadratic in u, so that `linearise` is exact and does not depend on u */
bool scry_likelihood_is_gaussian(const scry_likelihood *L);

/* *nll = -log p(y | u), up to a constant that does not depend on u. +inf outside the domain. */
scry_status scry_likelihood_value(const scry_likelihood *L, double *nll, const float *u, void *work,
                                  scry_error *err);

/* g = grad_u log p(y | u); g may alias u. */
scry_status scry_likelihood_score(const scry_likelihood *L, float *g, const float *u, void *work,
                                  scry_error *err);

/* The local Gaussian model  -log p(y | u) ~ 1/2 (A u - b)^T W (A u - b),  W diagonal.
 *   Au  A u at the point of expansion (cod);  b, W out (cod), in the unit of A u.
 * Gaussian noise: exact, Au may be NULL. Otherwise Fisher scoring: W = scale^2 / var(y | u), which
 * makes the model's gradient at u equal the score, with b = (y_e - background)/scale - (shift/scale) A 1. */
scry_status scry_likelihood_linearise(const scry_likelihood *L, float *W, float *b, const float *Au,
                                      scry_error *err);

/* z = argmin_u  -log p(y | u) + |u - v|^2 / (2 t).  Gaussian: conjugate gradients (closed form where A
 * has an SVD and W is constant); otherwise Fisher scoring steps with CG inside. z holds the start on
 * entry (v is a good one); z != v. iterations and tol bound each CG; result may be NULL. */
typedef struct scry_prox_result {
    size_t outer, inner; /* scoring steps, CG iterations in total */
    double residual;     /* relative residual of the last CG */
} scry_prox_result;
scry_status scry_likelihood_prox(const scry_likelihood *L, float *z, const float *v, double t,
                                 size_t iterations, double tol, void *work,
                                 scry_prox_result *result, scry_error *err);

/* Deviance 2 [log p(y | saturated) - log p(y | u)] and the number of measurements; their ratio is
 * the chi2 per pixel, 1 for a model that explains the data and no more. */
scry_status scry_likelihood_deviance(const scry_likelihood *L, double *deviance, size_t *count,
                                     const float *u, void *work, scry_error *err);

#endif
