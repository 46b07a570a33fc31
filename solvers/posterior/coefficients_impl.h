#ifndef SCRY_SOLVERS_POSTERIOR_COEFFICIENTS_IMPL_H
#define SCRY_SOLVERS_POSTERIOR_COEFFICIENTS_IMPL_H

#include "solvers/posterior/guided_impl.h"

/* The common part of samplers that work coefficient by coefficient of A = U S V^H (operators/op.h).
 * At every level they get D, x and fresh noise as coefficients, and write those of the next state.
 *
 * Where each coefficient reads one entry of the measurement (masks), the variance of U^H b is that
 * of the entry, so that photon noise is used pixel by pixel; otherwise it is the mean variance of
 * the measurement. */

/* One number of a coefficient (a complex one has two) at one level. */
struct scryi_coefficient {
    double S;       /* singular value */
    double v;       /* variance of y in units of S: that of U^H b over S^2; measured only */
    double y;       /* U^H b / S; measured only */
    bool measured;  /* S > 0, and the entry was measured */
    double D, x, z; /* of D(x; s), of the state at s, and N(0, 1) */
    double s, next; /* this level and the next, 0 after the last */
};

/* Writes the number of the next state to *state and returns that of the estimate of the image.
 * options: the method's struct. */
typedef double scryi_coefficient_fn(const struct scryi_coefficient *c, const void *options,
                                    double *state);

/* plan hook of a method with this update, on a noise schedule, from noise or a Gaussian start. */
scry_status scryi_coefficients_plan(scry_solver **out, scryi_coefficient_fn *update,
                                    const scry_problem *problem, const scry_options *options,
                                    const struct scryi_sampler_options *o, scry_error *err);

/* A coefficient that is not measured: D + next (eta z + sqrt(1 - eta^2) (x - D) / s), DDIM with
 * the share eta^2 of fresh noise. */
double scryi_coefficient_free(const struct scryi_coefficient *c, double eta, double *state);

#endif
