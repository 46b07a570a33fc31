#include "tests/check.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/sha256.h"
#include "lib/stats/noise_identify.h"
#include "operators/coils.h"
#include "operators/defects.h"
#include "operators/identity.h"
#include "operators/psf_width.h"
#include "priors/gaussian.h"
#include "priors/network/network.h"
#include "priors/network/unet.h"
#include "priors/prior_impl.h"
#include "solvers/chains.h"

/* Long work ends with ESTOP when the flag of lib/cancel.h is set, and leaves nothing. */

enum { SIDE = 64, N = SIDE * SIDE };
static const scry_space space = {.rank = 2, .dims = {SIDE, SIDE}};

static int set_flag(void **state)
{
    (void)state;
    scry_cancel();
    return 0;
}

static int clear_flag(void **state)
{
    (void)state;
    scry_cancel_clear();
    return 0;
}

static void the_flag_is_set_and_cleared(void **state)
{
    (void)state;
    scry_error err = {0};
    assert_false(scry_cancelled());
    assert_ok(scry_cancel_check(&err));
    scry_cancel();
    assert_true(scry_cancelled());
    assert_fails(scry_cancel_check(&err), SCRY_ESTOP);
    scry_cancel_clear();
    assert_ok(scry_cancel_check(&err));
}

static void operators_and_priors_look_at_it(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_op *A;
    scry_prior *P;
    static float x[N], y[N];
    assert_ok(scry_identity_create(&A, &space, &err));
    assert_ok(scry_gaussian_create_radial(&P, &space, 2,
                                          &(scry_radial){2, (const double[]){1, 1}, 0}, &err));
    void *of_op = scry_alloc(1, scry_op_work_bytes(A));
    void *of_prior = scry_alloc(1, scry_prior_work_bytes(P));
    assert_fails(scry_op_forward(A, y, x, of_op, &err), SCRY_ESTOP);
    assert_fails(scry_op_adjoint(A, y, x, of_op, &err), SCRY_ESTOP);
    assert_fails(scry_op_normal(A, y, x, of_op, &err), SCRY_ESTOP);
    assert_fails(scry_op_svd_v(A, y, x, of_op, &err), SCRY_ESTOP);
    assert_fails(scry_prior_denoise(P, y, x, 1, of_prior, &err), SCRY_ESTOP);
    scry_cancel_clear();
    assert_ok(scry_op_forward(A, y, x, of_op, &err));
    assert_ok(scry_prior_denoise(P, y, x, 1, of_prior, &err));
    scry_free(of_op);
    scry_free(of_prior);
    scry_op_free(A);
    scry_prior_free(P);
}

static void a_network_looks_at_it_in_its_layers(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_network *net;
    scry_prior *P = NULL;
    static float x[3 * N], y[3 * N];
    assert_fails(scry_network_load(&net, "golden/unet/velocity", &err), SCRY_ESTOP);
    scry_cancel_clear();
    assert_ok(scry_network_load(&net, "golden/unet/velocity", &err));
    const scry_space image = SCRY_SPACE(scry_network_channels(net), SIDE, SIDE);
    assert_true(scry_space_count(&image) <= sizeof x / sizeof *x);
    scry_cancel();
    assert_fails(scry_unet_create(&P, net, &image, NULL, &err), SCRY_ESTOP);
    scry_cancel_clear();
    assert_ok(scry_unet_create(&P, net, &image, NULL, &err));
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    scry_cancel();
    assert_fails(P->ops->denoise(P, y, x, 1, work, &err), SCRY_ESTOP); /* past the first look */
    scry_cancel_clear();
    assert_ok(P->ops->denoise(P, y, x, 1, work, &err));
    scry_free(work);
    scry_prior_free(P);
    scry_network_free(net);
}

static void chains_end(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_prior *P;
    scry_options options;
    scry_chains chains;
    scry_chains_opts opts;
    assert_ok(scry_gaussian_create_radial(&P, &space, 2,
                                          &(scry_radial){2, (const double[]){1, 1}, 0}, &err));
    const scry_problem problem = {.prior = P};
    scry_chains_opts_init(&opts);
    opts.chains = 7;
    scry_options_init(&options, scry_method_find("heun"));
    assert_fails(scry_chains_run(&chains, &problem, &options, &opts, NULL, NULL, &err), SCRY_ESTOP);
    scry_prior_free(P);
}

static double white(double f, void *ctx)
{
    (void)f;
    (void)ctx;
    return 1;
}

static void long_loops_look_at_it(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_noise_model noise;
    scry_defects defects;
    scry_psf_width width;
    char hex[65];
    static float y[N];
    static unsigned char known[N];
    const float psf[9] = {1, 2, 1, 2, 4, 2, 1, 2, 1};
    const scry_space ps = SCRY_SPACE(3, 3);
    scry_rng_normal(y, 0, N, 1, 0, 0);
    for (size_t i = 0; i < N; i++)
        y[i] += 100;
    assert_fails(scry_noise_identify(&noise, y, NULL, 1, SIDE, SIDE, NULL, &err), SCRY_ESTOP);
    assert_fails(scry_defects_find(known, &defects, y, &space, NULL, &err), SCRY_ESTOP);
    assert_fails(scry_psf_width_estimate(&width, y, &space, psf, &ps, white, NULL, &err),
                 SCRY_ESTOP);
    assert_fails(scry_whiten((float complex *)y, &(double complex){1}, 1, N / 2, &err), SCRY_ESTOP);
    assert_fails(scry_sha256_file("CMakeLists.txt", hex, &err), SCRY_ESTOP);
    scry_cancel_clear();
    assert_ok(scry_noise_identify(&noise, y, NULL, 1, SIDE, SIDE, NULL, &err));
    assert_ok(scry_defects_find(known, &defects, y, &space, NULL, &err));
    assert_ok(scry_psf_width_estimate(&width, y, &space, psf, &ps, white, NULL, &err));
    assert_int_equal(scry_memory_live(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_flag_is_set_and_cleared),
        cmocka_unit_test_setup_teardown(operators_and_priors_look_at_it, set_flag, clear_flag),
        cmocka_unit_test_setup_teardown(a_network_looks_at_it_in_its_layers, set_flag, clear_flag),
        cmocka_unit_test_setup_teardown(chains_end, set_flag, clear_flag),
        cmocka_unit_test_setup_teardown(long_loops_look_at_it, set_flag, clear_flag),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
