#include "tests/check.h"

#include "lib/memory.h"
#include "operators/callbacks.h"
#include "operators/likelihood.h"
#include "priors/callbacks.h"
#include "priors/gaussian.h"
#include "solvers/chains.h"

#include <string.h>

/* An operator and a prior from callbacks that go wrong in the middle of a run: every method ends
 * with the callback's own words and code, and with the step. */

enum { N = 24 };
enum fault { NONE, WORDED, SILENT, NOT_A_NUMBER };

static struct {
    enum fault kind;
    size_t calls, at; /* so far; the one that goes wrong */
} of_operator, of_prior;

static scry_status operator_ends(float *out, const char *words, scry_error *err)
{
    if (++of_operator.calls != of_operator.at) return SCRY_OK;
    if (of_operator.kind == NOT_A_NUMBER) out[3] = NAN;
    if (of_operator.kind == SILENT) return SCRY_EIO;
    return of_operator.kind == WORDED ? SCRY_FAIL(err, SCRY_EIO, "%s", words) : SCRY_OK;
}

/* Half of the pixels, weighted. */
static scry_status forward(void *ctx, float *y, const float *x, scry_error *err)
{
    (void)ctx;
    for (int i = 0; i < N / 2; i++)
        y[i] = 0.75f * x[2 * i];
    return operator_ends(y, "the shutter is closed", err);
}

static scry_status adjoint(void *ctx, float *x, const float *y, scry_error *err)
{
    (void)ctx;
    for (int i = 0; i < N; i++)
        x[i] = i % 2 ? 0 : 0.75f * y[i / 2];
    return operator_ends(x, "the shutter is closed", err);
}

static scry_status prior_ends(float *out, scry_error *err)
{
    if (++of_prior.calls != of_prior.at) return SCRY_OK;
    if (of_prior.kind == NOT_A_NUMBER) out[3] = NAN;
    if (of_prior.kind == SILENT) return SCRY_EIO;
    return of_prior.kind == WORDED ? SCRY_FAIL(err, SCRY_EIO, "the weights are gone") : SCRY_OK;
}

/* The denoiser of N(0, I), and its derivative. */
static scry_status denoise(void *ctx, float *x0, const float *x, float sigma, scry_error *err)
{
    (void)ctx;
    for (int i = 0; i < N; i++)
        x0[i] = x[i] / (1 + sigma * sigma);
    return prior_ends(x0, err);
}

static scry_status vjp(void *ctx, float *g, const float *x, const float *v, float sigma,
                       scry_error *err)
{
    (void)ctx, (void)x;
    for (int i = 0; i < N; i++)
        g[i] = v[i] / (1 + sigma * sigma);
    return prior_ends(g, err);
}

static double white(double f, void *ctx)
{
    (void)f, (void)ctx;
    return 1;
}

static scry_op *A;
static scry_likelihood *L;
static scry_prior *P, *model;

static int make(void **state)
{
    (void)state;
    scry_error err = {0};
    const scry_space image = SCRY_SPACE(N), camera = SCRY_SPACE(N / 2);
    const scry_op_callbacks op = {.name = "halves", .forward = forward, .adjoint = adjoint};
    const scry_prior_callbacks prior = {
        .name = "shrinkage", .sigma_low = 1e-3, .sigma_high = 100, .denoise = denoise, .vjp = vjp};
    const scry_gaussian_params flat = {.rank = 1, .spectrum = white};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.37};
    float y[N / 2];
    for (int i = 0; i < N / 2; i++)
        y[i] = i % 3 ? 0.5f : -1.25f;
    assert_ok(scry_op_from_callbacks(&A, &image, &camera, &op, &err));
    assert_ok(scry_prior_from_callbacks(&P, &image, &prior, &err));
    assert_ok(scry_gaussian_create(&model, &image, &flat, &err));
    assert_ok(scry_likelihood_create(&L, A, y, &noise, NULL, &err));
    return 0;
}

static int drop(void **state)
{
    (void)state;
    scry_likelihood_free(L);
    scry_prior_free(model);
    scry_prior_free(P);
    scry_op_free(A);
    return 0;
}

static scry_status run(const struct scry_method *m, scry_error *err)
{
    scry_options options;
    scry_chains_opts opts;
    scry_chains chains;
    const scry_problem problem = {m->kind == SCRY_UNCONDITIONAL ? NULL : L, P, model, NULL, true};
    of_operator.calls = of_prior.calls = 0;
    scry_options_init(&options, m);
    scry_chains_opts_init(&opts);
    opts.threads = 1;
    const scry_status st = scry_chains_run(&chains, &problem, &options, &opts, NULL, NULL, err);
    if (st == SCRY_OK) scry_chains_free(&chains);
    return st;
}

static bool serves(const struct scry_method *m)
{
    const scry_problem problem = {m->kind == SCRY_UNCONDITIONAL ? NULL : L, P, model, NULL, true};
    return !scry_method_missing(m, &problem);
}

/* The last call of a run goes wrong. Of two chains, one that diverges leaves the other: a value
 * that is not finite ends the run of a classical method, which has one, and is counted elsewhere.
 */
static void check_faults(const struct scry_method *m, enum fault *kind, size_t *at, size_t calls,
                         const char *words)
{
    for (int f = WORDED; calls && f <= NOT_A_NUMBER; f++) {
        scry_error err = {0};
        *kind = (enum fault)f;
        *at = calls;
        const scry_status st = run(m, &err);
        *kind = NONE;
        *at = 0;
        const char *expected = f == WORDED ? words : f == SILENT ? "failed" : "not finite";
        const scry_status code = f == NOT_A_NUMBER ? SCRY_ENUMERIC : SCRY_EIO;
        if (st != code || !strstr(err.text, expected) ||
            (!strstr(err.text, "at step ") && !strstr(err.text, "at the start")))
            print_error("%s: %s, \"%s\"\n", m->name, scry_status_name(st), err.text);
        assert_int_equal(st, code);
        assert_non_null(strstr(err.text, expected));
        assert_true(strstr(err.text, "at step ") || strstr(err.text, "at the start"));
    }
}

static void every_method_ends_in_words(void **state)
{
    (void)state;
    size_t count, tried = 0;
    const struct scry_method *const *all = scry_methods(&count);
    for (size_t i = 0; i < count; i++) {
        scry_error err = {0};
        if (!serves(all[i])) continue;
        const size_t live = scry_memory_live();
        const scry_status st = run(all[i], &err);
        if (st != SCRY_OK) print_error("%s: %s\n", all[i]->name, err.text);
        if (st != SCRY_OK) continue;
        const size_t of_A = of_operator.calls, of_D = of_prior.calls;
        check_faults(all[i], &of_operator.kind, &of_operator.at, of_A, "the shutter is closed");
        check_faults(all[i], &of_prior.kind, &of_prior.at, of_D, "the weights are gone");
        assert_int_equal(scry_memory_live(), live);
        tried++;
    }
    print_message("%zu of %zu methods\n", tried, count);
    assert_true(tried > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_method_ends_in_words),
    };
    return cmocka_run_group_tests(tests, make, drop);
}
