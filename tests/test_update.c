#include "tests/check.h"

#include "operators/blur.h"
#include "operators/compose.h"
#include "operators/identity.h"
#include "operators/mask.h"
#include "operators/op_sampled.h"
#include "operators/update.h"
#include "priors/gaussian.h"
#include "tests/op_check.h"

#include <math.h>
#include <string.h>

/* A power law with a ceiling, as images have. */
static double power(double f, void *ctx)
{
    (void)ctx;
    return 0.01 / (3e-4 + f * f);
}

struct bench {
    scry_op *A;
    scry_prior *model;
    scry_update *update;
    size_t n, m;
    float t; /* V = t C; without a model t I */
    float *w, *r, *S, *d, *u, *v, *y;
    void *work, *op_work, *model_work;
};

/* Takes A. Weights spread over a factor of 16 along a smooth wave; some are 0 when `holes`. */
static void bench_setup(struct bench *b, scry_op *A, int rank, bool holes)
{
    scry_error err = {0};
    *b = (struct bench){.A = A, .t = 1.3f};
    if (rank)
        assert_ok(scry_gaussian_create(&b->model, scry_op_dom(A),
                                       &(scry_gaussian_params){.rank = rank, .spectrum = power},
                                       &err));
    assert_ok(scry_update_create(&b->update, A, rank, &err));
    b->n = scry_space_count(scry_op_dom(A));
    b->m = scry_space_count(scry_op_cod(A));
    b->w = scry_alloc(b->m, sizeof(float));
    b->y = scry_alloc(b->m, sizeof(float));
    b->r = check_random(b->m, 31);
    b->d = scry_alloc(b->n, sizeof(float));
    b->u = scry_alloc(b->n, sizeof(float));
    b->v = scry_alloc(b->n, sizeof(float));
    b->work = scry_alloc(1, scry_update_work_bytes(b->update));
    b->op_work = scry_alloc(1, scry_op_work_bytes(A));
    if (rank) {
        b->model_work = scry_alloc(1, scry_prior_work_bytes(b->model));
        b->S = scry_alloc(scry_update_bins(b->update), sizeof(float));
        assert_ok(scry_gaussian_spectrum(b->model, b->S, SCRY_GAUSSIAN_COV, 0, &err));
    }
    for (size_t i = 0; i < b->m; i++) {
        b->w[i] = (float)(3 * exp(0.7 * sin(0.05 * (double)(i % 211)) - 0.7));
        if (holes && i % 17 == 3) b->w[i] = 0;
    }
}

static void bench_clear(struct bench *b)
{
    float *owned[] = {b->w, b->r, b->S, b->d, b->u, b->v, b->y};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scry_free(b->work);
    scry_free(b->op_work);
    scry_free(b->model_work);
    scry_update_free(b->update);
    scry_prior_free(b->model);
    scry_op_free(b->A);
}

/* out = V in, by the model itself */
static void covariance(struct bench *b, float *out, const float *in)
{
    scry_error err = {0};
    if (!b->model) {
        scry_axpby(out, b->t, in, 0, in, b->n);
        return;
    }
    assert_ok(scry_gaussian_apply(b->model, out, in, SCRY_GAUSSIAN_COV, 0, b->model_work, &err));
    scry_scale(out, b->t, b->n);
}

/* y = r - w A d */
static void left_of(struct bench *b, const float *d)
{
    scry_error err = {0};
    assert_ok(scry_op_forward(b->A, b->y, d, b->op_work, &err));
    for (size_t i = 0; i < b->m; i++)
        b->y[i] = b->r[i] - b->w[i] * b->y[i];
}

static void fill_psf(float *h, size_t a, size_t b)
{
    double sum = 0;
    for (size_t i = 0; i < a * b; i++) {
        const double y = (double)(i / b) - (double)(a / 2), x = (double)(i % b) - (double)(b / 2);
        h[i] = (float)exp(-(y * y + x * x + 0.3 * x * y) / 5.2);
        sum += h[i];
    }
    scry_scale(h, 1 / sum, a * b);
}

static scry_op *make_blur(const scry_space *image, scry_boundary boundary)
{
    float h[63];
    const scry_space ps = SCRY_SPACE(7, 9);
    scry_error err = {0};
    scry_op *A;
    fill_psf(h, 7, 9);
    assert_ok(scry_blur_create(
        &A, image, &(scry_blur_params){.psf = h, .psf_space = ps, .boundary = boundary}, &err));
    return A;
}

static scry_op *make_mask(const scry_space *space, size_t every)
{
    scry_error err = {0};
    scry_op *A;
    const size_t n = scry_space_count(space);
    unsigned char *known = scry_alloc(n, 1);
    for (size_t i = 0; i < n; i++)
        known[i] = i % every != 2;
    assert_ok(scry_mask_create(&A, space, known, &err));
    scry_free(known);
    return A;
}

