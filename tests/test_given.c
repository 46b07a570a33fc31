#include "tests/check.h"

#include "apps/recon/image/restore.h"
#include "apps/recon/mri/reconstruct.h"
#include "datasets/camera.h"
#include "datasets/phantom.h"
#include "datasets/sampling.h"
#include "datasets/scanner.h"
#include "lib/io/kspace/kspace.h"
#include "lib/memory.h"
#include "lib/stats/metrics.h"
#include "lib/stats/noise.h"
#include "operators/operators.h"
#include "priors/priors.h"
#include "solvers/callbacks.h"
#include "solvers/chains.h"

#include <string.h>

/* A NULL where there has to be something is an error with the name of the argument, and no crash:
 * of every kind of operator, prior and method, and of every function that creates. */

#define REFUSED(call, argument)                                                                    \
    do {                                                                                           \
        err = (scry_error){0};                                                                     \
        const scry_status st_ = (call);                                                            \
        if (st_ != SCRY_EINVAL || !strstr(err.text, argument " is NULL")) {                        \
            print_error("%s gave %s, \"%s\", expected %s is NULL\n", #call, scry_status_name(st_), \
                        err.text, argument);                                                       \
            fail();                                                                                \
        }                                                                                          \
        err = (scry_error){0};                                                                     \
    } while (0)

enum { H = 6, W = 8, N = H * W };
static scry_space space, complex_space;
static scry_error err;
static float a[4 * N], b[4 * N], c[4 * N];
static float work[1 << 16];
static unsigned char known[N];
static const float psf[3] = {0.25f, 0.5f, 0.25f};
static const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.3};

static int fill(void **state)
{
    (void)state;
    space = complex_space = SCRY_SPACE(H, W);
    complex_space.cplx = true;
    for (size_t i = 0; i < 4 * N; i++)
        a[i] = b[i] = c[i] = 1;
    memset(known, 1, sizeof known);
    return 0;
}

/* ---- operators ---- */

static scry_status copy_forward(void *ctx, float *y, const float *x, scry_error *e)
{
    (void)ctx, (void)e;
    memcpy(y, x, N * sizeof *y);
    return SCRY_OK;
}

static void operator_refuses(scry_op *A)
{
    REFUSED(scry_op_forward(A, a, b, NULL, &err), "work");
    REFUSED(scry_op_adjoint(A, a, b, NULL, &err), "work");
    REFUSED(scry_op_normal(A, a, b, NULL, &err), "work");
    REFUSED(scry_op_forward(A, NULL, b, work, &err), "y");
    REFUSED(scry_op_forward(A, a, NULL, work, &err), "x");
    REFUSED(scry_op_adjoint(A, NULL, b, work, &err), "x");
    REFUSED(scry_op_adjoint(A, a, NULL, work, &err), "y");
    REFUSED(scry_op_normal(A, NULL, b, work, &err), "out");
    REFUSED(scry_op_normal(A, a, NULL, work, &err), "x");
    REFUSED(scry_op_svd(A, NULL, &err), "out");
    REFUSED(scry_op_svd_v(A, a, b, NULL, &err), "work");
    REFUSED(scry_op_svd_vh(A, a, b, NULL, &err), "work");
    REFUSED(scry_op_svd_uh(A, a, b, NULL, &err), "work");
    REFUSED(scry_op_norm2(A, NULL, 1e-3, &err), "norm2");
    REFUSED(scry_op_dot_test(A, 1, NULL, &err), "error");
    REFUSED(scry_dense_of(A, NULL, &err), "M");
    scry_op_free(A);
}

