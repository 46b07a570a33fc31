#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/callbacks.h"
#include "priors/network/dnnl_train_impl.h"
#include "priors/network/loops_impl.h"
#include "priors/train/optim_impl.h"
#include "solvers/registry.h"
#include "solvers/sampling/sampler_impl.h"

#include <string.h>

/* Examples that texts on diffusion models work through with numbers, by the parts of this library.
 */

/* ---- a noise predictor of three convolutions ---- */

enum { LAYERS = 3, PATCHES = 9, PATCH = 16, PIXELS = PATCH * PATCH, IMAGE = 32, TAPS = 9 };

#define SIGMA .25

typedef struct worked_layer {
    size_t in, out; /* padded */
    scryi_train_conv *conv;
    float *w, *b, *m, *v, *g; /* g: the gradient as the library has it */
    float *plain, *gb, *mb, *vb;
    float *y, *gy; /* after the ReLU, and dL/dy */
} worked_layer;

static size_t lane_place(size_t patch, size_t channels, size_t pixel)
{
    return patch * channels * PIXELS + pixel * scryi_lanes(); /* channel 0 */
}

static void worked_create(worked_layer *l, size_t in, size_t out, size_t number)
{
    scry_error err = {0};
    *l = (worked_layer){.in = scryi_padded(in), .out = scryi_padded(out)};
    const scryi_train_conv_shape shape = {.batch = PATCHES,
                                          .in = l->in,
                                          .out = l->out,
                                          .height = PATCH,
                                          .width = PATCH,
                                          .kernel = 3,
                                          .stride = 1};
    const size_t n = l->in * l->out * TAPS;
    assert_ok(scryi_train_conv_create(&l->conv, &shape, 1, &err));
    float **weights[] = {&l->w, &l->m, &l->v, &l->plain};
    for (size_t i = 0; i < 4; i++)
        *weights[i] = scry_alloc(n, sizeof(float));
    float **biases[] = {&l->b, &l->gb, &l->mb, &l->vb};
    for (size_t i = 0; i < 4; i++)
        *biases[i] = scry_alloc(l->out, sizeof(float));
    l->g = scry_alloc(scryi_train_conv_gradient(l->conv), sizeof(float));
    l->y = scry_alloc(PATCHES * l->out * PIXELS, sizeof(float));
    l->gy = scry_alloc(PATCHES * l->out * PIXELS, sizeof(float));
    float *draws = scry_alloc(in * out * TAPS, sizeof *draws), *next = draws;
    scry_rng_uniform(draws, 0, in * out * TAPS, 3, (uint32_t)number, 0);
    const float bound = 1 / sqrtf((float)(in * TAPS));
    for (size_t o = 0; o < out; o++)
        for (size_t k = 0; k < in * TAPS; k++)
            l->w[o * l->in * TAPS + k] = bound * (2 * *next++ - 1);
    scry_free(draws);
}

static void worked_free(worked_layer *l)
{
    void *blocks[] = {l->w, l->b, l->m, l->v, l->g, l->plain, l->gb, l->mb, l->vb, l->y, l->gy};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        scry_free(blocks[i]);
    scryi_train_conv_free(l->conv);
}

static size_t worked_scratch(const worked_layer *l)
{
    size_t max = 0;
    for (size_t i = 0; i < LAYERS; i++)
        if (max < scryi_train_conv_scratch(l[i].conv)) max = scryi_train_conv_scratch(l[i].conv);
    return max;
}

static void worked_forward(worked_layer *l, const float *x, void *scratch)
{
    scry_error err = {0};
    for (size_t i = 0; i < LAYERS; i++) {
        assert_ok(scryi_train_conv_load(l[i].conv, l[i].w, &err));
        assert_ok(scryi_train_conv_forward(l[i].conv, l[i].y, i ? l[i - 1].y : x, l[i].b, scratch,
                                           0, &err));
        for (size_t k = 0; i + 1 < LAYERS && k < PATCHES * l[i].out * PIXELS; k++)
            l[i].y[k] = fmaxf(0, l[i].y[k]);
    }
}

/* From dL/dy of the last layer: all gradients, and a step of Adam on each layer. */
static void worked_backward(worked_layer *l, const float *x, size_t step, void *scratch)
{
    scry_error err = {0};
    const scryi_adamw adam = {1e-2, 0, step};
    for (size_t i = LAYERS; i-- > 0;) {
        assert_ok(scryi_train_conv_weights(l[i].conv, l[i].g, l[i].gb, i ? l[i - 1].y : x, l[i].gy,
                                           scratch, 0, &err));
        assert_ok(scryi_train_conv_unload(l[i].conv, l[i].plain, l[i].g, &err));
        if (i) {
            assert_ok(scryi_train_conv_data(l[i].conv, l[i - 1].gy, l[i].gy, scratch, 0, &err));
            for (size_t k = 0; k < PATCHES * l[i].in * PIXELS; k++)
                l[i - 1].gy[k] *= l[i - 1].y[k] > 0;
        }
        scryi_adamw_step(&adam, l[i].w, l[i].m, l[i].v, l[i].plain, l[i].in * l[i].out * TAPS);
        scryi_adamw_step(&adam, l[i].b, l[i].mb, l[i].vb, l[i].gb, l[i].out);
    }
}

