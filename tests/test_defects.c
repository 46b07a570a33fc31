#include "tests/check.h"
#include "lib/rng_gsl.h"
#include "tests/op_check.h"

#include "operators/defects.h"

#include <gsl/gsl_randist.h>
#include <string.h>

enum { NY = 61, NX = 83, COUNT = NY * NX };

/* A camera image with structure: a slope, blobs of sd 1 to 3 pixels, background 5 e-, Poisson and
 * read noise, gain .5 e-/ADU, offset 100, rounded to ADU. */
static void acquire(float *y, double photons, double background, uint64_t seed)
{
    gsl_rng *rng = gsl_rng_alloc(scry_rng_gsl());
    for (uint32_t i = 0; i < COUNT; i++) {
        const double v = i / NX, u = i % NX;
        double m = background + photons * .2 * (u + 8) / NX;
        for (int k = 0; k < 6; k++) {
            const double s = 1 + k * .4, dv = v - 8 - 9 * k, du = u - 10 - 11 * k;
            m += photons * exp(-(dv * dv + du * du) / (2 * s * s));
        }
        if (background == 0 && v > 20) m *= exp(-(v - 20) * (v - 20) / 72);
        scry_rng_gsl_seek(rng, seed, 0, 0, i);
        y[i] = (float)rint(gsl_ran_poisson(rng, m) / .5 + 100);
        if (background > 0) y[i] += (float)rint(gsl_ran_gaussian(rng, 3));
    }
    gsl_rng_free(rng);
}

static void clean_images_have_no_defects(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(NY, NX);
    static float y[COUNT];
    unsigned char known[COUNT];
    scry_defects found;
    const double photons[] = {3, 20, 100, 2000};
    for (uint64_t seed = 1; seed < 9; seed++)
        for (int i = 0; i < 8; i++) { /* every other one a dark field that counted nothing */
            acquire(y, photons[i / 2], i % 2 ? 0 : 5, seed);
            assert_ok(scry_defects_find(known, &found, y, &s, NULL, &err));
            if (found.unknown)
                print_error("photons %g: %zu saturated, %zu rows, %zu columns, %zu in blocks, %zu "
                            "hot, %zu dead\n",
                            photons[i / 2], found.saturated, found.rows, found.columns,
                            found.block_pixels, found.hot, found.dead);
            assert_int_equal(found.unknown, 0);
        }
}

static void finds_what_was_planted(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(NY, NX);
    static float y[COUNT];
    unsigned char known[COUNT], truth[COUNT];
    scry_defects found;
    acquire(y, 100, 5, 9);
    memset(truth, 1, sizeof truth);
    const size_t hot[] = {5 * NX + 70, 33 * NX + 7, 33 * NX + 8, 0, COUNT - 1};
    for (size_t i = 0; i < 5; i++) {
        y[hot[i]] = 700 + (float)i;
        truth[hot[i]] = 0;
    }
    y[50 * NX + 40] = 0; /* dead: below the offset */
    truth[50 * NX + 40] = 0;
    for (size_t x = 0; x < NX; x++) { /* two missing rows and a column */
        y[20 * NX + x] = y[21 * NX + x] = 0;
        truth[20 * NX + x] = truth[21 * NX + x] = 0;
    }
    for (size_t v = 0; v < NY; v++)
        y[v * NX + 60] = 4095, truth[v * NX + 60] = 0;
    for (size_t v = 40; v < 46; v++) /* a block of 6 x 9 */
        for (size_t x = 20; x < 29; x++)
            y[v * NX + x] = 100, truth[v * NX + x] = 0;
    y[20 * NX + 60] = y[21 * NX + 60] = 0; /* where they cross */
    scry_defect_opts opts;
    scry_defect_opts_init(&opts);
    opts.find &= ~(unsigned)SCRY_DEFECT_SATURATED; /* the column would be: it piles up at the top */
    assert_ok(scry_defects_find(known, &found, y, &s, &opts, &err));
    assert_int_equal(found.rows, 2);
    assert_int_equal(found.hot, 5);
    assert_int_equal(found.dead, 1);
    assert_true(found.block_pixels >= 6 * 9);
    assert_memory_equal(known, truth, sizeof truth);
    assert_int_equal(found.unknown,
                     found.line_pixels + found.block_pixels + found.hot + found.dead);
}