static void operators_refuse(void **state)
{
    (void)state;
    scry_op *A, *B;
    const double M[N] = {1};
    const scry_op_callbacks own = {.name = "own", .forward = copy_forward, .adjoint = copy_forward};
    scry_window w;
    REFUSED(scry_op_forward(NULL, a, b, work, &err), "A");
    REFUSED(scry_op_check(NULL, 1, 1, NULL, &err), "A");
    assert_ok(scry_identity_create(&A, &space, &err));
    operator_refuses(A);
    assert_ok(scry_mask_create(&A, &space, known, &err));
    operator_refuses(A);
    assert_ok(scry_dense_create(&A, &space, &SCRY_SPACE(1), M, &err));
    operator_refuses(A);
    for (int boundary = SCRY_PERIODIC; boundary <= SCRY_JOINED; boundary++) {
        const scry_blur_params blur = {psf, SCRY_SPACE(3), (scry_boundary)boundary, 1};
        assert_ok(scry_blur_create(&A, &space, &blur, &err));
        operator_refuses(A);
    }
    assert_ok(scry_fourier_create(&A, &complex_space, known, SCRY_FOURIER_YX, &err));
    operator_refuses(A);
    const scry_sense_params sense = {(float complex *)a, 1, 1, H, W, known, SCRY_FOURIER_YX};
    assert_ok(scry_sense_create(&A, &sense, &err));
    operator_refuses(A);
    assert_ok(scry_blur_domain(&w, &space, &SCRY_SPACE(3), SCRY_OPEN, 1, &err));
    assert_ok(scry_crop_create(&A, &w, &err));
    operator_refuses(A);
    assert_ok(scry_identity_create(&A, &space, &err));
    assert_ok(scry_mask_create(&B, &space, known, &err));
    assert_ok(scry_chain_create(&A, B, A, &err));
    assert_ok(scry_scaled_create(&B, A, 2, &err));
    assert_ok(scry_stack_create(&A, &B, 1, &err));
    operator_refuses(A);
    assert_ok(scry_op_from_callbacks(&A, &space, &space, &own, &err));
    operator_refuses(A);
    assert_int_equal(scry_memory_live(), 0);
}

static void creators_of_operators_refuse(void **state)
{
    (void)state;
    scry_op *A = NULL;
    const double M[N] = {1};
    scry_blur_params blur = {NULL, SCRY_SPACE(3), SCRY_PERIODIC, 1};
    scry_sense_params sense = {NULL, 1, 1, H, W, known, SCRY_FOURIER_YX};
    scry_op_callbacks own = {.name = "own"};
    REFUSED(scry_identity_create(NULL, &space, &err), "out");
    REFUSED(scry_identity_create(&A, NULL, &err), "space");
    REFUSED(scry_mask_create(NULL, &space, known, &err), "out");
    REFUSED(scry_mask_create(&A, &space, NULL, &err), "known");
    REFUSED(scry_mask_create_float(&A, &space, NULL, &err), "known");
    REFUSED(scry_dense_create(NULL, &space, &space, M, &err), "out");
    REFUSED(scry_dense_create(&A, &space, &space, NULL, &err), "M");
    REFUSED(scry_blur_create(NULL, &space, &blur, &err), "out");
    REFUSED(scry_blur_create(&A, NULL, &blur, &err), "image");
    REFUSED(scry_blur_create(&A, &space, NULL, &err), "params");
    REFUSED(scry_blur_create(&A, &space, &blur, &err), "params->psf");
    REFUSED(scry_blur_domain(NULL, &space, &space, SCRY_OPEN, 1, &err), "out");
    REFUSED(scry_fourier_create(NULL, &complex_space, known, 3, &err), "out");
    REFUSED(scry_fourier_create(&A, &complex_space, NULL, 3, &err), "mask");
    REFUSED(scry_sense_create(NULL, &sense, &err), "out");
    REFUSED(scry_sense_create(&A, &sense, &err), "params->maps");
    sense.maps = (float complex *)a;
    sense.mask = NULL;
    REFUSED(scry_sense_create(&A, &sense, &err), "params->mask");
    REFUSED(scry_crop_create(NULL, &(scry_window){0}, &err), "out");
    REFUSED(scry_crop_create(&A, NULL, &err), "w");
    REFUSED(scry_chain_create(&A, NULL, NULL, &err), "second");
    REFUSED(scry_scaled_create(&A, NULL, 1, &err), "B");
    REFUSED(scry_stack_create(&A, NULL, 1, &err), "operators");
    REFUSED(scry_op_from_callbacks(NULL, &space, &space, &own, &err), "out");
    REFUSED(scry_op_from_callbacks(&A, &space, &space, NULL, &err), "callbacks");
    assert_null(A);
}

