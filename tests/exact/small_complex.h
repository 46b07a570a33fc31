#ifndef SCRY_TESTS_EXACT_SMALL_COMPLEX_H
#define SCRY_TESTS_EXACT_SMALL_COMPLEX_H

#include "tests/exact/exact.h"

#include "lib/rng.h"
#include "operators/fourier.h"
#include "priors/complex.h"
#include "tests/exact/closed_form.h"

/* A complex image of 6 x 5 seen by three coils, three lines of k-space measured: 60 unknown
 * numbers, 90 known ones, the posterior in closed form. The prior is a pair of Gaussians, the
 * imaginary part a fifth of the real one, as after a phase map that is nearly right. sigma is per
 * real component, of the noise as of every level: with CN(0, s^2) mistaken for it, spreads would be
 * off by sqrt 2.
 * The matrix is that of the operator on unit vectors; the rest is GSL's. */
enum { NY = 6, NX = 5, PIXELS = NY * NX, COILS = 3 };

struct setup {
    scry_op *A;
    scry_likelihood *L;
    scry_prior *prior;
    scry_problem problem;
};

static inline void fill_part(double *mean, double *C, double sd, double corr)
{
    for (size_t i = 0; i < PIXELS; i++) {
        const double yi = (double)(i / NX), xi = (double)(i % NX);
        mean[i] = sd * 0.3 * sin(1.7 * (double)i + 0.4);
        for (size_t j = 0; j < PIXELS; j++) {
            const double yj = (double)(j / NX), xj = (double)(j % NX);
            C[i * PIXELS + j] = sd * sd * (1 + 0.31 * cos(2.3 * (double)i)) *
                                (1 + 0.31 * cos(2.3 * (double)j)) *
                                pow(corr, fabs(yi - yj) + fabs(xi - xj));
        }
    }
}

/* The prior, and its moments of pairs. */
static inline void fill_prior(struct setup *s, struct world *w)
{
    static double mean[2][PIXELS], C[2][PIXELS * PIXELS];
    const scry_space space = SCRY_SPACE(NY, NX);
    scry_error err = {0};
    scry_prior *part[2];
    w->n = 2 * PIXELS;
    memset(w->C, 0, sizeof w->C);
    for (size_t k = 0; k < 2; k++) {
        fill_part(mean[k], C[k], k ? 0.2 : 1, k ? 0.5 : 0.8);
        assert_ok(scry_gaussian_create_dense(&part[k], &space, mean[k], C[k], &err));
        for (size_t i = 0; i < PIXELS; i++) {
            w->mean[2 * i + k] = mean[k][i];
            for (size_t j = 0; j < PIXELS; j++)
                w->C[(2 * i + k) * w->n + 2 * j + k] = C[k][i * PIXELS + j];
        }
    }
    assert_ok(scry_complex_create(&s->prior, part[0], part[1], &err));
}

static inline scry_op *sense(void)
{
    static const double centre[COILS][2] = {{0, 1}, {5, 0.5}, {2, 5}};
    const unsigned char line[NY] = {0, 1, 0, 1, 1, 0};
    float complex maps[COILS * PIXELS];
    unsigned char mask[PIXELS];
    scry_error err = {0};
    scry_op *A;
    for (size_t i = 0; i < PIXELS; i++) {
        double square = 0;
        mask[i] = line[i / NX];
        for (size_t c = 0; c < COILS; c++) {
            const double dy = (double)(i / NX) - centre[c][0], dx = (double)(i % NX) - centre[c][1];
            const double size = exp(-(dy * dy + dx * dx) / 18);
            const double turn = 0.4 * dx - 0.3 * dy + (double)c;
            maps[c * PIXELS + i] = (float complex)(size * cexp(I * turn));
            square += size * size;
        }
        for (size_t c = 0; c < COILS; c++)
            maps[c * PIXELS + i] /= (float)sqrt(square);
    }
    assert_ok(scry_sense_create(&A,
                                &(scry_sense_params){.maps = maps,
                                                     .coils = COILS,
                                                     .sets = 1,
                                                     .ny = NY,
                                                     .nx = NX,
                                                     .mask = mask,
                                                     .axes = SCRY_FOURIER_YX},
                                &err));
    return A;
}

static inline scry_op *fourier(void)
{
    const scry_space image = {.rank = 2, .dims = {NY, NX}, .cplx = true};
    const unsigned char mask[PIXELS] = {0, 0, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0,
                                        0, 1, 1, 1, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 1};
    scry_error err = {0};
    scry_op *A;
    assert_ok(scry_fourier_create(&A, &image, mask, SCRY_FOURIER_YX, &err));
    return A;
}

/* y = A u + sigma n with u from the prior: w->y and the posterior. */
static inline void build(struct setup *s, struct world *w, scry_op *A)
{
    scry_error err = {0};
    float u[EXACT_MAX], y[EXACT_MAX], n[EXACT_MAX];
    s->A = A;
    fill_prior(s, w);
    w->m = scry_space_floats(scry_op_cod(A));
    w->sigma = 0.3;
    assert_true(w->m <= EXACT_MAX);
    void *work = scry_alloc(1, scry_op_work_bytes(A) + scry_prior_work_bytes(s->prior));
    scry_rng_normal(n, 0, w->n, 77, 0, 0);
    assert_ok(scry_gaussian_apply(s->prior, u, n, SCRY_GAUSSIAN_SQRT, 0, work, &err));
    for (size_t i = 0; i < w->n; i++)
        u[i] += (float)w->mean[i];
    assert_ok(scry_op_forward(A, y, u, work, &err));
    scry_rng_normal(n, 0, w->m, 77, 0, 1);
    for (size_t i = 0; i < w->m; i++) {
        y[i] += (float)w->sigma * n[i];
        w->y[i] = y[i];
    }
    scry_free(work);
    double *M = closed_form_matrix(A);
    memcpy(w->A, M, w->m * w->n * sizeof *M);
    free(M);
    world_solve(w);
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = w->sigma};
    assert_ok(scry_likelihood_create(&s->L, A, y, &noise, NULL, &err));
    s->problem = (scry_problem){.L = s->L, .prior = s->prior, .model = s->prior};
}

static inline void drop(struct setup *s)
{
    scry_likelihood_free(s->L);
    scry_op_free(s->A);
    scry_prior_free(s->prior);
}

#endif
