#include "priors/levy.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "priors/prior_impl.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

struct levy {
    scry_prior base;
    size_t n;
    scry_increments increments;
    scry_levy_opts opts;
};

/* Given the variances q_i = v_i w_i of the increments, the measurement of x_i .. x_n says
 *   log p(measured i .. n | x_i) = eta_i x_i - lambda_i x_i^2 / 2 + const,
 * and passes g_i = 1 / (1 + q_i lambda_i) of it across increment i. q_i = 0 needs no exception. */
struct chain {
    const scry_increments *increments;
    gsl_rng rng;
    size_t n;
    double precision; /* 1 / s^2 of the measurement */
    double *h;        /* x / s^2: its information */
    double *w, *u, *q, *lambda, *g, *eta;
    double *mean;                       /* E[x0 | q] */
    double *sum, *cv, *sum_cv, *sum_mv; /* averages over sweeps */
    unsigned char *v;
};

enum { CHAIN_VECTORS = 12 };

static size_t levy_work_bytes(size_t n)
{
    return scry_align_up(scry_rng_gsl()->size) + CHAIN_VECTORS * n * sizeof(double) + n;
}

static struct chain chain_carve(const struct levy *P, void *work)
{
    const size_t n = P->n;
    char *at = work;
    struct chain c = {.increments = &P->increments, .n = n, .rng = {scry_rng_gsl(), work}};
    double *p = (double *)(void *)(at + scry_align_up(scry_rng_gsl()->size));
    double **const vectors[] = {&c.h,   &c.w,    &c.u,   &c.q,  &c.lambda, &c.g,
                                &c.eta, &c.mean, &c.sum, &c.cv, &c.sum_cv, &c.sum_mv};
    _Static_assert(sizeof vectors / sizeof *vectors == CHAIN_VECTORS, "one vector each");
    for (size_t k = 0; k < CHAIN_VECTORS; k++)
        *vectors[k] = p + k * n;
    c.v = (unsigned char *)(p + CHAIN_VECTORS * n);
    return c;
}

/* Sebastiano Vigna's splitmix64, which spreads each bit over all. */
static uint64_t levy_prior_mix(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static uint64_t key_of(const float *x, size_t n, float sigma, uint64_t seed)
{
    uint32_t bits;
    memcpy(&bits, &sigma, sizeof bits);
    uint64_t key = levy_prior_mix(levy_prior_mix(seed) ^ bits);
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, &x[i], sizeof bits);
        key = levy_prior_mix(key ^ bits);
    }
    return key;
}

static void chain_start(struct chain *c, const float *x, float sigma, uint64_t seed)
{
    scry_rng_gsl_seek(&c->rng, key_of(x, c->n, sigma, seed), 0, 0, 0);
    c->precision = 1 / ((double)sigma * sigma);
    for (size_t i = 0; i < c->n; i++) {
        c->h[i] = x[i] * c->precision;
        c->w[i] = c->q[i] = scry_increments_typical(c->increments);
        c->v[i] = 1;
        c->sum[i] = c->sum_cv[i] = c->sum_mv[i] = 0;
    }
}

static void chain_pass_back(struct chain *c)
{
    double lambda = 0;
    for (size_t i = c->n; i-- > 0;) {
        lambda += c->precision;
        c->lambda[i] = lambda;
        c->g[i] = 1 / (1 + c->q[i] * lambda);
        lambda *= c->g[i];
    }
}

/* eta for the information h; and E[x0 | q] for it, which is linear: Cov[x0 | q] h. */
static void chain_inform(struct chain *c, const double *h)
{
    double eta = 0;
    for (size_t i = c->n; i-- > 0;) {
        eta += h[i];
        c->eta[i] = eta;
        eta *= c->g[i];
    }
}

static void chain_smooth(struct chain *c, double *out)
{
    double x = 0;
    for (size_t i = 0; i < c->n; i++)
        out[i] = x += c->q[i] * c->g[i] * (c->eta[i] - c->lambda[i] * x);
}

static void chain_draw(struct chain *c)
{
    double x = 0;
    for (size_t i = 0; i < c->n; i++) {
        const double spread = c->q[i] * c->g[i];
        c->u[i] = spread * (c->eta[i] - c->lambda[i] * x);
        if (spread > 0) c->u[i] += sqrt(spread) * gsl_ran_gaussian_ziggurat(&c->rng, 1);
        x += c->u[i];
    }
}

/* log p(measured i .. n | x_i ~ N(m, V)) up to terms without V */
static double levy_prior_evidence(double V, double m, double lambda, double eta)
{
    const double r = eta - lambda * m, d = 1 + V * lambda;
    return 0.5 * (r * r * V / d - log(d));
}

/* v_i given all other v and all w, signal integrated out: (m, V) is x_i given the measurements
 * before it and the v already drawn; eta, lambda are of those after it, with the v of old. */
static void chain_switch(struct chain *c)
{
    const double prior = log(c->increments->rate / (1 - c->increments->rate));
    double m = 0, V = 0;
    for (size_t i = 0; i < c->n; i++) {
        const double odds = prior + levy_prior_evidence(V + c->w[i], m, c->lambda[i], c->eta[i]) -
                            levy_prior_evidence(V, m, c->lambda[i], c->eta[i]);
        c->v[i] = gsl_rng_uniform(&c->rng) * (1 + exp(-odds)) < 1;
        c->q[i] = c->v[i] ? c->w[i] : 0;
        V += c->q[i];
        V /= 1 + V * c->precision;
        m += V * (c->h[i] - c->precision * m);
    }
}

