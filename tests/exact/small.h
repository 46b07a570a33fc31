#ifndef SCRY_TESTS_EXACT_SMALL_H
#define SCRY_TESTS_EXACT_SMALL_H

#include "tests/exact/exact.h"

/* Six pixels with a Gaussian prior, blurred or masked: the posterior in closed form. */

static inline void fill_blur(struct world *w)
{
    static const double kernel[3] = {0.27, 0.5, 0.23};
    w->m = w->n;
    for (size_t i = 0; i < w->m * w->n; i++)
        w->A[i] = 0;
    for (size_t i = 0; i < w->n; i++)
        for (size_t k = 0; k < 3; k++)
            w->A[i * w->n + (i + k + w->n - 1) % w->n] += kernel[k];
    for (size_t i = 0; i < w->m; i++)
        w->y[i] = 0.8 * cos(1.1 * (double)i) + 0.2;
    w->sigma = 0.3;
}

static inline void fill_mask(struct world *w, unsigned char *known)
{
    w->m = 0;
    for (size_t i = 0; i < w->n * w->n; i++)
        w->A[i] = 0;
    for (size_t i = 0; i < w->n; i++) {
        known[i] = i % 3 != 1;
        if (known[i]) w->A[w->m++ * w->n + i] = 1;
    }
    for (size_t i = 0; i < w->m; i++)
        w->y[i] = 0.9 * cos(1.9 * (double)i) + 0.1;
    w->sigma = 0.3;
}

struct setup {
    scry_op *A;
    scry_likelihood *L;
    scry_prior *prior;
    scry_problem problem;
};

static inline void build(struct setup *s, const struct world *w, const unsigned char *known)
{
    scry_error err = {0};
    float y[EXACT_MAX];
    const scry_space dom = SCRY_SPACE(w->n), cod = SCRY_SPACE(w->m);
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = w->sigma};
    for (size_t i = 0; i < w->m; i++)
        y[i] = (float)w->y[i];
    if (known)
        assert_ok(scry_mask_create(&s->A, &dom, known, &err));
    else
        assert_ok(scry_dense_create(&s->A, &dom, &cod, w->A, &err));
    assert_ok(scry_likelihood_create(&s->L, s->A, y, &noise, NULL, &err));
    assert_ok(scry_gaussian_create_dense(&s->prior, &dom, w->mean, w->C, &err));
    s->problem = (scry_problem){.L = s->L, .prior = s->prior, .model = s->prior};
}

static inline void drop(struct setup *s)
{
    scry_likelihood_free(s->L);
    scry_op_free(s->A);
    scry_prior_free(s->prior);
}

static inline void world_blur(struct world *w)
{
    world_prior(w, 6, 0.8);
    fill_blur(w);
    world_solve(w);
}

static inline void world_mask(struct world *w, unsigned char *known)
{
    world_prior(w, 6, 0.8);
    fill_mask(w, known);
    world_solve(w);
}

/* Mean and sd of one pixel seen in counts, prior N(prior_mean, prior_var), by quadrature of the
 * shifted Poisson distribution of operators/likelihood.h. */
static inline void quadrature(double *mean, double *sd, double y, const scry_noise *noise,
                              const scry_affine *map, double prior_mean, double prior_var)
{
    double sum[3] = {0}, max = -INFINITY;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < 4000; i++) {
            const double u = -2 + 6 * (i + 0.5) / 4000, r2 = noise->read_noise * noise->read_noise;
            const double m = map->scale * u + map->shift + noise->background + r2;
            if (m <= 0) continue;
            const double e = (y - noise->offset) * noise->gain + r2;
            const double lp = e * log(m) - m - pow(u - prior_mean, 2) / (2 * prior_var);
            if (pass == 0) max = fmax(max, lp);
            for (int k = 0; k < 3 && pass == 1; k++)
                sum[k] += exp(lp - max) * pow(u, k);
        }
    *mean = sum[1] / sum[0];
    *sd = sqrt(sum[2] / sum[0] - *mean * *mean);
}

/* Four pixels seen by a camera that counts light, each with its own posterior. */
enum { COUNTED = 4 };
static const double counted_mean[COUNTED] = {-0.5, 0, 0.5, 1}, counted_variance = 0.16;
static const float counted_y[COUNTED] = {106, 118, 166, 223};
static const scry_affine counted_map = {20, 22};
static const scry_noise counted_noise = {.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                                         .gain = 0.5,
                                         .offset = 100,
                                         .read_noise = 1.5,
                                         .background = 2};

static inline void build_counted(struct setup *s)
{
    scry_error err = {0};
    const scry_space space = SCRY_SPACE(COUNTED);
    const unsigned char known[COUNTED] = {1, 1, 1, 1};
    double C[COUNTED * COUNTED] = {0};
    for (size_t i = 0; i < COUNTED; i++)
        C[i * COUNTED + i] = counted_variance;
    assert_ok(scry_mask_create(&s->A, &space, known, &err));
    assert_ok(scry_likelihood_create(&s->L, s->A, counted_y, &counted_noise, &counted_map, &err));
    assert_ok(scry_gaussian_create_dense(&s->prior, &space, counted_mean, C, &err));
    s->problem = (scry_problem){.L = s->L, .prior = s->prior, .model = s->prior};
}

/* Means within `bias` of the exact sd and sd within `spread` of it, and four standard errors. The
 * prior is wider by the variance `blur`. */
static inline void check_counted(const scry_chains *c, double blur, double bias, double spread)
{
    const double K = (double)c->done;
    for (size_t i = 0; i < COUNTED; i++) {
        double mean, sd;
        quadrature(&mean, &sd, counted_y[i], &counted_noise, &counted_map, counted_mean[i],
                   counted_variance + blur);
        assert_near(c->mean[i], mean, sd * (bias + 4 / sqrt(K)));
        assert_near(c->sd[i] / sd, 1, spread + 4 / sqrt(2 * K));
    }
}

#endif
