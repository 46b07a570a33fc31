#include "tests/check.h"

#include "apps/recon/image/rise_impl.h"
#include "lib/memory.h"
#include "lib/rng.h"

/* Spectra that fall, that are flat, and that rise. */

enum { H = 96, W = 112 };

static double rise_of(const float *x, size_t ny, size_t nx)
{
    scry_error err = {0};
    const scry_space space = SCRY_SPACE(ny, nx);
    double rise = NAN;
    assert_ok(scryi_spectrum_rise(&rise, &space, x, &err));
    return rise;
}

static float *white(uint64_t seed)
{
    float *x = scry_alloc(H * W, sizeof *x);
    scry_rng_normal(x, 0, H * W, seed, 0, 0);
    return x;
}

/* x + a (its four neighbours), around the edges. */
static float *mixed(const float *x, float a)
{
    float *y = scry_alloc(H * W, sizeof *y);
    for (size_t i = 0; i < H; i++)
        for (size_t j = 0; j < W; j++)
            y[i * W + j] = x[i * W + j] + a * (x[(i + 1) % H * W + j] + x[(i + H - 1) % H * W + j] +
                                               x[i * W + (j + 1) % W] + x[i * W + (j + W - 1) % W]);
    return y;
}

static void spectra(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        float *x = white(seed), *smooth = mixed(x, 0.2F), *rough = mixed(x, -0.2F);
        assert_below(rise_of(x, H, W), 1.5);
        assert_below(rise_of(smooth, H, W), 0.5);
        assert_true(rise_of(rough, H, W) > 5);
        scry_free(x);
        scry_free(smooth);
        scry_free(rough);
    }
}

/* Points of any brightness, and none. */
static void points(void **state)
{
    (void)state;
    float *x = scry_alloc(H * W, sizeof *x);
    assert_true(rise_of(x, H, W) == 0);
    x[H / 2 * W + W / 2] = 7;
    assert_below(rise_of(x, H, W), 0.01);
    x[3 * W + 5] = -2;
    x[40 * W + 60] = 1;
    assert_below(rise_of(x, H, W), 1);
    assert_true(rise_of(x, 40, 40) == 0); /* too small to say */
    scry_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spectra), cmocka_unit_test(points)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
