#include "tests/check.h"

#include "datasets/datasets.h"
#include "lib/memory.h"
#include "lib/vector.h"

#include <omp.h>
#include <string.h>

enum { N = 40000 };

/* Sample mean and variance of n equal pixels against the model, in standard errors. */
static void check_moments(double electrons, const scry_camera *c, uint64_t seed)
{
    scry_error err = {0};
    float *x = scry_alloc(N, sizeof *x);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)electrons;
    assert_ok(scry_camera_expose(x, x, N, c, seed, 0, &err));
    const double mean = scry_sum(x, N) / N;
    double m2 = 0;
    for (size_t i = 0; i < N; i++)
        m2 += (x[i] - mean) * (x[i] - mean) / N;
    const double poisson = (double)(float)electrons, g = c->gain;
    const double round = c->bits ? 1. / 12 : 0; /* rounding adds a uniform error */
    const double var = (poisson + c->read_noise * c->read_noise) / (g * g) + round;
    /* fourth cumulant of the Poisson part is its mean: var(s^2) = (2 var^2 + k4) / n */
    const double se2 = sqrt((2 * var * var + poisson / pow(g, 4)) / N);
    assert_near((mean - c->offset - poisson / g) / sqrt(var / N), 0, 4);
    assert_near((m2 - var) / se2, 0, 4);
    scry_free(x);
}

static void noise_has_the_moments_of_the_model(void **state)
{
    (void)state;
    const scry_camera real = {.gain = .46, .offset = 101.3, .read_noise = 1.7};
    scry_camera digital = {.gain = .46, .offset = 101.3, .read_noise = 1.7, .bits = 16};
    const double means[] = {0, .37, 5.2, 83.1, 1200};
    for (uint64_t k = 0; k < 5; k++) {
        check_moments(means[k], &real, k);
        check_moments(means[k], &digital, 10 + k);
    }
    digital.gain = .21;
    check_moments(20, &digital, 99);
}

static void counts_saturate(void **state)
{
    (void)state;
    scry_error err = {0};
    float x[64];
    scry_camera c = {.gain = .5, .offset = 100, .full_well = 1000, .bits = 16};
    for (int i = 0; i < 64; i++)
        x[i] = 5000;
    assert_ok(scry_camera_expose(x, x, 64, &c, 1, 0, &err));
    for (int i = 0; i < 64; i++)
        assert_near(x[i], 2100, 0);
    c = (scry_camera){.gain = .5, .offset = 100, .read_noise = 300, .bits = 8};
    for (int i = 0; i < 64; i++)
        x[i] = 3;
    assert_ok(scry_camera_expose(x, x, 64, &c, 1, 0, &err));
    for (int i = 0; i < 64; i++)
        assert_true(x[i] >= 0 && x[i] <= 255 && x[i] == rintf(x[i]));
}

static void exposure_depends_on_seed_alone(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_camera c;
    scry_camera_init(&c);
    float *m = scry_alloc(N, sizeof *m), *a = scry_alloc(N, sizeof *a);
    float *b = scry_alloc(N, sizeof *b);
    for (size_t i = 0; i < N; i++)
        m[i] = (float)(i % 97);
    omp_set_num_threads(1);
    assert_ok(scry_camera_expose(a, m, N, &c, 7, 0, &err));
    omp_set_num_threads(4);
    assert_ok(scry_camera_expose(b, m, N, &c, 7, 0, &err));
    assert_memory_equal(a, b, N * sizeof *a);
    assert_ok(scry_camera_expose(b, m, 100, &c, 7, 0, &err));
    assert_memory_equal(a, b, 100 * sizeof *a);
    assert_ok(scry_camera_expose(b, m, N, &c, 7, 1, &err));
    assert_memory_not_equal(a, b, N * sizeof *a);
    scry_free(b);
    scry_free(a);
    scry_free(m);
}