/* Two discs on a ramp, values 0 to 1. */
static float picture(size_t y, size_t x)
{
    const double a = hypot((double)y - 11.3, (double)x - 9.2);
    const double b = hypot((double)y - 20.1, (double)x - 22.7);
    const double ramp = .1 + .3 * (double)x / IMAGE;
    return (float)(a < 6.1 ? .9 : b < 7.4 ? .65 : ramp);
}

/* Input x = patch + sigma n in channel 0, noise beside it. */
static void worked_noise(float *x, float *noise, size_t channels, size_t pass)
{
    scry_rng_normal(noise, 0, PATCHES * PIXELS, 7, 0, scry_rng_step(pass, 0));
    for (size_t p = 0; p < PATCHES; p++)
        for (size_t k = 0; k < PIXELS; k++) {
            const size_t top = p / 3 * 8, left = p % 3 * 8;
            x[lane_place(p, channels, k)] =
                picture(top + k / PATCH, left + k % PATCH) + (float)SIGMA * noise[p * PIXELS + k];
        }
}

/* mean |F - n|^2 and its gradient in F. */
static double worked_loss(worked_layer *last, const float *noise)
{
    double sum = 0;
    memset(last->gy, 0, PATCHES * last->out * PIXELS * sizeof *last->gy);
    for (size_t p = 0; p < PATCHES; p++)
        for (size_t k = 0; k < PIXELS; k++) {
            const size_t at = lane_place(p, last->out, k);
            const float d = last->y[at] - noise[p * PIXELS + k];
            sum += (double)d * (double)d;
            last->gy[at] = 2 * d / (PATCHES * PIXELS);
        }
    return sum / (PATCHES * PIXELS);
}

/* Layers of 1, 16, 16, 1 channels and ReLU, Adam at .01, 150 passes over nine patches of 16 x 16
 * pixels of an image of 32 x 32 in noise of .25: the loss begins at that of predicting nothing,
 * about 1.03, and falls below .2; the rest of the noise, sigma times the root of the loss, from
 * .25 to below .11. */
static void three_convolutions_learn_the_noise(void **state)
{
    (void)state;
    worked_layer l[LAYERS];
    const size_t channels[] = {1, 16, 16, 1};
    for (size_t i = 0; i < LAYERS; i++)
        worked_create(&l[i], channels[i], channels[i + 1], i);
    float *x = scry_alloc(PATCHES * l[0].in * PIXELS, sizeof *x);
    float *noise = scry_alloc(PATCHES * PIXELS, sizeof *noise);
    void *scratch = scry_alloc(1, worked_scratch(l));
    double first = 0, late = 0;
    for (size_t pass = 0; pass < 150; pass++) {
        worked_noise(x, noise, l[0].in, pass);
        worked_forward(l, x, scratch);
        const double loss = worked_loss(&l[LAYERS - 1], noise);
        if (!pass) first = loss;
        if (pass >= 140) late += loss / 10;
        worked_backward(l, x, pass + 1, scratch);
    }
    assert_near(first, 1.03, .08);
    assert_below(late, .2);
    /* noise that it has not seen, taken off */
    worked_noise(x, noise, l[0].in, 1000);
    worked_forward(l, x, scratch);
    assert_below(SIGMA * sqrt(worked_loss(&l[LAYERS - 1], noise)), .11);
    for (size_t i = 0; i < LAYERS; i++)
        worked_free(&l[i]);
    scry_free(x);
    scry_free(noise);
    scry_free(scratch);
}

/* ---- four pixels and two steps ---- */

static const float predicted[2][4] = {{-30, 15, 20, -40}, {-20, 10, 15, -30}};

/* A denoiser whose noise is known: D = x - sigma eps, at the levels 2 and 1. */
static scry_status four_pixels(void *ctx, float *x0, const float *x, float sigma, scry_error *err)
{
    (void)ctx;
    (void)err;
    for (size_t i = 0; i < 4; i++)
        x0[i] = x[i] - sigma * predicted[sigma < 1.5f][i];
    return SCRY_OK;
}

/* The state (130, 80; 90, 110) and noise (-30, 15; 20, -40), then (-20, 10; 15, -30), a step of
 * length 1 each: (160, 65; 70, 150), then (180, 55; 55, 180). */
static void four_pixels_take_two_steps(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *P;
    scry_solver *S;
    scry_options options;
    scry_progress p;
    const float start[4] = {130, 80, 90, 110};
    const float expected[2][4] = {{160, 65, 70, 150}, {180, 55, 55, 180}};
    const scry_space space = SCRY_SPACE(2, 2);
    const scry_prior_callbacks c = {
        .name = "four pixels", .sigma_low = 1, .sigma_high = 2, .denoise = four_pixels};
    assert_ok(scry_prior_from_callbacks(&P, &space, &c, &err));
    scry_options_init(&options, scry_method_find("euler"));
    assert_ok(scry_options_set(&options, "steps", 2, &err));
    const scry_problem problem = {.prior = P};
    assert_ok(scry_solver_plan(&S, &problem, &options, &err));
    assert_ok(scry_solver_start(S, 1, 0, &err));
    float *x = ((struct scryi_sampler *)S)->x;
    memcpy(x, start, sizeof start);
    for (size_t k = 0; k < 2; k++) {
        assert_ok(scry_solver_step(S, &p, &err));
        for (size_t i = 0; i < 4; i++)
            assert_near((double)x[i], (double)expected[k][i], 1e-3);
    }
    assert_int_equal(p.reason, SCRY_DONE);
    scry_solver_free(S);
    scry_prior_free(P);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_convolutions_learn_the_noise),
        cmocka_unit_test(four_pixels_take_two_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
