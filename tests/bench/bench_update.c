/* Iterations and processor time of the linear solve inside every data step, on a camera image
 * behind an open blur: by operator and model one after the other, to a residual of 1e-2, as
 * solvers/condition.c does where it knows no better, and by operators/update.h:
 *   bench_update [size [electrons]] */
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/blur.h"
#include "operators/update.h"
#include "priors/gaussian.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { PSF = 17 }; /* a Gaussian of sd 2 to its 4 sd */

struct bench {
    scry_op *A;
    scry_prior *model;
    scry_update *update;
    size_t n, m;
    double t; /* V = t I; 0: V = C */
    float *w, *r, *q, *S, *d, *u, *v, *y;
    void *op_work, *model_work, *update_work, *cg_work;
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

/* The spectrum of images: power falling with the square of the frequency. */
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

/* An image drawn from the model, its negative part dark, with a camera noise of 2 electrons:
 * its variance in w; r = w A u + n. */
static void measure(struct bench *b, double electrons)
{
    scry_error err = {0};
    scry_rng_normal(b->u, 0, b->n, 1, 0, 0);
    must(scry_gaussian_apply(b->model, b->v, b->u, SCRY_GAUSSIAN_SQRT, 0, b->model_work, &err),
         &err);
    must(scry_op_forward(b->A, b->y, b->v, b->op_work, &err), &err);
    scry_rng_normal(b->r, 0, b->m, 2, 0, 0);
    for (size_t i = 0; i < b->m; i++) {
        b->w[i] = (float)(electrons / sqrt(fmax(electrons * b->y[i], 0) + 4));
        b->r[i] += b->w[i] * b->y[i];
    }
}

static void setup(struct bench *b, size_t size, double electrons)
{
    const scry_space s = SCRY_SPACE(size, size), ps = SCRY_SPACE(PSF, PSF);
    float h[PSF * PSF];
    scry_error err = {0};
    gaussian_psf(h);
    must(scry_blur_create(
             &b->A, &s,
             &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = SCRY_OPEN, .multiple = 8},
             &err),
         &err);
    must(scry_gaussian_create(&b->model, scry_op_dom(b->A),
                              &(scry_gaussian_params){.rank = 2, .spectrum = power}, &err),
         &err);
    must(scry_update_create(&b->update, b->A, 2, &err), &err);
    b->n = scry_space_count(scry_op_dom(b->A));
    b->m = size * size;
    float **data[] = {&b->w, &b->r, &b->q, &b->y}, **image[] = {&b->u, &b->v, &b->d};
    for (int i = 0; i < 4; i++)
        *data[i] = scry_alloc(b->m, sizeof(float));
    for (int i = 0; i < 3; i++)
        *image[i] = scry_alloc(b->n, sizeof(float));
    b->S = scry_alloc(scry_update_bins(b->update), sizeof(float));
    b->op_work = scry_alloc(1, scry_op_work_bytes(b->A));
    b->model_work = scry_alloc(1, scry_prior_work_bytes(b->model));
    b->update_work = scry_alloc(1, scry_update_work_bytes(b->update));
    b->cg_work = scry_alloc(1, scry_cg_work_bytes(b->m));
    must(scry_gaussian_spectrum(b->model, b->S, SCRY_GAUSSIAN_COV, 0, &err), &err);
    measure(b, electrons);
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

/* Twice the negative log density of the image u0 + d, in spreads of chi2. */
static double misfit(struct bench *b, const float *d)
{
    scry_error err = {0};
    double sum = 0;
    must(scry_op_forward(b->A, b->y, d, b->op_work, &err), &err);
    for (size_t i = 0; i < b->m; i++)
        sum += pow((double)b->w[i] * b->y[i] - b->r[i], 2);
    if (b->t > 0) return (sum + scry_dot(d, d, b->n) / b->t) / sqrt(2.0 * (double)b->m);
    must(scry_gaussian_apply(b->model, b->v, d, SCRY_GAUSSIAN_PRECISION, 0, b->model_work, &err),
         &err);
    return (sum + scry_dot(d, b->v, b->n)) / sqrt(2.0 * (double)b->m);
}

static double update(struct bench *b, double gain, scry_cg_result *result)
{
    scry_error err = {0};
    const scry_cg_stop stop = {.gain = gain * sqrt(2.0 * (double)b->m), .iterations = 10000};
    const double first = now();
    must(scry_update_solve(b->update, b->d, b->r, b->w, b->t > 0 ? NULL : b->S, b->t > 0 ? b->t : 1,
                           &stop, b->update_work, result, &err),
         &err);
    return now() - first;
}

static void compare(struct bench *b, double t)
{
    scry_error err = {0};
    scry_cg_result plain, fast, end;
    b->t = t;
    update(b, 1e-5, &end);
    const double min = misfit(b, b->d);
    scry_scale(b->q, 0, b->m);
    const double first = now();
    must(scry_cg(apply, b, b->q, b->r, b->m, 1e-2, 2000, b->cg_work, &plain, &err), &err);
    const double seconds = now() - first;
    for (size_t i = 0; i < b->m; i++)
        b->y[i] = b->w[i] * b->q[i];
    must(scry_op_adjoint(b->A, b->u, b->y, b->op_work, &err), &err);
    if (t > 0)
        scry_axpby(b->d, t, b->u, 0, b->u, b->n);
    else
        must(scry_gaussian_apply(b->model, b->d, b->u, SCRY_GAUSSIAN_COV, 0, b->model_work, &err),
             &err);
    const double above = misfit(b, b->d) - min, quick = update(b, 0.01, &fast);
    printf("%8.3g %7zu %9.1f ms %9.3g %7zu %9.1f ms %9.3g\n", t, plain.iterations, 1e3 * seconds,
           above, fast.iterations, 1e3 * quick, misfit(b, b->d) - min);
}

int main(int argc, char **argv)
{
    const size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
    const double electrons = argc > 2 ? strtod(argv[2], NULL) : 66;
    const double variances[] = {4, 1, 0.25, 0.06, 0.01, 0};
    struct bench b = {0};
    setup(&b, size, electrons);
    printf("%zu x %zu, %g electrons a unit; V = t I, or the covariance of the model where t is 0\n",
           size, size, electrons);
    printf("above: twice -log p above its least value, in spreads of chi2\n");
    printf("%8s %20s %9s %20s %9s\n", "t", "one after the other", "above", "update", "above");
    for (size_t i = 0; i < sizeof variances / sizeof *variances; i++)
        compare(&b, variances[i]);
    float *arrays[] = {b.w, b.r, b.q, b.S, b.d, b.u, b.v, b.y};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        scry_free(arrays[i]);
    void *works[] = {b.op_work, b.model_work, b.update_work, b.cg_work};
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        scry_free(works[i]);
    scry_update_free(b.update);
    scry_prior_free(b.model);
    scry_op_free(b.A);
    return 0;
}