static void nonsense_is_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    float x[4] = {1, 2, 3, -1};
    scry_camera c;
    scry_camera_init(&c);
    assert_fails(scry_camera_expose(x, x, 4, &c, 1, 0, &err), SCRY_EINVAL);
    x[3] = NAN;
    assert_fails(scry_camera_expose(x, x, 4, &c, 1, 0, &err), SCRY_EINVAL);
    c.gain = 0;
    assert_fails(scry_camera_expose(x, x, 3, &c, 1, 0, &err), SCRY_EINVAL);
    c.gain = 1;
    c.bits = 17;
    assert_fails(scry_camera_expose(x, x, 3, &c, 1, 0, &err), SCRY_EINVAL);
    c.bits = 16;
    c.read_noise = -1;
    assert_fails(scry_camera_expose(x, x, 3, &c, 1, 0, &err), SCRY_EINVAL);
    assert_fails(scry_phantom_cells(x, &SCRY_SPACE(4), 0, 1, &err), SCRY_ESHAPE);
    assert_fails(scry_phantom_cells(x, &SCRY_SPACE(2, 2), -3, 1, &err), SCRY_EINVAL);
    assert_fails(scry_phantom_shepp_logan(x, 0, 4, &err), SCRY_ESHAPE);
}

static void cells_fill_any_size(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space sizes[] = {SCRY_SPACE(1, 1), SCRY_SPACE(37, 53), SCRY_SPACE(128, 96),
                                SCRY_SPACE(5, 64, 48)};
    for (int k = 0; k < 4; k++) {
        const size_t n = scry_space_count(&sizes[k]);
        float *x = scry_alloc(n, sizeof *x), *y = scry_alloc(n, sizeof *y);
        assert_ok(scry_phantom_cells(x, &sizes[k], 30, 3, &err));
        assert_ok(scry_phantom_cells(y, &sizes[k], 30, 3, &err));
        assert_memory_equal(x, y, n * sizeof *x);
        assert_near(scry_quantile(x, n, 1, y), 1, 0);
        assert_true(scry_quantile(x, n, 0, y) >= 0);
        if (n > 1000) { /* mostly dark, with cells on it; another seed is another field */
            assert_true(scry_quantile(x, n, .25, y) < .15);
            assert_true(scry_quantile(x, n, .97, y) > .25);
            assert_ok(scry_phantom_cells(y, &sizes[k], 30, 4, &err));
            assert_true(scry_distance(x, y, n) > .2 * scry_norm(x, n));
        }
        scry_free(y);
        scry_free(x);
    }
}

/* Values at points whose ellipses can be read off Toft's table. */
static void head_has_its_values(void **state)
{
    (void)state;
    scry_error err = {0};
    enum { M = 200 };
    float *x = scry_alloc(M * M, sizeof *x);
    assert_ok(scry_phantom_shepp_logan(x, M, M, &err));
#define HEAD(px, py) x[(size_t)((1 - (py)) * M / 2) * M + (size_t)(((px) + 1) * M / 2)]
    assert_near(HEAD(-.95, .95), 0, 0);
    assert_near(HEAD(0, .9), 1, 1e-6);    /* skull */
    assert_near(HEAD(-.5, .5), .2, 1e-6); /* brain */
    assert_near(HEAD(.22, 0), 0, 1e-6);   /* ventricles */
    assert_near(HEAD(-.22, 0), 0, 1e-6);
    assert_near(HEAD(0, .45), .3, 1e-6);
    assert_near(HEAD(-.08, -.605), .3, 1e-6);
    scry_free(x);
}

static void too_many_pixels_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_camera c;
    float pixel = 1; /* never read: the count is looked at first */
    scry_camera_init(&c);
    assert_fails(scry_camera_expose(&pixel, &pixel, ((size_t)1 << 30) + 1, &c, 1, 0, &err),
                 SCRY_ESHAPE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_has_the_moments_of_the_model),
        cmocka_unit_test(counts_saturate),
        cmocka_unit_test(exposure_depends_on_seed_alone),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(too_many_pixels_are_refused),
        cmocka_unit_test(cells_fill_any_size),
        cmocka_unit_test(head_has_its_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