static scry_op *make_sparse(const scry_space *space)
{
    scry_error err = {0};
    scry_op *A;
    const size_t n = scry_space_count(space);
    unsigned char *known = scry_alloc(n, 1);
    for (size_t i = 0; i < n; i++)
        known[i] = i % 5 == 2 || i % 7 == 3;
    assert_ok(scry_mask_create(&A, space, known, &err));
    scry_free(known);
    return A;
}

/* Solved among frequencies, checked by the equation of the solution: d = V A^T w (r - w A d). */
static void check_solution(scry_op *A, int rank, bool holes)
{
    scry_error err = {0};
    struct bench b;
    const scry_cg_stop stop = {.tol = 1e-6, .iterations = 900};
    scry_cg_result end;
    bench_setup(&b, A, rank, holes);
    assert_ok(scry_update_solve(b.update, b.d, b.r, b.w, b.S, b.t, &stop, b.work, &end, &err));
    assert_true(end.converged);
    left_of(&b, b.d);
    for (size_t i = 0; i < b.m; i++)
        b.y[i] *= b.w[i];
    assert_ok(scry_op_adjoint(A, b.u, b.y, b.op_work, &err));
    covariance(&b, b.v, b.u);
    assert_below(scry_distance(b.v, b.d, b.n), 2e-4 * scry_norm(b.d, b.n));
    bench_clear(&b);
}

static void solution_is_that_of_operator_and_model(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space plane = SCRY_SPACE(37, 53), stack = SCRY_SPACE(3, 21, 27);
    scry_op *A, *B;
    for (int rank = 0; rank <= 2; rank += 2) {
        check_solution(make_blur(&plane, SCRY_OPEN), rank, false);
        check_solution(make_blur(&plane, SCRY_PERIODIC), rank, true);
        check_solution(make_blur(&stack, SCRY_OPEN), rank, true); /* images not aligned */
        check_solution(make_mask(&plane, 5), rank, true);
        check_solution(make_mask(&plane, 2385), rank, false);
        check_solution(make_sparse(&plane), rank, false); /* no filter of the weights */
        assert_ok(scry_identity_create(&A, &stack, &err));
        check_solution(A, rank, false);
        B = make_blur(&plane, SCRY_OPEN);
        assert_ok(scry_chain_create(&A, make_mask(scry_op_cod(B), 7), B, &err));
        check_solution(A, rank, false);
        B = make_blur(&plane, SCRY_OPEN);
        assert_ok(scry_scaled_create(&A, B, -1.7, &err));
        check_solution(A, rank, false);
        B = make_mask(&plane, 4);
        assert_ok(scry_scaled_create(&A, B, 0.6, &err));
        check_solution(A, rank, false);
    }
    check_solution(make_mask(&stack, 5), 3, false);
    check_solution(make_mask(&stack, 5), 1, false);
}

/* |w A d - r|^2 + |d|^2 / t */
static double misfit(struct bench *b, const float *d)
{
    left_of(b, d);
    return scry_dot(b->y, b->y, b->m) + scry_dot(d, d, b->n) / b->t;
}

/* A bright ramp behind an edge, 20 000 electrons, on a camera background of 2.25: weights over a
 * factor of 9000. A solve that ends by its gain is within a few spreads of chi2 of one that goes
 * on and on: the data do not separate them. */
static void bright_on_dark_converges(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space plane = SCRY_SPACE(60, 72);
    struct bench b;
    scry_cg_result end;
    const double unit = 20000 / 1.5;
    bench_setup(&b, make_blur(&plane, SCRY_OPEN), 0, false);
    b.t = 0.01f;
    for (size_t i = 0; i < b.n; i++) {
        const double x = (double)(i % 84) + 0.7 * (double)(i / 84) - 60;
        b.u[i] = x < 0 ? (float)(1.5 + 0.02 * x + 0.2 * sin(0.9 * x)) : 0;
    }
    assert_ok(scry_op_forward(b.A, b.y, b.u, b.op_work, &err));
    for (size_t i = 0; i < b.m; i++) {
        b.w[i] = (float)(unit / sqrt(fmax(unit * b.y[i], 0) + 2.25));
        b.r[i] += 0.1f * b.w[i] * b.y[i]; /* from an image that is a tenth too dark, and noise */
    }
    const double spread = sqrt(2.0 * (double)b.m);
    const scry_cg_stop usual = {.gain = 0.01 * spread, .iterations = 2000};
    assert_ok(scry_update_solve(b.update, b.d, b.r, b.w, NULL, b.t, &usual, b.work, &end, &err));
    assert_true(end.converged && end.iterations < 500);
    const double quick = misfit(&b, b.d);
    const scry_cg_stop thorough = {.iterations = 2000};
    assert_ok(scry_update_solve(b.update, b.d, b.r, b.w, NULL, b.t, &thorough, b.work, &end, &err));
    assert_below(quick - misfit(&b, b.d), 4 * spread);
    assert_below(scry_dot(b.y, b.y, b.m), 1.1 * (double)b.m);
    const scry_cg_stop early = {.gain = 0.01 * spread, .iterations = 5};
    assert_ok(scry_update_solve(b.update, b.d, b.r, b.w, NULL, b.t, &early, b.work, &end, &err));
    assert_false(end.converged);
    bench_clear(&b);
}

