#ifndef SCRY_TESTS_SMALL_BLUR_H
#define SCRY_TESTS_SMALL_BLUR_H

#include "tests/options.h"

#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/dense.h"
#include "solvers/registry.h"

#include <string.h>

/* A small blur with an open boundary as a matrix: data 7 x 6, image 9 x 8, 3 x 3 kernel. */
enum { H = 7, W = 6, PH = 9, PW = 8, M = H * W, N = PH * PW };

static const double kernel[3][3] = {{.03, .11, .07}, {.12, .31, .13}, {.05, .12, .06}};

static inline void blur_matrix(double *A)
{
    memset(A, 0, M * N * sizeof *A);
    for (int i = 0; i < H; i++)
        for (int j = 0; j < W; j++)
            for (int a = 0; a < 3; a++)
                for (int b = 0; b < 3; b++)
                    A[(i * W + j) * N + (i + a) * PW + j + b] = kernel[a][b];
}

static inline double pattern(int i, int j)
{
    return 20 + 15 * sin(0.9 * i + 0.3) * cos(0.7 * j) + (i > 3 && j > 2 ? 31.7 : 0);
}

struct setting {
    double A[M * N];
    float y[M], truth[N];
    scry_op *op;
    scry_likelihood *L;
    scry_problem problem;
    scry_noise noise;
};

static inline void setting_init(struct setting *s, scry_noise noise, uint64_t seed)
{
    scry_error err = {0};
    float z[M];
    blur_matrix(s->A);
    for (int i = 0; i < N; i++)
        s->truth[i] = (float)pattern(i / PW, i % PW);
    scry_rng_normal(z, 0, M, seed, 0, 0);
    for (int k = 0; k < M; k++) {
        double m = noise.background;
        for (int i = 0; i < N; i++)
            m += s->A[k * N + i] * s->truth[i];
        const bool counts = noise.kind != SCRY_NOISE_GAUSSIAN;
        const double sd = counts ? sqrt(m + noise.read_noise * noise.read_noise) : noise.sigma;
        const double e = m + sd * z[k];
        s->y[k] = (float)(counts ? e / noise.gain + noise.offset : e);
    }
    const scry_space dom = SCRY_SPACE(PH, PW), cod = SCRY_SPACE(H, W);
    const scry_affine map = {1, 0};
    s->noise = noise;
    assert_ok(scry_dense_create(&s->op, &dom, &cod, s->A, &err));
    assert_ok(scry_likelihood_create(&s->L, s->op, s->y, &noise, &map, &err));
    s->problem = (scry_problem){.L = s->L, .positive = true};
}

static inline void setting_free(struct setting *s)
{
    scry_likelihood_free(s->L);
    scry_op_free(s->op);
}

static const scry_noise gaussian = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 1.3, .background = 2.385};
static const scry_noise camera = {.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                                  .gain = 0.5,
                                  .offset = 97,
                                  .read_noise = 1.5,
                                  .background = 2.385};

struct setup {
    const char *name;
    double value;
};

/* Runs a method with a few options to its end; the solver is returned for questions. */
static inline scry_progress run(const char *name, const scry_problem *problem,
                                const struct setup *set, float *x, scry_monitor *monitor, void *ctx)
{
    scry_error err = {0};
    scry_solver *S = NULL;
    scry_options opts;
    scry_progress end;
    const struct scry_method *method = scry_method_find(name);
    assert_non_null(method);
    scry_options_init(&opts, method);
    for (; set && set->name; set++)
        assert_ok(scry_options_set(&opts, set->name, set->value, &err));
    assert_ok(scry_solver_plan(&S, problem, &opts, &err));
    assert_ok(scry_solver_start(S, 7, 0, &err));
    assert_ok(scry_solver_run(S, x, monitor, ctx, &end, &err));
    assert_int_equal(end.reason, SCRY_DONE);
    scry_solver_free(S);
    return end;
}

#endif
