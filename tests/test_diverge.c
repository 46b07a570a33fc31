#include "tests/exact/small.h"

#include "lib/vector.h"
#include "priors/prior_impl.h"

/* Every method that uses a denoiser, with one that breaks in the middle of the run. */

enum { N = 6 };

/* `inner`, whose outputs break from call number `from` on: one value of each is replaced. */
struct breaking {
    scry_prior base;
    const scry_prior *inner;
    size_t *calls, from; /* of the denoiser and its product */
    float value;         /* NaN, infinity or a huge number */
    bool product;        /* only the vector-Jacobian product breaks */
};

static void spoil(const struct breaking *b, float *out)
{
    if (*b->calls >= b->from) out[1] = b->value;
}

static scry_status denoise(const scry_prior *P, float *x0, const float *x, float sigma, void *work,
                           scry_error *err)
{
    const struct breaking *b = (const struct breaking *)P;
    ++*b->calls;
    scry_status st = scry_prior_denoise(b->inner, x0, x, sigma, work, err);
    if (!b->product) spoil(b, x0);
    return st;
}

static scry_status vjp(const scry_prior *P, float *g, float *x0, const float *x, const float *v,
                       float sigma, void *work, scry_error *err)
{
    const struct breaking *b = (const struct breaking *)P;
    ++*b->calls;
    scry_status st = scry_prior_vjp(b->inner, g, x0, x, v, sigma, work, err);
    spoil(b, g);
    if (!b->product && x0) spoil(b, x0);
    return st;
}

static scry_solver *plan(const struct scry_method *m, const scry_problem *problem)
{
    scry_error err = {0};
    scry_options o;
    scry_solver *S;
    scry_options_init(&o, m);
    if (option_value(&o, "steps") > 12) option_set(&o, "steps", 12);
    if (option_value(&o, "travel") > 2) option_set(&o, "travel", 2);
    if (scry_method_multi_draw(m)) {
        option_set(&o, "draws", 4);
        option_set(&o, "thin", 2);
    }
    assert_ok(scry_solver_plan(&S, problem, &o, &err));
    return S;
}

static void run_whole(scry_solver *S, float *x)
{
    scry_error err = {0};
    scry_progress end;
    assert_ok(scry_solver_start(S, 5, 3, &err));
    assert_ok(scry_solver_run(S, x, NULL, NULL, &end, &err));
    assert_int_equal(end.reason, SCRY_DONE);
    assert_true(end.draw);
}

/* The effect of a huge value depends on the method: RED-diff, whose steps have a length of their
 * own, stays where it is, and a classical method has no size that its estimate should keep. NaN and
 * infinity end every run. */
static void run_broken(scry_solver *S, const struct scry_method *m, const struct breaking *prior)
{
    scry_error err = {0};
    scry_progress end;
    size_t step = 0, steps = 0;
    char expected[80];
    float x[N] = {7, 7, 7, 7, 7, 7};
    assert_ok(scry_solver_start(S, 5, 3, &err));
    const scry_status st = scry_solver_run(S, x, NULL, NULL, &end, &err);
    if (st == SCRY_OK && isfinite(prior->value)) {
        assert_true(scry_finite(x, N));
        if (m->kind != SCRY_CLASSICAL) assert_below(scry_norm(x, N), 1e7);
        return;
    }
    if (st != SCRY_ENUMERIC) print_error("%s with %g: %d\n", m->name, (double)prior->value, st);
    assert_int_equal(st, SCRY_ENUMERIC);
    assert_int_equal(end.reason, SCRY_STOP_NAN);
    assert_false(end.draw);
    assert_null(end.x0);
    for (size_t i = 0; i < N; i++)
        assert_near(x[i], 7, 0);
    snprintf(expected, sizeof expected, "%s: the chain diverged at step %%zu of %%zu, seed 5, c",
             m->name);
    if (m->kind == SCRY_CLASSICAL)
        snprintf(expected, sizeof expected, "%s failed at step %%zu of %%zu: ", m->name);
    else
        assert_non_null(strstr(err.text, "seed 5, chain 3: "));
    if (sscanf(err.text, expected, &step, &steps) != 2) print_error("%s\n", err.text);
    assert_int_equal(step, end.step);
    assert_int_equal(steps, end.steps);
    assert_in_range(step, steps < 2 ? steps : 2, steps); /* of one step: that one */
}

static void every_method_stops(void **state)
{
    (void)state;
    static const struct scry_prior_ops ops = {.name = "breaking", .denoise = denoise, .vjp = vjp};
    static struct world w;
    static unsigned char known[EXACT_MAX];
    static const float values[] = {NAN, INFINITY, -1e30f, 1e12f};
    struct setup s;
    size_t calls = 0, count, tried = 0;
    world_mask(&w, known);
    build(&s, &w, known);
    struct breaking prior = {.base = {.ops = &ops,
                                      .space = *scry_prior_space(s.prior),
                                      .work_bytes = scry_prior_work_bytes(s.prior),
                                      .sigma_low = 0.01,
                                      .sigma_high = 100},
                             .inner = s.prior,
                             .calls = &calls};
    const struct scry_method *const *m = scry_methods(&count);
    for (size_t i = 0; i < count; i++) {
        scry_problem problem = {.L = s.L, .prior = &prior.base, .model = s.prior};
        if (m[i]->kind == SCRY_UNCONDITIONAL) problem.L = NULL;
        if (!(m[i]->needs & SCRY_NEEDS_DENOISER)) continue;
        assert_null(scry_method_missing(m[i], &problem));
        float whole[N], again[N];
        scry_solver *S = plan(m[i], &problem);
        prior.from = SIZE_MAX;
        calls = 0;
        run_whole(S, whole);
        const size_t half = calls / 2 + 1;
        for (size_t k = 0; k < 2 * sizeof values / sizeof *values; k++) {
            prior.value = values[k / 2];
            prior.product = k % 2;
            if (prior.product && !(m[i]->needs & SCRY_NEEDS_VJP)) continue;
            prior.from = half;
            calls = 0;
            run_broken(S, m[i], &prior);
            prior.from = SIZE_MAX;
            run_whole(S, again); /* nothing of it is left in the solver */
            assert_memory_equal(again, whole, sizeof whole);
        }
        scry_solver_free(S);
        tried++;
    }
    assert_true(tried > 25);
    drop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
