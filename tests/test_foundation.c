#include "tests/check.h"

#include "lib/memory.h"
#include "lib/nearest.h"
#include "lib/numbers.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "lib/space.h"
#include "lib/status.h"
#include "lib/vector.h"

#include <gsl/gsl_randist.h>
#include <string.h>

static void error_keeps_the_first(void **state)
{
    (void)state;
    scry_error err = {0};
    assert_int_equal(SCRY_FAIL(&err, SCRY_ESHAPE, "axis %d: %zu", 1, (size_t)65), SCRY_ESHAPE);
    assert_int_equal(SCRY_FAIL(&err, SCRY_EIO, "later"), SCRY_EIO);
    assert_int_equal(err.code, SCRY_ESHAPE);
    assert_string_equal(err.text, "axis 1: 65");
    assert_string_equal(err.where, "error_keeps_the_first");
    assert_int_equal(SCRY_FAIL(NULL, SCRY_EIO, "nobody listens"), SCRY_EIO);
}

static void mistyped_names_are_guessed(void **state)
{
    (void)state;
    static const char *const names[] = {"gaussian", "airy", "born-wolf", "sigma", "sigma_x", "na"};
    static const struct {
        const char *word, *meant;
    } rows[] = {{"gausian", "gaussian"},
                {"guassian", "gaussian"},
                {"ayri", "airy"},
                {"bornwolf", "born-wolf"},
                {"sigam_x", "sigma_x"},
                {"sigma", "sigma"},
                {"n", "na"},
                {"xy", NULL},
                {"beads", NULL},
                {"", NULL},
                {"gaus", NULL}};
    char word[200];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *near = scry_nearest_name(rows[i].word, strlen(rows[i].word), names, 6);
        if (!near != !rows[i].meant || (near && strcmp(near, rows[i].meant) != 0))
            fail_msg("%s: %s, expected %s", rows[i].word, near, rows[i].meant);
    }
    memset(word, 'a', sizeof word);
    assert_null(scry_nearest_name(word, sizeof word, names, 6));
    assert_null(scry_nearest_name("airy", 4, names, 0));
}

static void space_refuses_nonsense(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_space s = SCRY_SPACE(37, 53);
    char text[64];
    assert_int_equal(scry_space_check(&s, &err), SCRY_OK);
    assert_int_equal(scry_space_count(&s), 37 * 53);
    assert_string_equal(scry_space_print(&s, text, sizeof text), "37 x 53");
    s.cplx = true;
    assert_int_equal(scry_space_floats(&s), 2 * 37 * 53);
    s.dims[1] = 0;
    assert_int_equal(scry_space_check(&s, &err), SCRY_ESHAPE);
    s.dims[1] = SIZE_MAX / 2;
    assert_int_equal(scry_space_check(&s, NULL), SCRY_ESHAPE);
    s.rank = SCRY_MAX_RANK + 1;
    assert_int_equal(scry_space_check(&s, NULL), SCRY_ESHAPE);
}

static void memory_is_zeroed_aligned_and_counted(void **state)
{
    (void)state;
    const size_t before = scry_memory_live();
    unsigned char *p = scry_alloc(1001, 3);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % SCRY_ALIGN, 0);
    for (size_t i = 0; i < 3003; i++)
        assert_int_equal(p[i], 0);
    assert_int_equal(scry_memory_live(), before + 1);
    scry_free(p);
    assert_int_equal(scry_memory_live(), before);
    assert_null(scry_alloc(SIZE_MAX / 2, 3));
    scry_memory_fail_at(2);
    p = scry_alloc(1, 1);
    assert_non_null(p);
    assert_null(scry_alloc(1, 1));
    scry_free(p);
    p = scry_alloc(0, 8);
    assert_non_null(p);
    scry_free(p);
}

/* Philox4x32-10 known answers: Random123 1.14, tests/kat_vectors. Counter and key zero give
 * 6627e8d5 e169c58d bc57ac4c 9b00dbd8. */
