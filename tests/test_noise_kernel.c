/* The effect of treatments on the signal, as kernels: boxes and Gaussians as they are,
 * interpolation by its variance, medians as measured; and nothing where nothing is known. */
#include "tests/check.h"

#include "lib/memory.h"
#include "lib/stats/noise_impl.h"

#include <math.h>

/* Sum, variance along y and x, and the value in the middle. */
struct shape_of {
    double sum, y, x, middle;
};

static struct shape_of measure(const scry_noise_treatment *t)
{
    scry_error err = {0};
    float *kernel;
    size_t side;
    struct shape_of s = {0};
    assert_ok(scry_noise_treatment_kernel(&kernel, &side, t, &err));
    assert_non_null(kernel);
    assert_int_equal(side % 2, 1);
    const double middle = (double)(side / 2);
    for (size_t i = 0; i < side * side; i++) {
        const double y = (double)(i / side) - middle, x = (double)(i % side) - middle;
        s.sum += kernel[i];
        s.y += kernel[i] * y * y;
        s.x += kernel[i] * x * x;
    }
    s.middle = kernel[side * side / 2];
    scry_free(kernel);
    return s;
}

static void kernels_are_those_of_the_treatments(void **state)
{
    (void)state;
    const struct {
        scry_noise_treatment t;
        double y, x;
    } cases[] = {
        {{"box", 3, 0, "both"}, 2. / 3, 2. / 3},     {{"box", 5, 0, "x"}, 0, 2},
        {{"copied", 3, 0, "both"}, 2. / 3, 2. / 3},  {{"gaussian", 1, 0, "both"}, 1, 1},
        {{"gaussian", 1.5, 0, "y"}, 2.25, 0},        {{"linear", 2, 0, "both"}, 2. / 3, 2. / 3},
        {{"linear", 1, 25, "both"}, 1. / 6, 1. / 6}, {{"linear", .3, 0, "both"}, .21, .21},
        {{"median", 3, 0, "both"}, .1296, .1296},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const struct shape_of s = measure(&cases[k].t);
        assert_near(s.sum, 1, 1e-5);
        /* kernels that are not limited in frequency lose tails when they are sampled */
        assert_near(s.y, cases[k].y, .1 * cases[k].y + .07);
        assert_near(s.x, cases[k].x, .1 * cases[k].x + .07);
    }
    assert_near(measure(&cases[0].t).middle, 1. / 9, 1e-3);
}

static void what_is_not_known_has_none(void **state)
{
    (void)state;
    static const char *const names[] = {"none", "unknown", "interlaced", NULL};
    for (size_t k = 0; k < 4; k++) {
        const scry_noise_treatment t = {names[k], 2, 0, "y"};
        scry_error err = {0};
        float *kernel;
        size_t side;
        assert_ok(scry_noise_treatment_kernel(&kernel, &side, &t, &err));
        assert_null(kernel);
    }
}

static void medians_filter_less_on_slopes(void **state)
{
    (void)state;
    for (size_t k = 0; k < scryi_noise_shape_count(); k++) {
        const bool median = scryi_noise_shape_nonlinear(k);
        double last = 1;
        assert_near(scryi_noise_shape_on_slope(k, 0), 1, 0);
        for (double slope = .05; slope < 100; slope *= 1.3) {
            const double now = scryi_noise_shape_on_slope(k, slope);
            assert_true(now >= last);
            last = now;
        }
        assert_true(median ? last > 10 : last <= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_are_those_of_the_treatments),
        cmocka_unit_test(what_is_not_known_has_none),
        cmocka_unit_test(medians_filter_less_on_slopes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
