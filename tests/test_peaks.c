/* Cut peaks get a top: surfaces that bend by nothing more are found again. */

#include "tests/check.h"

#include "apps/recon/image/peaks_impl.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"

#include <math.h>

enum { NY = 40, NX = 52, PLANES = 2, N = PLANES * NY * NX };

/* A paraboloid, of which the bilaplacian is 0. */
static double surface(size_t z, size_t y, size_t x)
{
    const double v = (double)y - 18, u = (double)x - 30;
    return 900 - (z ? 1.5 : 0.7) * v * v - 0.9 * u * u + 0.4 * u * v;
}

static void make(float *pixels, unsigned char *saturated, double top)
{
    for (size_t i = 0; i < N; i++) {
        const double s = surface(i / (NY * NX), i / NX % NY, i % NX);
        saturated[i] = s >= top;
        pixels[i] = (float)fmin(s, top);
    }
}

static void a_cut_paraboloid(void **state)
{
    (void)state;
    static float pixels[N];
    static unsigned char saturated[N];
    scry_error err = {0};
    size_t cut = 0;
    make(pixels, saturated, 820);
    assert_ok(scryi_peaks_restore(pixels, saturated, &SCRY_SPACE(PLANES, NY, NX), &err));
    for (size_t i = 0; i < N; i++) {
        const double s = surface(i / (NY * NX), i / NX % NY, i % NX);
        cut += saturated[i];
        assert_near(pixels[i], s, saturated[i] ? 2 : 1e-4 * fabs(s));
    }
    assert_true(cut > 300);
}

static void nothing_to_go_by(void **state)
{
    (void)state;
    static float pixels[N];
    static unsigned char saturated[N];
    scry_error err = {0};
    make(pixels, saturated, -1e9);
    assert_ok(scryi_peaks_restore(pixels, saturated, &SCRY_SPACE(PLANES, NY, NX), &err));
    for (size_t i = 0; i < N; i++)
        assert_near(pixels[i], -1e9, 100);
    make(pixels, saturated, 820);
    const size_t live = scry_memory_live();
    for (size_t nth = 1; nth <= 3; nth++) {
        scry_memory_fail_at(nth);
        assert_fails(scryi_peaks_restore(pixels, saturated, &SCRY_SPACE(PLANES, NY, NX), &err),
                     SCRY_ENOMEM);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_paraboloid),
        cmocka_unit_test(nothing_to_go_by),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
