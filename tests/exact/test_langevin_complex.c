#include "tests/exact/annealed_exact.h"
#include "tests/exact/langevin_exact.h"
#include "tests/exact/small_complex.h"

/* Complex images, sigma per real component. The imaginary part is so narrow that the prior must be
 * blurred less than for real images: s = 0.02, and the steps are smaller by that much. */
static const struct band bands[] = {
    {"pnp-ula", 2000, 1, 0.04, 0.06, 0.97, 1.1},
    {"sk-rock", 150, 1, 0.02, 0.02, 0.95, 1.05},
};

static const struct annealed annealed[] = {
    {"langevin", 40, 8, 0.5, 0, 0.02, 0.2, 0.95, 1.15},
    {"preconditioned-langevin", 40, 4, 0, 1, 0.02, 0.13, 0.95, 1.1},
};

static void complex_posterior_is_drawn(void **state)
{
    (void)state;
    static struct world w;
    for (int coils = 0; coils < 2; coils++) {
        struct setup s;
        build(&s, &w, coils ? sense() : fourier());
        for (size_t i = 0; i < sizeof bands / sizeof *bands; i++)
            check_band(&bands[i], &s.problem, s.A, &w, 200);
        for (size_t i = 0; i < sizeof annealed / sizeof *annealed; i++)
            check_annealed(&annealed[i], &s.problem, s.A, &w, 200);
        drop(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(complex_posterior_is_drawn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
