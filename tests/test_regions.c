#include "tests/check.h"

#include "lib/memory.h"
#include "lib/stats/mixing.h"
#include "solvers/regions_impl.h"

/* 2 planes of 5 x 7 complex pixels in blocks of 3 x 3: 2 x 2 x 3 blocks, two parts each. */
enum { PLANES = 2, NY = 5, NX = 7, SIDE = 3, N = PLANES * NY * NX * 2, REGIONS = 2 * 2 * 3 * 2 };

static scry_space complex_space(void)
{
    scry_space s = SCRY_SPACE(PLANES, NY, NX);
    s.cplx = true;
    return s;
}

static float value(size_t i, size_t k)
{
    return (float)sin(1.7 * (double)i + 0.37 * (double)(k * k) + 0.1);
}

/* Mean and mean square over the floats whose plane, block and part are those of region `which`. */
static void directly(double *mean, double *square, size_t which, size_t k)
{
    size_t count = 0;
    *mean = *square = 0;
    for (size_t p = 0; p < PLANES; p++)
        for (size_t y = 0; y < NY; y++)
            for (size_t x = 0; x < NX; x++)
                for (size_t part = 0; part < 2; part++) {
                    if ((((p * 2 + y / SIDE) * 3) + x / SIDE) * 2 + part != which) continue;
                    const double u = value(((p * NY + y) * NX + x) * 2 + part, k);
                    *mean += u;
                    *square += u * u;
                    count++;
                }
    *mean /= (double)count;
    *square /= (double)count;
}

static void images_are_cut_into_blocks(void **state)
{
    (void)state;
    enum { CHAINS = 2, DRAWS = 9, ALL = CHAINS * DRAWS };
    scry_error err = {0};
    struct scryi_regions r = {0};
    const scry_space space = complex_space();
    static double rows[ALL * 2 * REGIONS];
    float x[N], rhat[N], ess[N];
    double worst, min, mean[ALL], square[ALL];
    assert_int_equal(scryi_regions_count(&space, SIDE), REGIONS);
    assert_ok(scryi_regions_init(&r, &space, SIDE, &err));
    for (size_t k = 0; k < ALL; k++) {
        for (size_t i = 0; i < N; i++)
            x[i] = value(i, k);
        scryi_regions_follow(&r, rows + k * 2 * REGIONS, x);
    }
    assert_ok(scryi_regions_mixing(&r, rows, CHAINS, DRAWS, rhat, ess, &worst, &min, &err));
    for (size_t which = 0; which < REGIONS; which++) {
        for (size_t k = 0; k < ALL; k++) {
            directly(&mean[k], &square[k], which, k);
            assert_near(rows[k * 2 * REGIONS + which], mean[k], 1e-12);
            assert_near(rows[(2 * k + 1) * REGIONS + which], square[k], 1e-12);
        }
        const scry_mixing a = scry_mixing_measure(mean, CHAINS, DRAWS);
        const scry_mixing b = scry_mixing_measure(square, CHAINS, DRAWS);
        for (size_t i = 0; i < N; i++) {
            if (r.of[i] != which) continue;
            assert_near(rhat[i], fmax(a.rhat, b.rhat), 1e-6);
            assert_near(ess[i], fmin(a.ess, b.ess), 1e-5 * ess[i]);
        }
        assert_true(fmax(a.rhat, b.rhat) <= worst * (1 + 1e-9));
        assert_true(fmin(a.ess, b.ess) >= min * (1 - 1e-9));
    }
    scryi_regions_clear(&r);
}

static void a_signal_is_one_row(void **state)
{
    (void)state;
    scry_error err = {0};
    struct scryi_regions r = {0};
    const scry_space line = SCRY_SPACE(7), plane = SCRY_SPACE(4, 3);
    assert_ok(scryi_regions_init(&r, &line, 3, &err));
    assert_int_equal(r.count, 3);
    assert_int_equal(r.of[6], 2);
    scryi_regions_clear(&r);
    assert_int_equal(scryi_regions_count(&plane, 100), 1);
    assert_int_equal(scryi_regions_count(&plane, 1), 12);
}

static void lack_of_memory_is_told(void **state)
{
    (void)state;
    const scry_space space = complex_space();
    const double rows[2 * REGIONS] = {0};
    float rhat[N], ess[N];
    double worst, min;
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 2; nth++) {
        scry_error err = {0};
        struct scryi_regions r = {0};
        scry_memory_fail_at(nth);
        assert_fails(scryi_regions_init(&r, &space, SIDE, &err), SCRY_ENOMEM);
        scryi_regions_clear(&r);
        r = (struct scryi_regions){0};
        scry_memory_fail_at(0);
        assert_ok(scryi_regions_init(&r, &space, SIDE, &err));
        scry_memory_fail_at(nth);
        assert_fails(scryi_regions_mixing(&r, rows, 1, 1, rhat, ess, &worst, &min, &err),
                     SCRY_ENOMEM);
        scry_memory_fail_at(0);
        scryi_regions_clear(&r);
    }
    assert_int_equal(scry_memory_live(), live);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(images_are_cut_into_blocks),
        cmocka_unit_test(a_signal_is_one_row),
        cmocka_unit_test(lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
