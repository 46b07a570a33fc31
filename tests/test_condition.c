#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/fourier.h"
#include "priors/complex.h"
#include "solvers/condition_impl.h"

#include <string.h>

/* The Gaussian step of all samplers, in measurement space and among images: one mean. */
enum { NY = 7, NX = 6, PIXELS = NY * NX, COILS = 3, N = 2 * PIXELS };

static double falling(double f, void *ctx)
{
    const double *variance = ctx;
    return *variance / (1 + 40 * f * f);
}

static scry_prior *model(void)
{
    const scry_space space = SCRY_SPACE(NY, NX);
    double variance[2] = {2.3, 0.11};
    scry_error err = {0};
    scry_prior *part[2], *P;
    for (int k = 0; k < 2; k++)
        assert_ok(scry_gaussian_create(
            &part[k], &space,
            &(scry_gaussian_params){
                .rank = 2, .mean = 0.2, .spectrum = falling, .ctx = &variance[k]},
            &err));
    assert_ok(scry_complex_create(&P, part[0], part[1], &err));
    return P;
}

static scry_op *coils(void)
{
    float maps[2 * COILS * PIXELS];
    unsigned char mask[PIXELS];
    scry_error err = {0};
    scry_op *A;
    scry_rng_normal(maps, 0, 2 * COILS * PIXELS, 5, 0, 0);
    for (size_t i = 0; i < PIXELS; i++)
        mask[i] = i / NX % 3 != 1;
    assert_ok(scry_sense_create(&A,
                                &(scry_sense_params){.maps = (const float complex *)maps,
                                                     .coils = COILS,
                                                     .sets = 1,
                                                     .ny = NY,
                                                     .nx = NX,
                                                     .mask = mask,
                                                     .axes = SCRY_FOURIER_YX},
                                &err));
    return A;
}

static void both_spaces_give_one_mean(void **state)
{
    (void)state;
    const struct scryi_covariance V[] = {scryi_covariance_white(0.37), scryi_covariance_white(2.1),
                                         scryi_covariance_model(0.8),
                                         scryi_covariance_shrink(0.29)};
    scry_error err = {0};
    scry_counts counts = {0};
    scry_op *A = coils();
    scry_prior *P = model();
    const size_t m = scry_space_floats(scry_op_cod(A));
    float *r = scry_alloc(m, sizeof *r), *w = scry_alloc(m, sizeof *w), u[2][N], v[2][N];
    struct scryi_condition c[2] = {0};
    scry_rng_normal(r, 0, m, 6, 0, 0);
    for (size_t i = 0; i < m; i++)
        w[i] = 1.7f;
    for (int k = 0; k < 2; k++)
        assert_ok(scryi_condition_init(&c[k], A, P, k == 1, &counts, &err));
    assert_false(c[0].image);
    assert_true(c[1].image);
    /* one after another: each solve starts from the solution of the last one, for another V */
    for (size_t i = 0; i < sizeof V / sizeof *V; i++) {
        for (int k = 0; k < 2; k++) {
            assert_ok(scryi_condition_solve(&c[k], r, w, &V[i],
                                            (struct scryi_cg_options){500, 1e-6}, &err));
            assert_ok(scryi_condition_image(&c[k], u[k], w, &V[i], &err));
            if (V[i].model) continue;
            assert_ok(scryi_condition_dual(&c[k], v[k], w, &V[i], &err));
            for (size_t j = 0; j < N; j++)
                assert_near(V[i].t * v[k][j], u[k][j], 1e-5);
        }
        assert_below(scry_distance(u[0], u[1], N), 2e-5 * scry_norm(u[0], N));
    }
    for (int k = 0; k < 2; k++)
        scryi_condition_clear(&c[k]);
    scry_free(r);
    scry_free(w);
    scry_op_free(A);
    scry_prior_free(P);
}

/* Cut short, conjugate gradients among images have lowered |w A u - r|^2 + |u|^2 / t all the same:
 * from zero, and from the solution for a weaker prior. */
static void a_solve_that_is_cut_short_helps(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_counts counts = {0};
    scry_op *A = coils();
    const size_t m = scry_space_floats(scry_op_cod(A));
    const struct scryi_covariance V = scryi_covariance_white(50);
    float *r = scry_alloc(m, sizeof *r), *w = scry_alloc(m, sizeof *w), *Au, u[N];
    struct scryi_condition c = {0};
    scry_rng_normal(r, 0, m, 8, 0, 0);
    for (size_t i = 0; i < m; i++)
        w[i] = 3;
    Au = scry_alloc(m, sizeof *Au);
    assert_ok(scryi_condition_init(&c, A, NULL, true, &counts, &err));
    double before = scry_dot(r, r, m);
    for (int k = 0; k < 8; k++) {
        assert_ok(scryi_condition_solve(&c, r, w, &V, (struct scryi_cg_options){1, 0}, &err));
        assert_ok(scryi_condition_image(&c, u, w, &V, &err));
        assert_ok(scry_op_forward(A, Au, u, c.op_work, &err));
        double now = scry_dot(u, u, N) / V.t;
        for (size_t i = 0; i < m; i++)
            now += pow((double)w[i] * Au[i] - r[i], 2);
        assert_true(now < before);
        before = now;
    }
    scryi_condition_clear(&c);
    scry_free(r);
    scry_free(w);
    scry_free(Au);
    scry_op_free(A);
}

static void memory_is_refused(void **state)
{
    (void)state;
    scry_op *A = coils();
    scry_prior *P = model();
    scry_counts counts = {0};
    for (size_t nth = 1, live = scry_memory_live();; nth++) {
        struct scryi_condition c = {0};
        scry_error err = {0};
        scry_memory_fail_at(nth);
        const scry_status st = scryi_condition_init(&c, A, P, true, &counts, &err);
        scry_memory_fail_at(0);
        scryi_condition_clear(&c);
        assert_int_equal(scry_memory_live(), live);
        if (st == SCRY_OK) break;
        assert_int_equal(st, SCRY_ENOMEM);
        assert_true(err.text[0] != '\0' && nth < 50);
    }
    scry_op_free(A);
    scry_prior_free(P);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_spaces_give_one_mean),
        cmocka_unit_test(a_solve_that_is_cut_short_helps),
        cmocka_unit_test(memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
