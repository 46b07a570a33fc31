#ifndef SCRY_OPERATORS_FOURIER_IMPL_H
#define SCRY_OPERATORS_FOURIER_IMPL_H

#include "lib/fft.h"
#include "operators/fourier.h"
#include "operators/op_impl.h"

#include <stdint.h>

/* Both operators of fourier.h. Built by fourier.c, applied by sense.c.
 *
 * The first transform runs along axis a, the second along b. The image is cut into blocks of LANES
 * lines along a, entry t of line l at [t][l]; maps are kept in that order. After the first
 * transform the frequencies of a that hold samples, the `lines`, are cut into panels of LANES,
 * entry t (along b) of line l at [t][l] again. Both transforms then are the same code, with vector
 * instructions across lanes. Blocks and panels are padded to whole lanes.
 *
 * Centring: with f = (k - c) mod n the phase of F in fourier.h is that of the plain transform,
 *   (j - c)(k - c) = j f - c f  (mod n),  X[k] = N^(-1/2) exp(2 pi i c f / n) sum_j x[j] e(-j f/n),
 * exact for every n. Forward and adjoint apply it with the scale to each sample; in the normal it
 * cancels. */
enum { SCRYI_LANES = 8, SCRYI_GROUPS = 4 };

/* Entry s is phase[s] * panels[at[s]]. */
typedef struct scryi_samples {
    size_t count;
    uint32_t *at;
    float complex *phase;
} scryi_samples;

typedef struct scryi_fourier {
    scry_op base;
    size_t coils, sets, ny, nx;
    unsigned axes;
    bool a_is_x;          /* blocks are transposed pieces of the image */
    size_t na, nb;        /* lengths */
    size_t blocks;        /* of lines along a: nb of them */
    size_t lines, panels; /* of lines along b */
    uint32_t *line;       /* frequency of a, one a line */
    scry_fft_lanes *fft_a, *fft_b; /* NULL: not transformed */
    bool normal_a, normal_b;       /* the normal transforms along it */
    float *weight; /* of the normal: [block][na][LANES], or with normal_b [panel][nb][LANES] */
    size_t weight_step; /* from block to block; 0 where all are alike */
    float complex *maps; /* [block][coil][set][na][LANES]; NULL: one channel, no map */
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
