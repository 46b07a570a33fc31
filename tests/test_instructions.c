#include "tests/check.h"

#include "lib/instructions.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "lib/vector_complex.h"
#include "operators/sensitivity.h"
#include "priors/network/unet.h"

#include <complex.h>
#include <string.h>

/* Inner loops of all the instruction sets that this processor has give the results of the baseline
 * give, up to rounding. */

static const char *const sets[] = {"native", "baseline", "avx2", "avx512"};
enum { SETS = 4 };

/* With each instruction set: the n floats of `compute`, against those of the first set. */
static void compare_sets(void (*compute)(float *out), size_t n, double tol)
{
    scry_error err = {0};
    const char *best = scry_instructions();
    float *first = scry_alloc(n, sizeof *first), *out = scry_alloc(n, sizeof *out);
    size_t count = 0;
    for (size_t i = 0; i < SETS; i++) {
        if (scry_instructions_set(sets[i], NULL) != SCRY_OK) continue;
        assert_string_equal(scry_instructions(), sets[i]);
        memset(out, 0, n * sizeof *out);
        compute(count ? out : first);
        if (count++) assert_below(scry_distance(out, first, n) / scry_norm(first, n), tol);
    }
    assert_ok(scry_instructions_set(best, &err));
    scry_free(first);
    scry_free(out);
    if (count < 2) {
        printf("skipped: one instruction set in this build or this processor\n");
        skip();
    }
}

enum { N = 5003 }; /* no multiple of a register, and more than a block of a sum */

static void vectors(float *out)
{
    static float a[2 * N], b[2 * N];
    scry_rng_normal(a, 0, 2 * N, 1, 0, 0);
    scry_rng_normal(b, 0, 2 * N, 1, 0, 1);
    out[0] = (float)scry_dot(a, b, N);
    out[1] = (float)scry_distance(a, b, N);
    out[2] = (float)scry_sum(a, N);
    out += 3;
    memcpy(out, a, N * sizeof *out);
    scry_axpy(out, .7, b, N);
    scry_scale(out, 1.3, N);
    out += N;
    scry_axpby(out, .3, a, -.4, b, N);
    out += N;
    scry_complex_multiply(out, a, b, N);
    out += 2 * N;
    memcpy(out, b, 2 * N * sizeof *out);
    scry_complex_multiply_add(out, a, b, N);
    out += 2 * N;
    scry_complex_multiply_conj(out, a, b, N);
    out += 2 * N;
    memcpy(out, a, 2 * N * sizeof *out);
    scry_complex_multiply_conj_add(out, a, b, N);
    out += 2 * N;
    scry_transpose((float complex *)(void *)out, 71, (const float complex *)(const void *)a, 67, 71,
                   67);
}

static void vectors_agree(void **state)
{
    (void)state;
    compare_sets(vectors, 3 + 10 * N + 2 * 71 * 67, 1e-6);
}

static void products_by_definition(void **state)
{
    (void)state;
    float complex a[37], b[37], out[37];
    float *pa = (float *)a, *pb = (float *)b, *po = (float *)out;
    scry_rng_normal(pa, 0, 74, 2, 0, 0);
    scry_rng_normal(pb, 0, 74, 2, 0, 1);
    for (size_t s = 0; s < SETS; s++) {
        if (scry_instructions_set(sets[s], NULL) != SCRY_OK) continue;
        for (size_t n = 0; n <= 37; n++) {
            scry_complex_multiply(po, pa, pb, n);
            scry_complex_multiply_conj_add(po, pa, pb, n);
            for (size_t i = 0; i < n; i++)
                assert_below(cabsf(out[i] - 2 * crealf(a[i]) * b[i]), 1e-5);
            scry_complex_multiply_conj(po, pa, pb, n);
            scry_complex_multiply_add(po, pa, pb, n);
            for (size_t i = 0; i < n; i++)
                assert_below(cabsf(out[i] - 2 * crealf(a[i]) * b[i]), 1e-5);
        }
    }
}

static void nothing_that_is_not_finite_passes(void **state)
{
    (void)state;
    static float x[N];
    for (size_t s = 0; s < SETS; s++) {
        if (scry_instructions_set(sets[s], NULL) != SCRY_OK) continue;
        assert_true(scry_finite(x, N));
        for (size_t i = 0; i < N; i += i < 80 || i > N - 80 ? 1 : 61) {
            x[i] = i % 2 ? NAN : -INFINITY;
            assert_false(scry_finite(x, N));
            assert_true(scry_finite(x, i));
            x[i] = 0;
        }
    }
}

/* D and its VJP of a network that has every kind of layer. */
static void network(float *out)
{
    scry_error err = {0};
    scry_prior *P;
    const scry_space space = SCRY_SPACE(24, 40);
    const size_t n = scry_space_count(&space);
    assert_ok(scry_unet_load(&P, "golden/unet/attention", &space, NULL, &err));
    float *x = scry_alloc(n, sizeof *x), *v = scry_alloc(n, sizeof *v);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    scry_rng_normal(x, 0, n, 3, 0, 0);
    scry_rng_normal(v, 0, n, 3, 0, 1);
    assert_ok(scry_prior_vjp(P, out, out + n, x, v, .7f, work, &err));
    scry_free(work);
    scry_free(x);
    scry_free(v);
    scry_prior_free(P);
}

static void networks_agree(void **state)
{
    (void)state;
    compare_sets(network, 2 * 24 * 40, 1e-5);
}

enum { COILS = 5, NY = 40, NX = 36 };

static void coil_maps(float *out)
{
    static float complex calibration[COILS * 24 * 24];
    scry_error err = {0};
    for (int c = 0; c < COILS; c++)
        for (int y = 0; y < 24; y++)
            for (int x = 0; x < 24; x++) {
                const float far = (float)((y - 12 - c % 3) * (y - 12 - c % 3) +
                                          (x - 11 + c % 2) * (x - 11 + c % 2));
                calibration[(c * 24 + y) * 24 + x] =
                    expf(-far / 9) + .1f * expf(-far / 40) * cexpf(I * (float)c);
            }
    assert_ok(scry_espirit((float complex *)(void *)out, NULL, calibration, COILS, 24, 24, NY, NX,
                           NULL, &err));
}

static void coil_maps_agree(void **state)
{
    (void)state;
    compare_sets(coil_maps, 2 * COILS * NY * NX, 1e-3);
}

static void names_are_checked(void **state)
{
    (void)state;
    scry_error err = {0};
    assert_fails(scry_instructions_set("sse9", &err), SCRY_EINVAL);
    assert_fails(scry_instructions_set("", &err), SCRY_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_agree),
        cmocka_unit_test(products_by_definition),
        cmocka_unit_test(nothing_that_is_not_finite_passes),
        cmocka_unit_test(networks_agree),
        cmocka_unit_test(coil_maps_agree),
        cmocka_unit_test(names_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