/* ---- priors ---- */

static void prior_refuses(scry_prior *P)
{
    double value;
    REFUSED(scry_prior_denoise(P, a, b, 1, NULL, &err), "work");
    REFUSED(scry_prior_denoise(P, NULL, b, 1, work, &err), "x0");
    REFUSED(scry_prior_denoise(P, a, NULL, 1, work, &err), "x");
    REFUSED(scry_prior_vjp(P, a, NULL, b, c, 1, NULL, &err), "work");
    REFUSED(scry_prior_vjp(P, NULL, NULL, b, c, 1, work, &err), "g");
    REFUSED(scry_prior_vjp(P, a, NULL, b, NULL, 1, work, &err), "v");
    REFUSED(scry_prior_prox(P, a, b, 1, NULL, &err), "work");
    REFUSED(scry_prior_prox(P, NULL, b, 1, work, &err), "z");
    REFUSED(scry_prior_value(P, &value, a, NULL, &err), "work");
    REFUSED(scry_prior_value(P, NULL, a, work, &err), "value");
    REFUSED(scry_gaussian_apply(P, a, b, SCRY_GAUSSIAN_COV, 1, NULL, &err), "work");
    REFUSED(scry_wavelet_analyse(P, a, b, NULL, &err), "work");
    REFUSED(scry_wavelet_synthesise(P, a, b, NULL, &err), "work");
    scry_prior_free(P);
}

static double white(double f, void *ctx)
{
    (void)f, (void)ctx;
    return 1;
}

static const scry_gaussian_params white_params = {.rank = 2, .spectrum = white};

static scry_prior *make_white(const scry_space *s)
{
    scry_prior *P;
    assert_ok(scry_gaussian_create(&P, s, &white_params, &err));
    return P;
}

static scry_status own_denoise(void *ctx, float *x0, const float *x, float sigma, scry_error *e)
{
    (void)ctx, (void)sigma, (void)e;
    memcpy(x0, x, N * sizeof *x0);
    return SCRY_OK;
}

static void priors_refuse(void **state)
{
    (void)state;
    scry_prior *P;
    const double mean[N] = {0};
    const scry_mixture_component one = {.weight = 1, .mean = mean, .variance = 1};
    const scry_space larger = SCRY_SPACE(H + 2, W + 2), stack = SCRY_SPACE(2, H, W);
    const scry_prior_callbacks own = {
        .name = "own", .sigma_low = 1, .sigma_high = 2, .denoise = own_denoise};
    REFUSED(scry_prior_denoise(NULL, a, b, 1, work, &err), "P");
    prior_refuses(make_white(&space));
    assert_ok(
        scry_tikhonov_create(&P, &space, &(scry_tikhonov_params){.rank = 2, .lambda = 1}, &err));
    prior_refuses(P);
    assert_ok(scry_mixture_create(&P, &space, &one, 1, &err));
    prior_refuses(P);
    assert_ok(scry_tv_create(&P, &space, 2, 1, NULL, &err));
    prior_refuses(P);
    assert_ok(scry_wavelet_create(&P, &space, &err));
    prior_refuses(P);
    assert_ok(scry_padded_create(&P, &SCRY_SPACE(H - 1, W - 1), make_white(&space), &err));
    prior_refuses(P);
    assert_ok(scry_tiled_create(&P, &larger, make_white(&space), 2, 1, &err));
    prior_refuses(P);
    assert_ok(scry_perplane_create(&P, &stack, make_white(&space), 1, &err));
    prior_refuses(P);
    assert_ok(scry_complex_create(&P, make_white(&space), make_white(&space), &err));
    prior_refuses(P);
    assert_ok(scry_channels_create(&P, make_white(&stack), &err));
    prior_refuses(P);
    assert_ok(scry_affine_prior_create(&P, make_white(&space), 2, 0, &err));
    prior_refuses(P);
    assert_ok(scry_prior_from_callbacks(&P, &space, &own, &err));
    prior_refuses(P);
    assert_int_equal(scry_memory_live(), 0);
}

