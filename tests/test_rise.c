#include "tests/check.h"

#include "apps/recon/image/psf_fit.h"
#include "apps/recon/image/restore.h"
#include "apps/recon/image/rise_impl.h"
#include "lib/memory.h"
#include "lib/rng.h"

#include <string.h>

/* Spectra that fall, that are flat, and that rise. */

enum { H = 96, W = 112 };

static double rise_of_enlarged(const float *x, size_t ny, size_t nx, double enlarged)
{
    scry_error err = {0};
    const scry_space space = SCRY_SPACE(ny, nx);
    double rise = NAN;
    assert_ok(scryi_spectrum_rise(&rise, &space, x, enlarged, &err));
    return rise;
}

static double rise_of(const float *x, size_t ny, size_t nx)
{
    return rise_of_enlarged(x, ny, nx, 1);
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

static void count_rises(scry_log_kind kind, const char *text, void *ctx)
{
    (void)kind;
    *(int *)ctx += strstr(text, "power spectrum of the result rises") != NULL;
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

/* Copies of the spectrum beyond that of the pixels before are no rise of theirs. */
static void enlarged(void **state)
{
    (void)state;
    float *x = white(3), *smooth = mixed(x, 0.25F), *large = scry_alloc(4 * H * W, sizeof *large);
    for (size_t i = 0; i < (size_t)4 * H * W; i++)
        large[i] = i / (2 * W) % 2 || i % 2 ? 0 : smooth[i / (4 * W) * W + i % (2 * W) / 2];
    assert_true(rise_of(large, 2 * H, 2 * W) > 3);
    assert_below(rise_of_enlarged(large, 2 * H, 2 * W, 2), 0.5);
    scry_free(x);
    scry_free(smooth);
    scry_free(large);
}

/* Whether the image was enlarged is what the noise under the psf in use says. */
static void enlarged_by_the_noise_in_use(void **state)
{
    (void)state;
    scry_noise_model m = {.windows = 9, .treatment = {.name = "linear", .size = 2}};
    assert_true(scryi_image_enlarged(&m) == 2 && scryi_rise_enlarged(&m, 1) == 2);
    m.treatment.name = "cubic";
    assert_true(scryi_rise_enlarged(&m, 1) == 2);
    m.treatment = (scry_noise_treatment){.name = "gaussian", .size = 1.25};
    assert_true(scryi_rise_enlarged(&m, 1.25) == 1); /* with another psf, before: enlarged */
    m.windows = 0;
    assert_true(scryi_rise_enlarged(&m, 1.25) == 1.25 && scryi_rise_enlarged(&m, 0) == 1);
}

/* A part of a texture in noise, enlarged twice, with its own psf. */
static void an_enlarged_image(void **state)
{
    (void)state;
    enum { SIDE = 64 };
    scry_error err = {0};
    int rises = 0;
    float *x = white(3), *noise = white(4), *once = mixed(x, 0.25F), *y = mixed(once, 0.25F);
    float *large = scry_alloc((size_t)4 * SIDE * SIDE, sizeof *large);
    for (size_t i = 0; i < H * W; i++)
        y[i] = 100 + 5 * y[i] + noise[i];
    for (size_t i = 0; i < (size_t)4 * SIDE * SIDE; i++) {
        const size_t r = 1 + i / (2 * SIDE), c = 1 + i % (2 * SIDE);
        const float *at = y + r / 2 * W + c / 2, part = r % 2 ? 0.25F : 0.75F;
        const float left = part * at[0] + (1 - part) * at[W];
        const float right = part * at[1] + (1 - part) * at[W + 1];
        large[i] = c % 2 ? 0.25F * left + 0.75F * right : 0.75F * left + 0.25F * right;
    }
    const scry_space space = SCRY_SPACE(2 * SIDE, 2 * SIDE);
    const scry_image image = {.name = "enlarged", .space = space, .pixels = large};
    const scry_restore_request request = {.psf.model = "gaussian:sigma=1.4",
                                          .psf.width_choice = SCRY_WIDTH_CHECK,
                                          .log = {count_rises, &rises}};
    scry_restore_result result;
    assert_ok(scry_restore(&result, &image, &request, NULL, NULL, &err));
    assert_true(rise_of(result.mean, 2 * SIDE, 2 * SIDE) > 3); /* copies: no fault of the psf */
    assert_int_equal(rises, 0);
    scry_restore_result_free(&result);
    scry_free(x);
    scry_free(noise);
    scry_free(once);
    scry_free(y);
    scry_free(large);
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

/* A texture that was blurred by 0.7 px, restored with a PSF of `sigma`. *rises: warnings. */
static double restored(double sigma, bool keep, int *rises, double *factor)
{
    scry_error err = {0};
    char psf[64];
    float *x = white(3), *noise = white(4);
    float *once = mixed(x, 0.25F), *y = mixed(once, 0.25F);
    for (size_t i = 0; i < H * W; i++)
        y[i] = 100 + 5 * y[i] + 0.2F * noise[i];
    snprintf(psf, sizeof psf, "gaussian:sigma=%g", sigma);
    const scry_image image = {.name = "texture", .space = SCRY_SPACE(H, W), .pixels = y};
    const scry_restore_request request = {
        .psf.model = psf,
        .psf.width_choice = keep ? SCRY_WIDTH_KEEP : SCRY_WIDTH_CHECK,
        .noise = {.sigma = 0.2},
        .log = {count_rises, rises},
    };
    scry_restore_result result;
    assert_ok(scry_restore(&result, &image, &request, NULL, NULL, &err));
    const double rise = rise_of(result.mean, H, W);
    *factor = result.psf_factor;
    scry_restore_result_free(&result);
    scry_free(x);
    scry_free(noise);
    scry_free(once);
    scry_free(y);
    return rise;
}

static void a_psf_that_is_too_wide(void **state)
{
    (void)state;
    int rises = 0;
    double factor;
    assert_true(restored(1.6, true, &rises, &factor) > 5);
    assert_int_equal(rises, 0); /* the user's word */
    assert_below(restored(1.6, false, &rises, &factor), 1.5);
    assert_true(rises > 0);
    assert_below(factor, 0.6);
    rises = 0;
    assert_below(restored(0.6, false, &rises, &factor), 1.5);
    assert_int_equal(rises, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(spectra),
                                       cmocka_unit_test(enlarged),
                                       cmocka_unit_test(enlarged_by_the_noise_in_use),
                                       cmocka_unit_test(an_enlarged_image),
                                       cmocka_unit_test(points),
                                       cmocka_unit_test(a_psf_that_is_too_wide)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
