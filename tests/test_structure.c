#include "tests/check.h"

#include "datasets/structure.h"

#include <string.h>

enum { NY = 48, NX = 64, N = NY * NX };

/* Every kind: in [0, 1], not flat, the same for one seed, another for another, and for others. */
static void kinds_are_drawn(void **state)
{
    (void)state;
    scry_error err = {0};
    static float all[SCRY_STRUCTURES][N];
    float again[N], other[N];
    for (int kind = 0; kind < SCRY_STRUCTURES; kind++) {
        assert_ok(scry_structure_draw(all[kind], (scry_structure)kind, NY, NX, 5, &err));
        assert_ok(scry_structure_draw(again, (scry_structure)kind, NY, NX, 5, &err));
        assert_ok(scry_structure_draw(other, (scry_structure)kind, NY, NX, 6, &err));
        assert_memory_equal(all[kind], again, sizeof again);
        assert_memory_not_equal(all[kind], other, sizeof other);
        double low = 1, high = 0, mean = 0, square = 0;
        for (size_t i = 0; i < N; i++) {
            const double v = (double)all[kind][i];
            low = fmin(low, v);
            high = fmax(high, v);
            mean += v / N;
            square += v * v / N;
        }
        assert_true(low >= 0 && low < .5);
        assert_near(high, 1, 1e-6);
        assert_true(square - mean * mean > 1e-4);
        assert_true(scry_structure_name((scry_structure)kind)[0]);
        for (int k = 0; k < kind; k++)
            assert_memory_not_equal(all[kind], all[k], sizeof other);
    }
}

/* Puncta are spots on a dark ground. */
static void structure_is_what_it_is_called(void **state)
{
    (void)state;
    scry_error err = {0};
    float x[N];
    for (uint64_t seed = 0; seed < 3; seed++) {
        assert_ok(scry_structure_draw(x, SCRY_STRUCTURE_PUNCTA, NY, NX, seed, &err));
        size_t dark = 0;
        for (size_t i = 0; i < N; i++)
            dark += x[i] < .1f;
        assert_true(dark > N / 3);
    }
}

static void failures_are_reported(void **state)
{
    (void)state;
    scry_error err = {0};
    float x[N];
    assert_fails(scry_structure_draw(x, SCRY_STRUCTURES, NY, NX, 0, &err), SCRY_EINVAL);
    assert_fails(scry_structure_draw(x, SCRY_STRUCTURE_LEAVES, 15, NX, 0, &err), SCRY_ESHAPE);
    assert_string_equal(scry_structure_name(SCRY_STRUCTURES), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_drawn),
        cmocka_unit_test(structure_is_what_it_is_called),
        cmocka_unit_test(failures_are_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