static void creators_of_priors_refuse(void **state)
{
    (void)state;
    scry_prior *P = NULL;
    const double mean[N] = {0};
    const scry_mixture_component one = {.weight = 1, .mean = mean, .variance = 1};
    const scry_gaussian_params empty = {.rank = 2};
    REFUSED(scry_gaussian_create(NULL, &space, &white_params, &err), "out");
    REFUSED(scry_gaussian_create(&P, NULL, &white_params, &err), "space");
    REFUSED(scry_gaussian_create(&P, &space, NULL, &err), "params");
    REFUSED(scry_gaussian_create(&P, &space, &empty, &err), "params->spectrum");
    REFUSED(scry_gaussian_create_radial(&P, &space, 2, NULL, &err), "radial");
    REFUSED(scry_gaussian_create_dense(&P, &space, mean, NULL, &err), "C");
    REFUSED(scry_mixture_create(NULL, &space, &one, 1, &err), "out");
    REFUSED(scry_mixture_create(&P, &space, NULL, 1, &err), "components");
    REFUSED(scry_tv_create(NULL, &space, 2, 1, NULL, &err), "out");
    REFUSED(scry_wavelet_create(&P, NULL, &err), "space");
    REFUSED(scry_padded_create(&P, &space, NULL, &err), "inner");
    REFUSED(scry_tiled_create(&P, &space, NULL, 1, 1, &err), "inner");
    REFUSED(scry_perplane_create(&P, &space, NULL, 1, &err), "inner");
    REFUSED(scry_complex_create(&P, NULL, NULL, &err), "real");
    REFUSED(scry_channels_create(&P, NULL, &err), "inner");
    REFUSED(scry_unet_load(&P, NULL, &space, NULL, &err), "folder");
    REFUSED(scry_unet_create(&P, NULL, &space, NULL, &err), "net");
    REFUSED(scry_network_load(NULL, "folder", &err), "out");
    REFUSED(scry_prior_from_callbacks(&P, &space, NULL, &err), "callbacks");
    assert_null(P);
}

/* ---- methods ---- */

static scry_status own_start(void *ctx, const scry_solver_call *call, scry_error *e)
{
    (void)ctx, (void)call, (void)e;
    return SCRY_OK;
}

static scry_status own_step(void *ctx, const scry_solver_call *call, scry_progress *p,
                            scry_error *e)
{
    (void)ctx, (void)call, (void)e;
    p->x0 = a;
    return SCRY_OK;
}

static void own_destroy(void *ctx)
{
    ++*(int *)ctx;
}

