#ifndef SCRY_SOLVERS_CONDITION_IMPL_H
#define SCRY_SOLVERS_CONDITION_IMPL_H

#include "operators/cg.h"
#include "operators/update.h"
#include "priors/gaussian.h"
#include "solvers/option_groups_impl.h"
#include "solvers/solver.h"

/* Gaussian steps of all methods: with u ~ N(u0, V) and the local model
 * 1/2 |w (A u - b)|^2 of the likelihood, w >= 0 diagonal, the mean of u given the measurement is
 *   u0 + V A^T w q,   (w A V A^T w + I) q = w (b - A u0).
 *
 * Where A is a sampled convolution and V a filter, operators/update.h finds it; its solves end by
 * the information in the data, so that the number of iterations is no setting. Elsewhere this
 * system is solved: it is never worse than identity from below, holds for w = 0, needs products
 * with V alone (not its inverse), and is symmetric.
 *
 * Where w is one number (white Gaussian noise) and A is no sampled convolution, the same mean is
 * found among images: with R = V^(1/2), symmetric, and q now an image,
 *   u0 + R q,   (w^2 R A^H A R + I) q = R A^H w^2 (b - A u0).
 * The spectrum is the same but for ones. Several coils measure more than there are pixels, and
 * their A^H A is fused. Conjugate gradients that are cut short have lowered
 * |w (A u - b)|^2 + (u - u0)^T V^-1 (u - u0) all the same. */

/* V = t f(C) with C the covariance of the Gaussian model, or V = t I. */
struct scryi_covariance {
    bool model;         /* false: t I */
    scry_gaussian_fn f; /* COV or SHRINK */
    double noise;       /* SHRINK: variance of the noise in (C^-1 + I / noise)^-1 */
    double t;
};
struct scryi_covariance scryi_covariance_white(double t);
struct scryi_covariance scryi_covariance_model(double t);
struct scryi_covariance scryi_covariance_shrink(double noise);

struct scryi_condition {
    const scry_op *A;
    const scry_prior *model;
    scry_counts *counts;
    scry_update *update; /* NULL: A, V and A^T one after the other, without a preconditioner */
    bool spectral;       /* update knows the model too, not only white covariances */
    bool added;          /* the last solve was by update: d is its solution */
    bool resume;         /* solves by update start from it, as others do */
    bool image;          /* q is an image */
    size_t n, m;
    float *d;         /* of update: the mean less u0 */
    float *q;         /* the latest solution: where the next solve starts */
    double root;      /* image: sqrt(t) of V it belongs to */
    float *rhs;       /* image: the right-hand side */
    float *S;         /* spectrum of f(C) */
    float *u, *v, *t; /* scratch: n, n, m */
    void *op_work, *model_work, *work;
    const float *w; /* of the solve that runs */
    const struct scryi_covariance *V;
};

/* *c must be zeroed; clear also after a failure. Borrows everything; model may be NULL. `even`: all
 * w of a solve will be the same number > 0. ENOMEM */
scry_status scryi_condition_init(struct scryi_condition *c, const scry_op *A,
                                 const scry_prior *model, bool even, scry_counts *counts,
                                 scry_error *err);
void scryi_condition_clear(struct scryi_condition *c);

/* The next solve starts from zero. */
void scryi_condition_forget(struct scryi_condition *c);

/* out = V in; in != out */
scry_status scryi_condition_covariance(struct scryi_condition *c, float *out, const float *in,
                                       const struct scryi_covariance *V, scry_error *err);
/* out = V^(1/2) in, the symmetric root; in != out */
scry_status scryi_condition_root(struct scryi_condition *c, float *out, const float *in,
                                 const struct scryi_covariance *V, scry_error *err);

/* When a solve stops: as was asked; where that is 0, when the data could add nothing where an
 * iteration is a pair of transforms (update.h), else as usual. */
struct scryi_cg_options scryi_condition_settings(const struct scryi_condition *c,
                                                 struct scryi_cg_options asked,
                                                 size_t usual_iterations, double usual_tolerance);

/* The same for systems of update.h, of m weights. */
scry_cg_stop scryi_condition_stop(struct scryi_cg_options asked, const float *w, size_t m);

/* Solves for the residual r = w (b - A u0). By update.h: until an iteration lowers twice the
 * negative log density by less than tolerance sqrt(2 m), of the m entries with w > 0; elsewhere to
 * |residual| <= tolerance |right-hand side|. Counted in scry_counts; a tolerance of 0 asks for the
 * iterations and not for convergence. */
scry_status scryi_condition_solve(struct scryi_condition *c, const float *r, const float *w,
                                  const struct scryi_covariance *V, struct scryi_cg_options cg,
                                  scry_error *err);

/* Of that solve, with the same w and V: out = V A^T w q, the part added to u0. */
scry_status scryi_condition_image(struct scryi_condition *c, float *out, const float *w,
                                  const struct scryi_covariance *V, scry_error *err);

/* The same for white V without its factor t: out = A^T w q. */
scry_status scryi_condition_dual(struct scryi_condition *c, float *out, const float *w,
                                 const struct scryi_covariance *V, scry_error *err);

#endif
