/* Samples off the grid beside BART's: bench_nufft TRAJ KSP ADJOINT, files of
 *   bart traj -x 512 -y 200 -r wide; bart scale 0.5 wide traj; bart phantom -k -s 8 -t traj ksp
 *   bart nufft -a traj ksp adjoint
 * Prints processor seconds of one thread (best of five) for all coils, one after the other, and how
 * far the adjoint is from BART's after the best common factor. */
#include "lib/io/cfl.h"
#include "lib/io/kspace/trajectory.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "operators/nufft.h"

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

static void check(scry_status st, const scry_error *err)
{
    if (st == SCRY_OK) return;
    fprintf(stderr, "%s: %s\n", err->where, err->text);
    exit(1);
}

static float complex *load(const char *path, size_t *dims)
{
    scry_error err = {0};
    scry_cfl *f;
    size_t n = 1;
    check(scry_cfl_open(&f, path, &err), &err);
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        n *= dims[d] = scry_cfl_dims(f)[d];
    float complex *x = scry_alloc(n, sizeof *x);
    check(scry_cfl_read(f, NULL, NULL, x, &err), &err);
    scry_cfl_close(f);
    return x;
}

static double difference(const float complex *a, const float complex *b, size_t n)
{
    double complex ab = 0;
    double aa = 0, bb = 0, wrong = 0;
    for (size_t i = 0; i < n; i++) {
        ab += conj((double complex)a[i]) * b[i];
        aa += pow(cabs((double complex)a[i]), 2);
        bb += pow(cabs((double complex)b[i]), 2);
    }
    for (size_t i = 0; i < n; i++)
        wrong += pow(cabs(ab / aa * a[i] - b[i]), 2);
    return sqrt(wrong / bb);
}

int main(int argc, char **argv)
{
    scry_error err = {0};
    scry_kspace_trajectory t;
    scry_op *A;
    size_t kdims[SCRY_CFL_RANK], dims[SCRY_CFL_RANK];
    if (argc != 4) return 2;
    check(scry_kspace_trajectory_read(&t, argv[1], &err), &err);
    float complex *y = load(argv[2], kdims), *theirs = load(argv[3], dims);
    const size_t nx = dims[0], ny = dims[1], coils = dims[SCRY_CFL_COIL], n = nx * ny;
    scry_kspace_trajectory_scale(&t, ny, nx);
    scry_threads_set(1);
    const double start = now();
    check(scry_nufft_create(
              &A, &(scry_nufft_params){.ny = ny, .nx = nx, .trajectory = t.k, .samples = t.samples},
              &err),
          &err);
    printf("%zu coils, %zu x %zu, %zu samples: created in %.3f s\n", coils, ny, nx, t.samples,
           now() - start);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    float complex *x = scry_alloc(coils * n, sizeof *x), *to = scry_alloc(n, sizeof *to);
    double best[3] = {INFINITY, INFINITY, INFINITY};
    for (int i = 0; i < 5; i++) {
        double at = now();
        for (size_t c = 0; c < coils; c++)
            check(
                scry_op_adjoint(A, (float *)(x + c * n), (float *)(y + c * t.samples), work, &err),
                &err);
        best[0] = fmin(best[0], now() - at);
        at = now();
        for (size_t c = 0; c < coils; c++)
            check(scry_op_normal(A, (float *)to, (float *)(x + c * n), work, &err), &err);
        best[1] = fmin(best[1], now() - at);
        at = now();
        for (size_t c = 0; c < coils; c++)
            check(
                scry_op_forward(A, (float *)(y + c * t.samples), (float *)(x + c * n), work, &err),
                &err);
        best[2] = fmin(best[2], now() - at);
        if (i == 0) printf("adjoint differs by %.2g\n", difference(x, theirs, coils * n));
    }
    printf("adjoint %.4f s, normal %.4f s, forward %.4f s\n", best[0], best[1], best[2]);
    return 0;
}
