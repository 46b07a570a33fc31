#ifndef SCRY_SOLVERS_POSTERIOR_GUIDED_IMPL_H
#define SCRY_SOLVERS_POSTERIOR_GUIDED_IMPL_H

#include "solvers/condition_impl.h"
#include "solvers/sampling/sampler_impl.h"

/* Parts that the posterior samplers share: the local Gaussian model of the measurement and the
 * linear solve that joins it with an image known up to a Gaussian (condition_impl.h).
 *
 * Near u the likelihood is 1/2 |w (A u - b)|^2, w = W^(1/2) >= 0 diagonal; a pixel that was not
 * measured has w = 0. When u ~ N(D, V) before the measurement, afterwards its mean is
 *   x0 = D + V A^T w q,   (w A V A^T w + I) q = w (b - A D). */
struct scryi_guided {
    struct scryi_sampler base;
    const scry_op *A;
    size_t m;         /* floats of a measurement */
    size_t known;     /* entries with w > 0 */
    bool gaussian;    /* the local model is the likelihood and never changes */
    bool linearised;  /* w and b are there */
    float *w, *b;     /* local model */
    float *w_now, *r; /* of a solve: w, limited by the level; w_now (b - A u) */
    float *Au, *t;    /* scratch, measurement space */
    float *u, *v;     /* scratch, image space */
    float *noise;     /* white noise of the measurement's size, for exact draws */
    float *w_start;   /* w at the mean of the Gaussian posterior, the same for every chain */
    bool scored;      /* w_start is there */
    bool all_noise;   /* no level hides noise of the data: solves never take it for larger */
    float *sample;    /* a draw around the last estimate; NULL: the estimate is the draw */
    bool drawn;       /* its scatter is there, of this w */
    double fitted;    /* squared length of that in measurements, in units of their noise */
    void *op_work, *likelihood_work;
    struct scryi_condition condition;
};

/* As scryi_sampler_init. */
scry_status scryi_guided_init(struct scryi_guided *G, const scry_problem *problem,
                              const scry_options *options, const struct scryi_sampler_options *o,
                              scry_error *err);
void scryi_guided_clear(struct scryi_guided *G);
/* destroy hook of methods that add nothing to scryi_guided. */
void scryi_guided_destroy(struct scry_solver *S);
/* plan hook of the same: the given start and step, levels and solve; draws as of
 * scryi_guided_scatter where `scatters`. */
scry_status
scryi_guided_plan(scry_solver **out,
                  scry_status (*step)(struct scry_solver *, scry_progress *, scry_error *),
                  const scry_problem *problem, const scry_options *options,
                  const struct scryi_sampler_options *o, bool scatters, scry_error *err);

/* start hook: from noise, or from x0 + sigma[0] n with x0 an exact draw from the posterior of the
 * Gaussian model. */
scry_status scryi_guided_start(struct scry_solver *S, scry_error *err);

/* For methods whose last estimate is E[x0 | x, y] at the lowest level: their draws are that plus
 * what is left unknown there, e ~ N(0, (V^-1 + A^T W A)^-1) with V = (C^-1 + I / s^2)^-1 of the
 * Gaussian model, as in jfps. Nothing where there is no model.
 * Belongs at the end of a plan. ENOMEM */
scry_status scryi_guided_scatter(struct scryi_guided *G, scry_error *err);

/* Au = A u; and, in the first step, w and b of the local model there. Afterwards scryi_guided_move
 * makes them at the latest estimate of the image, which the data have seen: the noise of a denoised
 * x alone, far above the level of the data, would be that of a blank image. */
scry_status scryi_guided_linearise(struct scryi_guided *G, const float *u, scry_error *err);

/* The local model around Au. */
scry_status scryi_guided_relinearise(struct scryi_guided *G, const float *Au, scry_error *err);

/* Whether this step is the last of a chain, or one that gives a further draw. */
bool scryi_guided_is_last(const struct scryi_guided *G);

/* Whether the misfit of Ax, under the local model, is that of a mean around which draws scatter so,
 * within three spreads of chi2, or less. Overwrites t, r and noise. */
scry_status scryi_guided_explains(struct scryi_guided *G, const float *Ax, bool *yes,
                                  scry_error *err);

/* The largest w that a solve of this step needs. */
double scryi_guided_largest_weight(const struct scryi_guided *G, const struct scryi_covariance *V);

/* u (in: D; out: D + V A^T w q), by scryi_condition_solve; G->u holds the part that was added.
 * linearise(G, D) comes first. The residual w (b - A D) gets - perturb n, n ~ N(0, I). With
 * perturb 1: if on entry u is a draw from N(D, V), on exit it is a draw from the posterior
 * (Matheron's rule; Orieux et al. 2012, perturbation-optimisation). In the last step of a chain,
 * without perturb, the local model is that of the result, and V wide enough to explain the data. */
scry_status scryi_guided_condition(struct scryi_guided *G, float *u, struct scryi_covariance V,
                                   struct scryi_cg_options cg, double perturb, scry_error *err);
/* For V = t I, the same up to A^T w q, left in G->v: for methods that map it through something else
 * than V. */
scry_status scryi_guided_dual(struct scryi_guided *G, double t, struct scryi_cg_options cg,
                              scry_error *err);

/* |w (A x0 - b)| / sqrt(known) of the current estimate, or of the draw, into p; local model there,
 * for the next step; then moves as scryi_sampler_move. */
scry_status scryi_guided_move(struct scryi_guided *G, double share, scry_progress *p,
                              scry_error *err);

scry_status scryi_guided_forward(struct scryi_guided *G, float *y, const float *u, scry_error *err);
scry_status scryi_guided_adjoint(struct scryi_guided *G, float *u, const float *y, scry_error *err);

#endif