static void finds_saturation(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space s = SCRY_SPACE(NY, NX);
    static float y[COUNT];
    unsigned char known[COUNT];
    scry_defects found;
    acquire(y, 2000, 5, 4);
    size_t clipped = 0, high = 0;
    for (size_t i = 0; i < COUNT; i++) {
        if (y[i] > 2000) y[i] = 2000;
        clipped += y[i] == 2000;
        high += y[i] >= 1500;
    }
    assert_true(clipped > 10 && high > clipped);
    scry_defect_opts opts;
    scry_defect_opts_init(&opts);
    opts.find = SCRY_DEFECT_SATURATED;
    assert_ok(scry_defects_find(known, &found, y, &s, &opts, &err)); /* piles up at the top */
    assert_int_equal(found.saturated, clipped);
    opts.saturation = 1500;
    assert_ok(scry_defects_find(known, &found, y, &s, &opts, &err));
    assert_int_equal(found.saturated, high);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(known[i], y[i] < 1500);
}

static void planes_are_separate_and_small_ones_survive(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_defects found;
    unsigned char known[2 * COUNT];
    static float y[2 * COUNT];
    const scry_space two = SCRY_SPACE(2, NY, NX);
    acquire(y, 50, 5, 2);
    acquire(y + COUNT, 50, 5, 3);
    y[COUNT + 30 * NX + 40] = 5000;
    y[17] = NAN;
    assert_ok(scry_defects_find(known, &found, y, &two, NULL, &err));
    assert_int_equal(found.hot, 1);
    assert_int_equal(found.invalid, 1);
    assert_int_equal(known[COUNT + 30 * NX + 40], 0);
    assert_int_equal(known[17], 0);
    assert_int_equal(found.unknown, 2);
    const scry_space shapes[] = {SCRY_SPACE(1), SCRY_SPACE(1, 9), SCRY_SPACE(9, 1), SCRY_SPACE(3)};
    const float flat[9] = {7, 7, 7, 7, 7, 7, 7, 7, 7};
    for (int i = 0; i < 4; i++) { /* constant: nothing stands out */
        assert_ok(scry_defects_find(known, &found, flat, &shapes[i], NULL, &err));
        assert_int_equal(found.unknown, 0);
    }
}

static void refuses(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_defects found;
    unsigned char known[9];
    const float y[9] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    scry_space s = SCRY_SPACE(3, 3);
    scry_defect_opts o;
    scry_defect_opts_init(&o);
    o.threshold = 0;
    assert_fails(scry_defects_find(known, &found, y, &s, &o, &err), SCRY_EINVAL);
    scry_defect_opts_init(&o);
    o.block = 1;
    assert_fails(scry_defects_find(known, &found, y, &s, &o, &err), SCRY_EINVAL);
    scry_defect_opts_init(&o);
    o.saturation = NAN;
    assert_fails(scry_defects_find(known, &found, y, &s, &o, &err), SCRY_EINVAL);
    CHECK_ALLOCATIONS(scry_defects_find(known, &found, y, &s, NULL, &err), (void)0);
    s.cplx = true;
    assert_fails(scry_defects_find(known, &found, y, &s, NULL, &err), SCRY_EUNSUP);
    s.rank = 0;
    assert_fails(scry_defects_find(known, &found, y, &s, NULL, &err), SCRY_ESHAPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_images_have_no_defects),
        cmocka_unit_test(finds_what_was_planted),
        cmocka_unit_test(finds_saturation),
        cmocka_unit_test(planes_are_separate_and_small_ones_survive),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
