/* From dim to bright, in both laws of noise: methods explain the data, by draws that scatter as the
 * noise does, with systems that all converge. The image is a bright ramp with ripples beside
 * darkness, the PSF is Gaussian, of sd 1.6 px; prior and model are one stationary Gaussian that
 * knows of no edges. */
#include "tests/check.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"
#include "operators/blur.h"
#include "priors/gaussian.h"
#include "solvers/chains.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

enum { NY = 40, NX = 44, M = NY * NX, SIDE = 13 };
static const double READ = 1.5;

static double power(double f, void *ctx)
{
    (void)ctx;
    return 0.01 / (3e-4 + f * f);
}

struct scene {
    scry_op *A;
    scry_prior *prior;
    scry_likelihood *L;
    scry_problem problem;
    float y[M]; /* electrons; of Gaussian noise, too */
    double sd;  /* of Gaussian noise; 0: counted */
    size_t n;
    float *Au;
    void *work;
};

static void make_operator(struct scene *s)
{
    scry_error err = {0};
    float h[SIDE * SIDE];
    double sum = 0;
    for (int i = 0; i < SIDE * SIDE; i++) {
        const double y = i / SIDE - SIDE / 2, x = i % SIDE - SIDE / 2;
        h[i] = (float)exp(-(y * y + x * x) / (2 * 1.6 * 1.6));
        sum += h[i];
    }
    for (int i = 0; i < SIDE * SIDE; i++)
        h[i] = (float)(h[i] / sum);
    const scry_space image = SCRY_SPACE(NY, NX);
    assert_ok(scry_blur_create(
        &s->A, &image,
        &(scry_blur_params){.psf = h, .psf_space = SCRY_SPACE(SIDE, SIDE), .boundary = SCRY_OPEN},
        &err));
    s->n = scry_space_count(scry_op_dom(s->A));
    s->work = scry_alloc(1, scry_op_work_bytes(s->A));
    s->Au = scry_alloc(M, sizeof(float));
}

/* Predicted electrons: half of peak (u + 1), blurred. */
static void predict(struct scene *s, const float *u, double peak)
{
    scry_error err = {0};
    assert_ok(scry_op_forward(s->A, s->Au, u, s->work, &err));
    for (size_t i = 0; i < M; i++)
        s->Au[i] = (float)(0.5 * peak * ((double)s->Au[i] + 1));
}

static void scene_init(struct scene *s, double peak, bool counted)
{
    scry_error err = {0};
    double mean = 0;
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    *s = (struct scene){0};
    scry_rng_gsl_seek(r, 3, 0, 0, 0);
    make_operator(s);
    const size_t wide = scry_op_dom(s->A)->dims[1];
    float *u = scry_alloc(s->n, sizeof *u);
    for (size_t i = 0; i < s->n; i++) {
        const double y = (double)(i / wide), x = (double)(i % wide), d = x + 0.7 * y - 45;
        u[i] = d < 0 ? (float)(-0.2 + 0.014 * d + 0.3 * sin(0.9 * x) * cos(0.5 * y)) : -1;
    }
    predict(s, u, peak);
    for (size_t i = 0; i < M; i++)
        mean += (double)s->Au[i] / M;
    s->sd = counted ? 0 : sqrt(mean + READ * READ);
    for (size_t i = 0; i < M; i++)
        s->y[i] = (float)(counted ? gsl_ran_poisson(r, s->Au[i]) + gsl_ran_gaussian(r, READ)
                                  : (double)s->Au[i] + gsl_ran_gaussian(r, s->sd));
    const scry_noise camera = {.kind = SCRY_NOISE_POISSON_GAUSSIAN, .gain = 1, .read_noise = READ};
    const scry_noise white = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = s->sd};
    const scry_affine map = {0.5 * peak, 0.5 * peak};
    assert_ok(scry_likelihood_create(&s->L, s->A, s->y, counted ? &camera : &white, &map, &err));
    assert_ok(scry_gaussian_create(
        &s->prior, scry_op_dom(s->A),
        &(scry_gaussian_params){.rank = 2, .mean = -0.7, .spectrum = power}, &err));
    s->problem = (scry_problem){.L = s->L, .prior = s->prior, .model = s->prior, .positive = true};
    scry_free(u);
    gsl_rng_free(r);
}

