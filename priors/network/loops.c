#include "priors/network/loops_impl.h"

#include "priors/network/vec_impl.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* Sums of floats are kept in vectors for this many pixels, then added to doubles. */
#define RUN 256

/* The two sums of each lane of a block, to their places among those of all channels. */
static void channel_sums(double *sums, size_t channels, size_t block, const double *s)
{
    for (size_t l = 0; l < LANES; l++) {
        sums[block * LANES + l] = s[l];
        sums[channels + block * LANES + l] = s[LANES + l];
    }
}

static void loops_flush(double *s, const vec *acc)
{
    float part[2 * LANES];
    memcpy(part, acc, sizeof part);
    for (size_t l = 0; l < 2 * LANES; l++)
        s[l] += (double)part[l];
}

/* Sums of x and x^2. A per-channel pivot (its first pixel) is subtracted first: the variance of an
 * image with a large mean would otherwise be lost in cancellation. */
static void loops_moments(double *s, const float *x, size_t pixels)
{
    const vec pivot = loops_load(x);
    memset(s, 0, 2 * LANES * sizeof *s);
    for (size_t from = 0; from < pixels; from += RUN) {
        const size_t to = from + RUN < pixels ? from + RUN : pixels;
        vec acc[2] = {{0}, {0}};
        for (size_t p = from; p < to; p++) {
            const vec v = loops_load(x + p * LANES) - pivot;
            acc[0] += v;
            acc[1] += v * v;
        }
        loops_flush(s, acc);
    }
    for (size_t l = 0; l < LANES; l++) { /* back to sums of x and of (x - mean of channel)^2 */
        const double mean = s[l] / (double)pixels;
        s[LANES + l] -= s[l] * mean;
        s[l] += (double)x[l] * (double)pixels;
    }
}

/* From the sum and the squared deviation of each channel to mean and rstd of its group. */
static void group_statistics(const scryi_norm *n)
{
    double *sum = n->sums, *square = sum + n->channels, *mean = square + n->channels;
    double *size = mean + n->groups;
    const double pixels = (double)n->pixels;
    memset(mean, 0, 2 * n->groups * sizeof *mean);
    for (size_t c = 0; c < n->channels; c++)
        if (n->group[c] >= 0) {
            mean[n->group[c]] += sum[c];
            size[n->group[c]] += pixels;
        }
    for (size_t g = 0; g < n->groups; g++)
        mean[g] /= size[g];
    double *variance = size;
    for (size_t g = 0; g < n->groups; g++)
        variance[g] = 0;
    size_t members = 0;
    for (size_t c = 0; c < n->channels; c++)
        if (n->group[c] >= 0) {
            const double off = sum[c] / pixels - mean[n->group[c]];
            variance[n->group[c]] += square[c] + pixels * off * off;
            members++;
        }
    const double count = (double)members / (double)n->groups * pixels;
    for (size_t c = 0; c < n->channels; c++) {
        const int g = n->group[c];
        const double rstd = g < 0 ? 0 : 1 / sqrt(variance[g] / count + n->eps);
        const double m = g < 0 ? 0 : mean[g];
        n->mean[c] = (float)m;
        n->rstd[c] = (float)rstd;
        n->scale[c] = (float)((double)n->weight[c] * rstd);
        n->shift[c] = (float)((double)n->bias[c] - (double)n->weight[c] * rstd * m);
    }
}

static void loops_norm_statistics(const scryi_norm *n, const float *x, int threads)
{
    const size_t blocks = n->channels / LANES;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t b = 0; b < blocks; b++) {
        double s[2 * LANES];
        loops_moments(s, x + b * n->pixels * LANES, n->pixels);
        channel_sums(n->sums, n->channels, b, s);
    }
    group_statistics(n);
}

INLINE void apply_block(float *y, const float *x, size_t pixels, vec scale, vec shift, bool silu)
{
    for (size_t p = 0; p < pixels * LANES; p += LANES) {
        vec z = loops_load(x + p) * scale + shift;
        if (silu) z *= sigmoid(z);
        loops_store(y + p, z);
    }
}

static void loops_norm_apply(const scryi_norm *n, float *y, const float *x, bool silu, int threads)
{
    const size_t blocks = n->channels / LANES;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t b = 0; b < blocks; b++) {
        const size_t at = b * n->pixels * LANES;
        const vec scale = loops_load(n->scale + b * LANES),
                  shift = loops_load(n->shift + b * LANES);
        if (silu)
            apply_block(y + at, x + at, n->pixels, scale, shift, true);
        else
            apply_block(y + at, x + at, n->pixels, scale, shift, false);
    }
}

