#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "solvers/methods_impl.h"
#include "solvers/posterior/blurred_impl.h"

#include <math.h>

/* Plug-and-play unadjusted Langevin: with g = grad log p(y | x) + lambda (D(x; s) - x) / s^2,
 *   x' = x + d g(x) + sqrt(2 d) n,      d = zeta / (lambda / s^2 + |A^T W A|)
 * (Laumont et al. 2022, whose alpha and epsilon are lambda and s^2). As d -> 0 its distribution
 * tends to the posterior whose prior is blurred by s. In a direction of precision h the spread is
 * 1 / sqrt(h (1 - d h / 2)), at most about zeta / 4 too wide. The paper's projection onto a box is
 * left out, because images have no fixed range here; a chain that diverges is stopped instead.
 *
 * `scheme kinetic` gives x a velocity v; in a step fresh noise replaces the share eta of its
 * variance, with h = sqrt(2 d):
 *   v += h g(x),   x += h v / 2,   v = sqrt(1 - eta) v + sqrt(eta) n,   x += h v / 2
 * (BAOAB, its two half kicks joined: Leimkuhler, Matthews 2013, AMRX). `scheme postprocessed` is
 * its limit eta = 1, x' = x + d g + sqrt(2 d) (n + n') / 2. On a Gaussian posterior x has the exact
 * spread for every h^2 < 4 over the curvature, zeta < 2, and in a slow direction of spread r it
 * moves by r in about r / h steps where ULA needs (r / h)^2. */

/* How a step of Langevin's equation is made: as published, corrected, or with a velocity. */
enum pnp_ula_scheme { PNP_ULA_PAPER = 0, PNP_ULA_POSTPROCESSED, PNP_ULA_KINETIC };
static const char *const pnp_ula_scheme_names[] = {[PNP_ULA_PAPER] = "paper",
                                                   [PNP_ULA_POSTPROCESSED] = "postprocessed",
                                                   [PNP_ULA_KINETIC] = "kinetic",
                                                   NULL};

struct pnp_ula_options {
    struct scryi_sampler_options sampler;
    struct scryi_blurred_options blurred;
    double step_size;
    enum pnp_ula_scheme scheme;
    double fresh_velocity;
};

struct pnp_ula {
    struct scryi_guided G; /* first */
    struct scryi_langevin L;
    struct scryi_blurred B;
    float *v;
};

static void pnp_ula_kick(struct pnp_ula *M, double d)
{
    struct scryi_sampler *S = &M->G.base;
    const size_t n = S->base.n;
    const double h = sqrt(2 * d);
    const struct pnp_ula_options *o = scry_options_block(&S->base.options);
    const double eta = o->scheme == PNP_ULA_KINETIC ? o->fresh_velocity : 1;
    scry_axpy(M->v, S->base.step ? h : h / 2, M->L.g, n);
    scry_axpy(S->x, h / 2, M->v, n);
    scry_axpby(M->v, sqrt(1 - eta), M->v, sqrt(eta), S->z, n);
    scry_axpy(S->x, h / 2, M->v, n);
}

static scry_status pnp_ula_step(struct scry_solver *base, scry_progress *p, scry_error *err)
{
    struct pnp_ula *M = (struct pnp_ula *)base;
    struct scryi_sampler *S = &M->G.base;
    const struct pnp_ula_options *o = scry_options_block(&base->options);
    const double d = o->step_size / M->B.curvature;
    scry_status st = scryi_blurred_gradient(&M->B, S->x, err);
    if (st != SCRY_OK) return st;
    scryi_sampler_draw(S, S->z, SCRYI_DRAW_STATE);
    if (o->scheme == PNP_ULA_PAPER) {
        scry_axpy(S->x, d, M->L.g, base->n);
        scry_axpy(S->x, sqrt(2 * d), S->z, base->n);
    } else {
        pnp_ula_kick(M, d);
    }
    return scryi_blurred_report(&M->B, 0, p, err);
}