static void scene_free(struct scene *s)
{
    scry_likelihood_free(s->L);
    scry_prior_free(s->prior);
    scry_op_free(s->A);
    scry_free(s->Au);
    scry_free(s->work);
}

/* Pearson's chi2 per measurement; and the light, of that measured. */
static double chi2_of(struct scene *s, const float *u, double peak, double *flux)
{
    double sum = 0, light = 0, seen = 0;
    predict(s, u, peak);
    for (size_t i = 0; i < M; i++) {
        const double miss = (double)s->y[i] - s->Au[i];
        sum += miss * miss / (s->sd > 0 ? s->sd * s->sd : fmax(s->Au[i], 0) + READ * READ);
        light += s->Au[i];
        seen += s->y[i];
    }
    *flux = light / seen;
    return sum / M;
}

static void run(scry_chains *c, const struct scene *s, const char *name, size_t chains)
{
    scry_error err = {0};
    scry_options o;
    scry_chains_opts opts;
    const struct scry_method *method = scry_method_find(name);
    assert_non_null(method);
    scry_options_init(&o, method);
    scry_chains_opts_init(&opts);
    opts.chains = chains;
    opts.seed = 5;
    opts.keep = true;
    assert_ok(scry_chains_run(c, &s->problem, &o, &opts, NULL, NULL, &err));
}

static void explained(const char *name, double peak, bool counted)
{
    struct scene s;
    scry_chains c;
    double flux;
    scene_init(&s, peak, counted);
    run(&c, &s, name, 1);
    const bool draws = scry_method_find(name)->kind == SCRY_POSTERIOR;
    const double mean = chi2_of(&s, c.mean, peak, &flux),
                 draw = chi2_of(&s, c.samples, peak, &flux);
    assert_below(mean, 1.1);
    if (draws) {
        assert_below(0.9, draw);
        assert_below(draw, 1.15);
        assert_near(c.residual * c.residual, draw, 0.08);
    }
    if (peak > 1000) assert_near(flux, 1, 0.005);
    assert_int_equal(c.counts.unconverged, 0);
    scry_chains_free(&c);
    scene_free(&s);
}

static void methods_explain_the_data(void **state)
{
    (void)state;
    static const char *const names[] = {"diffpir", "jfps",     "mmps", "dds",
                                        "wiener",  "tikhonov", "tv"};
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        explained(names[k], 5, true);
        explained(names[k], 3000, true);
        explained(names[k], 50000, true);
        explained(names[k], 50000, false);
    }
}

/* The mean is that of the estimates, and the sd that of the draws around them. */
static void draws_scatter_about_estimates(void **state)
{
    (void)state;
    enum { K = 12 };
    struct scene s;
    scry_chains c;
    double flux, own = 0, whole = 0, sd = 0, apart = 0;
    scene_init(&s, 20000, true);
    run(&c, &s, "diffpir", K);
    for (size_t i = 0; i < s.n; i++) {
        double mean = 0, square = 0;
        for (size_t k = 0; k < K; k++)
            mean += (double)c.samples[k * s.n + i] / K;
        for (size_t k = 0; k < K; k++)
            square += pow((double)c.samples[k * s.n + i] - mean, 2) / (K - 1);
        whole += square;
        sd += (double)c.sd[i] * c.sd[i];
        apart += pow(mean - c.mean[i], 2);
        own = fmax(own, fabs(mean - c.mean[i]));
    }
    assert_below(0, own);
    assert_below(apart, 2 * whole / K);
    assert_near(sd / whole, 1, 0.08);
    assert_below(chi2_of(&s, c.mean, 20000, &flux), 0.9);
    scry_chains_free(&c);
    scene_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(methods_explain_the_data),
        cmocka_unit_test(draws_scatter_about_estimates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
