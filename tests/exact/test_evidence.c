#include "tests/exact/closed_form.h"
#include "tests/exact/small.h"

#include "solvers/solver_impl.h"

/* Particle samplers estimate the evidence p(y) without bias, whatever their number, their twist and
 * the number of levels: not that of the prior, but that of the ancestral chain they run, which for
 * a Gaussian prior is a Gaussian distribution that follows level by level. A factor lost or counted
 * twice in a proposal or a weight moves the estimate, a z-test over independent runs says so. */
enum { N = 6, LEVELS = 16, RUNS = 2000 };
static const double FIRST = 10, LAST = 0.03;

/* A distribution N(mean, cov) of the state, and the D(x; s) = mu + G (x - mu) of the prior N(mu,
 * C). */
struct chain {
    double mean[N], cov[N * N];
    const struct world *prior;
    double G[N * N];
};

static void multiply(double *out, const double *a, const double *b, bool turn)
{
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0;
            for (size_t k = 0; k < N; k++)
                sum += a[i * N + k] * (turn ? b[j * N + k] : b[k * N + j]);
            out[i * N + j] = sum;
        }
}

/* out = C (C + t I)^-1 */
static void shrink(double *out, const double *C, double t)
{
    double inverse[N * N];
    for (size_t i = 0; i < N * N; i++)
        inverse[i] = C[i] + (i % (N + 1) ? 0 : t);
    gsl_matrix_view v = gsl_matrix_view_array(inverse, N, N);
    gsl_linalg_cholesky_decomp1(&v.matrix);
    gsl_linalg_cholesky_invert(&v.matrix);
    multiply(out, C, inverse, false);
}

/* x becomes keep x + (1 - keep) D(x; s) */
static void denoised(struct chain *c, double s, double keep)
{
    double M[N * N], T[N * N], shift[N];
    shrink(c->G, c->prior->C, s * s);
    for (size_t i = 0; i < N * N; i++)
        M[i] = (1 - keep) * c->G[i] + (i % (N + 1) ? 0 : keep);
    for (size_t i = 0; i < N; i++) {
        shift[i] = c->prior->mean[i];
        for (size_t j = 0; j < N; j++)
            shift[i] += M[i * N + j] * (c->mean[j] - c->prior->mean[j]);
    }
    memcpy(c->mean, shift, sizeof c->mean);
    multiply(T, M, c->cov, false);
    multiply(c->cov, T, M, true);
}

/* cov += white I + scale V, V = (C^-1 + I / s^2)^-1 of the model */
static void scatter(struct chain *c, double white, double scale, const struct world *model,
                    double s)
{
    double V[N * N];
    shrink(V, model->C, s * s);
    for (size_t i = 0; i < N * N; i++)
        c->cov[i] += scale * s * s * V[i] + (i % (N + 1) ? 0 : white);
}

static double level(size_t k)
{
    const double high = pow(FIRST, 1 / 7.0), low = pow(LAST, 1 / 7.0);
    return pow(high + (double)k / (LEVELS - 1) * (low - high), 7);
}

/* log N(y; A mean, A cov A^T + variance I) */
static double evidence(const struct world *w, const double *mean, const double *cov,
                       double variance)
{
    double m[N], C[N * N], noise[EXACT_MAX];
    memcpy(m, mean, sizeof m);
    memcpy(C, cov, sizeof C);
    for (size_t i = 0; i < w->m; i++)
        noise[i] = variance;
    return closed_form_update(m, C, N, w->A, w->y, noise, w->m);
}

static struct chain first(const struct world *w, const struct world *model, bool of_model)
{
    struct chain c = {.prior = w};
    memcpy(c.mean, model->mean, sizeof c.mean);
    for (size_t i = 0; i < N * N; i++)
        c.cov[i] = (of_model ? model->C[i] : 0) + (i % (N + 1) ? 0 : FIRST * FIRST);
    return c;
}

static double tds_paper(const struct world *w, const struct world *model)
{
    struct chain c = first(w, model, false);
    for (size_t k = 0; k + 1 < LEVELS; k++) {
        const double s = level(k), next = level(k + 1), f = 1 - next * next / (s * s);
        denoised(&c, s, 1 - f);
        scatter(&c, next * next * f + f * f * s * s / (1 + s * s), 0, model, s);
    }
    denoised(&c, LAST, 0);
    /* the likelihood is exp(-|y - A x|^2 / (2 sigma^2)), without its constant */
    return evidence(w, c.mean, c.cov, w->sigma * w->sigma) +
           0.5 * (double)w->m * log(2 * M_PI * w->sigma * w->sigma);
}

