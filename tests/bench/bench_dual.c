/* Iterations and processor time of the linear solve inside every data step, on a camera image of
 * some hundred electrons behind an open blur: by operator and model one after the other, as
 * solvers/condition.c does where it knows no better, and by operators/dual.h: bench_dual [size]. */
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/blur.h"
#include "operators/dual.h"
#include "priors/gaussian.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PSF = 17 }; /* a Gaussian of sd 2 to its 4 sd */

struct bench {
    scry_op *A;
    scry_prior *model;
    scry_dual *dual;
    size_t n, m;
    double t; /* V = t I; 0: V = C */
    float *w, *r, *q, *S, *u, *v, *y;
    void *op_work, *model_work, *dual_work, *cg_work;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void must(scry_status st, const scry_error *err)
{
    if (st == SCRY_OK) return;
    fprintf(stderr, "%s: %s\n", err->where, err->text);
    exit(1);
}

/* What images have: power falling with the square of the frequency. */
static double power(double f, void *ctx)
{
    (void)ctx;
    return 1e-3 / (1e-4 + f * f);
}

static void gaussian_psf(float *h)
{
    double sum = 0;
    for (int i = 0; i < PSF * PSF; i++) {
        const double y = i / PSF - PSF / 2, x = i % PSF - PSF / 2;
        h[i] = (float)exp(-(y * y + x * x) / 8);
        sum += h[i];
    }
    for (int i = 0; i < PSF * PSF; i++)
        h[i] /= (float)sum;
}

/* An image drawn from the model, 66 electrons a unit, its variance in w; r = w A u + n. */
static void measure(struct bench *b)
{
    scry_error err = {0};
    scry_rng_normal(b->u, 0, b->n, 1, 0, 0);
    must(scry_gaussian_apply(b->model, b->v, b->u, SCRY_GAUSSIAN_SQRT, 0, b->model_work, &err),
         &err);
    must(scry_op_forward(b->A, b->y, b->v, b->op_work, &err), &err);
    scry_rng_normal(b->r, 0, b->m, 2, 0, 0);
    for (size_t i = 0; i < b->m; i++) {
        b->w[i] = (float)(66 / sqrt(fmax(70 + 66 * b->y[i], 4)));
        b->r[i] += b->w[i] * b->y[i];
    }
}

static void setup(struct bench *b, size_t size)
{
    const scry_space s = SCRY_SPACE(size, size), ps = SCRY_SPACE(PSF, PSF);
    float h[PSF * PSF];
    scry_error err = {0};
    gaussian_psf(h);
    must(scry_blur_create(&b->A, &s, h, &ps, SCRY_OPEN, 8, &err), &err);
    must(scry_gaussian_create(&b->model, scry_op_dom(b->A), 2, 0, power, NULL, &err), &err);
    must(scry_dual_create(&b->dual, b->A, 2, &err), &err);
    b->n = scry_space_count(scry_op_dom(b->A));
    b->m = size * size;
    float **data[] = {&b->w, &b->r, &b->q, &b->y}, **image[] = {&b->u, &b->v};
    for (int i = 0; i < 4; i++)
        *data[i] = scry_alloc(b->m, sizeof(float));
    for (int i = 0; i < 2; i++)
        *image[i] = scry_alloc(b->n, sizeof(float));
    b->S = scry_alloc(scry_dual_bins(b->dual), sizeof(float));
    b->op_work = scry_alloc(1, scry_op_work_bytes(b->A));
    b->model_work = scry_alloc(1, scry_prior_work_bytes(b->model));
    b->dual_work = scry_alloc(1, scry_dual_work_bytes(b->dual));
    b->cg_work = scry_alloc(1, scry_cg_work_bytes(b->m));
    must(scry_gaussian_spectrum(b->model, b->S, SCRY_GAUSSIAN_COV, 0, &err), &err);
    measure(b);
}

static scry_status apply(void *ctx, float *out, const float *in, scry_error *err)
{
    struct bench *b = ctx;
    scry_status st;
    for (size_t i = 0; i < b->m; i++)
        b->y[i] = b->w[i] * in[i];
    if ((st = scry_op_adjoint(b->A, b->u, b->y, b->op_work, err)) != SCRY_OK) return st;
    if (b->t > 0) {
        scry_axpby(b->v, b->t, b->u, 0, b->u, b->n);
    } else {
        st = scry_gaussian_apply(b->model, b->v, b->u, SCRY_GAUSSIAN_COV, 0, b->model_work, err);
        if (st != SCRY_OK) return st;
    }
    if ((st = scry_op_forward(b->A, b->y, b->v, b->op_work, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < b->m; i++)
        out[i] = b->w[i] * b->y[i] + in[i];
    return SCRY_OK;
}

static void compare(struct bench *b, double t, double tol)
{
    scry_error err = {0};
    scry_cg_result plain, fast;
    b->t = t;
    scry_scale(b->q, 0, b->m);
    const double first = now();
    must(scry_cg(apply, b, b->q, b->r, b->m, tol, 2000, b->cg_work, &plain, &err), &err);
    const double second = now();
    scry_scale(b->q, 0, b->m);
    const double third = now();
    must(scry_dual_solve(b->dual, b->q, b->r, b->w, t > 0 ? NULL : b->S, t > 0 ? t : 1, tol, 2000,
                         b->dual_work, &fast, &err),
         &err);
    const double last = now();
    printf("%8.3g %8.0e %7zu %9.1f ms %7zu %9.1f ms\n", t, tol, plain.iterations,
           1e3 * (second - first), fast.iterations, 1e3 * (last - third));
}

int main(int argc, char **argv)
{
    const size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
    const double variances[] = {4, 1, 0.25, 0.06, 0.01, 0}, tolerances[] = {1e-2, 1e-4};
    struct bench b = {0};
    setup(&b, size);
    printf("%zu x %zu; V = t I, or the covariance of the model where t is 0\n", size, size);
    printf("%8s %8s %20s %20s\n", "t", "tol", "one after the other", "dual");
    for (size_t i = 0; i < sizeof variances / sizeof *variances; i++)
        for (size_t k = 0; k < sizeof tolerances / sizeof *tolerances; k++)
            compare(&b, variances[i], tolerances[k]);
    float *arrays[] = {b.w, b.r, b.q, b.S, b.u, b.v, b.y};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        scry_free(arrays[i]);
    void *works[] = {b.op_work, b.model_work, b.dual_work, b.cg_work};
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        scry_free(works[i]);
    scry_dual_free(b.dual);
    scry_prior_free(b.model);
    scry_op_free(b.A);
    return 0;
}
