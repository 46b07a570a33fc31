/* One normal product of the SENSE operator against the plain way, a full 2-D transform of each coil
 * forth and back, in one run; and the share of the rest of an iteration of conjugate gradients:
 * bench_sense. Processor time of one thread. */
#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/rng.h"
#include "operators/cg.h"
#include "operators/fourier.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 15, ITERATIONS = 30 };

struct problem {
    size_t n, coils, count; /* n x n */
    float complex *maps, *x, *out, *coil;
    unsigned char *mask;
    scry_op *A;
    scry_fft *fft;
    void *work, *fft_work;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *need(void *p)
{
    if (p) return p;
    fprintf(stderr, "out of memory\n");
    exit(1);
}

/* Every fourth line and 24 in the middle; or a quarter of all samples, and the middle. */
static void make_mask(struct problem *p, char pattern)
{
    const size_t n = p->n, low = n / 2 - 12;
    float *u = need(scry_alloc(n * n, sizeof *u));
    scry_rng_uniform(u, 0, n * n, 5, 0, 0);
    for (size_t y = 0; y < n; y++)
        for (size_t x = 0; x < n; x++) {
            const bool my = y - low < 24, mx = x - low < 24;
            p->mask[y * n + x] = pattern == 'y'   ? y % 4 == 0 || my
                                 : pattern == 'x' ? x % 4 == 0 || mx
                                                  : u[y * n + x] < .25f || (mx && my);
        }
    scry_free(u);
}

/* The centre is put in the corner by the caller's mask; the scale is left out. */
static void plain_normal(struct problem *p)
{
    const size_t n = p->count;
    float *sum = (float *)p->out, *seen = (float *)p->coil;
    const float *x = (const float *)p->x;
    memset(sum, 0, n * sizeof *p->out);
    for (size_t c = 0; c < p->coils; c++) {
        const float *s = (const float *)(p->maps + c * n);
        for (size_t i = 0; i < 2 * n; i += 2) {
            seen[i] = s[i] * x[i] - s[i + 1] * x[i + 1];
            seen[i + 1] = s[i] * x[i + 1] + s[i + 1] * x[i];
        }
        scry_fft_forward(p->fft, p->coil, p->coil, p->fft_work);
        for (size_t i = 0; i < n; i++)
            if (!p->mask[i]) seen[2 * i] = seen[2 * i + 1] = 0;
        scry_fft_backward(p->fft, p->coil, p->coil, p->fft_work);
        for (size_t i = 0; i < 2 * n; i += 2) {
            sum[i] += s[i] * seen[i] + s[i + 1] * seen[i + 1];
            sum[i + 1] += s[i] * seen[i + 1] - s[i + 1] * seen[i];
        }
    }
}

/* A^H A + lambda, the system of CG-SENSE. */
static scry_status regularised(void *ctx, float *out, const float *in, scry_error *err)
{
    struct problem *p = ctx;
    const scry_status st = scry_op_normal(p->A, out, in, p->work, err);
    for (size_t i = 0; i < 2 * p->count; i++)
        out[i] += 1e-2f * in[i];
    return st;
}

static void bench(struct problem *p, char pattern)
{
    scry_error err = {0};
    double fused = INFINITY, plain = INFINITY, cg = INFINITY;
    make_mask(p, pattern);
    if (scry_sense_create(&p->A,
                          &(scry_sense_params){.maps = p->maps,
                                               .coils = p->coils,
                                               .sets = 1,
                                               .ny = p->n,
                                               .nx = p->n,
                                               .mask = p->mask,
                                               .axes = SCRY_FOURIER_YX},
                          &err) != SCRY_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        exit(1);
    }
    p->work = need(scry_alloc(1, scry_op_work_bytes(p->A)));
    void *cg_work = need(scry_alloc(1, scry_cg_work_bytes(2 * p->count)));
    for (int i = 0; i < ROUNDS; i++) {
        double start = now();
        for (int k = 0; k < 4; k++)
            scry_op_normal(p->A, (float *)p->out, (float *)p->x, p->work, &err);
        fused = fmin(fused, (now() - start) / 4);
        start = now();
        plain_normal(p);
        plain = fmin(plain, now() - start);
        memset(p->out, 0, p->count * sizeof *p->out);
        start = now();
        if (scry_cg(regularised, p, (float *)p->out, (float *)p->x, 2 * p->count, 0, ITERATIONS,
                    cg_work, NULL, &err) != SCRY_OK)
            exit(1);
        cg = fmin(cg, (now() - start) / ITERATIONS);
    }
    printf("%4zu x %3zu x %2zu  %-8s %8.3f ms  plain %8.3f ms  ratio %5.2f   CG iteration %8.3f "
           "ms\n",
           p->n, p->n, p->coils,
           pattern == 'y'   ? "rows"
           : pattern == 'x' ? "columns"
                            : "scatter",
           1e3 * fused, 1e3 * plain, plain / fused, 1e3 * cg);
    scry_free(cg_work);
    scry_free(p->work);
    scry_op_free(p->A);
}

int main(void)
{
    scry_threads_set(1);
    static const size_t sizes[][2] = {{256, 8}, {320, 16}, {384, 16}};
    for (size_t i = 0; i < 3; i++) {
        struct problem p = {.n = sizes[i][0], .coils = sizes[i][1]};
        p.count = p.n * p.n;
        p.maps = need(scry_alloc(p.coils * p.count, sizeof *p.maps));
        p.x = need(scry_alloc(p.count, sizeof *p.x));
        p.out = need(scry_alloc(p.count, sizeof *p.out));
        p.coil = need(scry_alloc(p.count, sizeof *p.coil));
        p.mask = need(scry_alloc(p.count, 1));
        scry_rng_normal((float *)p.maps, 0, 2 * p.coils * p.count, 1, 0, 0);
        scry_rng_normal((float *)p.x, 0, 2 * p.count, 2, 0, 0);
        if (scry_fft_create_complex(&p.fft, 2, (size_t[]){p.n, p.n}, NULL) != SCRY_OK) return 1;
        p.fft_work = need(scry_alloc(1, scry_fft_work_bytes(p.fft)));
        for (const char *pattern = "yxs"; *pattern; pattern++)
            bench(&p, *pattern);
        scry_fft_free(p.fft);
        scry_free(p.fft_work);
        scry_free(p.maps);
        scry_free(p.x);
        scry_free(p.out);
        scry_free(p.coil);
        scry_free(p.mask);
    }
    return 0;
}
