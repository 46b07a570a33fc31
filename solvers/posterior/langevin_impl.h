#ifndef SCRY_SOLVERS_POSTERIOR_LANGEVIN_IMPL_H
#define SCRY_SOLVERS_POSTERIOR_LANGEVIN_IMPL_H

#include "solvers/posterior/guided_impl.h"

/* The common part of Langevin samplers: the gradient of a log posterior whose prior is smoothed by
 * noise of level s,
 *   g(x) = data A^T W (b - A x) + weight (D(x; s) - x) / s^2,
 * and a bound on its Lipschitz constant, which sets the length of steps. The score of the smoothed
 * prior is assumed to have the constant 1 / s^2, as it has where D neither expands nor reflects.
 * Where several images explain x the constant can be larger, but there the score pushes x away, and
 * no step becomes unstable by that. */
struct scryi_langevin {
    struct scryi_guided *G; /* borrowed */
    double data;            /* bound on the largest eigenvalue of A^T W A */
    double typical;         /* the same for the mean of W at the measured counts */
    double misfit;          /* |w (A x - b)| / sqrt(known) where the gradient was last computed */
    float *g;               /* gradient */
};

/* For a G that scryi_guided_init has made. L is zeroed; clear also after a failure. Counted light:
 * the curvature of -log p is (e + r^2) / m^2 at mean m, four times that of the measured count where
 * the mean is half of it; darker than that, the damped score of scry_likelihood_linearise takes
 * over. */
scry_status scryi_langevin_init(struct scryi_langevin *L, struct scryi_guided *G, scry_error *err);
void scryi_langevin_clear(struct scryi_langevin *L);
/* All levels at sigma_min, for samplers that stay there. */
void scryi_langevin_flatten(struct scryi_sampler_options *o);

/* The solver of a method that has only these two parts, and its plan hook. */
struct scryi_langevin_solver {
    struct scryi_guided G; /* first */
    struct scryi_langevin L;
};
scry_status scryi_langevin_plan(scry_solver **out,
                                scry_status (*step)(struct scry_solver *, scry_progress *,
                                                    scry_error *),
                                const scry_problem *problem, const scry_options *options,
                                const struct scryi_sampler_options *o, scry_error *err);

/* L->g at x; scratch: G->u, Au, r. x is none of these. */
scry_status scryi_langevin_gradient(struct scryi_langevin *L, const float *x, double sigma,
                                    double data, double weight, scry_error *err);
/* Its halves: L->g = A^T W (b - A x); then L->g = data L->g + weight (D(x; s) - x) / s^2. */
scry_status scryi_langevin_pull(struct scryi_langevin *L, const float *x, scry_error *err);
scry_status scryi_langevin_push(struct scryi_langevin *L, const float *x, double sigma, double data,
                                double weight, scry_error *err);

/* Ends a step of a chain whose state is also its estimate: counts it and reports. */
void scryi_langevin_report(struct scryi_langevin *L, double sigma, scry_progress *p);

#define SCRYI_LANGEVIN_START(type)                                                                 \
    SCRYI_START_OPTION(                                                                            \
        type, SCRYI_START_AUTO,                                                                    \
        "noise: the mean of the images, or 0; gaussian: an exact draw of the posterior under the " \
        "Gaussian model; auto: gaussian where there is such a model")

#endif
