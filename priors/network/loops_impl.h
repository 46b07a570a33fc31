#ifndef SCRY_PRIORS_NETWORK_LOOPS_IMPL_H
#define SCRY_PRIORS_NETWORK_LOOPS_IMPL_H

#include "lib/variants.h"

#include <stdbool.h>
#include <stddef.h>

/* The passes between convolutions. Layout: channels in blocks of scryi_lanes(), one block after the
 * other, the lanes of a block contiguous: element (c, p) of a C x P image is at
 * ((c / LANES) P + p) LANES + c % LANES. Lanes beyond the last channel hold zeros. oneDNN calls it
 * nChw16c (nChw8c). Arrays are aligned to a whole vector of lanes.
 *
 * Work is shared among threads by whole channels or rows, never by splitting a sum, so that the
 * bytes do not depend on their number. Nothing here aliases unless it is said. */

#ifdef SCRYI_SUFFIX /* inside the loops themselves: floats of a block */
#if defined(__AVX512F__)
#define SCRYI_LANES 16 /* one register */
#else
#define SCRYI_LANES 8
#endif
#endif

/* Statistics of one group normalisation with its weights applied: for each of `channels` (padded)
 * channels, y = scale x + shift = weight (x - mean) rstd + bias. */
typedef struct scryi_norm {
    size_t channels, pixels, groups;
    double eps;
    const int *group;           /* of each channel; -1: padding */
    const float *weight, *bias; /* zero in the padding */
    float *scale, *shift, *mean, *rstd;
    double *sums; /* scratch: 2 channels + 2 groups */
    float *weight_grad,
        *bias_grad; /* NULL, or the sums that scryi_norm_backward adds dL/d(these) to */
} scryi_norm;

/* The passes, once for each instruction set. */
struct scryi_loops {
    size_t lanes; /* floats of a block: 16 or 8 */

    void (*norm_statistics)(const scryi_norm *n, const float *x, int threads);

    /* y = f(scale x + shift), f = SiLU or the identity. y == x allowed. */
    void (*norm_apply)(const scryi_norm *n, float *y, const float *x, bool silu, int threads);

    /* With y = f(norm(x)) and g = dL/dy: gx = dL/dx, added to gx when `add`. g is
     * overwritten. */
    void (*norm_backward)(const scryi_norm *n, float *gx, float *g, const float *x, bool silu,
                          bool add, int threads);

    /* out = a + b over n floats; out == a allowed. */
    void (*add)(float *out, const float *a, const float *b, size_t n, int threads);

    /* Each pixel of (h, w) four times in (2h, 2w); and its transpose, sums of four. */
    void (*upsample)(float *y, const float *x, size_t channels, size_t h, size_t w, int threads);
    void (*upsample_back)(float *x, const float *y, size_t channels, size_t h, size_t w,
                          int threads);

    /* The 3x3 convolutions, padding 1, between a planar image of few channels and blocked channels.
     * image: `few` planes of (h + 2) x (w + 2) with the border zero. bias: NULL is zero.
     *   to blocked    weights [padded channel block][few][9][lanes]
     *   from blocked  weights [few][padded channel block][9][lanes]; planes of h x w */
    void (*first_conv)(float *y, const float *image, const float *weights, const float *bias,
                       size_t few, size_t channels, size_t h, size_t w, int threads);
    void (*last_conv)(float *planes, const float *x, const float *weights, const float *bias,
                      size_t few, size_t channels, size_t h, size_t w, int threads);

    /* y = W x + b, W out x in; x and y vectors. */
    void (*linear)(float *y, const float *weights, const float *bias, const float *x, size_t in,
                   size_t out);
    void (*silu)(float *x, size_t n);

    /* x_i = exp(x_i); returns their sum. For x <= 0. */
    float (*exp_sum)(float *x, size_t n);
};
SCRYI_VARIANTS(struct scryi_loops, scryi_loops);

static inline size_t scryi_lanes(void)
{
    return SCRYI_BEST(scryi_loops)->lanes;
}

/* Channels rounded up to whole blocks. */
static inline size_t scryi_padded(size_t channels)
{
    const size_t lanes = scryi_lanes();
    return (channels + lanes - 1) / lanes * lanes;
}

#endif
