#include "tests/options.h"
#include "tests/op_check.h"

#include "operators/fourier.h"
#include "operators/likelihood.h"
#include "operators/scale.h"
#include "solvers/registry.h"

#include <string.h>

/* Files by BART 0.8, see golden/sense/make.sh; raw complex, x fastest, then y, then coils. */
enum { COILS = 3, N = 40, PIXELS = N * N };

static float complex *golden(const char *name, size_t count)
{
    char path[64];
    float complex *data = scry_alloc(count, sizeof *data);
    snprintf(path, sizeof path, "golden/sense/%s.cfl", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(data, sizeof *data, count, f), count);
    fclose(f);
    return data;
}

struct scan {
    float complex *maps, *k;
    float *y; /* as A orders them */
    unsigned char mask[PIXELS];
    scry_op *A;
    double scale;
};

static struct scan scan_read(double factor)
{
    scry_error err = {0};
    struct scan s = {.maps = golden("s", COILS * PIXELS), .k = golden("k", COILS * PIXELS)};
    scry_scale((float *)s.k, factor, 2 * COILS * PIXELS);
    for (size_t i = 0; i < PIXELS; i++)
        s.mask[i] = s.k[i] != 0;
    assert_ok(scry_kspace_scale(&s.scale, s.k, COILS, N, N, SCRY_FOURIER_YX, &err));
    assert_ok(scry_sense_create(&s.A,
                                &(scry_sense_params){.maps = s.maps,
                                                     .coils = COILS,
                                                     .sets = 1,
                                                     .ny = N,
                                                     .nx = N,
                                                     .mask = s.mask,
                                                     .axes = SCRY_FOURIER_YX},
                                &err));
    s.y = scry_alloc(scry_space_floats(scry_op_cod(s.A)), sizeof *s.y);
    assert_ok(scry_fourier_gather(s.A, (float complex *)s.y, s.k, &err));
    return s;
}

static void scan_free(struct scan *s)
{
    scry_free(s->maps);
    scry_free(s->k);
    scry_free(s->y);
    scry_op_free(s->A);
}

/* In the unit of the scale. */
static float *reconstruct(const struct scan *s, const char *name, double lambda, size_t iterations)
{
    scry_error err = {0};
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.7071 * s->scale / 800};
    const scry_affine map = {s->scale, 0};
    const struct scry_method *method = scry_method_find(name);
    scry_likelihood *L;
    scry_solver *S;
    scry_options opts;
    float *u = scry_alloc(2 * PIXELS, sizeof *u);
    assert_ok(scry_likelihood_create(&L, s->A, s->y, &noise, &map, &err));
    scry_options_init(&opts, method);
    option_set(&opts, "lambda", lambda);
    option_set(&opts, "iterations", iterations);
    option_set(&opts, "shifts", 0);
    assert_ok(scry_solver_plan(&S, &(scry_problem){.L = L}, &opts, &err));
    assert_ok(scry_solver_start(S, 1, 0, &err));
    assert_ok(scry_solver_run(S, u, NULL, NULL, NULL, &err));
    scry_solver_free(S);
    scry_likelihood_free(L);
    return u;
}

static double relative(const float *u, const char *name)
{
    float complex *expected = golden(name, PIXELS);
    const double d = scry_distance(u, (const float *)expected, 2 * PIXELS) /
                     scry_norm((const float *)expected, 2 * PIXELS);
    scry_free(expected);
    return d;
}

static void the_scale_is_that_of_bart(void **state)
{
    (void)state;
    struct scan s = scan_read(1);
    double expected = 0;
    FILE *f = fopen("golden/sense/scale", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lf", &expected), 1);
    fclose(f);
    assert_near(s.scale / expected, 1, 1e-5);
    scan_free(&s);
}

static void cg_sense_agrees_with_bart(void **state)
{
    (void)state;
    struct scan s = scan_read(1);
    float *u = reconstruct(&s, "cg-sense", 0.01, 30);
    assert_below(relative(u, "l2"), 5e-4);
    scry_free(u);
    scan_free(&s);
}

/* Same weight, same number of bands; the borders differ, and are dark. */
static void wavelets_agree_with_bart(void **state)
{
    (void)state;
    struct scan s = scan_read(1);
    float *u = reconstruct(&s, "wavelet", 0.005, 300);
    assert_below(relative(u, "wavelet"), 0.04); /* l2 is 0.10 away */
    scry_free(u);
    scan_free(&s);
}

/* The unit of the data is of no consequence: a lambda gives the same image for k-space as small as
 * fastMRI's. */
static void lambda_is_portable(void **state)
{
    (void)state;
    const char *names[] = {"cg-sense", "wavelet", "tv"};
    struct scan a = scan_read(1), b = scan_read(1e-6);
    assert_near(b.scale / a.scale, 1e-6, 1e-11);
    for (size_t i = 0; i < 3; i++) {
        float *u = reconstruct(&a, names[i], 0.01, 50), *v = reconstruct(&b, names[i], 0.01, 50);
        assert_below(scry_distance(u, v, 2 * PIXELS), 1e-4 * scry_norm(u, 2 * PIXELS));
        scry_free(u);
        scry_free(v);
    }
    scan_free(&a);
    scan_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scale_is_that_of_bart),
        cmocka_unit_test(cg_sense_agrees_with_bart),
        cmocka_unit_test(wavelets_agree_with_bart),
        cmocka_unit_test(lambda_is_portable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
