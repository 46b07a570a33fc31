/* Classical reconstructions of MR images against BART, each by itself on one thread: time of an
 * iteration, that of a longer run less that of a shorter one, so that start, files and scaling of
 * neither count. Simulated coils; a fifth of the samples at random and a full middle.
 *
 *   OMP_NUM_THREADS=1 bench_mr [--size 256] [--coils 8] [--repeat 3]
 *
 * Without `bart` in the path its columns stay empty. */
#include "lib/memory.h"
#include "lib/rng.h"
#include "operators/fourier.h"
#include "operators/likelihood.h"
#include "solvers/registry.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(scry_status st, const scry_error *err)
{
    if (st == SCRY_OK) return;
    fprintf(stderr, "%s: %s\n", err->where, err->text);
    exit(1);
}

struct scan {
    size_t n, coils;
    unsigned char *mask;
    float complex *maps, *kspace; /* coil, y, x; k-space 0 where not sampled */
    scry_op *A;
    float complex *samples;
};

static double wave(double x)
{
    return exp(-x * x);
}

/* Coils on a circle around an image of boxes; sum |S|^2 = 1. */
static void simulate(struct scan *s, float *image)
{
    const size_t n = s->n, pixels = n * n;
    for (size_t i = 0; i < pixels; i++) {
        const double y = 2 * (double)(i / n) / (double)n - 1;
        const double x = 2 * (double)(i % n) / (double)n - 1;
        double sum = 0;
        for (size_t c = 0; c < s->coils; c++) {
            const double a = 6.283185307 * (double)c / (double)s->coils;
            const double size = wave(0.8 * hypot(y - sin(a), x - cos(a)));
            s->maps[c * pixels + i] = (float complex)(size * cexp((a + x * cos(a)) * I));
            sum += size * size;
        }
        for (size_t c = 0; c < s->coils; c++)
            s->maps[c * pixels + i] /= (float)sqrt(sum);
        const bool in = y * y / 0.7 + x * x / 0.5 < 1;
        image[2 * i] = in ? (float)(1 + 0.5 * (fabs(y) < 0.2) - 0.7 * (fabs(x - 0.2) < 0.1)) : 0;
        image[2 * i + 1] = in ? (float)(0.3 * y) : 0;
    }
}

static void sample(struct scan *s)
{
    scry_error err = {0};
    const size_t n = s->n, pixels = n * n;
    s->mask = scry_alloc(pixels, 1);
    s->maps = scry_alloc(s->coils * pixels, sizeof *s->maps);
    s->kspace = scry_alloc(s->coils * pixels, sizeof *s->kspace);
    float *image = scry_alloc(2 * pixels, sizeof *image), *r = scry_alloc(pixels, sizeof *r);
    simulate(s, image);
    scry_rng_uniform(r, 0, pixels, 1, 0, 0);
    for (size_t i = 0; i < pixels; i++) {
        const size_t y = i / n, x = i % n, h = n / 2;
        s->mask[i] = r[i] < 0.2f || (y + 12 >= h && y < h + 12 && x + 12 >= h && x < h + 12);
    }
    check(scry_sense_create(&s->A,
                            &(scry_sense_params){.maps = s->maps,
                                                 .coils = s->coils,
                                                 .sets = 1,
                                                 .ny = n,
                                                 .nx = n,
                                                 .mask = s->mask,
                                                 .axes = SCRY_FOURIER_YX},
                            &err),
          &err);
    const size_t m = scry_space_floats(scry_op_cod(s->A));
    void *work = scry_alloc(1, scry_op_work_bytes(s->A));
    float *noise = scry_alloc(m, sizeof *noise);
    s->samples = scry_alloc(m, sizeof(float));
    check(scry_op_forward(s->A, (float *)s->samples, image, work, &err), &err);
    scry_rng_normal(noise, 0, m, 2, 0, 0);
    for (size_t i = 0; i < m; i++)
        ((float *)s->samples)[i] += 0.01f * noise[i];
    check(scry_fourier_scatter(s->A, s->kspace, s->samples, &err), &err);
    scry_free(image);
    scry_free(r);
    scry_free(noise);
    scry_free(work);
}

