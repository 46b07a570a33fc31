#ifndef SCRY_PRIORS_NETWORK_ATTENTION_IMPL_H
#define SCRY_PRIORS_NETWORK_ATTENTION_IMPL_H

#include <stdbool.h>
#include <stddef.h>

/* Multi-head self-attention among the pixels of an image (Vaswani et al. 2017, Eq. 1): in each head
 *   o_i = sum_j p_ij v_j,  p_i = softmax_j(q_i . k_j / sqrt(d)),  d = channels / heads.
 * qkv holds q, k and v, each of `channels` channels padded, one after the other in the blocked
 * layout of loops_impl.h; o likewise. One score row at a time: memory is linear in the pixels. */
typedef struct scryi_attend {
    size_t channels, heads, pixels;
    int threads;
} scryi_attend;

/* Floats of scratch. */
size_t scryi_attend_scratch(const scryi_attend *a, bool backward);

void scryi_attend_forward(const scryi_attend *a, float *o, const float *qkv, float *scratch);

/* gqkv = dL/d(qkv) from go = dL/do; the probabilities are computed again. */
void scryi_attend_backward(const scryi_attend *a, float *gqkv, const float *qkv, const float *go,
                           float *scratch);

#endif