static scry_status pnp_ula_start(struct scry_solver *base, scry_error *err)
{
    struct pnp_ula *M = (struct pnp_ula *)base;
    scry_status st = scryi_guided_start(base, err);
    scry_rng_normal(M->v, 0, base->n, base->seed, base->chain, scry_rng_step(0, SCRYI_DRAW_SPARE));
    return st;
}

static void pnp_ula_destroy(struct scry_solver *base)
{
    struct pnp_ula *M = (struct pnp_ula *)base;
    if (!M) return;
    scry_free(M->v);
    scryi_blurred_clear(&M->B);
    scryi_langevin_clear(&M->L);
    scryi_guided_destroy(base);
}

static scry_status pnp_ula_plan(scry_solver **out, const scry_problem *problem,
                                const scry_options *options, scry_error *err)
{
    const struct pnp_ula_options *o = scry_options_block(options);
    struct scryi_sampler_options levels;
    struct pnp_ula *M = scry_alloc(1, sizeof *M);
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", scry_method_pnp_ula.name);
    struct scry_solver *S = &M->G.base.base;
    S->start_fn = pnp_ula_start;
    S->step_fn = pnp_ula_step;
    S->destroy = pnp_ula_destroy;
    scry_status st = scryi_blurred_levels(&levels, problem, options, &o->sampler, &o->blurred, err);
    if (st == SCRY_OK) st = scryi_guided_init(&M->G, problem, options, &levels, err);
    if (st == SCRY_OK) st = scryi_langevin_init(&M->L, &M->G, err);
    if (st == SCRY_OK) st = scryi_blurred_init(&M->B, &M->L, &o->sampler, &o->blurred, err);
    if (st == SCRY_OK && !(M->v = scry_alloc(S->n, sizeof *M->v)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "pnp-ula: a velocity of %zu values", S->n);
    if (st == SCRY_OK)
        *out = S;
    else
        pnp_ula_destroy(S);
    return st;
}

static const scry_option options[] = {
    SCRYI_STEPS_OPTION(struct pnp_ula_options, 8000, 10000000,
                       "steps of the chain to its first draw"),
    SCRYI_BLURRED_OPTIONS(struct pnp_ula_options),
    {"step-size", "zeta", SCRY_FIELD(struct pnp_ula_options, step_size), 0.15, 1e-6, 2, NULL,
     "step, in units of the largest curvature; above 1 it may diverge"},
    {"scheme", NULL, SCRY_FIELD(struct pnp_ula_options, scheme), PNP_ULA_PAPER, 0, PNP_ULA_KINETIC,
     pnp_ula_scheme_names,
     "paper: Euler steps, as published; postprocessed: steps whose spread is exact for Gaussian "
     "posteriors; kinetic: the same with a velocity, which slow directions need"},
    {"fresh-velocity", "eta", SCRY_FIELD(struct pnp_ula_options, fresh_velocity), 0.25, 1e-6, 1,
     NULL, "share of the velocity that is drawn anew in a step of scheme kinetic"},
    SCRYI_LANGEVIN_START(struct pnp_ula_options),
    SCRYI_DRAWS_OPTIONS(struct pnp_ula_options, 500),
    {0},
};

const struct scry_method scry_method_pnp_ula = {
    .name = "pnp-ula",
    .title = "PnP-ULA, unadjusted Langevin",
    .kind = SCRY_POSTERIOR,
    .needs = SCRY_NEEDS_DENOISER | SCRY_NEEDS_GAUSSIAN,
    .exact = "exact for any prior as step-size and sigma-min fall and steps grow; sd at most "
             "step-size / 4 "
             "too wide, and sigma-min blurs the prior. With scheme kinetic and coupling exact: as "
             "step-size falls and steps grow; for Gaussian posteriors at any step-size",
    .citation = "Laumont et al. 2022, SIAM J. Imaging Sci. 15:701 (arXiv:2103.04715); kinetic: "
                "Leimkuhler, Matthews 2013, AMRX 2013:34",
    .options = options,
    .plan = pnp_ula_plan,
};
