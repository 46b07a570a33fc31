#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "operators/cg.h"

#include <math.h>

/* H = diag(d) + c c^T, a plain function of a context. */
struct system {
    size_t n, calls;
    const float *d, *c;
    double weight;
};

static scry_status apply(void *ctx, float *out, const float *in, scry_error *err)
{
    (void)err;
    struct system *s = ctx;
    const double dot = s->c ? s->weight * scry_dot(s->c, in, s->n) : 0;
    for (size_t i = 0; i < s->n; i++)
        out[i] = (float)(s->d[i] * in[i] + (s->c ? dot * s->c[i] : 0));
    s->calls++;
    return SCRY_OK;
}

static scry_status refuse(void *ctx, float *out, const float *in, scry_error *err)
{
    (void)ctx;
    (void)out;
    (void)in;
    return SCRY_FAIL(err, SCRY_EUNSUP, "not today");
}

static void solves_to_the_tolerance(void **state)
{
    (void)state;
    enum { N = 10007 };
    scry_error err = {0};
    float *d = scry_alloc(N, sizeof *d), *c = scry_alloc(N, sizeof *c);
    float *b = scry_alloc(N, sizeof *b);
    float *x = scry_alloc(N, sizeof *x), *Hx = scry_alloc(N, sizeof *Hx);
    void *work = scry_alloc(1, scry_cg_work_bytes(N));
    scry_rng_uniform(d, 0, N, 3, 0, 0);
    scry_rng_normal(c, 0, N, 3, 1, 0);
    scry_rng_normal(b, 0, N, 3, 2, 0);
    for (size_t i = 0; i < N; i++)
        d[i] += .1f;
    struct system s = {.n = N, .d = d, .c = c, .weight = .02};
    scry_cg_result end;
    assert_ok(scry_cg(apply, &s, x, b, N, 1e-5, 500, work, &end, &err));
    assert_true(end.iterations > 3 && end.iterations < 100);
    assert_int_equal(s.calls, end.iterations); /* a start of zeros costs no product */
    assert_ok(apply(&s, Hx, x, &err));
    assert_below(scry_distance(Hx, b, N), 1.2e-5 * scry_norm(b, N));
    /* from the solution there is nothing left to do */
    assert_ok(scry_cg(apply, &s, x, b, N, 1.2e-5, 500, work, &end, &err));
    assert_int_equal(end.iterations, 0);
    /* stopping early is not a failure */
    for (size_t i = 0; i < N; i++)
        x[i] = 0;
    assert_ok(scry_cg(apply, &s, x, b, N, 1e-5, 2, work, &end, &err));
    assert_int_equal(end.iterations, 2);
    assert_true(end.residual > 1e-5);
    scry_free(d);
    scry_free(c);
    scry_free(b);
    scry_free(x);
    scry_free(Hx);
    scry_free(work);
}

/* Two distinct eigenvalues: exact after two steps (Hestenes & Stiefel, Theorem 4:1). */
static void ends_after_as_many_steps_as_eigenvalues(void **state)
{
    (void)state;
    scry_error err = {0};
    const float d[7] = {2.5f, 2.5f, .75f, 2.5f, .75f, .75f, .75f};
    const float b[7] = {1, -2, 3, .5f, 2.385f, -1, 4};
    float x[7] = {0};
    void *work = scry_alloc(1, scry_cg_work_bytes(7));
    struct system s = {.n = 7, .d = d};
    scry_cg_result end;
    assert_ok(scry_cg(apply, &s, x, b, 7, 1e-6, 50, work, &end, &err));
    assert_int_equal(end.iterations, 2);
    for (int i = 0; i < 7; i++)
        assert_near(x[i], b[i] / d[i], 1e-5);
    scry_free(work);
}

static void words_its_failures(void **state)
{
    (void)state;
    scry_error err = {0};
    const float d[3] = {1, -2, 3}, zero[3] = {0};
    float b[3] = {1, 2, 3}, x[3] = {0};
    void *work = scry_alloc(1, scry_cg_work_bytes(3));
    struct system s = {.n = 3, .d = d};
    scry_cg_result end;
    assert_fails(scry_cg(apply, &s, x, b, 3, 1e-6, 50, work, &end, &err), SCRY_ENUMERIC);
    assert_fails(scry_cg(refuse, &s, x, b, 3, 1e-6, 50, work, &end, &err), SCRY_EUNSUP);
    x[0] = 7;
    assert_ok(scry_cg(apply, &s, x, zero, 3, 1e-6, 50, work, NULL, &err));
    assert_near(x[0], 0, 0);
    b[1] = NAN;
    assert_fails(scry_cg(apply, &s, x, b, 3, 1e-6, 50, work, &end, &err), SCRY_ENUMERIC);
    b[1] = 1;
    x[2] = NAN;
    assert_fails(scry_cg(apply, &s, x, b, 3, 1e-6, 50, work, &end, &err), SCRY_ENUMERIC);
    scry_free(work);
}

static scry_status jacobi(void *ctx, float *out, const float *in, scry_error *err)
{
    (void)err;
    const struct system *s = ctx;
    for (size_t i = 0; i < s->n; i++)
        out[i] = in[i] / s->d[i];
    return SCRY_OK;
}

static scry_status negated(void *ctx, float *out, const float *in, scry_error *err)
{
    const scry_status st = jacobi(ctx, out, in, err);
    scry_scale(out, -1, ((const struct system *)ctx)->n);
    return st;
}

/* diag(d) + c c^T with d over three decades: the inverse of diag(d) leaves one eigenvalue that is
 * not 1,so that two iterations solve a system that takes many without it. */
static void preconditioner_changes_the_path_not_the_solution(void **state)
{
    (void)state;
    enum { N = 3001 };
    scry_error err = {0};
    static float d[N], c[N], b[N], x[N], z[N], Hx[N];
    void *work = scry_alloc(1, scry_cg_work_bytes(N));
    for (size_t i = 0; i < N; i++)
        d[i] = powf(10, 3 * (float)i / N);
    scry_rng_normal(c, 0, N, 4, 1, 0);
    scry_rng_normal(b, 0, N, 4, 2, 0);
    struct system s = {.n = N, .d = d, .c = c, .weight = .02};
    scry_cg_result fast, plain;
    assert_ok(scry_cg_preconditioned(apply, jacobi, &s, x, b, N, 1e-6, 900, work, &fast, &err));
    assert_ok(apply(&s, Hx, x, &err));
    assert_below(scry_distance(Hx, b, N), 1.2e-6 * scry_norm(b, N));
    assert_ok(scry_cg(apply, &s, z, b, N, 1e-6, 900, work, &plain, &err));
    assert_true(fast.iterations <= 4 && plain.iterations > 60);
    assert_below(scry_distance(x, z, N), 1e-3 * scry_norm(z, N));
    assert_fails(scry_cg_preconditioned(apply, negated, &s, z, b, N, 1e-9, 9, work, NULL, &err),
                 SCRY_ENUMERIC);
    err = (scry_error){0};
    assert_fails(scry_cg_preconditioned(apply, refuse, &s, z, b, N, 1e-9, 9, work, NULL, &err),
                 SCRY_EUNSUP);
    scry_free(work);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solves_to_the_tolerance),
        cmocka_unit_test(preconditioner_changes_the_path_not_the_solution),
        cmocka_unit_test(ends_after_as_many_steps_as_eigenvalues),
        cmocka_unit_test(words_its_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
