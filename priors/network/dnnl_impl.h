#ifndef SCRY_PRIORS_NETWORK_DNNL_IMPL_H
#define SCRY_PRIORS_NETWORK_DNNL_IMPL_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Convolutions of oneDNN, on one image in the blocked layout of priors/network/loops_impl.h. */

typedef struct scryi_conv scryi_conv;

typedef struct scryi_conv_shape {
    size_t in, out;       /* channels, multiples of scryi_lanes() */
    size_t height, width; /* of the input */
    size_t out_height, out_width;
    size_t kernel, stride, pad; /* pad before the first row and column */
    bool transposed; /* the adjoint instead: from out x out_height x out_width to in x ... */
    bool bias;       /* takes one; never when transposed */
    bool winograd;   /* where the library has it for this shape */
} scryi_conv_shape;

/* weights: out, in, row, column; copied into the library's own layout. ENOMEM, or ENUMERIC with the
 * library's status for anything else. */
scry_status scryi_conv_create(scryi_conv **out, const scryi_conv_shape *shape, const float *weights,
                              scry_error *err);
void scryi_conv_free(scryi_conv *c); /* accepts NULL */

size_t scryi_conv_scratch(const scryi_conv *c);      /* bytes for one run */
size_t scryi_conv_weight_bytes(const scryi_conv *c); /* of the copy */
bool scryi_conv_is_winograd(const scryi_conv *c);

/* dst = W * src + bias. bias: one value for each output channel, if the shape has it.
 * Runs in the calling thread alone; threads may run one convolution at the same time with their own
 * dst and scratch. */
scry_status scryi_conv_run(const scryi_conv *c, float *dst, const float *src, const float *bias,
                           void *scratch, scry_error *err);

#endif
