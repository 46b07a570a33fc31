/* Time of one real forward and backward 2-D transform, by row plans and by FFTW_MEASURE. */

#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/rng.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Seconds a pair, the best of five rounds. */
static double pair_time(scry_fft_effort effort, size_t n)
{
    scry_error err = {0};
    scry_fft *f;
    scry_fft_set_effort(effort);
    if (scry_fft_create_real(&f, 2, (size_t[]){n, n}, &err) != SCRY_OK) {
        fprintf(stderr, "%s\n", err.text);
        return NAN;
    }
    float *x = scry_alloc(n * n, sizeof *x);
    float complex *X = scry_alloc(scry_fft_bins(f), sizeof *X);
    void *work = scry_alloc(1, scry_fft_work_bytes(f));
    double best = INFINITY;
    if (x && X && work) {
        const int repeat = 1 + (int)(4e6 / (double)(n * n));
        for (int round = 0; round < 5; round++) {
            scry_rng_normal(x, 0, n * n, 1, 0, 0); /* unscaled pairs would overflow in the end */
            const double start = now();
            for (int r = 0; r < repeat; r++) {
                scry_fft_forward_real(f, X, x, work);
                scry_fft_backward_real(f, x, X, work);
                for (size_t i = 0; i < n * n; i++)
                    x[i] /= (float)(n * n);
            }
            best = fmin(best, (now() - start) / repeat);
        }
    }
    scry_free(work);
    scry_free(X);
    scry_free(x);
    scry_fft_free(f);
    return best;
}

int main(void)
{
    static const size_t sizes[] = {128, 256, 257, 320, 384, 512, 540, 1024};
    printf("%6s %12s %12s %8s\n", "size", "rows ms", "measure ms", "ratio");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const double rows = pair_time(SCRY_FFT_ROWS, sizes[i]);
        const double whole = pair_time(SCRY_FFT_MEASURE, sizes[i]);
        printf("%6zu %12.3f %12.3f %8.2f\n", sizes[i], rows * 1e3, whole * 1e3, rows / whole);
    }
    return 0;
}