static void rng_is_philox(void **state)
{
    (void)state;
    const double bits[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    float z[4];
    scry_rng_normal(z, 0, 4, 0, 0, 0);
    for (int i = 0; i < 4; i += 2) {
        double r = sqrt(-2 * log((bits[i] + .5) * 0x1p-32));
        double phi = 2 * SCRY_PI * (bits[i + 1] + .5) * 0x1p-32;
        assert_near(z[i], r * cos(phi), 1e-6);
        assert_near(z[i + 1], r * sin(phi), 1e-6);
    }
}

static void rng_elements_are_addressed(void **state)
{
    (void)state;
    float whole[1000], part[100];
    scry_rng_normal(whole, 0, 1000, 7, 3, scry_rng_step(5, 1));
    scry_rng_normal(part, 333, 100, 7, 3, scry_rng_step(5, 1));
    assert_memory_equal(part, whole + 333, sizeof part);
    scry_rng_normal(part, 333, 100, 7, 4, scry_rng_step(5, 1));
    assert_memory_not_equal(part, whole + 333, sizeof part);
}

static void rng_moments_are_right(void **state)
{
    (void)state;
    enum { N = 200000 };
    float *z = scry_alloc(N, sizeof *z);
    double m[5] = {0};
    scry_rng_normal(z, 0, N, 2385, 0, 0);
    for (size_t i = 0; i < N; i++)
        for (int k = 1; k < 5; k++)
            m[k] += pow(z[i], k) / N;
    /* sd of the kth sample moment of N(0,1): sqrt((m_2k - m_k^2) / N); 4.5 standard errors */
    assert_near(m[1], 0, 4.5 * sqrt(1.0 / N));
    assert_near(m[2], 1, 4.5 * sqrt(2.0 / N));
    assert_near(m[3], 0, 4.5 * sqrt(15.0 / N));
    assert_near(m[4], 3, 4.5 * sqrt(96.0 / N));
    scry_rng_uniform(z, 0, N, 2385, 0, 0);
    double mean = scry_sum(z, N) / N;
    assert_near(mean, .5, 4.5 * sqrt(1.0 / 12 / N));
    scry_free(z);
}

static void rng_drives_gsl(void **state)
{
    (void)state;
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    double sum = 0, again = 0;
    for (int pass = 0; pass < 2; pass++) {
        double *to = pass ? &again : &sum;
        for (uint32_t i = 0; i < 20000; i++) {
            scry_rng_gsl_seek(r, 11, 2, 0, i);
            *to += gsl_ran_poisson(r, 3.7);
        }
    }
    assert_true(sum == again);
    assert_near(sum / 20000, 3.7, 4.5 * sqrt(3.7 / 20000));
    gsl_rng_free(r);
}

static void vector_sums_and_quantiles(void **state)
{
    (void)state;
    enum { N = 100003 };
    float *a = scry_alloc(N, sizeof *a), *s = scry_alloc(N, sizeof *s);
    for (size_t i = 0; i < N; i++)
        a[(i * 7919) % N] = (float)i;
    assert_true(scry_sum(a, N) == (double)N * (N - 1) / 2);
    assert_near(scry_quantile(a, N, .25, s), .25 * (N - 1), 1e-2);
    assert_near(scry_quantile(a, N, 1, s), N - 1, 0);
    assert_near(scry_quantile(a, 2, .5, s), (a[0] + (double)a[1]) / 2, 1e-2);
    assert_true(scry_finite(a, N));
    a[N - 1] = NAN;
    assert_false(scry_finite(a, N));
    scry_free(a);
    scry_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_keeps_the_first),
        cmocka_unit_test(mistyped_names_are_guessed),
        cmocka_unit_test(space_refuses_nonsense),
        cmocka_unit_test(memory_is_zeroed_aligned_and_counted),
        cmocka_unit_test(rng_is_philox),
        cmocka_unit_test(rng_elements_are_addressed),
        cmocka_unit_test(rng_moments_are_right),
        cmocka_unit_test(rng_drives_gsl),
        cmocka_unit_test(vector_sums_and_quantiles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
