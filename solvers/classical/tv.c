/* Isotropic total variation by the primal-dual hybrid gradient method (Chambolle & Pock 2011, JMIV
 * 40:120, Algorithm 1 with theta = 1), for one of two problems:
 *
 *   discrepancy   min TV(u)  subject to  sum W (A u - b)^2 <= m         (no weight to choose)
 *   weight        min lambda TV(u) + 1/2 sum W (A u - b)^2
 *
 *   G  differences, dual p in unit balls        s = 1/|A|, K u = (G u, s A u)
 *   A  operator, dual q                         tau sigma |K|^2 < 1, |K|^2 <= 4 axes + 1
 *
 * with W = 1 in the second problem where the image is complex, as in the other methods of MR: then
 * lambda is in the unit of u and leaves the noise out. Borders are free (Neumann); a vector of G u
 * holds both directions and both parts of complex pixels.
 *
 * The data enter through their own dual variable, so that W (which spans the photon counts) changes
 * a pointwise proximal map and not the step sizes: with z = s A u the map of either problem is
 * z = (c + mu W' b') / (1 + mu W'), W' = W/s^2, b' = s b, where mu = 1/(lambda sigma), or is the
 * multiplier that puts z on the ellipsoid of the constraint (Weiss, Blanc-Feraud & Aubert 2009,
 * SIAM J. Sci. Comput. 31:2047). Counted light: W is renewed from A u while the iteration runs.
 *
 * Where A is a sampled convolution the data enter by their proximal map instead, which
 * solvers/condition_impl.h solves: bright structure on a dark background spreads W over 10^4, and
 * what small singular values of A carry takes the first algorithm thousands of iterations.
 *
 *   v = u - tau (G^T p + o),   u = argmin |u - v|^2 / (2 tau) + 1/(2 lambda) sum W (A u - b)^2
 *
 * with o <= 0 the dual of u >= floor. For chi2 1, lambda is multiplied by sqrt(m / chi2) in every
 * iteration, as Chambolle (2004, JMIV 20:89, sec. 3.2) does where A is the identity: the length of
 * the residual grows with lambda, and its ratio to lambda falls.
 *
 * Several coils measure more numbers than there are pixels, and no image has chi2 1 when the maps
 * have errors. For complex images the least squares fit is therefore made first. It fits `dof` of
 * the m degrees of freedom of the noise, so where its chi2 c exceeds 1 - dof/m, the excess is the
 * error of the model, and the chi2 of the true image is c + dof/m. */
#include "solvers/classical/difference_impl.h"
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/cg.h"
#include "operators/op_sampled.h"
#include "solvers/condition_impl.h"

#include <math.h>
#include <string.h>

enum {
    EXPAND_EVERY = 20
}; /* iterations with one W: an update is cheap, but q has to settle after it */
enum { SCORE_EVERY = 5 };    /* the same, where a step fits the data */
static const double OFF = 2; /* part of tol by which chi2 may be off there */
enum { RESTRAINS = 50 };
static const double ADMITTED = 1.03;
enum { FIT_ITERATIONS = 30 }; /* of the least squares fit: enough except for components of noise */

struct tv_options {
    size_t iterations;
    double tolerance, weight;
};

struct tv {
    scry_solver base;
    scryi_fit fit;
    scryi_difference G;
    float *u, *ubar, *z, *p; /* n, n, n, axes * n */
    float *q, *c, *Au;       /* m: dual of the data, its argument, A u */
    void *cg;                /* of the least squares fit, where it is needed */
    double s, tau, sigma, mu, floor;
    double still;  /* length of a step that is compared with tol */
    double lambda; /* against the weighted data term; 0: discrepancy */
    double target; /* of sum W (A u - b)^2 */
    bool exact;    /* by the proximal map of the data */
    struct scryi_condition condition;
    float *o;              /* n: dual of u >= floor */
    double variance;       /* of the image, roughly */
    double weight, misfit; /* exact: lambda now; sum W (A u - b)^2 */
};

