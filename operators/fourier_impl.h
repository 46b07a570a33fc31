#ifndef SCRY_OPERATORS_FOURIER_IMPL_H
#define SCRY_OPERATORS_FOURIER_IMPL_H

#include "lib/fft.h"
#include "operators/fourier.h"
#include "operators/op_impl.h"

#include <stdint.h>

/* Both operators of fourier.h. Built by fourier.c, applied by sense.c.
 *
 * The first transform runs along axis a, the second along b. The image is worked on in blocks of
 * LINES lines along a, each line contiguous, so that a block of every coil passes through the
 * first-level cache; maps are kept in that order. After the first transform the frequencies of a
 * that hold samples become `lines` along b, contiguous again: the panel. Blocks and panel are
 * padded to whole blocks.
 *
 * Centring: with f = (k - c) mod n the phase of F in fourier.h is that of the plain transform,
 *   (j - c)(k - c) = j f - c f  (mod n),  X[k] = N^(-1/2) exp(2 pi i c f / n) sum_j x[j] e(-j f/n),
 * exact for every n. Forward and adjoint apply it with the scale to each sample; in the normal it
 * cancels. */
enum { SCRYI_LINES = 8, SCRYI_GROUPS = 4 };

/* Entry s is phase[s] * panel[at[s]]. */
typedef struct scryi_samples {
    size_t count;
    uint32_t *at;
    float complex *phase;
} scryi_samples;

typedef struct scryi_fourier {
    scry_op base;
    size_t coils, sets, ny, nx;
    unsigned axes;
    bool a_is_x;                  /* else blocks are transposed pieces of the image */
    size_t na, nb;                /* lengths */
    size_t blocks;                /* of lines along a: nb of them */
    size_t lines;                 /* along b, of the panel */
    size_t pitch;                 /* of the panel, entries from line to line */
    uint32_t *line;               /* frequency of a, one a line, ascending */
    scry_fft_many *fft_a, *fft_b; /* of a block; fft_b NULL: not transformed */
    bool normal_a, normal_b;      /* the normal transforms along it */
    float *weight; /* of the normal, each value twice: [line][na], or with normal_b [line][nb] */
    size_t weight_step;          /* floats from line to line; 0 where all are alike */
    float complex *maps;         /* [block][coil][set][LINES][na]; NULL: one channel, no map */
    scryi_samples samples, grid; /* grid: all of k-space, for the SVD; empty with maps */
    uint32_t *pixel;             /* place of each sample in (y, x) */
    float *values;               /* singular values; NULL with maps */
    int threads;
    size_t groups; /* of coils: sums run within a group, then over groups, for any threads */
} scryi_fourier;

void scryi_fourier_size_work(scryi_fourier *A); /* sets base.work_bytes */

/* table: &A->samples or &A->grid; y (coils, table->count). x == y allowed with one coil. */
void scryi_fourier_forward(const scryi_fourier *A, const scryi_samples *table, float complex *y,
                           const float complex *x, void *work);
void scryi_fourier_adjoint(const scryi_fourier *A, const scryi_samples *table, float complex *x,
                           const float complex *y, void *work);
void scryi_fourier_normal(const scryi_fourier *A, float complex *out, const float complex *x,
                          void *work);

#endif
