#include "tests/check.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/blur.h"
#include "operators/identity.h"
#include "operators/mask.h"
#include "priors/gaussian.h"
#include "solvers/registry.h"

enum { SIDE = 48, N = SIDE * SIDE };

static double spectrum(double f, void *ctx)
{
    (void)ctx;
    return 20 / (1 + pow(f / .01, 3));
}

static scry_prior *gaussian(double mean)
{
    scry_error err = {0};
    scry_prior *P;
    const scry_space space = SCRY_SPACE(SIDE, SIDE);
    assert_ok(scry_gaussian_create(
        &P, &space, &(scry_gaussian_params){.rank = 2, .mean = mean, .spectrum = spectrum}, &err));
    return P;
}

static scry_status solve(float *u, scry_counts *counts, const scry_op *A, const float *y,
                         const scry_noise *noise, const scry_affine *map, const scry_prior *P,
                         scry_error *err)
{
    scry_options opts;
    scry_solver *S = NULL;
    scry_likelihood *L = NULL;
    scry_status st = scry_likelihood_create(&L, A, y, noise, map, err);
    const scry_problem problem = {.L = L, .prior = P};
    scry_options_init(&opts, scry_method_find("denoiser"));
    if (st == SCRY_OK) st = scry_solver_plan(&S, &problem, &opts, err);
    if (st == SCRY_OK) st = scry_solver_start(S, 0, 0, err);
    if (st == SCRY_OK) st = scry_solver_run(S, u, NULL, NULL, NULL, err);
    if (st == SCRY_OK && counts) *counts = scry_solver_counts(S);
    scry_solver_free(S);
    scry_likelihood_free(L);
    return st;
}

/* Of one level it is D at that level, in the unit of the prior, whatever the map and background. */
static void of_one_level_it_is_d(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    scry_counts counts;
    const scry_space space = SCRY_SPACE(SIDE, SIDE);
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 6, .background = 11};
    const scry_affine map = {20, 100};
    float y[N], u[N], D[N];
    scry_prior *P = gaussian(-.3);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    scry_rng_normal(u, 0, N, 5, 0, 0);
    for (size_t i = 0; i < N; i++)
        y[i] = 20 * u[i] + 100 + 11;
    assert_ok(scry_identity_create(&A, &space, &err));
    assert_ok(scry_prior_denoise(P, D, u, .3f, work, &err));
    assert_ok(solve(u, &counts, A, y, &noise, &map, P, &err));
    assert_below(scry_distance(u, D, N) / scry_norm(D, N), 1e-5);
    assert_int_equal(counts.denoise, 1);
    scry_free(work);
    scry_op_free(A);
    scry_prior_free(P);
}

/* A dark and a bright half, in counted light: away from the edge each is the result of D at its
 * own level, and not at that of both. */
static void counts_have_levels_by_pixel(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    scry_counts counts;
    const scry_space space = SCRY_SPACE(SIDE, SIDE);
    const scry_noise noise = {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 1, .read_noise = .5};
    const scry_affine map = {100, 150};
    const double light[2] = {4, 400};
    float y[N], u[N], in[N], own[2][N], both[N];
    scry_prior *P = gaussian(0);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    scry_rng_normal(y, 0, N, 9, 0, 0);
    for (size_t i = 0; i < N; i++) {
        const double here = light[i % SIDE >= SIDE / 2];
        y[i] = (float)fmax(0, here + sqrt(here + .25) * (double)y[i]);
        in[i] = (y[i] - 150) / 100;
    }
    assert_ok(scry_identity_create(&A, &space, &err));
    assert_ok(solve(u, &counts, A, y, &noise, &map, P, &err));
    assert_true(counts.denoise > 4 && counts.denoise < 25);
    for (size_t k = 0; k < 2; k++)
        assert_ok(
            scry_prior_denoise(P, own[k], in, (float)(sqrt(light[k] + .25) / 100), work, &err));
    assert_ok(scry_prior_denoise(P, both, in, .1422f, work, &err));
    for (size_t k = 0; k < 2; k++) {
        double mine = 0, other = 0;
        for (size_t i = 0; i < N; i++) {
            const size_t column = i % SIDE;
            if (column < 8 + k * SIDE / 2 || column >= SIDE / 2 - 8 + k * SIDE / 2) continue;
            mine += pow((double)(u[i] - own[k][i]), 2);
            other += pow((double)(both[i] - own[k][i]), 2);
        }
        assert_true(mine < .1 * other);
    }
    scry_free(work);
    scry_op_free(A);
    scry_prior_free(P);
}

/* Missing pixels do not show a few pixels away. */
static void holes_do_not_disturb(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *whole, *A;
    const scry_space space = SCRY_SPACE(SIDE, SIDE);
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = .1};
    unsigned char known[N];
    float x[N], y[N], u[N], v[N], part[N];
    size_t m = 0;
    scry_prior *P = gaussian(.2);
    scry_rng_normal(x, 0, N, 2, 0, 0);
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    assert_ok(scry_gaussian_apply(P, x, x, SCRY_GAUSSIAN_SQRT, 0, work, &err));
    scry_free(work);
    scry_rng_normal(y, 0, N, 2, 1, 0);
    for (size_t i = 0; i < N; i++) {
        const size_t row = i / SIDE, column = i % SIDE;
        y[i] = x[i] + .2f + .1f * y[i];
        known[i] = !(row >= 20 && row < 23 && column >= 30 && column < 33);
        if (known[i]) part[m++] = y[i];
    }
    assert_ok(scry_identity_create(&whole, &space, &err));
    assert_ok(scry_mask_create(&A, &space, known, &err));
    assert_ok(solve(u, NULL, whole, y, &noise, NULL, P, &err));
    assert_ok(solve(v, NULL, A, part, &noise, NULL, P, &err));
    for (size_t i = 0; i < N; i++) {
        const size_t row = i / SIDE, column = i % SIDE;
        const bool near = row >= 14 && row < 29 && column >= 24 && column < 39;
        assert_near((double)v[i], (double)u[i], near ? 1 : .02);
    }
    scry_op_free(A);
    scry_op_free(whole);
    scry_prior_free(P);
}

static void others_are_refused(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    const scry_space space = SCRY_SPACE(SIDE, SIDE), ps = SCRY_SPACE(3, 3);
    const float psf[9] = {0, .1f, 0, .1f, .6f, .1f, 0, .1f, 0};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = .1};
    float y[N] = {0}, u[N];
    scry_prior *P = gaussian(0);
    assert_ok(scry_blur_create(&A, &space, &(scry_blur_params){.psf = psf, .psf_space = ps}, &err));
    assert_fails(solve(u, NULL, A, y, &noise, NULL, P, &err), SCRY_EUNSUP);
    scry_op_free(A);
    assert_ok(scry_identity_create(&A, &space, &err));
    assert_fails(solve(u, NULL, A, y, &noise, NULL, NULL, &err), SCRY_EUNSUP);
    const size_t live = scry_memory_live();
    for (size_t nth = 1;; nth++) {
        scry_memory_fail_at(nth);
        const scry_status st = solve(u, NULL, A, y, &noise, NULL, P, &err);
        assert_int_equal(scry_memory_live(), live);
        if (st == SCRY_OK) break;
        assert_int_equal(st, SCRY_ENOMEM);
        err = (scry_error){0};
    }
    scry_memory_fail_at(0);
    scry_op_free(A);
    scry_prior_free(P);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_one_level_it_is_d),
        cmocka_unit_test(counts_have_levels_by_pixel),
        cmocka_unit_test(holes_do_not_disturb),
        cmocka_unit_test(others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