static void methods_refuse(void **state)
{
    (void)state;
    scry_op *A;
    scry_likelihood *L = NULL;
    scry_prior *P = make_white(&space);
    scry_chains chains;
    scry_chains_opts opts;
    scry_options none;
    size_t count, bytes;
    int destroyed = 0;
    const scry_solver_callbacks own = {.steps = 2,
                                       .start = own_start,
                                       .step = own_step,
                                       .destroy = own_destroy,
                                       .ctx = &destroyed};
    assert_ok(scry_identity_create(&A, &space, &err));
    assert_ok(scry_likelihood_create(&L, A, a, &noise, NULL, &err));
    scry_chains_opts_init(&opts);
    scry_options_init(&none, scry_method_find("no such method"));
    const struct scry_method *const *all = scry_methods(&count);
    for (size_t i = 0; i < count; i++) {
        scry_options options;
        scry_solver *S = NULL;
        if (all[i]->needs & (SCRY_NEEDS_LINES | SCRY_NEEDS_SERIES)) continue; /* nothing to plan */
        const bool draws = all[i]->kind == SCRY_UNCONDITIONAL;
        const scry_problem problem = {draws ? NULL : L, P, P, NULL, true};
        scry_options_init(&options, all[i]);
        REFUSED(scry_solver_plan(NULL, &problem, &options, &err), "out");
        REFUSED(scry_solver_plan(&S, NULL, &options, &err), "problem");
        REFUSED(scry_chains_run(NULL, &problem, &options, &opts, NULL, NULL, &err), "out");
        REFUSED(scry_chains_forecast(NULL, &problem, &options, &opts, &err), "bytes");
        REFUSED(scry_options_set(&options, NULL, 1, &err), "name");
        assert_ok(scry_solver_plan(&S, &problem, &options, &err));
        REFUSED(scry_solver_step(S, NULL, &err), "p");
        scry_solver_free(S);
    }
    const scry_problem problem = {.L = L};
    scry_solver *S = NULL;
    REFUSED(scry_solver_plan(&S, &problem, NULL, &err), "options");
    REFUSED(scry_solver_plan(&S, &problem, &none, &err), "options->method");
    REFUSED(scry_chains_run(&chains, &problem, &none, &opts, NULL, NULL, &err), "options->method");
    REFUSED(scry_chains_forecast(&bytes, &problem, &none, &opts, &err), "options->method");
    REFUSED(scry_options_parse(&none, "--steps 3", &err), "options->method");
    REFUSED(scry_solver_start(NULL, 1, 0, &err), "S");
    REFUSED(scry_solver_run(NULL, a, NULL, NULL, NULL, &err), "S");
    REFUSED(scry_solver_create(&S, NULL, &none, &own, &err), "problem");
    REFUSED(scry_solver_create(&S, &problem, &none, &own, &err), "options->method");
    REFUSED(scry_solver_create(&S, &problem, &none, NULL, &err), "callbacks");
    REFUSED(scry_method_register(NULL, &err), "method");
    assert_int_equal(destroyed, 2);
    assert_null(S);
    scry_likelihood_free(L);
    scry_op_free(A);
    scry_prior_free(P);
    assert_int_equal(scry_memory_live(), 0);
}

static void likelihoods_refuse(void **state)
{
    (void)state;
    scry_op *A;
    scry_likelihood *L = NULL;
    double value;
    size_t count;
    assert_ok(scry_identity_create(&A, &space, &err));
    REFUSED(scry_likelihood_create(NULL, A, a, &noise, NULL, &err), "out");
    REFUSED(scry_likelihood_create(&L, NULL, a, &noise, NULL, &err), "A");
    REFUSED(scry_likelihood_create(&L, A, NULL, &noise, NULL, &err), "y");
    REFUSED(scry_likelihood_create(&L, A, a, NULL, NULL, &err), "noise");
    assert_ok(scry_likelihood_create(&L, A, a, &noise, NULL, &err));
    REFUSED(scry_likelihood_value(L, &value, a, NULL, &err), "work");
    REFUSED(scry_likelihood_score(L, a, b, NULL, &err), "work");
    REFUSED(scry_likelihood_linearise(L, NULL, b, NULL, &err), "W");
    REFUSED(scry_likelihood_prox(L, a, b, 1, 9, 1e-3, NULL, NULL, &err), "work");
    REFUSED(scry_likelihood_deviance(L, &value, &count, a, NULL, &err), "work");
    scry_likelihood_free(L);
    scry_op_free(A);
}

/* ---- the rest of the installed library ---- */