/* Seconds of one reconstruction from samples in memory, planning included. */
static double ours(const struct scan *s, const char *name, size_t iterations)
{
    scry_error err = {0};
    const double begin = now();
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.70710678};
    scry_likelihood *L;
    scry_solver *S;
    scry_options opts;
    scry_progress end;
    float *u = scry_alloc(2 * s->n * s->n, sizeof *u);
    check(scry_likelihood_create(&L, s->A, (const float *)s->samples, &noise, NULL, &err), &err);
    const scry_problem problem = {.L = L};
    scry_options_init(&opts, scry_method_find(name));
    check(scry_options_set(&opts, "iterations", (double)iterations, &err), &err);
    check(scry_options_set(&opts, "tol", 0, &err), &err);
    if (strcmp(name, "tv") == 0) check(scry_options_set(&opts, "lambda", 0.005, &err), &err);
    check(scry_solver_plan(&S, &problem, &opts, &err), &err);
    check(scry_solver_start(S, 1, 0, &err), &err);
    check(scry_solver_run(S, u, NULL, NULL, &end, &err), &err);
    scry_solver_free(S);
    scry_likelihood_free(L);
    scry_free(u);
    return now() - begin;
}

/* name.hdr and name.cfl: x fastest, coils in dim 3 */
static void write_cfl(const char *name, const float complex *data, size_t n, size_t coils)
{
    char path[64];
    snprintf(path, sizeof path, "%s.hdr", name);
    FILE *f = fopen(path, "w");
    if (!f) perror(path), exit(1);
    fprintf(f, "# Dimensions\n%zu %zu 1 %zu\n", n, n, coils);
    fclose(f);
    snprintf(path, sizeof path, "%s.cfl", name);
    if (!(f = fopen(path, "wb")) || fwrite(data, sizeof *data, n * n * coils, f) != n * n * coils)
        perror(path), exit(1);
    fclose(f);
}

static double theirs(const char *penalty, size_t iterations)
{
    char command[160];
    snprintf(command, sizeof command, "bart pics %s -w1 -i%zu k s out >/dev/null 2>&1", penalty,
             iterations);
    const double begin = now();
    return system(command) == 0 ? now() - begin : NAN;
}

static void compare(const struct scan *s, const char *name, const char *penalty, size_t few,
                    size_t many, int repeat)
{
    double a = INFINITY, b = INFINITY, whole = INFINITY, bart = INFINITY;
    for (int i = 0; i < repeat; i++) {
        const double f = ours(s, name, few), m = ours(s, name, many);
        const double bf = theirs(penalty, few), bm = theirs(penalty, many);
        a = fmin(a, (m - f) / (double)(many - few));
        b = fmin(b, (bm - bf) / (double)(many - few));
        whole = fmin(whole, m);
        bart = fmin(bart, bm);
    }
    printf("%-10s %4zu iterations: %8.2f ms each, %7.3f s in all; bart %8.2f ms, %7.3f s; "
           "ratio %5.1f, %5.1f\n",
           name, many, 1e3 * a, whole, 1e3 * b, bart, b / a, bart / whole);
}

static size_t argument(int argc, char **argv, const char *name, size_t value)
{
    for (int i = 1; i + 1 < argc; i++)
        if (strcmp(argv[i], name) == 0) value = strtoul(argv[i + 1], NULL, 10);
    return value;
}

int main(int argc, char **argv)
{
    struct scan s = {.n = argument(argc, argv, "--size", 256),
                     .coils = argument(argc, argv, "--coils", 8)};
    const int repeat = (int)argument(argc, argv, "--repeat", 3);
    char dir[] = "/tmp/bench_mr_XXXXXX";
    if (!mkdtemp(dir) || chdir(dir) != 0) perror(dir), exit(1);
    sample(&s);
    write_cfl("k", s.kspace, s.n, s.coils);
    write_cfl("s", s.maps, s.n, s.coils);
    printf("%zu x %zu, %zu coils, best of %d\n", s.n, s.n, s.coils, repeat);
    compare(&s, "cg-sense", "-l2 -r0.01", 10, 30, repeat);
    compare(&s, "wavelet", "-RW:3:0:0.005", 20, 100, repeat);
    compare(&s, "tv", "-RT:3:0:0.005", 20, 100, repeat);
    scry_op_free(s.A);
    scry_free(s.mask);
    scry_free(s.maps);
    scry_free(s.kspace);
    scry_free(s.samples);
    for (const char *const *f =
             (const char *const[]){"k.hdr", "k.cfl", "s.hdr", "s.cfl", "out.hdr", "out.cfl", NULL};
         *f; f++)
        unlink(*f);
    return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : 1;
}