static void tv_method_destroy(scry_solver *S)
{
    struct tv *T = (struct tv *)S;
    if (!T) return;
    scryi_fit_free(&T->fit);
    scry_free(T->u);
    scry_free(T->ubar);
    scry_free(T->z);
    scry_free(T->p);
    scry_free(T->q);
    scry_free(T->c);
    scry_free(T->Au);
    scry_free(T->cg);
    scry_free(T->o);
    scryi_condition_clear(&T->condition);
    scry_free(T);
}

/* Step sizes whose ratio is the square of the image's scale, since the duals are in unit balls. A
 * tenth of the contrast is the scale of the changes once the image is roughly right; of 0.1, 0.3, 1
 * and 3 it converged fastest by far (30 iterations against hundreds, tried on one crop of the
 * quality bench, tests/bench/quality.py, at 100 photons).
 *
 * Complex data are assumed to be samples of a transform, whose energy is that of the image; of 0.01
 * to 1 of its root mean square, 0.3 came closest to the minimum within 500 iterations, for k-space
 * of one coil and of sixteen. Components that were not sampled move slowly, so a step is compared
 * with 1 % of that scale; otherwise the run ends a dB short. */
static void set_steps(struct tv *T)
{
    const float *b = T->fit.b;
    const size_t m = T->fit.m;
    const bool cplx = T->base.space.cplx;
    const double mean = cplx ? 0 : scry_sum(b, m) / (double)m;
    const double count = (double)(cplx ? T->base.n : m);
    const double var = scry_dot(b, b, m) / count - mean * mean;
    const double scale = var > 0 ? (cplx ? 0.3 : 0.1) * sqrt(var) * T->s : 1;
    const double bound = sqrt(4.0 * T->G.axes + 1.02);
    T->variance = var > 0 ? var * T->s * T->s : 1;
    T->tau = scale / bound;
    T->sigma = 1 / (scale * bound);
    T->still = (cplx ? 0.01 : 1) * scale * sqrt((double)T->base.n);
}

static scry_status tv_normal(void *ctx, float *out, const float *in, scry_error *err)
{
    struct tv *T = ctx;
    T->fit.counts->forward++;
    T->fit.counts->adjoint++;
    return scry_op_normal(T->fit.A, out, in, T->fit.work, err);
}

/* target = m max(1, c + dof/m), see above; dof from the pixels that a coil sees at all. Leaves the
 * fit in ubar, z overwritten. */
static scry_status tv_attainable(struct tv *T, scry_error *err)
{
    const size_t n = T->base.n, m = T->fit.m;
    scry_status st;
    size_t seen = 0;
    T->fit.counts->adjoint++;
    if ((st = scry_op_adjoint(T->fit.A, T->z, T->fit.b, T->fit.work, err)) != SCRY_OK) return st;
    memset(T->ubar, 0, n * sizeof(float));
    if ((st = scry_cg(tv_normal, T, T->ubar, T->z, n, 1e-3, FIT_ITERATIONS, T->cg, NULL, err)) !=
            SCRY_OK ||
        (st = scryi_fit_forward(&T->fit, T->ubar, err)) != SCRY_OK)
        return st;
    for (size_t i = 0; i < n; i++)
        seen += T->z[i] != 0;
    const double dof = fmin((double)seen, (double)m) / (double)m;
    T->target = (double)m * fmax(1, scryi_fit_chi2(&T->fit) + dof);
    return SCRY_OK;
}