/* g becomes dL/dz, z = scale x + shift; s: its sum and its sum against the normalised x. */
INLINE void activation_back(double *s, float *g, const float *x, const scryi_norm *n, size_t c,
                            bool silu)
{
    const vec scale = loops_load(n->scale + c), shift = loops_load(n->shift + c);
    const vec mean = loops_load(n->mean + c), rstd = loops_load(n->rstd + c);
    memset(s, 0, 2 * LANES * sizeof *s);
    for (size_t from = 0; from < n->pixels; from += RUN) {
        const size_t to = from + RUN < n->pixels ? from + RUN : n->pixels;
        vec acc[2] = {{0}, {0}};
        for (size_t p = from * LANES; p < to * LANES; p += LANES) {
            const vec v = loops_load(x + p);
            vec gz = loops_load(g + p);
            if (silu) {
                const vec z = v * scale + shift, sg = sigmoid(z);
                gz *= sg + z * sg * (1.f - sg);
                loops_store(g + p, gz);
            }
            acc[0] += gz;
            acc[1] += gz * ((v - mean) * rstd);
        }
        loops_flush(s, acc);
    }
}

/* With xhat = (x - mean) rstd and w the weight, over a group of N entries
 *   dL/dx = rstd (w gz - mean_N(w gz) - xhat mean_N(w gz xhat)). */
static void group_means(const scryi_norm *n)
{
    double *s1 = n->sums, *s2 = s1 + n->channels, *m1 = s2 + n->channels, *m2 = m1 + n->groups;
    size_t members = 0;
    memset(m1, 0, 2 * n->groups * sizeof *m1);
    for (size_t c = 0; c < n->channels; c++)
        if (n->group[c] >= 0) {
            m1[n->group[c]] += (double)n->weight[c] * s1[c];
            m2[n->group[c]] += (double)n->weight[c] * s2[c];
            members++;
        }
    const double count = (double)members / (double)n->groups * (double)n->pixels;
    for (size_t g = 0; g < 2 * n->groups; g++)
        m1[g] /= count;
    for (size_t c = 0; c < n->channels; c++) { /* gx = scale gz + s1 + s2 x from here on */
        const int g = n->group[c];
        const double r = (double)n->rstd[c];
        s2[c] = g < 0 ? 0 : -r * r * m2[g];
        s1[c] = g < 0 ? 0 : -r * m1[g] - s2[c] * (double)n->mean[c];
    }
}

static void loops_norm_backward(const scryi_norm *n, float *gx, float *g, const float *x, bool silu,
                                bool add, int threads)
{
    const size_t blocks = n->channels / LANES, size = n->pixels * LANES;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t b = 0; b < blocks; b++) {
        double s[2 * LANES];
        if (silu)
            activation_back(s, g + b * size, x + b * size, n, b * LANES, true);
        else
            activation_back(s, g + b * size, x + b * size, n, b * LANES, false);
        channel_sums(n->sums, n->channels, b, s);
    }
    if (n->weight_grad)
        for (size_t c = 0; c < n->channels; c++) {
            n->bias_grad[c] += (float)n->sums[c];
            n->weight_grad[c] += (float)n->sums[n->channels + c];
        }
    group_means(n);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t b = 0; b < blocks; b++) {
        const float *gz = g + b * size, *v = x + b * size;
        float *to = gx + b * size;
        vec c0, c1, c2 = loops_load(n->scale + b * LANES);
        for (size_t l = 0; l < LANES; l++) {
            c0[l] = (float)n->sums[b * LANES + l];
            c1[l] = (float)n->sums[n->channels + b * LANES + l];
        }
        if (add)
            for (size_t p = 0; p < size; p += LANES)
                loops_store(to + p, loops_load(to + p) +
                                        (c2 * loops_load(gz + p) + (c1 * loops_load(v + p) + c0)));
        else
            for (size_t p = 0; p < size; p += LANES)
                loops_store(to + p, c2 * loops_load(gz + p) + (c1 * loops_load(v + p) + c0));
    }
}

static void loops_add(float *out, const float *a, const float *b, size_t n, int threads)
{
    const size_t vecs = n / LANES;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < vecs; i++)
        loops_store(out + i * LANES, loops_load(a + i * LANES) + loops_load(b + i * LANES));
}

static void loops_upsample(float *y, const float *x, size_t channels, size_t h, size_t w,
                           int threads)
{
    const size_t rows = channels / LANES * h, wide = 2 * w * LANES;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t r = 0; r < rows; r++) {
        float *to = y + 2 * r * wide;
        for (size_t i = 0; i < w; i++) {
            const vec v = loops_load(x + (r * w + i) * LANES);
            loops_store(to + 2 * i * LANES, v);
            loops_store(to + (2 * i + 1) * LANES, v);
        }
        memcpy(to + wide, to, wide * sizeof *to);
    }
}

static void loops_upsample_back(float *x, const float *y, size_t channels, size_t h, size_t w,
                                int threads)
{
    const size_t rows = channels / LANES * h, wide = 2 * w * LANES;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t r = 0; r < rows; r++) {
        const float *a = y + 2 * r * wide, *b = a + wide;
        for (size_t i = 0; i < w; i++) {
            const size_t p = 2 * i * LANES, q = p + LANES;
            loops_store(x + (r * w + i) * LANES, (loops_load(a + p) + loops_load(a + q)) +
                                                     (loops_load(b + p) + loops_load(b + q)));
        }
    }
}