/* Ends with new q, and eta, lambda, g for it. */
static void chain_sweep(struct chain *c)
{
    chain_draw(c);
    for (size_t i = 0; i < c->n; i++) {
        c->w[i] = scry_increments_latent(c->increments, c->v[i], c->u[i], &c->rng);
        c->q[i] = c->v[i] ? c->w[i] : 0;
    }
    chain_pass_back(c);
    chain_inform(c, c->h);
    if (!scry_increments_sparse(c->increments)) return;
    chain_switch(c);
    chain_pass_back(c);
    chain_inform(c, c->h);
}

/* sum of E[x0 | q] and, for a vector a, of Cov[x0 | q] a, and of E[x0 | q] <E[x0 | q], a> */
static double chain_add(struct chain *c, const float *a)
{
    double along = 0;
    chain_smooth(c, c->mean);
    for (size_t i = 0; i < c->n; i++)
        c->sum[i] += c->mean[i];
    if (!a) return 0;
    for (size_t i = 0; i < c->n; i++) {
        along += c->mean[i] * a[i];
        c->cv[i] = a[i];
    }
    for (size_t i = 0; i < c->n; i++)
        c->sum_mv[i] += c->mean[i] * along;
    chain_inform(c, c->cv);
    chain_smooth(c, c->cv);
    for (size_t i = 0; i < c->n; i++)
        c->sum_cv[i] += c->cv[i];
    chain_inform(c, c->h);
    return along;
}

/* Cov[x0 | x] = E[Cov[x0 | q]] + Cov[E[x0 | q]]; a NULL: the mean alone. */
static void levy_moments(const struct levy *P, float *x0, float *g, const float *x, const float *a,
                         float sigma, void *work)
{
    struct chain c = chain_carve(P, work);
    const bool exact = P->increments.kind == SCRY_INCREMENT_GAUSSIAN;
    const size_t sweeps = exact ? 1 : P->opts.sweeps;
    double along = 0;
    chain_start(&c, x, sigma, P->opts.seed);
    chain_pass_back(&c);
    chain_inform(&c, c.h);
    for (size_t k = 0; !exact && k < P->opts.burn_in; k++)
        chain_sweep(&c);
    for (size_t k = 0; k < sweeps; k++) {
        if (!exact) chain_sweep(&c);
        along += chain_add(&c, a);
    }
    for (size_t i = 0; g && i < c.n; i++) {
        double spread = 0;
        if (!exact)
            spread = (c.sum_mv[i] - c.sum[i] * along / (double)sweeps) / (double)(sweeps - 1);
        g[i] = (float)((c.sum_cv[i] / (double)sweeps + spread) * c.precision);
    }
    for (size_t i = 0; x0 && i < c.n; i++)
        x0[i] = (float)(c.sum[i] / (double)sweeps);
}

static scry_status levy_denoise(const scry_prior *P, float *x0, const float *x, float sigma,
                                void *work, scry_error *err)
{
    (void)err;
    levy_moments((const struct levy *)P, x0, NULL, x, NULL, sigma, work);
    return SCRY_OK;
}

/* dD/dx = Cov[x0 | x] / sigma^2 is symmetric. */
static scry_status levy_vjp(const scry_prior *P, float *g, float *x0, const float *x,
                            const float *v, float sigma, void *work, scry_error *err)
{
    (void)err;
    levy_moments((const struct levy *)P, x0, g, x, v, sigma, work);
    return SCRY_OK;
}

static void levy_destroy(scry_prior *P)
{
    scry_free(P);
}

static const struct scry_prior_ops levy_ops = {
    .name = "levy",
    .denoise = levy_denoise,
    .vjp = levy_vjp,
    .destroy = levy_destroy,
};

void scry_levy_opts_init(scry_levy_opts *opts)
{
    *opts = (scry_levy_opts){.burn_in = 20, .sweeps = 100};
}

scry_status scry_levy_create(scry_prior **out, size_t n, const scry_increments *increments,
                             const scry_levy_opts *opts, scry_error *err)
{
    *out = NULL;
    const scry_status st = scry_increments_check(increments, err);
    if (st != SCRY_OK) return st;
    if (!n || n > 1u << 24)
        return SCRY_FAIL(err, SCRY_EINVAL, "signal of %zu values, expected 1 to %u", n, 1u << 24);
    if (opts->sweeps < 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "%zu sweeps, expected at least 2", opts->sweeps);
    struct levy *P = scry_alloc(1, sizeof *P);
    if (!P) return SCRY_FAIL(err, SCRY_ENOMEM, "Levy prior");
    P->base = (scry_prior){.ops = &levy_ops,
                           .space = SCRY_SPACE(n),
                           .work_bytes = levy_work_bytes(n),
                           .sigma_low = SCRYI_SIGMA_LOW,
                           .sigma_high = SCRYI_SIGMA_HIGH};
    P->n = n;
    P->increments = *increments;
    P->opts = *opts;
    *out = &P->base;
    return SCRY_OK;
}
