#include "lib/memory.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/langevin_impl.h"

#include <math.h>
#include <string.h>

/* SK-ROCK: a stabilised explicit step of Langevin's equation, in q = inner stages whose stability
 * polynomial is Chebyshev's T_q. It may be l = (q - 1/2)^2 (2 - 4/3 eta) - 3/2 over the curvature
 * long, where q steps of ULA cover 2 q. Pereyra, Vargas Mieles, Zygalakis 2020: with
 *   w0 = 1 + eta / q^2,  w1 = T_q(w0) / T_q'(w0),  g the gradient of log p(x | y),  n ~ N(0, I),
 *   K_1 = x + mu_1 d g(x + nu_1 sqrt(2 d) n) + k_1 sqrt(2 d) n
 *   K_j = mu_j d g(K_j-1) + nu_j K_j-1 + (1 - nu_j) K_j-2,        x' = K_q
 *   mu_1 = w1 / w0,  nu_1 = q w1 / 2,  k_1 = q w1 / w0,
 *   mu_j = 2 w1 T_j-1(w0) / T_j(w0),  nu_j = 2 w0 T_j-1(w0) / T_j(w0).
 * The prior is that of PnP-ULA. On a Gaussian posterior, with five stages, a direction of precision
 * h keeps its sd to 3 % while d h < 1.4 and to 5 % while d h < 1.9; stiffer ones come out too
 * narrow, the more so the longer the step: zeta = 1, the published choice, is for speed. */

static const double ETA = 0.05; /* damping, as published */

struct sk_rock {
    struct scryi_langevin base;
    float *last, *before; /* K_j-1, K_j-2 */
    double d;             /* step */
    double w0, w1;
};

/* T_q and T_q' at w0. */
static void chebyshev(size_t q, double w0, double *T, double *slope)
{
    double t[2] = {1, w0}, d[2] = {0, 1};
    for (size_t j = 2; j <= q; j++) {
        const double next = 2 * w0 * t[1] - t[0], next_d = 2 * t[1] + 2 * w0 * d[1] - d[0];
        t[0] = t[1];
        t[1] = next;
        d[0] = d[1];
        d[1] = next_d;
    }
    *T = t[1];
    *slope = d[1];
}

/* K_1 in M->last, with x in M->before. */
static scry_status first_stage(struct sk_rock *M, double s, scry_error *err)
{
    struct scryi_sampler *S = &M->base.base.base;
    const struct scry_solver *base = &S->base;
    const double q = (double)base->opts.inner, size = sqrt(2 * M->d);
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    memcpy(M->before, S->x, base->n * sizeof *S->x);
    scry_axpby(M->last, 1, S->x, size * q * M->w1 / 2, S->z, base->n);
    scry_status st = scryi_langevin_gradient(&M->base, M->last, s, 1, base->opts.lambda, err);
    const float drift = (float)(M->d * M->w1 / M->w0), noise = (float)(size * q * M->w1 / M->w0);
    for (size_t i = 0; i < base->n; i++)
        M->last[i] = S->x[i] + drift * M->base.g[i] + noise * S->z[i];
    return st;
}

static scry_status step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct sk_rock *M = (struct sk_rock *)base;
    struct scryi_sampler *S = &M->base.base.base;
    const double s = S->sigma[base->step], w0 = M->w0;
    double before = 1, last = w0; /* T_j-2, T_j-1 */
    scry_status st = first_stage(M, s, err);
    for (size_t j = 2; j <= base->opts.inner && st == SCRY_OK; j++) {
        const double T = 2 * w0 * last - before, nu = 2 * w0 * last / T;
        st = scryi_langevin_gradient(&M->base, M->last, s, 1, base->opts.lambda, err);
        const float drift = (float)(M->d * 2 * M->w1 * last / T), keep = (float)nu;
        for (size_t i = 0; i < base->n; i++) {
            const float next = drift * M->base.g[i] + keep * M->last[i] + (1 - keep) * M->before[i];
            M->before[i] = M->last[i];
            M->last[i] = next;
        }
        before = last;
        last = T;
    }
    if (st != SCRY_OK) return st;
    memcpy(S->x, M->last, base->n * sizeof *S->x);
    scryi_langevin_report(&M->base, s, p);
    return SCRY_OK;
}

static void destroy(struct scry_solver *base)
{
    struct sk_rock *M = (struct sk_rock *)base;
    if (!M) return;
    scry_free(M->last);
    scry_free(M->before);
    scryi_langevin_destroy(base);
}

static void choose_step(struct sk_rock *M)
{
    const struct scry_solver *base = &M->base.base.base.base;
    const double q = (double)base->opts.inner, s = base->opts.sigma_min;
    double T, slope;
    M->w0 = 1 + ETA / (q * q);
    chebyshev(base->opts.inner, M->w0, &T, &slope);
    M->w1 = T / slope;
    const double longest = (q - 0.5) * (q - 0.5) * (2 - 4 * ETA / 3) - 1.5;
    M->d = base->opts.zeta * longest / (base->opts.lambda / (s * s) + M->base.data);
}

static scry_status plan(scry_solver **out, const scry_problem *problem,
                        const scry_solver_opts *opts, scry_error *err)
{
    struct sk_rock *M = scry_alloc(1, sizeof *M);
    scry_solver_opts flat = *opts;
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_sk_rock.name);
    struct scry_solver *S = &M->base.base.base.base;
    S->start_fn = scryi_guided_start;
    S->step_fn = step;
    S->destroy = destroy;
    scryi_langevin_flatten(&flat);
    scry_status st = scryi_langevin_init(&M->base, &scry_method_sk_rock, problem, &flat, err);
    if (st == SCRY_OK) {
        M->last = scry_alloc(S->n, sizeof *M->last);
        M->before = scry_alloc(S->n, sizeof *M->before);
        if (!M->last || !M->before)
            st = SCRY_FAIL(err, SCRY_ENOMEM, "sk-rock: two stages of %zu values", S->n);
    }
    if (st != SCRY_OK) {
        destroy(S);
        return st;
    }
    choose_step(M);
    *out = S;
    return SCRY_OK;
}

static const scry_option options[] = {
    {"steps", 400, 1, 10000000, "steps of the chain to its first draw"},
    {"inner", 5, 2, 100, "stages of a step, each a call of the denoiser"},
    {"sigma-min", 0.05, 1e-6, 1e6, "noise level of the denoiser, by which the prior is blurred"},
    {"lambda", 1, 1e-6, 1e6, "weight of the prior; 1 is the posterior"},
    {"zeta", 0.1, 1e-6, 1, "share of the longest stable step; 1 is the published choice"},
    SCRYI_LANGEVIN_START,
    SCRYI_WALK_OPTIONS(20),
    {0},
};

const struct scry_method scry_method_sk_rock = {
    .name = "sk-rock",
    .title = "SK-ROCK, stabilised Langevin",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for any prior as zeta and sigma-min fall and steps grow; long steps leave the "
             "stiffest directions too narrow, and sigma-min blurs the prior",
    .citation = "Pereyra, Vargas Mieles, Zygalakis 2020, SIAM J. Imaging Sci. 13:905 "
                "(arXiv:1908.08845)",
    .options = options,
    .plan = plan,
};