static scry_status tv_start(scry_solver *S, scry_error *err)
{
    struct tv *T = (struct tv *)S;
    const struct tv_options *o = scry_options_block(&S->options);
    const scry_affine map = scry_likelihood_map(T->fit.L);
    scry_status st = scryi_fit_flat(&T->fit, T->u, err);
    if (st != SCRY_OK) return st;
    set_steps(T);
    const bool cplx = S->space.cplx;
    T->lambda = o->weight * (cplx && T->fit.weight > 0 ? T->fit.weight : 1);
    T->target = (double)T->fit.m;
    if (T->cg && (st = tv_attainable(T, err)) != SCRY_OK) return st;
    if (T->cg && (st = scryi_fit_forward(&T->fit, T->u, err)) != SCRY_OK) return st;
    memcpy(T->ubar, T->u, S->n * sizeof(float));
    memcpy(T->Au, T->fit.Au, T->fit.m * sizeof(float));
    memset(T->p, 0, (size_t)T->G.axes * S->n * sizeof(float));
    memset(T->q, 0, T->fit.m * sizeof(float));
    T->floor = S->problem.positive && !cplx ? -map.shift / map.scale : -INFINITY;
    T->mu = 0;
    if (!T->exact) return SCRY_OK;
    memset(T->o, 0, S->n * sizeof *T->o);
    scryi_condition_forget(&T->condition);
    T->weight = T->lambda > 0 ? T->lambda : T->tau / T->variance;
    return SCRY_OK;
}

/* Sum of W' (z - b')^2 over z(mu), and its derivative. */
static double tv_ellipsoid(const struct tv *T, double mu, double *slope)
{
    const double is2 = 1 / (T->s * T->s);
    double value = 0, down = 0;
    for (size_t i = 0; i < T->fit.m; i++) {
        const double W = T->fit.W[i] * is2, d = T->c[i] - T->s * T->fit.b[i];
        const double k = 1 / (1 + mu * W), a = W * d * d * k * k;
        value += a;
        down += a * W * k;
    }
    *slope = -2 * down;
    return value;
}

/* mu >= 0 with ellipsoid(mu) = m: Newton on value^(-1/2), which is concave and almost linear in
 * mu, so that every iterate stays below the root and converges from there (Reinsch 1971, Numer.
 * Math. 16:451). */
static double tv_multiplier(const struct tv *T)
{
    const double target = T->target;
    double slope, mu = 0, value = tv_ellipsoid(T, 0, &slope);
    if (value <= target) return 0;
    for (int i = 0; i < 60 && value > target * (1 + 1e-6); i++) {
        mu += 2 * value / -slope * (sqrt(value / target) - 1);
        value = tv_ellipsoid(T, mu, &slope);
    }
    return mu;
}

/* q <- prox of the conjugate of the data term at q + sigma s A ubar; Au arrives holding A ubar. */
static void data_dual(struct tv *T)
{
    const float sigma = (float)T->sigma, s = (float)T->s;
    for (size_t i = 0; i < T->fit.m; i++)
        T->c[i] = T->q[i] / sigma + s * T->fit.Au[i];
    T->mu = T->lambda > 0 ? 1 / (T->lambda * T->sigma) : tv_multiplier(T);
    const double mu = T->mu / (T->s * T->s);
    for (size_t i = 0; i < T->fit.m; i++) {
        const double k = mu * T->fit.W[i];
        /* sigma (c - z) */
        T->q[i] = (float)(T->sigma * k / (1 + k) * (T->c[i] - T->s * T->fit.b[i]));
    }
}

/* u <- projection of u - tau (G^T p + s A^T q); returns |step|. Leaves 2 u - (u before) in ubar. */
static scry_status tv_primal(struct tv *T, double *change, scry_error *err)
{
    const size_t n = T->base.n;
    const float tau = (float)T->tau, s = (float)T->s, floor = (float)T->floor;
    T->fit.counts->adjoint++;
    scry_status st = scry_op_adjoint(T->fit.A, T->z, T->q, T->fit.work, err);
    if (st != SCRY_OK) return st;
    scryi_gradient_adjoint(&T->G, T->ubar, T->p);
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const float before = T->u[i];
        const float next = fmaxf(before - tau * (T->ubar[i] + s * T->z[i]), floor);
        sum += (double)(next - before) * (next - before);
        T->u[i] = next;
        T->ubar[i] = 2 * next - before;
    }
    *change = sqrt(sum);
    if (isfinite(sum)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC, "tv: iteration %zu is not finite", T->base.step + 1);
}

