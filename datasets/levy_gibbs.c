/* Gold posteriors of the Levy benchmark. With B = A C, C the running sum, the measurement says of
 * the increments  log p(y | u) = c^T u - u^T Q u / 2 + const,  Q = B^T B / sigma^2,
 * c = B^T y / sigma^2. */
#include "datasets/levy.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

enum { BATCHES = 20 };

struct gibbs {
    size_t n;
    const scry_increments *increments;
    gsl_rng *rng;
    double *Q, *c;     /* n x n, n */
    double *u, *w;     /* increments and their latent variances */
    unsigned char *v;  /* 1: the increment is not 0 */
    size_t *active, s; /* the increments with v = 1, and their number */
    double *L;         /* s x s: lower factor of Q + diag(1/w) on them, column by column */
    double *a;         /* s: L^-1 c, then E[u | v, w] on them */
    double *T, *G, *h; /* jumps: L^-1 Q (s x n); B^T S^-1 B and B^T S^-1 y, S = Cov[y | v, w] */
    double *x, *mean, *batch, *sum, *sum_x, *sum_xx; /* n; batch: BATCHES x n */
};

static scry_status gibbs_create(struct gibbs *g, size_t n, scry_error *err)
{
    double **const vectors[] = {&g->c, &g->u,    &g->w,   &g->a,     &g->h,
                                &g->x, &g->mean, &g->sum, &g->sum_x, &g->sum_xx};
    double **const squares[] = {&g->Q, &g->L, &g->T, &g->G};
    bool whole = true;
    g->n = n;
    for (size_t k = 0; k < sizeof vectors / sizeof *vectors; k++)
        whole &= (*vectors[k] = scry_alloc(n, sizeof(double))) != NULL;
    for (size_t k = 0; k < sizeof squares / sizeof *squares; k++)
        whole &= (*squares[k] = scry_alloc(n * n, sizeof(double))) != NULL;
    whole &= (g->batch = scry_alloc(BATCHES * n, sizeof *g->batch)) != NULL;
    whole &= (g->v = scry_alloc(n, 1)) != NULL;
    whole &= (g->active = scry_alloc(n, sizeof *g->active)) != NULL;
    whole &= (g->rng = gsl_rng_alloc(scry_rng_gsl())) != NULL;
    return whole ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "Gibbs sampler of %zu values", n);
}

static void gibbs_clear(struct gibbs *g)
{
    double *const blocks[] = {g->Q, g->L, g->T,    g->G,   g->c,     g->u,      g->w,    g->a,
                              g->h, g->x, g->mean, g->sum, g->sum_x, g->sum_xx, g->batch};
    for (size_t k = 0; k < sizeof blocks / sizeof *blocks; k++)
        scry_free(blocks[k]);
    scry_free(g->v);
    scry_free(g->active);
    if (g->rng) gsl_rng_free(g->rng);
}

/* B (into T and G: m <= n rows), Q and c. */
static void gibbs_inform(struct gibbs *g, const scry_levy *p, const float *y)
{
    const size_t n = g->n;
    const double t = 1 / (p->sigma * p->sigma);
    double *B = g->T;
    for (size_t j = 0; j < p->m; j++) {
        double sum = 0;
        for (size_t i = n; i-- > 0;)
            B[j * n + i] = sum += p->A[j * n + i];
    }
    for (size_t j = 0; j < p->m; j++)
        for (size_t i = 0; i < n; i++) {
            const double b = B[j * n + i] * t;
            g->c[i] += b * y[j];
            for (size_t k = 0; k < n; k++)
                g->Q[i * n + k] += b * B[j * n + k];
        }
}

/* Cholesky, right-looking: the inner loop runs along a column of L, which is contiguous. */
static bool gibbs_factorise(double *L, size_t s)
{
    for (size_t j = 0; j < s; j++) {
        double *restrict column = L + j * s;
        if (!(column[j] > 0 && isfinite(column[j]))) return false;
        const double root = 1 / sqrt(column[j]);
        for (size_t i = j; i < s; i++)
            column[i] *= root;
        for (size_t k = j + 1; k < s; k++) {
            double *restrict other = L + k * s;
            const double f = column[k];
            for (size_t i = k; i < s; i++)
                other[i] -= f * column[i];
        }
    }
    return true;
}

static void gibbs_solve_lower(const double *L, size_t s, double *b)
{
    for (size_t j = 0; j < s; j++) {
        const double f = b[j] /= L[j * s + j];
        for (size_t i = j + 1; i < s; i++)
            b[i] -= f * L[j * s + i];
    }
}

