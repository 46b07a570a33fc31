/* Noise of neighbouring planes: each is white, and near ones are alike. */
#include "tests/check.h"

#include "lib/memory.h"
#include "lib/numbers.h"
#include "lib/vector.h"
#include "solvers/sampling/sampler_impl.h"

#include <string.h>

enum { PLANES = 11, SIDE = 60, PLANE = SIDE * SIDE };

static float *draw(size_t coherence, scry_space space)
{
    struct scryi_sampler S = {.base = {.space = space, .n = PLANES * PLANE, .seed = 5},
                              .coherence = coherence};
    float *z = scry_alloc(PLANES * PLANE, sizeof *z);
    scryi_sampler_draw(&S, z, SCRYI_DRAW_STATE);
    return z;
}

static double along(const float *z, int a, int b)
{
    return scry_dot(z + a * PLANE, z + b * PLANE, PLANE) / PLANE;
}

static void near_planes_are_alike(void **state)
{
    (void)state;
    const double se = 1 / sqrt((double)PLANE);
    float *z = draw(4, SCRY_SPACE(PLANES, SIDE, SIDE)); /* kept: 0, 4, 8, and the last */
    for (int k = 0; k < PLANES; k++) {
        assert_near(along(z, k, k), 1, 5 * sqrt(2) * se);
        assert_near(scry_sum(z + k * PLANE, PLANE) / PLANE, 0, 5 * se);
    }
    for (int k = 0; k < 8; k++)
        assert_near(along(z, k, k + 1), cos(SCRY_PI / 8), 5 * se);
    assert_near(along(z, 1, 3), cos(SCRY_PI / 4), 5 * se);
    assert_near(along(z, 9, 10), cos(SCRY_PI / 4), 5 * se); /* half of a shorter turn */
    assert_near(along(z, 0, 4), 0, 5 * se);
    assert_near(along(z, 2, 8), 0, 5 * se);
    scry_free(z);
}

static void others_are_independent(void **state)
{
    (void)state;
    float *white = draw(1, SCRY_SPACE(PLANES, SIDE, SIDE));
    float *none = draw(0, SCRY_SPACE(PLANES, SIDE, SIDE));
    float *plane = draw(4, SCRY_SPACE(PLANES * SIDE, SIDE)); /* not a volume */
    assert_memory_equal(white, none, PLANES * PLANE * sizeof *white);
    assert_memory_equal(white, plane, PLANES * PLANE * sizeof *white);
    assert_near(along(white, 0, 1), 0, 5 / sqrt((double)PLANE));
    scry_free(white);
    scry_free(none);
    scry_free(plane);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_planes_are_alike),
        cmocka_unit_test(others_are_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