/* ubar = v + argmin_d |w (A (v + d) - b)|^2 + |d|^2 lambda / tau, v in ubar; misfit there. */
static scry_status tv_proximal(struct tv *T, scry_error *err)
{
    scryi_fit *fit = &T->fit;
    const struct scryi_covariance V = scryi_covariance_white(T->tau / T->weight);
    scry_status st = scryi_fit_forward(fit, T->ubar, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < fit->m; i++) {
        T->c[i] = sqrtf(fit->W[i]);
        T->q[i] = T->c[i] * (fit->b[i] - fit->Au[i]);
    }
    st = scryi_condition_solve(
        &T->condition, T->q, T->c, &V,
        scryi_condition_settings(&T->condition, (struct scryi_cg_options){0}, 0, 0), err);
    if (st == SCRY_OK) st = scryi_condition_image(&T->condition, T->z, T->c, &V, err);
    if (st != SCRY_OK) return st;
    scry_axpy(T->ubar, 1, T->z, T->base.n);
    if ((st = scryi_fit_forward(fit, T->ubar, err)) != SCRY_OK) return st;
    T->misfit = scryi_fit_chi2(fit) * (double)fit->m;
    return SCRY_OK;
}

/* u <- the proximal map; returns |step|. Leaves 2 u - (u before) in ubar. */
static scry_status tv_exact_primal(struct tv *T, double *change, scry_error *err)
{
    const size_t n = T->base.n;
    const float sigma = (float)T->sigma, tau = (float)T->tau, floor = (float)T->floor;
    for (size_t i = 0; isfinite(floor) && i < n; i++)
        T->o[i] = fminf(T->o[i] + sigma * (T->ubar[i] - floor), 0);
    scryi_gradient_adjoint(&T->G, T->z, T->p);
    for (size_t i = 0; i < n; i++)
        T->ubar[i] = T->u[i] - tau * (T->z[i] + T->o[i]);
    scry_status st = tv_proximal(T, err);
    if (st != SCRY_OK) return st;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const float before = T->u[i], next = T->ubar[i];
        sum += (double)(next - before) * (next - before);
        T->u[i] = next;
        T->ubar[i] = 2 * next - before;
    }
    *change = sqrt(sum);
    if (!isfinite(sum))
        return SCRY_FAIL(err, SCRY_ENUMERIC, "tv: iteration %zu is not finite", T->base.step + 1);
    return SCRY_OK;
}

/* The dual of the floor is slow where the data are precise, and below the floor there lies light
 * that they see. Cut there, the image is fitted again by the multiplicative step of
 * Daube-Witherspoon & Muehllehner 1986 (IEEE Trans. Med. Imaging 5:61), with x = u - floor >= 0 and
 * y = b - A floor, x <- x (A^T W y+) / (A^T W (A x + y-)), which lowers the misfit and keeps x >=
 * 0, until that is what it was. */
