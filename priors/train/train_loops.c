#include "priors/train/train_loops_impl.h"

#include "priors/network/vec_impl.h"

static void train_add_row(float *x, const float *row, size_t channels, size_t pixels)
{
    for (size_t c = 0; c < channels; c += LANES, x += pixels * LANES) {
        vec r;
        memcpy(&r, row + c, sizeof r);
        for (size_t p = 0; p < pixels; p++)
            loops_store(x + p * LANES, loops_load(x + p * LANES) + r);
    }
}

/* In runs, so that a sum over a thousand pixels keeps its digits. */
static void train_sum_row(float *row, const float *g, size_t channels, size_t pixels)
{
    for (size_t c = 0; c < channels; c += LANES, g += pixels * LANES) {
        vec total = splat(0);
        for (size_t p = 0; p < pixels;) {
            vec part = splat(0);
            const size_t end = p + 64 < pixels ? p + 64 : pixels;
            for (; p < end; p++)
                part += loops_load(g + p * LANES);
            total += part;
        }
        memcpy(row + c, &total, sizeof total);
    }
}

static void train_accumulate(float *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += from[i];
}

static void train_silu_of(float *y, const float *x, size_t n)
{
    vec v;
    for (size_t i = 0; i < n; i += LANES) { /* widths are multiples of 16 */
        memcpy(&v, x + i, sizeof v);
        v *= sigmoid(v);
        memcpy(y + i, &v, sizeof v);
    }
}

static void train_silu_back(float *g, const float *x, size_t n)
{
    vec v, d;
    for (size_t i = 0; i < n; i += LANES) {
        memcpy(&v, x + i, sizeof v);
        memcpy(&d, g + i, sizeof d);
        const vec s = sigmoid(v);
        d *= s + v * s * (1.f - s);
        memcpy(g + i, &d, sizeof d);
    }
}

static void train_linear_group(float *y, size_t y_step, const float *W, const float *bias,
                               const float *x, size_t x_step, size_t batch, size_t in, size_t out)
{
    for (size_t o = 0; o < out; o++)
        for (size_t b = 0; b < batch; b++) {
            vec sum = splat(0), w, v;
            for (size_t i = 0; i < in; i += LANES) {
                memcpy(&w, W + o * in + i, sizeof w);
                memcpy(&v, x + b * x_step + i, sizeof v);
                sum += w * v;
            }
            y[b * y_step + o] = lane_sum(sum) + bias[o];
        }
}

static void train_linear_back(float *gx, size_t gx_step, float *gW, float *gbias, const float *W,
                              const float *x, size_t x_step, const float *g, size_t g_step,
                              size_t batch, size_t in, size_t out)
{
    for (size_t o = 0; o < out; o++)
        for (size_t b = 0; b < batch; b++) {
            const float s = g[b * g_step + o];
            float *to = gW + o * in;
            gbias[o] += s;
            for (size_t i = 0; i < in; i++)
                to[i] += s * x[b * x_step + i];
            for (size_t i = 0; gx && i < in; i++)
                gx[b * gx_step + i] += s * W[o * in + i];
        }
}

const struct scryi_train_loops SCRYI_VARIANT(scryi_train_loops) = {
    .add_row = train_add_row,
    .sum_row = train_sum_row,
    .accumulate = train_accumulate,
    .silu = train_silu_of,
    .silu_back = train_silu_back,
    .linear = train_linear_group,
    .linear_back = train_linear_back,
};