static void everything_else_refuses(void **state)
{
    (void)state;
    float *made = NULL;
    double value;
    scry_fidelity f;
    scry_psf_params params;
    scry_space s;
    const scry_image image = {.space = SCRY_SPACE(H, W), .pixels = a},
                     hole = {.space = image.space};
    const scry_restore_request request = {.noise.sigma = 1};
    scry_restore_result result;
    scry_restorer *r = NULL;
    const scry_scan scan = {.coils = 1, .dims = {1, H, W}, .readout = 2};
    scry_mri_result mr;
    REFUSED(scry_restore(NULL, &image, &request, NULL, NULL, &err), "out");
    REFUSED(scry_restore(&result, NULL, &request, NULL, NULL, &err), "image");
    scry_restore_result_free(&result); /* zeroed */
    REFUSED(scry_restore(&result, &image, NULL, NULL, NULL, &err), "request");
    assert_int_not_equal(scry_restore(&result, &hole, &request, NULL, NULL, &err), SCRY_OK);
    REFUSED(scry_restorer_create(NULL, &request, &err), "out");
    REFUSED(scry_restorer_create(&r, NULL, &err), "request");
    REFUSED(scry_restorer_run(&result, NULL, &image, 1, NULL, NULL, &err), "r");
    REFUSED(scry_reconstruct(NULL, &scan, NULL, &(scry_mri_request){0}, NULL, NULL, &err), "out");
    REFUSED(scry_reconstruct(&mr, NULL, NULL, &(scry_mri_request){0}, NULL, NULL, &err), "scan");
    scry_mri_result_free(&mr);
    assert_int_not_equal(
        scry_reconstruct(&mr, &scan, NULL, &(scry_mri_request){0}, NULL, NULL, &err), SCRY_OK);
    REFUSED(scry_output_maps_add(NULL, SCRY_OUTPUT_SD, 0, &err), "p");
    REFUSED(scry_prior_find(NULL, 0, "mri", &err), "folder");
    REFUSED(scry_psf_parse(NULL, "airy", &err), "p");
    REFUSED(scry_psf_parse(&params, NULL, &err), "spec");
    REFUSED(scry_psf_create(NULL, &s, &params, &(scry_psf_grid){.rank = 2}, NULL, &err), "psf");
    REFUSED(scry_psf_create(&made, &s, &params, NULL, NULL, &err), "grid");
    REFUSED(scry_fidelity_measure(NULL, a, b, NULL, N, 1, &err), "out");
    REFUSED(scry_fidelity_measure(&f, a, NULL, NULL, N, 1, &err), "ref");
    REFUSED(scry_ssim(&value, a, NULL, NULL, &space, 1, SCRY_SSIM_GAUSSIAN, &err), "ref");
    REFUSED(scry_noise_sigma(NULL, a, 1, H, W, &err), "sigma");
    REFUSED(scry_phantom_cells(NULL, &space, 8, 1, &err), "out");
    REFUSED(scry_camera_expose(a, NULL, N, &(scry_camera){0}, 1, 0, &err), "mean");
    REFUSED(scry_sampling_lines(NULL, N, &(scry_sampling){0}, &err), "line");
    REFUSED(scry_scanner_shepp_logan(NULL, NULL, 1, H, W, &err), "kspace");
    REFUSED(scry_espirit(NULL, NULL, (float complex *)a, 1, H, W, H, W, NULL, &err), "maps");
    REFUSED(scry_kspace_open(NULL, "scan.h5", NULL, &err), "out");
    REFUSED(scry_space_check(NULL, &err), "s");
    assert_null(made);
    assert_null(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_refuse),        cmocka_unit_test(creators_of_operators_refuse),
        cmocka_unit_test(priors_refuse),           cmocka_unit_test(creators_of_priors_refuse),
        cmocka_unit_test(methods_refuse),          cmocka_unit_test(likelihoods_refuse),
        cmocka_unit_test(everything_else_refuses),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