static scry_status tv_restrain(struct tv *T, scry_error *err)
{
    const size_t n = T->base.n, m = T->fit.m;
    const float floor = (float)T->floor;
    scryi_fit *fit = &T->fit;
    const double enough = ADMITTED * fmax(T->target, T->misfit);
    if (!isfinite(floor)) return scryi_fit_forward(fit, T->u, err);
    for (size_t i = 0; i < n; i++) {
        T->ubar[i] = floor;
        T->u[i] = fmaxf(T->u[i], floor);
    }
    scry_status st = scryi_fit_forward(fit, T->ubar, err);
    memcpy(T->c, fit->Au, m * sizeof *T->c); /* A floor */
    for (int k = 0; st == SCRY_OK; k++) {
        if ((st = scryi_fit_forward(fit, T->u, err)) != SCRY_OK) return st;
        if (!scry_likelihood_is_gaussian(fit->L) && (st = scryi_fit_expand(fit, err)) != SCRY_OK)
            return st;
        if (k == RESTRAINS || scryi_fit_chi2(fit) * (double)m <= enough) return st;
        for (size_t i = 0; i < m; i++) {
            const float y = fit->b[i] - T->c[i];
            T->q[i] = fit->W[i] * fmaxf(y, 0);
            fit->scratch[i] = fit->W[i] * (fit->Au[i] - T->c[i] + fmaxf(-y, 0));
        }
        T->fit.counts->adjoint += 2;
        st = scry_op_adjoint(fit->A, T->ubar, T->q, fit->work, err);
        if (st == SCRY_OK) st = scry_op_adjoint(fit->A, T->z, fit->scratch, fit->work, err);
        for (size_t i = 0; i < n && st == SCRY_OK; i++)
            if (T->z[i] > 0) T->u[i] = floor + (T->u[i] - floor) * fmaxf(T->ubar[i], 0) / T->z[i];
    }
    return st;
}

static scry_status tv_exact_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct tv *T = (struct tv *)S;
    const struct tv_options *o = scry_options_block(&S->options);
    double change;
    scryi_gradient_add(&T->G, T->p, T->sigma, T->ubar);
    scryi_project_ball(&T->G, T->p);
    scry_status st = tv_exact_primal(T, &change, err);
    if (st != SCRY_OK) return st;
    const double off = T->misfit / T->target;
    if (!(T->lambda > 0) && off > 0) T->weight *= fmin(fmax(1 / sqrt(off), 0.5), 2);
    if (!scry_likelihood_is_gaussian(T->fit.L) && S->step % SCORE_EVERY == SCORE_EVERY - 1)
        if ((st = scryi_fit_expand(&T->fit, err)) != SCRY_OK) return st;
    S->step++;
    const bool still =
        change <= o->tolerance * T->still && (T->lambda > 0 || fabs(off - 1) <= OFF * o->tolerance);
    if (S->step >= S->steps || (still && S->step > EXPAND_EVERY)) {
        if ((st = tv_restrain(T, err)) != SCRY_OK) return st;
        p->reason = SCRY_DONE;
        if ((st = scryi_fit_forward(&T->fit, T->u, err)) != SCRY_OK) return st;
    }
    p->residual = sqrt(scryi_fit_chi2(&T->fit));
    p->x = p->x0 = T->u;
    return SCRY_OK;
}

static scry_status tv_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct tv *T = (struct tv *)S;
    const struct tv_options *o = scry_options_block(&S->options);
    scry_status st;
    double change;
    if (T->exact) return tv_exact_step(S, p, err);
    scryi_gradient_add(&T->G, T->p, T->sigma, T->ubar);
    scryi_project_ball(&T->G, T->p);
    if ((st = scryi_fit_forward(&T->fit, T->ubar, err)) != SCRY_OK) return st;
    data_dual(T);
    /* ubar = 2 u - (u before): A u without another transform */
    scry_axpby(T->Au, 0.5, T->fit.Au, 0.5, T->Au, T->fit.m);
    memcpy(T->fit.Au, T->Au, T->fit.m * sizeof(float));
    if (!scry_likelihood_is_gaussian(T->fit.L) && S->step % EXPAND_EVERY == EXPAND_EVERY - 1)
        if ((st = scryi_fit_expand(&T->fit, err)) != SCRY_OK) return st;
    if ((st = tv_primal(T, &change, err)) != SCRY_OK) return st;
    S->step++;

    const bool still = change <= o->tolerance * T->still;
    if (S->step >= S->steps || (still && S->step > EXPAND_EVERY)) {
        p->reason = SCRY_DONE;
        if ((st = scryi_fit_forward(&T->fit, T->u, err)) != SCRY_OK) return st;
    }
    p->residual = sqrt(scryi_fit_chi2(&T->fit));
    p->x = p->x0 = T->u;
    return SCRY_OK;
}