/* Pixels of a row that are computed together, so that each weight is loaded once for all. */
#define TILE 8

INLINE void first_tile(float *y, const float *image, const float *weights, vec bias, size_t few,
                       size_t plane, size_t wide, size_t count)
{
    vec acc[TILE];
    for (size_t i = 0; i < count; i++)
        acc[i] = bias;
    for (size_t f = 0; f < few; f++)
        for (size_t k = 0; k < 9; k++) {
            const vec w = loops_load(weights + (f * 9 + k) * LANES);
            const float *from = image + f * plane + k / 3 * wide + k % 3;
            for (size_t i = 0; i < count; i++)
                acc[i] += w * from[i];
        }
    for (size_t i = 0; i < count; i++)
        loops_store(y + i * LANES, acc[i]);
}

static void loops_first_conv(float *y, const float *image, const float *weights, const float *bias,
                             size_t few, size_t channels, size_t h, size_t w, int threads)
{
    const size_t rows = channels / LANES * h, wide = w + 2, plane = wide * (h + 2);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t r = 0; r < rows; r++) {
        const size_t block = r / h;
        const float *wb = weights + block * few * 9 * LANES, *from = image + r % h * wide;
        const vec b = bias ? loops_load(bias + block * LANES) : splat(0);
        float *to = y + r * w * LANES;
        size_t i = 0;
        for (; i + TILE <= w; i += TILE)
            first_tile(to + i * LANES, from + i, wb, b, few, plane, wide, TILE);
        for (; i < w; i++)
            first_tile(to + i * LANES, from + i, wb, b, few, plane, wide, 1);
    }
}

/* Pixels i .. i + count of a row, tap by tap; taps outside the image add nothing. `inside` promises
 * that no column is outside. */
INLINE void last_tile(vec *acc, const float *x, const float *weights, size_t blocks, size_t h,
                      size_t w, size_t row, size_t i, size_t count, bool inside)
{
    for (size_t b = 0; b < blocks; b++)
        for (size_t k = 0; k < 9; k++) {
            const size_t y = row + k / 3; /* one more than the row read */
            if (y < 1 || y > h) continue;
            const vec wk = loops_load(weights + (b * 9 + k) * LANES);
            const float *from = x + ((b * h + y - 1) * w) * LANES;
            for (size_t j = 0; j < count; j++) {
                const size_t at = i + j + k % 3;
                if (inside || (at >= 1 && at <= w))
                    acc[j] += wk * loops_load(from + (at - 1) * LANES);
            }
        }
}

static void loops_last_conv(float *planes, const float *x, const float *weights, const float *bias,
                            size_t few, size_t channels, size_t h, size_t w, int threads)
{
    const size_t rows = few * h, blocks = channels / LANES;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (size_t r = 0; r < rows; r++) {
        const size_t f = r / h;
        const float *wf = weights + f * blocks * 9 * LANES;
        const float b = bias ? bias[f] : 0;
        float *to = planes + r * w;
        for (size_t i = 0; i < w;) {
            vec acc[TILE] = {{0}};
            const bool inside = i >= 1 && i + TILE < w;
            const size_t count = inside ? TILE : 1;
            if (inside)
                last_tile(acc, x, wf, blocks, h, w, r % h, i, TILE, true);
            else
                last_tile(acc, x, wf, blocks, h, w, r % h, i, 1, false);
            for (size_t j = 0; j < count; j++)
                to[i + j] = lane_sum(acc[j]) + b;
            i += count;
        }
    }
}

static void loops_linear(float *y, const float *weights, const float *bias, const float *x,
                         size_t in, size_t out)
{
    for (size_t o = 0; o < out; o++) {
        double sum = (double)bias[o];
        for (size_t i = 0; i < in; i++)
            sum += (double)weights[o * in + i] * (double)x[i];
        y[o] = (float)sum;
    }
}

static void loops_silu(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] /= 1 + expf(-x[i]);
}

static float loops_exp_sum(float *x, size_t n)
{
    vec sum = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        const vec e = exp_vec(loops_load(x + i));
        loops_store(x + i, e);
        sum += e;
    }
    float total = lane_sum(sum);
    for (; i < n; i++)
        total += x[i] = expf(x[i]);
    return total;
}

const struct scryi_loops SCRYI_VARIANT(scryi_loops) = {
    .lanes = LANES,
    .norm_statistics = loops_norm_statistics,
    .norm_apply = loops_norm_apply,
    .norm_backward = loops_norm_backward,
    .add = loops_add,
    .upsample = loops_upsample,
    .upsample_back = loops_upsample_back,
    .first_conv = loops_first_conv,
    .last_conv = loops_last_conv,
    .linear = loops_linear,
    .silu = loops_silu,
    .exp_sum = loops_exp_sum,
};
