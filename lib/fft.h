#ifndef SCRY_LIB_FFT_H
#define SCRY_LIB_FFT_H

#include "lib/status.h"

#include <complex.h>
#include <stdbool.h>
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

/* Convolution by a spectrum between boxes of a domain: in, placed in the box `from` with zeros
 * around, is transformed, multiplied and transformed back, and out takes the box `to` of it:
 *
 *   out = R_to F^-1 diag(G) F R_from^T in
 *   G   SCRY_FFT_FILTER: H;  _CONJUGATE: conj(H);  _POWER: N |H|^2, N = prod(dims), for H that
 *       holds the 1/N of a pair of transforms
 *
 * Rows and planes outside of the boxes are not transformed, and the first axis is worked on in the
 * cache: a small box costs half of the whole domain, and a whole one 0.8 of two transforms.
 *   from, to   dims is the whole: NULL; sizes >= 1, inside the domain
 *   in, out    arrays of the boxes' sizes, of any alignment; out == in allowed
 *   H          scry_fft_filter_bins(f) values in the filter's own order, of the half spectrum that
 *              scry_fft_forward_real gives, by _pack
 *   work       scry_fft_filter_work_bytes(f), from scry_alloc
 * With SCRY_FFT_MEASURE the plans of single lines are measured. Errors as scry_fft_create_real. */
typedef struct scry_fft_filter scry_fft_filter;
typedef struct scry_fft_box {
    size_t start[3], size[3]; /* as many as the rank, slowest first */
} scry_fft_box;
typedef enum scry_fft_filter_kind {
    SCRY_FFT_FILTER = 0,
    SCRY_FFT_FILTER_CONJUGATE,
    SCRY_FFT_FILTER_POWER
} scry_fft_filter_kind;

scry_status scry_fft_filter_create(scry_fft_filter **out, int rank, const size_t *dims,
                                   scry_error *err);
void scry_fft_filter_free(scry_fft_filter *f); /* accepts NULL */
size_t scry_fft_filter_bins(const scry_fft_filter *f);
size_t scry_fft_filter_work_bytes(const scry_fft_filter *f);
size_t scry_fft_filter_place(const scry_fft_filter *f, size_t bin); /* of a bin in H */
void scry_fft_filter_pack(const scry_fft_filter *f, float complex *H, const float complex *natural);
void scry_fft_filter_unpack(const scry_fft_filter *f, float complex *natural,
                            const float complex *H);
void scry_fft_filter_apply(const scry_fft_filter *f, float *out, const scry_fft_box *to,
                           const float *in, const scry_fft_box *from, const float complex *H,
                           scry_fft_filter_kind kind, void *work);

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

/* Of such sizes >= n the one whose filter is quickest, where each entry along the axis costs about
 * 5 ns besides its own transform: FFTW_ESTIMATE plans 16 2^a {1, 3, 5} lines at 0.9 ns an entry,
 * other multiples of 4 at 1.9 and the rest at 2.8. `last`: the axis that half as many complex
 * numbers stand for. */
size_t scry_fft_quick_size(size_t n, bool last);

#endif
