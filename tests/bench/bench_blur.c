/* Processor time of the blur and of the prox of its likelihoods, where samplers and classical
 * methods spend the time that the network leaves: bench_blur [size]. */
#include "lib/memory.h"
#include "lib/rng.h"
#include "operators/blur.h"
#include "operators/likelihood.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { PSF = 17 }; /* a Gaussian of sd 2 to its 4 sd */

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
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

/* Best of several: other work on the machine only ever adds. */
static double best_of(scry_status (*call)(const scry_op *, float *, const float *, void *,
                                          scry_error *),
                      const scry_op *A, float *out, const float *in, void *work)
{
    double best = INFINITY;
    for (int i = 0; i < 30; i++) {
        const double start = now();
        if (call(A, out, in, work, NULL) != SCRY_OK) exit(1);
        best = fmin(best, now() - start);
    }
    return best;
}

static void bench(size_t size, scry_boundary boundary)
{
    const scry_space s = SCRY_SPACE(size, size), ps = SCRY_SPACE(PSF, PSF);
    float h[PSF * PSF];
    scry_op *A;
    scry_error err = {0};
    gaussian_psf(h);
    if (scry_blur_create(
            &A, &s,
            &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = boundary, .multiple = 8},
            &err) != SCRY_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        exit(1);
    }
    const size_t n = scry_space_count(scry_op_dom(A)), m = size * size;
    float *x = scry_alloc(n, sizeof *x), *z = scry_alloc(n, sizeof *z);
    float *y = scry_alloc(m, sizeof *y);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    if (!x || !z || !y || !work) exit(1);
    scry_rng_uniform(x, 0, n, 1, 0, 0);
    printf("%-14s %4zu: forward %6.3f  adjoint %6.3f  normal %6.3f ms\n", scry_op_name(A), size,
           1e3 * best_of(scry_op_forward, A, y, x, work),
           1e3 * best_of(scry_op_adjoint, A, z, y, work),
           1e3 * best_of(scry_op_normal, A, z, x, work));
    const scry_noise noises[] = {
        {.kind = SCRY_NOISE_GAUSSIAN, .sigma = .1},
        {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 1, .read_noise = 1.5, .background = 2},
    };
    for (int k = 0; k < 2; k++) {
        const scry_affine map = {.scale = k ? 50 : 1, .shift = k ? 50 : 0};
        scry_likelihood *L;
        scry_prox_result r;
        for (size_t i = 0; i < m; i++)
            y[i] = (float)(k ? 60 + 20 * x[i] : x[i]);
        if (scry_likelihood_create(&L, A, y, &noises[k], &map, &err) != SCRY_OK) exit(1);
        void *lwork = scry_alloc(1, scry_likelihood_work_bytes(L));
        if (!lwork) exit(1);
        double best = INFINITY;
        for (int i = 0; i < 5; i++) {
            memcpy(z, x, n * sizeof *z);
            const double start = now();
            if (scry_likelihood_prox(L, z, x, .1, 100, 1e-4, lwork, &r, &err) != SCRY_OK) exit(1);
            best = fmin(best, now() - start);
        }
        printf("  prox, %s: %.2f ms, %zu Newton steps, %zu CG iterations, %.3f ms each\n",
               k ? "Poisson-Gaussian" : "Gaussian", 1e3 * best, r.outer, r.inner,
               r.inner ? 1e3 * best / (double)r.inner : 0);
        scry_free(lwork);
        scry_likelihood_free(L);
    }
    scry_free(x);
    scry_free(z);
    scry_free(y);
    scry_free(work);
    scry_op_free(A);
}

int main(int argc, char **argv)
{
    const size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
    if (size < PSF) {
        fprintf(stderr, "size %zu, expected at least %d\n", size, PSF);
        return 2;
    }
    bench(size, SCRY_PERIODIC);
    bench(size, SCRY_OPEN);
    return 0;
}
