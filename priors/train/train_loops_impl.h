#ifndef SCRY_PRIORS_TRAIN_TRAIN_LOOPS_IMPL_H
#define SCRY_PRIORS_TRAIN_TRAIN_LOOPS_IMPL_H

#include "lib/variants.h"

#include <stddef.h>

/* The passes that only training has, in the layout of priors/network/loops_impl.h; images and
 * vectors of a group one after the other. Each runs in the calling thread. Nothing aliases. */
struct scryi_train_loops {
    /* x[c] += row[c] at every pixel of an image; and row[c] = the sum of g[c] over pixels. */
    void (*add_row)(float *x, const float *row, size_t channels, size_t pixels);
    void (*sum_row)(float *row, const float *g, size_t channels, size_t pixels);

    /* to += from. */
    void (*accumulate)(float *to, const float *from, size_t n);

    /* y = silu(x), and g times the derivative of silu at x; n a multiple of 16. */
    void (*silu)(float *y, const float *x, size_t n);
    void (*silu_back)(float *g, const float *x, size_t n);

    /* y_b = W x_b + bias for the vectors b of a group, W out x in; x_b and y_b begin x_step and
     * y_step floats apart. `in` a multiple of 16. */
    void (*linear)(float *y, size_t y_step, const float *W, const float *bias, const float *x,
                   size_t x_step, size_t batch, size_t in, size_t out);

    /* gx_b += W^T g_b, gW += sum_b g_b x_b^T, gbias += sum_b g_b; gx NULL: not asked for. */
    void (*linear_back)(float *gx, size_t gx_step, float *gW, float *gbias, const float *W,
                        const float *x, size_t x_step, const float *g, size_t g_step, size_t batch,
                        size_t in, size_t out);
};
SCRYI_VARIANTS(struct scryi_train_loops, scryi_train_loops);

#endif
