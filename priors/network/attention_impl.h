#ifndef SCRY_PRIORS_NETWORK_ATTENTION_IMPL_H
#define SCRY_PRIORS_NETWORK_ATTENTION_IMPL_H

#include "lib/variants.h"

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

/* Once for each instruction set. */
struct scryi_attention_loops {
    size_t (*scratch)(const scryi_attend *a, bool backward); /* in floats */

    void (*forward)(const scryi_attend *a, float *o, const float *qkv, float *scratch);

    /* gqkv = dL/d(qkv) from go = dL/do; the probabilities are computed again. */
    void (*backward)(const scryi_attend *a, float *gqkv, const float *qkv, const float *go,
                     float *scratch);
};
SCRYI_VARIANTS(struct scryi_attention_loops, scryi_attention_loops);

#endif
