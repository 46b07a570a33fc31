/* ESPIRiT beside `bart ecalib -m1 -r24` on the same k-space: bench_espirit KSP MAPS, two BART files
 * without their endings, 2-D; MAPS is written by bench_espirit.sh before. Prints seconds (best of
 * five, one thread, processor time), mean |<S, S_bart>| where both have maps, and the share of
 * pixels whose support agrees. */
#include "lib/memory.h"
#include "lib/parallel.h"
#include "operators/sensitivity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

/* BART's dims x, y, 1, coils: (coils, y, x) here */
static float complex *load(const char *name, size_t *dims)
{
    char path[4096];
    snprintf(path, sizeof path, "%s.hdr", name);
    FILE *f = fopen(path, "r");
    if (!f || fscanf(f, "# Dimensions %zu %zu %zu %zu", dims, dims + 1, dims + 2, dims + 3) != 4)
        fail(path, "no dims");
    fclose(f);
    const size_t n = dims[0] * dims[1] * dims[2] * dims[3];
    float complex *x = scry_alloc(n, sizeof *x);
    snprintf(path, sizeof path, "%s.cfl", name);
    f = fopen(path, "rb");
    if (!x || !f || fread(x, sizeof *x, n, f) != n) fail(path, "cannot be read");
    fclose(f);
    return x;
}

static void compare(const float complex *a, const float complex *b, size_t coils, size_t n)
{
    double sum = 0, both = 0, agree = 0, worst = 1;
    for (size_t i = 0; i < n; i++) {
        double complex dot = 0;
        double na = 0, nb = 0;
        for (size_t c = 0; c < coils; c++) {
            dot += conj((double complex)a[c * n + i]) * b[c * n + i];
            na += pow(cabs((double complex)a[c * n + i]), 2);
            nb += pow(cabs((double complex)b[c * n + i]), 2);
        }
        agree += (na > 0) == (nb > 0);
        if (!(na > 0 && nb > 0)) continue;
        const double s = cabs(dot) / sqrt(na * nb);
        both++;
        sum += s;
        worst = fmin(worst, s);
    }
    printf("mean |<S, S_bart>| %.6f, least %.4f, support agrees in %.3f %%\n", sum / both, worst,
           100 * agree / (double)n);
}

int main(int argc, char **argv)
{
    size_t dims[4], mdims[4], cy, cx;
    scry_error err = {0};
    if (argc != 3) return 2;
    float complex *ksp = load(argv[1], dims), *bart = load(argv[2], mdims);
    const size_t nx = dims[0], ny = dims[1], coils = dims[3], n = nx * ny;
    unsigned char *mask = scry_alloc(n, 1);
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < coils; c++)
            mask[i] |= ksp[c * n + i] != 0;
    if (scry_calibration_region(&cy, &cx, mask, ny, nx, 24, 8, &err)) fail(err.where, err.text);
    float complex *cal = scry_alloc(coils * cy * cx, sizeof *cal);
    float complex *maps = scry_alloc(coils * n, sizeof *maps);
    for (size_t c = 0; c < coils; c++)
        for (size_t y = 0; y < cy; y++)
            memcpy(cal + (c * cy + y) * cx,
                   ksp + c * n + (ny / 2 - cy / 2 + y) * nx + nx / 2 - cx / 2, cx * sizeof *cal);
    scry_threads_set(1);
    double best = INFINITY;
    for (int i = 0; i < 5; i++) {
        const double start = now();
        if (scry_espirit(maps, NULL, cal, coils, cy, cx, ny, nx, NULL, &err))
            fail(err.where, err.text);
        best = fmin(best, now() - start);
    }
    printf("%zu coils, %zu x %zu, calibration %zu x %zu: %.3f s\n", coils, ny, nx, cy, cx, best);
    compare(maps, bart, coils, n);
    scry_free(mask);
    scry_free(cal);
    scry_free(maps);
    scry_free(ksp);
    scry_free(bart);
    return 0;
}
