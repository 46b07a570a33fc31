#include "priors/network/attention_impl.h"

#include "priors/network/loops_impl.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#define LANES SCRYI_LANES

static size_t attend_padded(size_t n)
{
    return (n + LANES - 1) / LANES * LANES;
}

/* Inside, channels are planes: plane c holds the pixels of channel c in order, rounded up to whole
 * vectors, so that every inner loop runs along pixels. Heads are independent, and one head is the
 * work of one thread: the order of its sums is fixed. */
static size_t row_floats(const scryi_attend *a)
{
    return attend_padded(a->pixels);
}

static size_t attend_scratch(const scryi_attend *a, bool backward)
{
    const size_t planes = (backward ? 7 : 4) * a->channels; /* q k v o, or q k v go and three g */
    return (planes + 2 * (size_t)a->threads) * row_floats(a);
}

static void attention_to_planes(const scryi_attend *a, float *planes, const float *blocked)
{
    const size_t row = row_floats(a);
#pragma omp parallel for num_threads(a->threads) if (a->threads > 1)
    for (size_t c = 0; c < a->channels; c++) {
        const float *from = blocked + c / LANES * a->pixels * LANES + c % LANES;
        for (size_t p = 0; p < a->pixels; p++)
            planes[c * row + p] = from[p * LANES];
    }
}

static void from_planes(const scryi_attend *a, float *blocked, const float *planes)
{
    const size_t row = row_floats(a), blocks = attend_padded(a->channels) / LANES;
#pragma omp parallel for num_threads(a->threads) if (a->threads > 1)
    for (size_t b = 0; b < blocks; b++) {
        float *to = blocked + b * a->pixels * LANES;
        for (size_t l = 0; l < LANES; l++) {
            const size_t c = b * LANES + l;
            for (size_t p = 0; p < a->pixels; p++)
                to[p * LANES + l] = c < a->channels ? planes[c * row + p] : 0;
        }
    }
}

/* s_j = sum_c x_c k_cj, the x_c being column i of the planes x. */
static void attention_project(float *restrict s, const float *x, const float *k, size_t depth,
                              size_t row, size_t pixels, size_t i, float scale)
{
    memset(s, 0, pixels * sizeof *s);
    for (size_t c = 0; c < depth; c++) {
        const float xc = scale * x[c * row + i], *restrict kc = k + c * row;
        for (size_t j = 0; j < pixels; j++)
            s[j] += xc * kc[j];
    }
}

static float attention_largest(const float *s, size_t n)
{
    float part[LANES];
    size_t j = 0;
    for (size_t l = 0; l < LANES; l++)
        part[l] = -INFINITY;
    for (; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++)
            part[l] = s[j + l] > part[l] ? s[j + l] : part[l];
    for (; j < n; j++)
        part[0] = s[j] > part[0] ? s[j] : part[0];
    for (size_t l = 1; l < LANES; l++)
        part[0] = part[l] > part[0] ? part[l] : part[0];
    return part[0];
}

/* sum_j a_j b_j in lanes, whose order does not depend on anything but n. */
static float attention_dot(const float *restrict a, const float *restrict b, size_t n)
{
    float part[LANES] = {0};
    size_t j = 0;
    for (; j + LANES <= n; j += LANES)
        for (size_t l = 0; l < LANES; l++)
            part[l] += a[j + l] * b[j + l];
    for (; j < n; j++)
        part[0] += a[j] * b[j];
    for (size_t l = 1; l < LANES; l++)
        part[0] += part[l];
    return part[0];
}

/* Row i of the probabilities. */
static void softmax_row(float *s, const float *q, const float *k, size_t depth, size_t row,
                        size_t pixels, size_t i)
{
    attention_project(s, q, k, depth, row, pixels, i, 1 / sqrtf((float)depth));
    const float top = attention_largest(s, pixels);
    for (size_t j = 0; j < pixels; j++)
        s[j] -= top;
    const float sum = SCRYI_VARIANT(scryi_loops).exp_sum(s, pixels);
    for (size_t j = 0; j < pixels; j++)
        s[j] /= sum;
}