static double tds_model(const struct world *w, const struct world *model)
{
    const double variance = w->sigma * w->sigma;
    struct chain c = first(w, model, true);
    for (size_t k = 0; k + 1 < LEVELS; k++) {
        const double s = level(k), next = level(k + 1), f = 1 - next * next / (s * s);
        denoised(&c, s, 1 - f);
        scatter(&c, next * next * f, f * f, model, s);
    }
    denoised(&c, LAST, 0);
    scatter(&c, 0, 1, model, LAST);
    return evidence(w, c.mean, c.cov, variance) - evidence(w, model->mean, model->C, variance);
}

/* Masks, whose pixels have the variance v of the noise: the state of the first level below v is
 * seen in the missing part. The factors that the weights leave out: of the first state, and
 * of each move above that level. */
static double mcgdiff(const struct world *w, const struct world *model)
{
    const double v = w->sigma * w->sigma, s0 = FIRST * FIRST;
    const double wide[N * N] = {0};
    struct chain c = first(w, model, false);
    double left_out = evidence(w, model->mean, wide, 2 * s0 - v), s = FIRST;
    for (size_t k = 0; s * s > v; k++) {
        const double next = level(k + 1), f = 1 - next * next / (s * s);
        const double t2 = next * next * f + f * f * s * s / (1 + s * s);
        left_out -= 0.5 * (double)w->m * log((t2 + fabs(next * next - v)) / (s * s - v));
        denoised(&c, s, 1 - f);
        scatter(&c, t2, 0, model, s);
        s = next;
    }
    return evidence(w, c.mean, c.cov, v - s * s) - left_out;
}

/* The prior is not the model, and in `near` only a little. */
static void fill_model(struct world *model, bool near)
{
    world_prior(model, N, near ? 0.75 : 0.5);
    for (size_t i = 0; i < N; i++)
        model->mean[i] = near ? 0.9 * model->mean[i] : 0.1;
}

static void check(const char *name, const char *twist, size_t particles, const struct world *w,
                  const unsigned char *known, bool near,
                  double (*log_evidence)(const struct world *, const struct world *))
{
    static struct world model;
    scry_error err = {0};
    struct setup s;
    scry_prior *P;
    scry_solver *S;
    scry_options o;
    float x[N];
    double mean = 0, square = 0;
    fill_model(&model, near);
    build(&s, w, known);
    assert_ok(scry_gaussian_create_dense(&P, &SCRY_SPACE(N), model.mean, model.C, &err));
    const scry_problem problem = {.L = s.L, .prior = s.prior, .model = P};
    scry_options_init(&o, scry_method_find(name));
    option_set(&o, "steps", LEVELS);
    option_set(&o, "particles", particles);
    option_set(&o, "sigma-max", FIRST);
    option_set(&o, "sigma-min", LAST);
    option_word(&o, "twist", twist);
    option_set(&o, "tol", 1e-6);
    assert_ok(scry_solver_plan(&S, &problem, &o, &err));
    const double exact = log_evidence(w, &model);
    for (uint32_t r = 0; r < RUNS; r++) {
        assert_ok(scry_solver_start(S, 11, r, &err));
        assert_ok(scry_solver_run(S, x, NULL, NULL, NULL, &err));
        const double ratio = exp(S->log_evidence - exact);
        mean += ratio / RUNS;
        square += ratio * ratio / RUNS;
    }
    const double error = sqrt((square - mean * mean) / RUNS);
    print_message("%-8s %2zu particles: evidence over the exact one %.3f +- %.3f\n", name,
                  particles, mean, error);
    assert_true(error < 0.08);
    assert_true(fabs(mean - 1) < 4 * error);
    scry_solver_free(S);
    scry_prior_free(P);
    drop(&s);
}

static void evidence_is_unbiased(void **state)
{
    (void)state;
    static struct world blur, mask;
    unsigned char known[EXACT_MAX];
    world_blur(&blur);
    world_mask(&mask, known);
    check("tds", "paper", 32, &blur, NULL, true, tds_paper);
    check("tds", "paper", 32, &mask, known, true, tds_paper);
    check("tds", "model", 1, &blur, NULL, true, tds_model);
    check("tds", "model", 8, &blur, NULL, false, tds_model);
    check("tds", "model", 8, &mask, known, false, tds_model);
    check("mcgdiff", 0, 32, &mask, known, true, mcgdiff);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evidence_is_unbiased),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
