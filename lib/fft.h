#ifndef SCRY_LIB_FFT_H
#define SCRY_LIB_FFT_H

#include "lib/status.h"

#include <complex.h>
#include <stddef.h>

/* Discrete Fourier transforms of single precision arrays (FFTW).
 *
 *   forward   X[k] = sum_j x[j] exp(-2 pi i sum_a j_a k_a / n_a)
 *   backward  x[j] = sum_k X[k] exp(+2 pi i sum_a j_a k_a / n_a)
 *
 * Neither transform is scaled: backward(forward(x)) = N x, N = prod(dims). The factor 1/N or
 * 1/sqrt(N) belongs in the multiplier between the two transforms, where it costs nothing. Index 0
 * is the origin (no shifts). Real transforms keep the non-negative half of the last axis:
 * dims[rank-1]/2 + 1 bins.
 *
 * Plans are deterministic: the same dims give the same bits on the same machine, in every run and
 * for every number of threads. They are immutable and shared by threads; each execution brings its
 * own arrays, aligned as scry_alloc aligns them. */
typedef struct scry_fft scry_fft;

typedef enum scry_fft_effort {
    SCRY_FFT_ROWS = 0, /* 1-D row plans and blocked transposes: quick to plan, bit-reproducible */
    SCRY_FFT_MEASURE   /* FFTW_MEASURE, wisdom kept in the user's cache; bits depend on it */
} scry_fft_effort;

/* A process-wide choice for the plans that follow. Default SCRY_FFT_ROWS. Measured plans run on one
 * thread and take seconds to find for large transforms; tests/bench/bench_fft compares the two. */
void scry_fft_set_effort(scry_fft_effort effort);

/* rank 1 to 3, dims slowest first. ESHAPE: another rank, a length of 0 or over 2^26, or a product
 * that overflows; ENOMEM. Large ROWS transforms use as many threads as OpenMP offers when the plan
 * is made. */
scry_status scry_fft_create_real(scry_fft **out, int rank, const size_t *dims, scry_error *err);
scry_status scry_fft_create_complex(scry_fft **out, int rank, const size_t *dims, scry_error *err);
void scry_fft_free(scry_fft *f);

size_t scry_fft_count(const scry_fft *f);      /* N: entries on the image side */
size_t scry_fft_bins(const scry_fft *f);       /* entries on the frequency side */
size_t scry_fft_work_bytes(const scry_fft *f); /* scratch for one execution */

/* real: X has bins entries, x has N; x and X do not overlap; x is preserved by forward, X is
 * destroyed by backward. */
void scry_fft_forward_real(const scry_fft *f, float complex *X, const float *x, void *work);
void scry_fft_backward_real(const scry_fft *f, float *x, float complex *X, void *work);

/* complex: x == X allowed. */
void scry_fft_forward(const scry_fft *f, float complex *X, const float complex *x, void *work);
void scry_fft_backward(const scry_fft *f, float complex *x, const float complex *X, void *work);

/* `count` 1-D complex transforms of length n, each contiguous, `distance` >= n entries from one to
 * the next: for callers that cut an image into pieces which fit a cache. Unscaled, as above; one
 * thread, no scratch, FFTW_ESTIMATE whatever the effort. x and X do not overlap; x is preserved,
 * and so are the entries between transforms. Side by side ([entry][transform]) FFTW took 1.6 to 3
 * times as long for 192 to 512 entries: its vectors run along a transform.
 * ESHAPE: n or count 0, distance < n, more than 2^26 entries; ENOMEM */
typedef struct scry_fft_many scry_fft_many;
scry_status scry_fft_many_create(scry_fft_many **out, size_t n, size_t count, size_t distance,
                                 scry_error *err);
void scry_fft_many_free(scry_fft_many *f); /* accepts NULL */
void scry_fft_many_forward(const scry_fft_many *f, float complex *X, const float complex *x);
void scry_fft_many_backward(const scry_fft_many *f, float complex *x, const float complex *X);

/* The smallest size >= n with factors 2, 3, 5 and 7 only that is a multiple of `multiple`. */
size_t scry_fft_good_size(size_t n, size_t multiple);

#endif