static scry_status tv_plan(scry_solver **out, const scry_problem *problem,
                           const scry_options *options, scry_error *err);

static const scry_option tv_options[] = {
    {"iterations", NULL, SCRY_FIELD(struct tv_options, iterations), 500, 1, 1000000, NULL,
     "iterations at most"},
    {"tolerance", "tol", SCRY_FIELD(struct tv_options, tolerance), 0.01, 0, 1, NULL,
     "ends when a step moves the image by less than this part of 0.1 contrast; of 0.003 of the "
     "root mean square where it is complex"},
    {"tv-weight", "lambda", SCRY_FIELD(struct tv_options, weight), 0, 0, 1e12, NULL,
     "weight of the variation against the log-likelihood, for complex images against "
     "|A u - b|^2/2; 0: least variation with chi2 1"},
    {0},
};

const struct scry_method scry_method_tv = {
    .name = "tv",
    .title = "Total variation",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_GAUSSIAN,
    .exact = "point estimate: least total variation that explains the data",
    .citation = "Rudin, Osher & Fatemi 1992, Physica D 60:259; Chambolle & Pock 2011, JMIV 40:120",
    .options = tv_options,
    .plan = tv_plan,
};

static scry_status tv_plan(scry_solver **out, const scry_problem *problem,
                           const scry_options *options, scry_error *err)
{
    scry_status st = SCRY_OK;
    double norm2;
    const struct tv_options *o = scry_options_block(options);
    const scry_op *A = scry_likelihood_op(problem->L);
    struct tv *T = scry_alloc(1, sizeof *T);
    if (!T) return SCRY_FAIL(err, SCRY_ENOMEM, "tv");
    T->base = (scry_solver){.method = &scry_method_tv,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(A),
                            .steps = o->iterations,
                            .start_fn = tv_start,
                            .step_fn = tv_step,
                            .destroy = tv_method_destroy};
    if ((st = scryi_fit_create(&T->fit, problem, &T->base.counts, err)) != SCRY_OK) goto done;
    const size_t n = T->base.n = T->fit.n, m = T->fit.m;
    scryi_difference_init(&T->G, &T->base.space);
    T->u = scry_alloc(n, sizeof(float));
    T->ubar = scry_alloc(n, sizeof(float));
    T->z = scry_alloc(n, sizeof(float));
    T->p = scry_alloc(n, (size_t)T->G.axes * sizeof(float));
    T->q = scry_alloc(m, sizeof(float));
    T->c = scry_alloc(m, sizeof(float));
    T->Au = scry_alloc(m, sizeof(float));
    T->exact = !T->base.space.cplx && scry_op_sampled_rank(A) >= 0;
    if (T->exact) {
        T->o = scry_alloc(n, sizeof(float));
        T->condition.resume = true;
        st = scryi_condition_init(&T->condition, A, NULL, scry_likelihood_is_gaussian(problem->L),
                                  &T->base.counts, err);
        if (st != SCRY_OK) goto done;
    }
    const bool fits = T->base.space.cplx && !(o->weight > 0);
    if (fits) T->cg = scry_alloc(1, scry_cg_work_bytes(n));
    if (!T->u || !T->ubar || !T->z || !T->p || !T->q || !T->c || !T->Au || (fits && !T->cg) ||
        (T->exact && !T->o)) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "tv: %zu pixels", n);
        goto done;
    }
    if ((st = scry_op_norm2(A, &norm2, 1e-3, err)) != SCRY_OK) goto done;
    if (!(norm2 > 0)) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "tv: %s is 0", scry_op_name(A));
        goto done;
    }
    T->s = 1 / sqrt(norm2);
    *out = &T->base;
    T = NULL;
done:
    if (T) tv_method_destroy(&T->base);
    return st;
}