static void solve_upper(const double *L, size_t s, double *b)
{
    for (size_t j = s; j-- > 0;) {
        double sum = b[j];
        for (size_t i = j + 1; i < s; i++)
            sum -= L[j * s + i] * b[i];
        b[j] = sum / L[j * s + j];
    }
}

/* Active set, L and a = L^-1 c. */
static scry_status gibbs_factor(struct gibbs *g, scry_error *err)
{
    g->s = 0;
    for (size_t i = 0; i < g->n; i++)
        if (g->v[i]) g->active[g->s++] = i;
    for (size_t j = 0; j < g->s; j++) {
        const double *q = g->Q + g->active[j] * g->n;
        for (size_t i = j; i < g->s; i++)
            g->L[j * g->s + i] = q[g->active[i]];
        g->L[j * g->s + j] += 1 / g->w[g->active[j]];
        g->a[j] = g->c[g->active[j]];
    }
    if (!gibbs_factorise(g->L, g->s))
        return SCRY_FAIL(err, SCRY_ENUMERIC,
                         "the precision of %zu increments is not positive definite", g->s);
    gibbs_solve_lower(g->L, g->s, g->a);
    return SCRY_OK;
}

/* G = Q - T^T T and h = c - T^T a with T = L^-1 Q on the active increments (Woodbury). */
static void gibbs_marginal(struct gibbs *g)
{
    const size_t n = g->n, s = g->s;
    memcpy(g->G, g->Q, n * n * sizeof *g->G);
    memcpy(g->h, g->c, n * sizeof *g->h);
    for (size_t j = 0; j < s; j++)
        memcpy(g->T + j * n, g->Q + g->active[j] * n, n * sizeof *g->T);
    for (size_t j = 0; j < s; j++) {
        double *restrict row = g->T + j * n;
        const double scale = 1 / g->L[j * s + j];
        for (size_t i = 0; i < n; i++)
            row[i] *= scale;
        for (size_t k = j + 1; k < s; k++)
            for (size_t i = 0; i < n; i++)
                g->T[k * n + i] -= g->L[j * s + k] * row[i];
        for (size_t i = 0; i < n; i++) {
            g->h[i] -= row[i] * g->a[j];
            for (size_t k = 0; k < n; k++)
                g->G[i * n + k] -= row[i] * row[k];
        }
    }
}

/* v_k given the others and all w, u integrated out; a change of w_k v_k is one of rank one in S. */
static void gibbs_switch(struct gibbs *g)
{
    const size_t n = g->n;
    const double prior = log(g->increments->rate / (1 - g->increments->rate));
    for (size_t k = 0; k < n; k++) {
        double *column = g->T; /* free by now */
        const double tau = g->G[k * n + k], beta = g->h[k], w = g->w[k];
        const double without = g->v[k] ? 1 / (1 - w * tau) : 1; /* as if v_k were 0 */
        const double tau0 = tau * without, beta0 = beta * without, d = 1 + w * tau0;
        const double odds = prior + 0.5 * (w * beta0 * beta0 / d - log(d));
        const unsigned char v = gsl_rng_uniform(g->rng) * (1 + exp(-odds)) < 1;
        if (v == g->v[k]) continue;
        const double change = v ? w : -w, f = change / (1 + change * tau);
        memcpy(column, g->G + k * n, n * sizeof *column);
        for (size_t i = 0; i < n; i++) {
            g->h[i] -= f * beta * column[i];
            for (size_t j = 0; j < n; j++)
                g->G[i * n + j] -= f * column[i] * column[j];
        }
        g->v[k] = v;
    }
}

/* E[x | v, w] and a draw of u and x, from the factor. */
static void gibbs_draw(struct gibbs *g)
{
    double *z = g->h; /* free by now */
    for (size_t j = 0; j < g->s; j++)
        z[j] = g->a[j] + gsl_ran_gaussian_ziggurat(g->rng, 1);
    solve_upper(g->L, g->s, g->a);
    solve_upper(g->L, g->s, z);
    memset(g->u, 0, g->n * sizeof *g->u);
    memset(g->mean, 0, g->n * sizeof *g->mean);
    for (size_t j = 0; j < g->s; j++) {
        g->u[g->active[j]] = z[j];
        g->mean[g->active[j]] = g->a[j];
    }
    double x = 0, mean = 0;
    for (size_t i = 0; i < g->n; i++) {
        g->x[i] = x += g->u[i];
        g->mean[i] = mean += g->mean[i];
    }
}

