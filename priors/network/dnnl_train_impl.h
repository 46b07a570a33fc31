#ifndef SCRY_PRIORS_NETWORK_DNNL_TRAIN_IMPL_H
#define SCRY_PRIORS_NETWORK_DNNL_TRAIN_IMPL_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Convolutions of oneDNN as training needs them: on a few images at a time (the layout of
 * priors/network/loops_impl.h, one image after the other), forward, back to the input and back to
 * the weights, with weights that change from step to step.
 *
 * In float32 on purpose. With Winograd's F(4,3) the library does 270 to 340 GFLOP/s of direct sums
 * on one AVX-512 core in all three directions, for 140 to 180 direct and 90 (Sapphire Rapids) to
 * 240 (Zen 4) in bfloat16 (tests/bench/bench_conv.c): rounding to 16 bits would only cost. */

typedef struct scryi_train_conv scryi_train_conv;

typedef struct scryi_train_conv_shape {
    size_t batch, in, out; /* channels: multiples of the lanes */
    size_t height, width;  /* of the input */
    size_t kernel,
        stride; /* padding of kernel / 2 before; after, as much as keeps height / stride */
} scryi_train_conv_shape;

/* workers: threads that may run it at the same time. ENOMEM, or ENUMERIC with the library's status
 * for anything else. */
scry_status scryi_train_conv_create(scryi_train_conv **out, const scryi_train_conv_shape *shape,
                                    size_t workers, scry_error *err);
void scryi_train_conv_free(scryi_train_conv *c); /* accepts NULL */

size_t scryi_train_conv_scratch(const scryi_train_conv *c);  /* bytes, for any one direction */
size_t scryi_train_conv_gradient(const scryi_train_conv *c); /* floats of a gradient as it comes */

/* New weights, out x in x row x column, into the library's layouts; no worker may run meanwhile. */
scry_status scryi_train_conv_load(scryi_train_conv *c, const float *weights, scry_error *err);

/* y = W x + b, gx = W^T g; and the gradient of sum <g, W x + b> in W (in the library's layout) and
 * in b. All in the calling thread, as the given worker; arrays aligned as scry_alloc's. */
scry_status scryi_train_conv_forward(scryi_train_conv *c, float *y, const float *x, const float *b,
                                     void *scratch, size_t worker, scry_error *err);
scry_status scryi_train_conv_data(scryi_train_conv *c, float *gx, const float *g, void *scratch,
                                  size_t worker, scry_error *err);
scry_status scryi_train_conv_weights(scryi_train_conv *c, float *gw, float *gb, const float *x,
                                     const float *g, void *scratch, size_t worker, scry_error *err);

/* A gradient from the library's layout to that of the weights. */
scry_status scryi_train_conv_unload(scryi_train_conv *c, float *plain, const float *gw,
                                    scry_error *err);

/* C = alpha A B + beta C, row-major: A m x k (or its transpose as stored), B k x n likewise; in the
 * calling thread. */
scry_status scryi_matrix_product(float *C, const float *A, bool a_transposed, const float *B,
                                 bool b_transposed, size_t m, size_t n, size_t k, float alpha,
                                 float beta, scry_error *err);

#endif
