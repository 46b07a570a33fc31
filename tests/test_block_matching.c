#include "tests/check.h"

#include "datasets/phantom.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/block_matching.h"

enum { NY = 57, NX = 64, N = NY * NX };

static double psnr(const float *a, const float *x)
{
    return 10 * log10(4 * N / pow(scry_distance(a, x, N), 2));
}

/* Of white noise the most is gone, at low noise and at high; in place too. */
static void noise_is_removed(void **state)
{
    (void)state;
    scry_error err = {0};
    float x[N], noise[N], y[N], out[N];
    const scry_space space = SCRY_SPACE(NY, NX);
    const struct {
        double sigma, gain;
    } levels[] = {{.05, 4.5}, {.2, 6.5}, {.8, 11.5}};
    assert_ok(scry_phantom_cells(x, &space, 30, 4, &err));
    for (size_t i = 0; i < N; i++)
        x[i] = 2 * x[i] - 1;
    scry_rng_normal(noise, 0, N, 3, 0, 0);
    for (size_t k = 0; k < 3; k++) {
        scry_axpby(y, 1, x, levels[k].sigma, noise, N);
        assert_ok(scry_block_matching(out, y, NY, NX, levels[k].sigma, &err));
        assert_true(psnr(out, x) > psnr(y, x) + levels[k].gain);
        assert_ok(scry_block_matching(y, y, NY, NX, levels[k].sigma, &err));
        assert_memory_equal(y, out, sizeof out);
    }
}

/* An image without noise of its own stays what it is when it is told of very little. */
static void a_clean_image_stays(void **state)
{
    (void)state;
    scry_error err = {0};
    float x[N], out[N];
    for (size_t i = 0; i < N; i++)
        x[i] = sinf((float)(i % NX) * .7f) * cosf((float)(i / NX) * 1.1f);
    assert_ok(scry_block_matching(out, x, NY, NX, 1e-4, &err));
    assert_true(psnr(out, x) > 80);
}

static void failures_are_reported(void **state)
{
    (void)state;
    scry_error err = {0};
    float x[N] = {0};
    assert_fails(scry_block_matching(x, x, NY, NX, 0, &err), SCRY_EINVAL);
    assert_fails(scry_block_matching(x, x, NY, NX, NAN, &err), SCRY_EINVAL);
    assert_fails(scry_block_matching(x, x, 15, NX, 1, &err), SCRY_ESHAPE);
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 4; nth++) {
        scry_memory_fail_at(nth);
        assert_fails(scry_block_matching(x, x, NY, NX, 1, &err), SCRY_ENOMEM);
        assert_int_equal(scry_memory_live(), live);
    }
    scry_memory_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_removed),
        cmocka_unit_test(a_clean_image_stays),
        cmocka_unit_test(failures_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