/* A solve that resumes ends at the same solution, and at once where it was there before. */
static void resumed_from_a_solution_nearby(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space plane = SCRY_SPACE(37, 53), stack = SCRY_SPACE(3, 21, 27);
    const scry_cg_stop stop = {.tol = 1e-5, .iterations = 900};
    scry_cg_result first, again, end;
    for (int k = 0; k < 2; k++) {
        struct bench b;
        bench_setup(&b, make_blur(k ? &stack : &plane, SCRY_OPEN), 2, true);
        assert_ok(
            scry_update_solve(b.update, b.d, b.r, b.w, b.S, b.t, &stop, b.work, &first, &err));
        memcpy(b.u, b.d, b.n * sizeof *b.u);
        assert_ok(
            scry_update_resume(b.update, b.d, b.r, b.w, b.S, b.t, &stop, b.work, &again, &err));
        assert_below((double)again.iterations, (double)first.iterations / 4);
        assert_below(scry_distance(b.u, b.d, b.n), 2e-4 * scry_norm(b.d, b.n));
        for (size_t i = 0; i < b.n; i++)
            b.d[i] *= 0.7f;
        assert_ok(scry_update_resume(b.update, b.d, b.r, b.w, b.S, b.t, &stop, b.work, &end, &err));
        assert_below(scry_distance(b.u, b.d, b.n), 2e-4 * scry_norm(b.d, b.n));
        bench_clear(&b);
    }
}

static void refusals_name_the_reason(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space plane = SCRY_SPACE(12, 15), three = SCRY_SPACE(3);
    double matrix[9] = {1, 0, 0, 0, 1, 0, 0, 0, 1};
    scry_op *A, *D;
    scry_update *update;
    struct bench b;
    const scry_cg_stop stop = {.tol = 1e-3, .iterations = 9};
    assert_ok(scry_dense_create(&D, &three, &three, matrix, &err));
    assert_int_equal(scry_op_sampled_rank(D), -1);
    float one;
    assert_fails(scry_op_sampled_transfer(D, &one, &err), SCRY_EUNSUP);
    assert_fails(scry_op_sample(D, &one, &one, NULL, &err), SCRY_EUNSUP);
    assert_fails(scry_op_scatter(D, &one, &one, NULL, &err), SCRY_EUNSUP);
    assert_fails(scry_update_create(&update, D, 0, &err), SCRY_EUNSUP);
    scry_op_free(D);
    A = make_blur(&plane, SCRY_OPEN);
    assert_fails(scry_update_create(&update, A, 1, &err), SCRY_EUNSUP);
    assert_null(update);
    bench_setup(&b, A, 2, false);
    assert_fails(scry_update_solve(b.update, b.d, b.r, b.w, b.S, 0, &stop, b.work, NULL, &err),
                 SCRY_EINVAL);
    assert_fails(scry_update_solve(b.update, b.d, b.r, b.w, b.S, NAN, &stop, b.work, NULL, &err),
                 SCRY_EINVAL);
    b.r[5] = NAN;
    assert_fails(scry_update_solve(b.update, b.d, b.r, b.w, b.S, 1, &stop, b.work, NULL, &err),
                 SCRY_ENUMERIC);
    bench_clear(&b);
    bench_setup(&b, make_mask(&plane, 4), 0, false);
    b.r[5] = NAN;
    assert_fails(scry_update_solve(b.update, b.d, b.r, b.w, NULL, 1, &stop, b.work, NULL, &err),
                 SCRY_ENUMERIC);
    bench_clear(&b);
}

static void allocations_fail_in_turn(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space plane = SCRY_SPACE(12, 15);
    scry_op *A = make_blur(&plane, SCRY_OPEN);
    scry_update *U;
    CHECK_ALLOCATIONS(scry_update_create(&U, A, 2, &err), scry_update_free(U));
    scry_op_free(A);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solution_is_that_of_operator_and_model),
        cmocka_unit_test(bright_on_dark_converges),
        cmocka_unit_test(resumed_from_a_solution_nearby),
        cmocka_unit_test(refusals_name_the_reason),
        cmocka_unit_test(allocations_fail_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