static scry_status gibbs_sweep(struct gibbs *g, scry_error *err)
{
    scry_status st;
    for (size_t i = 0; i < g->n; i++)
        g->w[i] = scry_increments_latent(g->increments, g->v[i], g->u[i], g->rng);
    if ((st = gibbs_factor(g, err)) != SCRY_OK) return st;
    if (scry_increments_sparse(g->increments)) {
        gibbs_marginal(g);
        gibbs_switch(g);
        if ((st = gibbs_factor(g, err)) != SCRY_OK) return st;
    }
    gibbs_draw(g);
    return SCRY_OK;
}

static scry_status gibbs_run(struct gibbs *g, scry_levy_posterior *out, const scry_levy_gibbs *opts,
                             scry_error *err)
{
    const size_t n = g->n;
    for (size_t i = 0; i < n; i++) {
        g->v[i] = 1;
        g->w[i] = scry_increments_typical(g->increments);
    }
    scry_status st = gibbs_factor(g, err);
    if (st != SCRY_OK) return st;
    gibbs_draw(g);
    for (size_t k = 0; k < opts->burn_in; k++)
        if ((st = gibbs_sweep(g, err)) != SCRY_OK) return st;
    for (size_t k = 0; k < opts->sweeps; k++) {
        if ((st = gibbs_sweep(g, err)) != SCRY_OK) return st;
        double *batch = g->batch + k / (opts->sweeps / BATCHES) * n;
        for (size_t i = 0; i < n; i++) {
            batch[i] += g->mean[i];
            g->sum_x[i] += g->x[i];
            g->sum_xx[i] += g->x[i] * g->x[i];
        }
        if (out->kept < (k + 1) * opts->keep / opts->sweeps)
            memcpy(out->samples + out->kept++ * n, g->x, n * sizeof *g->x);
    }
    return SCRY_OK;
}

static void levy_gibbs_summarise(scry_levy_posterior *out, const struct gibbs *g, size_t sweeps)
{
    const double count = (double)sweeps;
    for (size_t i = 0; i < g->n; i++) {
        double spread = 0;
        for (size_t b = 0; b < BATCHES; b++)
            out->mean[i] += g->batch[b * g->n + i] / count;
        for (size_t b = 0; b < BATCHES; b++) {
            const double d = g->batch[b * g->n + i] / (count / BATCHES) - out->mean[i];
            spread += d * d;
        }
        out->error[i] = sqrt(spread / (BATCHES * (BATCHES - 1.0)));
        const double mean = g->sum_x[i] / count;
        out->sd[i] = sqrt(fmax(0, g->sum_xx[i] / count - mean * mean));
    }
}

scry_status scry_levy_condition(scry_levy_posterior *out, const scry_levy *problem, const float *y,
                                const scry_levy_gibbs *opts, scry_error *err)
{
    const size_t n = problem->n;
    struct gibbs g = {.increments = &problem->increments};
    scry_levy_posterior p = {.n = n};
    scry_status st;
    if (!opts->sweeps || opts->sweeps % BATCHES || opts->keep > opts->sweeps)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%zu sweeps and %zu samples, expected a multiple of %d and no more than "
                         "sweeps",
                         opts->sweeps, opts->keep, BATCHES);
    if ((st = gibbs_create(&g, n, err)) != SCRY_OK) goto done;
    p.mean = scry_alloc(n, sizeof *p.mean);
    p.error = scry_alloc(n, sizeof *p.error);
    p.sd = scry_alloc(n, sizeof *p.sd);
    p.samples = scry_alloc(opts->keep * n, sizeof *p.samples);
    if (!p.mean || !p.error || !p.sd || !p.samples) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu samples of %zu values", opts->keep, n);
        goto done;
    }
    scry_rng_gsl_seek(g.rng, opts->seed, 0, 0, 0);
    gibbs_inform(&g, problem, y);
    if ((st = gibbs_run(&g, &p, opts, err)) != SCRY_OK) goto done;
    levy_gibbs_summarise(&p, &g, opts->sweeps);
    *out = p;
    p = (scry_levy_posterior){0};
done:
    scry_levy_posterior_clear(&p);
    gibbs_clear(&g);
    return st;
}

void scry_levy_posterior_clear(scry_levy_posterior *p)
{
    scry_free(p->mean);
    scry_free(p->error);
    scry_free(p->sd);
    scry_free(p->samples);
    *p = (scry_levy_posterior){0};
}
