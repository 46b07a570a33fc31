#ifndef SCRY_TESTS_EXACT_LANGEVIN_LAW_H
#define SCRY_TESTS_EXACT_LANGEVIN_LAW_H

#include "tests/exact/exact.h"

#include <gsl/gsl_eigen.h>

/* Langevin samplers at one level. On a Gaussian posterior a step is linear, so the distribution of
 * the last state is known to every digit: the samples are tested against that distribution, within
 * Monte Carlo error, and the distribution against the posterior, without any. */
struct band {
    const char *method;
    size_t steps;
    double zeta, sigma;
    double bias, low, high; /* of the distribution, in exact sd */
};

static inline void set_opts(scry_options *o, const struct band *band)
{
    scry_options_init(o, scry_method_find(band->method));
    option_set(o, "steps", band->steps);
    option_set(o, "zeta", band->zeta);
    option_set(o, "sigma-min", band->sigma);
    option_word(o, "start", "noise");
}

/* x' = keep x + noise n, for g = -h x */
struct scalar_step {
    double keep, noise;
};

static inline struct scalar_step ula_step(double h, double d)
{
    return (struct scalar_step){1 - d * h, sqrt(2 * d)};
}

/* Pereyra et al. 2020, with the Chebyshev polynomials as hyperbolic cosines: T_q(w) =
 * cosh(q acosh w), T_q'(w) = q sinh(q acosh w) / sinh(acosh w). */
static inline struct scalar_step rock_step(double h, double d, int q)
{
    const double w0 = 1 + 0.05 / (q * q), angle = acosh(w0);
    const double w1 = cosh(q * angle) * sinh(angle) / (q * sinh(q * angle));
    const double size = sqrt(2 * d);
    struct scalar_step before = {1, 0}, at;
    at.keep = 1 - w1 / w0 * d * h;
    at.noise = size * (q * w1 / w0 - w1 / w0 * d * h * q * w1 / 2);
    for (int j = 2; j <= q; j++) {
        const double share = cosh((j - 1) * angle) / cosh(j * angle);
        const double nu = 2 * w0 * share, mu = 2 * w1 * share;
        const struct scalar_step next = {
            (nu - mu * d * h) * at.keep + (1 - nu) * before.keep,
            (nu - mu * d * h) * at.noise + (1 - nu) * before.noise,
        };
        before = at;
        at = next;
    }
    return at;
}

static inline double step_length(const struct band *band, const scry_options *o, const scry_op *A,
                                 double sigma)
{
    scry_error err = {0};
    double norm2;
    assert_ok(scry_op_norm2(A, &norm2, 1e-3, &err));
    const double max = 1 / (band->sigma * band->sigma) + norm2 * 1.002 / (sigma * sigma);
    const double q = (double)option_value(o, "inner");
    const double longest = q > 0 ? (q - 0.5) * (q - 0.5) * (2 - 0.2 / 3) - 1.5 : 1;
    return band->zeta * longest / max;
}

/* Mean and covariance of the last state, from N(mean, s^2 I), along the eigenvectors of the
 * precision (C + s^2 I)^-1 + A^T A / sigma^2. */
static inline void langevin_exact(double *mean, double *cov, const struct world *w,
                                  const scry_op *A, const struct band *band)
{
    static struct world blurred;
    scry_options o;
    const size_t n = w->n;
    double value[EXACT_MAX];
    static double vector[EXACT_MAX * EXACT_MAX];
    set_opts(&o, band);
    const double d = step_length(band, &o, A, w->sigma);
    blurred = *w;
    for (size_t i = 0; i < n; i++)
        blurred.C[i * n + i] += band->sigma * band->sigma;
    world_solve(&blurred);
    gsl_matrix_view P = gsl_matrix_view_array(blurred.P, n, n);
    gsl_matrix_view V = gsl_matrix_view_array(vector, n, n);
    gsl_vector_view e = gsl_vector_view_array(value, n);
    gsl_eigen_symmv_workspace *work = gsl_eigen_symmv_alloc(n);
    gsl_eigen_symmv(&P.matrix, &e.vector, &V.matrix, work);
    gsl_eigen_symmv_free(work);
    memcpy(mean, blurred.post, n * sizeof *mean);
    memset(cov, 0, n * n * sizeof *cov);
    for (size_t k = 0; k < n; k++) {
        const double h = 1 / value[k];
        const struct scalar_step s = option_value(&o, "inner") > 0
                                         ? rock_step(h, d, (int)option_value(&o, "inner"))
                                         : ula_step(h, d);
        const double left = pow(s.keep, (double)option_value(&o, "steps")); /* of the start */
        const double variance = left * left * band->sigma * band->sigma +
                                s.noise * s.noise * (1 - left * left) / (1 - s.keep * s.keep);
        double off = 0;
        for (size_t i = 0; i < n; i++)
            off += vector[i * n + k] * (w->mean[i] - blurred.post[i]);
        for (size_t i = 0; i < n; i++) {
            mean[i] += vector[i * n + k] * left * off;
            for (size_t j = 0; j < n; j++)
                cov[i * n + j] += vector[i * n + k] * vector[j * n + k] * variance;
        }
    }
}

/* `K` chains against the distribution, the distribution against the posterior. */
/* Returns the excess of variance over that of the distribution, whitened, which pools over bands.
 */
static inline double check_band(const struct band *band, const scry_problem *problem,
                                const scry_op *A, const struct world *w, size_t K)
{
    scry_options o;
    scry_chains c;
    double mean[EXACT_MAX];
    static double cov[EXACT_MAX * EXACT_MAX];
    struct verdict truth = {.low = 1e300};
    langevin_exact(mean, cov, w, A, band);
    for (size_t i = 0; i < w->n; i++) {
        const double sd = sqrt(w->P[i * w->n + i]), ratio = sqrt(cov[i * w->n + i]) / sd;
        truth.bias = fmax(truth.bias, fabs(mean[i] - w->post[i]) / sd);
        truth.low = fmin(truth.low, ratio);
        truth.high = fmax(truth.high, ratio);
    }
    set_opts(&o, band);
    draw(&c, problem, &o, K, 7);
    const struct verdict v = judge(c.samples, c.done, w->n, mean, cov);
    if (truth.bias > band->bias || truth.low < band->low || truth.high > band->high ||
        v.bias > 4.5 * v.se || v.whitened > 5 * sqrt(2.0 / (double)K)) {
        verdict_print(band->method, &truth);
        verdict_print("samples against that", &v);
        fail();
    }
    scry_chains_free(&c);
    return v.excess;
}

#endif