static void attend_forward(const scryi_attend *a, float *o, const float *qkv, float *scratch)
{
    const size_t row = row_floats(a), depth = a->channels / a->heads, size = a->channels * row;
    const size_t part = attend_padded(a->channels) * a->pixels;
    float *q = scratch, *k = q + size, *v = k + size, *out = v + size, *rows = out + size;
    attention_to_planes(a, q, qkv);
    attention_to_planes(a, k, qkv + part);
    attention_to_planes(a, v, qkv + 2 * part);
#pragma omp parallel for num_threads(a->threads) if (a->threads > 1)
    for (size_t h = 0; h < a->heads; h++) {
        const size_t at = h * depth * row;
        float *s = rows + (size_t)omp_get_thread_num() * row;
        for (size_t i = 0; i < a->pixels; i++) {
            softmax_row(s, q + at, k + at, depth, row, a->pixels, i);
            for (size_t c = 0; c < depth; c++)
                out[at + c * row + i] = attention_dot(s, v + at + c * row, a->pixels);
        }
    }
    from_planes(a, o, out);
}

/* y_j += alpha x_j */
static void attention_accumulate(float *restrict y, float alpha, const float *restrict x, size_t n)
{
    for (size_t j = 0; j < n; j++)
        y[j] += alpha * x[j];
}

/* With dp_ij = go_i . v_j and ds_ij = p_ij (dp_ij - sum_j p_ij dp_ij):
 *   gq_i = sum_j ds_ij k_j / sqrt(d),  gk_j = sum_i ds_ij q_i / sqrt(d),  gv_j = sum_i p_ij go_i.
 */
static void head_backward(const scryi_attend *a, float *const g[3], const float *q, const float *k,
                          const float *v, const float *go, float *p, float *ds)
{
    const size_t row = row_floats(a), depth = a->channels / a->heads, n = a->pixels;
    const float scale = 1 / sqrtf((float)depth);
    for (size_t i = 0; i < n; i++) {
        softmax_row(p, q, k, depth, row, n, i);
        attention_project(ds, go, v, depth, row, n, i, 1);
        const float mean = attention_dot(p, ds, n);
        for (size_t j = 0; j < n; j++)
            ds[j] = scale * p[j] * (ds[j] - mean);
        for (size_t c = 0; c < depth; c++) {
            g[0][c * row + i] = attention_dot(ds, k + c * row, n);
            attention_accumulate(g[1] + c * row, q[c * row + i], ds, n);
            attention_accumulate(g[2] + c * row, go[c * row + i], p, n);
        }
    }
}

static void attend_backward(const scryi_attend *a, float *gqkv, const float *qkv, const float *go,
                            float *scratch)
{
    const size_t row = row_floats(a), depth = a->channels / a->heads, size = a->channels * row;
    const size_t part = attend_padded(a->channels) * a->pixels;
    float *plane[8]; /* q k v go gq gk gv, then the rows of scores */
    for (size_t i = 0; i < 8; i++)
        plane[i] = scratch + i * size;
    for (size_t i = 0; i < 3; i++)
        attention_to_planes(a, plane[i], qkv + i * part);
    attention_to_planes(a, plane[3], go);
    memset(plane[4], 0, 3 * size * sizeof(float));
#pragma omp parallel for num_threads(a->threads) if (a->threads > 1)
    for (size_t h = 0; h < a->heads; h++) {
        const size_t at = h * depth * row;
        float *p = plane[7] + 2 * (size_t)omp_get_thread_num() * row;
        float *const g[3] = {plane[4] + at, plane[5] + at, plane[6] + at};
        head_backward(a, g, plane[0] + at, plane[1] + at, plane[2] + at, plane[3] + at, p, p + row);
    }
    for (size_t i = 0; i < 3; i++)
        from_planes(a, gqkv + i * part, plane[4 + i]);
}

const struct scryi_attention_loops SCRYI_VARIANT(scryi_attention_loops) = {
    .scratch = attend_scratch, .forward = attend_forward, .backward = attend_backward};
