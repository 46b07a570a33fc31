/* Richardson-Lucy on a volume seen by a tall PSF: processor time and memory a voxel of the domain.
 * usage: bench_volume [planes rows columns [psf_planes psf_side [iterations]]] */

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/rng.h"
#include "operators/blur.h"
#include "solvers/registry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

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

static float *gaussian_psf(const scry_space *s)
{
    const size_t n = scry_space_count(s);
    float *h = scry_alloc(n, sizeof *h);
    double sum = 0;
    if (!h) exit(1);
    for (size_t i = 0; i < n; i++) {
        size_t rest = i;
        double r2 = 0;
        for (int a = s->rank - 1; a >= 0; a--) {
            const double d = (double)(rest % s->dims[a]) - (double)(s->dims[a] / 2);
            r2 += d * d / pow(a ? 1.7 : 4, 2);
            rest /= s->dims[a];
        }
        h[i] = (float)exp(-r2 / 2);
        sum += h[i];
    }
    for (size_t i = 0; i < n; i++)
        h[i] = (float)(h[i] / sum);
    return h;
}

static void bench_operator(const scry_op *A)
{
    const size_t n = scry_space_count(scry_op_dom(A)), m = scry_space_count(scry_op_cod(A));
    float *x = scry_alloc(n, sizeof *x), *y = scry_alloc(m, sizeof *y);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    double forward = INFINITY, adjoint = INFINITY;
    if (!x || !y || !work) exit(1);
    scry_rng_uniform(x, 0, n, 1, 0, 0);
    for (int i = 0; i < 5; i++) {
        double start = now();
        if (scry_op_forward(A, y, x, work, NULL) != SCRY_OK) exit(1);
        forward = fmin(forward, now() - start);
        start = now();
        if (scry_op_adjoint(A, x, y, work, NULL) != SCRY_OK) exit(1);
        adjoint = fmin(adjoint, now() - start);
    }
    printf("  forward %.1f, adjoint %.1f ns a voxel; work %.1f bytes a voxel\n",
           1e9 * forward / (double)n, 1e9 * adjoint / (double)n,
           (double)scry_op_work_bytes(A) / (double)n);
    scry_free(x);
    scry_free(y);
    scry_free(work);
}

static void bench_rl(const scry_op *A, const float *y, const char *stop, double iterations)
{
    scry_error err = {0};
    scry_likelihood *L;
    scry_solver *S;
    scry_options options;
    scry_progress p = {0};
    const struct scry_method *rl = scry_method_find("richardson-lucy");
    const scry_noise noise = {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 1, .read_noise = 1.5};
    const scry_affine map = {1, 0};
    const double n = (double)scry_space_count(scry_op_dom(A));
    must(scry_likelihood_create(&L, A, y, &noise, &map, &err), &err);
    const scry_problem problem = {.L = L, .positive = true};
    scry_options_init(&options, rl);
    must(scry_options_set(&options, "iterations", iterations, &err), &err);
    must(scry_options_read(&options, "stop", stop, &err), &err);
    const size_t before = scry_memory_requested();
    must(scry_solver_plan(&S, &problem, &options, &err), &err);
    const size_t bytes = scry_memory_requested() - before;
    must(scry_solver_start(S, 1, 0, &err), &err);
    double first = now(), steps = 0;
    for (; p.reason == SCRY_RUNNING && steps < iterations; steps++)
        must(scry_solver_step(S, &p, &err), &err);
    printf("  %-9s %3.0f steps, %.1f ns a voxel and step; %.1f bytes a voxel, %.1f without the "
           "operator's work\n",
           stop, steps, 1e9 * (now() - first) / n / steps, (double)bytes / n,
           (double)(bytes - scry_op_work_bytes(A)) / n);
    scry_solver_free(S);
    scry_likelihood_free(L);
}

int main(int argc, char **argv)
{
    size_t at[] = {48, 192, 192, 47, 129, 10};
    scry_error err = {0};
    scry_op *A;
    for (int i = 1; i < argc && i <= 6; i++)
        at[i - 1] = strtoul(argv[i], NULL, 10);
    const scry_space s = SCRY_SPACE(at[0], at[1], at[2]), ps = SCRY_SPACE(at[3], at[4], at[4]);
    float *h = gaussian_psf(&ps), *y = scry_alloc(scry_space_count(&s), sizeof *y);
    if (!y) exit(1);
    for (scry_boundary b = SCRY_OPEN; b <= SCRY_JOINED; b++) {
        const size_t before = scry_memory_requested();
        char text[64];
        must(scry_blur_create(&A, &s, &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = b},
                              &err),
             &err);
        printf("%s: domain %s, operator %.1f bytes a voxel\n", b == SCRY_OPEN ? "open" : "joined",
               scry_space_print(scry_op_dom(A), text, sizeof text),
               (double)(scry_memory_requested() - before) /
                   (double)scry_space_count(scry_op_dom(A)));
        bench_operator(A);
        scry_rng_normal(y, 0, scry_space_count(&s), 3, 0, 0);
        for (size_t i = 0; i < scry_space_count(&s); i++)
            y[i] = 50 + 7 * y[i] + (i / 7 % 11 == 0 && i / 331 % 5 == 0 ? 300 : 0);
        bench_rl(A, y, "steps", (double)at[5]);
        bench_rl(A, y, "holdout", (double)at[5]);
        scry_op_free(A);
    }
    scry_free(h);
    scry_free(y);
    return 0;
}
