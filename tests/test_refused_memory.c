#include "tests/check.h"

#include "lib/lib.h"
#include "operators/operators.h"
#include "priors/priors.h"

/* Every constructor and every function that allocates on the way, asked again and again while the
 * first, the second, ... allocation is refused: each time the failure is ENOMEM in words, no object
 * comes back, and every block that was taken is given back. Where a module's own test does this
 * (psf, fft, png, tiff, networks, solvers), it is not repeated here. */

enum { H = 6, W = 10, N = H * W };
static const scry_space image = {.rank = 2, .dims = {H, W}};
static const scry_space plane = {.rank = 2, .dims = {8, 12}}; /* around the image */

/* Builds its arguments, makes its call with allocation nth refused, frees all. */
typedef scry_status attempt_fn(size_t nth, scry_error *err);

/* The call alone meets the refusal. `made` says whether it handed out something. */
#define REFUSING(call, made)                                                                       \
    do {                                                                                           \
        scry_memory_fail_at(nth);                                                                  \
        st = (call);                                                                               \
        scry_memory_fail_at(0);                                                                    \
        assert_int_equal(st == SCRY_OK, (made) != NULL);                                           \
    } while (0)

static double spectrum(double f, void *ctx)
{
    (void)ctx;
    return 0.02 / (0.01 + f * f);
}

static scry_prior *gaussian(const scry_space *space)
{
    scry_error err = {0};
    scry_prior *P;
    assert_ok(scry_gaussian_create(
        &P, space, &(scry_gaussian_params){.rank = 2, .mean = 0.3, .spectrum = spectrum}, &err));
    return P;
}

static scry_op *identity(void)
{
    scry_error err = {0};
    scry_op *A;
    assert_ok(scry_identity_create(&A, &image, &err));
    return A;
}

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = 100 + 7.31f * (float)(i * i % 13);
}

/* ---- operators ---- */

static scry_status an_identity(size_t nth, scry_error *err)
{
    scry_status st;
    scry_op *A;
    REFUSING(scry_identity_create(&A, &image, err), A);
    scry_op_free(A);
    return st;
}

static scry_status a_mask(size_t nth, scry_error *err)
{
    const unsigned char known[N] = {0, 1, 1, 0, 1};
    scry_status st;
    scry_op *A;
    REFUSING(scry_mask_create(&A, &image, known, err), A);
    scry_op_free(A);
    return st;
}

static scry_status a_mask_of_floats(size_t nth, scry_error *err)
{
    const float known[N] = {0, 0.5f, 1, 0, 1};
    scry_status st;
    scry_op *A;
    REFUSING(scry_mask_create_float(&A, &image, known, err), A);
    scry_op_free(A);
    return st;
}

static scry_status a_matrix(size_t nth, scry_error *err)
{
    const scry_space dom = SCRY_SPACE(3), cod = SCRY_SPACE(2);
    const double M[] = {1.1, 0.2, -0.7, 0.3, 2.385, 0.9};
    scry_status st;
    scry_op *A;
    REFUSING(scry_dense_create(&A, &dom, &cod, M, err), A);
    scry_op_free(A);
    return st;
}

static scry_status a_crop(size_t nth, scry_error *err)
{
    const scry_window w = {.outer = plane, .inner = image, .offset = {1, 2}};
    scry_status st;
    scry_op *A;
    REFUSING(scry_crop_create(&A, &w, err), A);
    scry_op_free(A);
    return st;
}

static scry_status blur_with(size_t nth, scry_boundary boundary, scry_error *err)
{
    const scry_space kernel = SCRY_SPACE(3, 3);
    const float psf[9] = {.03f, .11f, .07f, .12f, .31f, .13f, .05f, .12f, .06f};
    scry_status st;
    scry_op *A;
    REFUSING(
        scry_blur_create(&A, &image,
                         &(scry_blur_params){
                             .psf = psf, .psf_space = kernel, .boundary = boundary, .multiple = 4},
                         err),
        A);
    scry_op_free(A);
    return st;
}

static scry_status a_periodic_blur(size_t nth, scry_error *err)
{
    return blur_with(nth, SCRY_PERIODIC, err);
}

static scry_status an_open_blur(size_t nth, scry_error *err)
{
    return blur_with(nth, SCRY_OPEN, err);
}

/* A composite owns its parts once it exists, and not before. */
static scry_status a_chain(size_t nth, scry_error *err)
{
    scry_op *first = identity(), *second = identity(), *A;
    scry_status st;
    REFUSING(scry_chain_create(&A, second, first, err), A);
    if (st != SCRY_OK) scry_op_free(first);
    if (st != SCRY_OK) scry_op_free(second);
    scry_op_free(A);
    return st;
}

static scry_status a_multiple(size_t nth, scry_error *err)
{
    scry_op *part = identity(), *A;
    scry_status st;
    REFUSING(scry_scaled_create(&A, part, 2.385, err), A);
    if (st != SCRY_OK) scry_op_free(part);
    scry_op_free(A);
    return st;
}

static scry_status a_stack(size_t nth, scry_error *err)
{
    scry_op *parts[2] = {identity(), identity()}, *A;
    scry_status st;
    REFUSING(scry_stack_create(&A, parts, 2, err), A);
    for (int i = 0; i < 2 && st != SCRY_OK; i++)
        scry_op_free(parts[i]);
    scry_op_free(A);
    return st;
}

static scry_status a_likelihood(size_t nth, scry_error *err)
{
    const scry_noise noise = {.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                              .gain = 0.5,
                              .offset = 97,
                              .read_noise = 1.5,
                              .background = 2.385};
    const scry_affine map = {40, 50};
    scry_op *A = identity();
    scry_likelihood *L;
    scry_status st;
    float y[N];
    fill(y, N);
    REFUSING(scry_likelihood_create(&L, A, y, &noise, &map, err), L);
    scry_likelihood_free(L);
    scry_op_free(A);
    return st;
}

static scry_status a_norm(size_t nth, scry_error *err)
{
    scry_op *A = identity();
    double norm2;
    scry_memory_fail_at(nth);
    const scry_status st = scry_op_norm2(A, &norm2, 1e-3, err);
    scry_memory_fail_at(0);
    scry_op_free(A);
    return st;
}

static scry_status a_dot_test(size_t nth, scry_error *err)
{
    scry_op *A = identity();
    double error;
    scry_memory_fail_at(nth);
    const scry_status st = scry_op_dot_test(A, 1, &error, err);
    scry_memory_fail_at(0);
    scry_op_free(A);
    return st;
}

static scry_status a_matrix_of(size_t nth, scry_error *err)
{
    static double M[N * N];
    scry_op *A = identity();
    scry_memory_fail_at(nth);
    const scry_status st = scry_dense_of(A, M, err);
    scry_memory_fail_at(0);
    scry_op_free(A);
    return st;
}

static scry_status the_defects(size_t nth, scry_error *err)
{
    unsigned char known[N];
    scry_defects found;
    float y[N];
    fill(y, N);
    scry_memory_fail_at(nth);
    const scry_status st = scry_defects_find(known, &found, y, &image, NULL, err);
    scry_memory_fail_at(0);
    return st;
}

/* ---- priors ---- */

static scry_status a_stationary_gaussian(size_t nth, scry_error *err)
{
    scry_status st;
    scry_prior *P;
    REFUSING(
        scry_gaussian_create(
            &P, &image, &(scry_gaussian_params){.rank = 2, .mean = 0.3, .spectrum = spectrum}, err),
        P);
    scry_prior_free(P);
    return st;
}

static scry_status a_radial_gaussian(size_t nth, scry_error *err)
{
    const double power[] = {9.1, 2.3, 0.7, 0.11};
    const scry_radial radial = {.count = 4, .power = power, .mean = 0.2};
    scry_status st;
    scry_prior *P;
    REFUSING(scry_gaussian_create_radial(&P, &image, 2, &radial, err), P);
    scry_prior_free(P);
    return st;
}

static scry_status a_dense_gaussian(size_t nth, scry_error *err)
{
    const scry_space two = SCRY_SPACE(2);
    const double mean[] = {0.3, -0.1}, C[] = {1.3, 0.4, 0.4, 0.9};
    scry_status st;
    scry_prior *P;
    REFUSING(scry_gaussian_create_dense(&P, &two, mean, C, err), P);
    scry_prior_free(P);
    return st;
}

static scry_status a_mixture(size_t nth, scry_error *err)
{
    const scry_space two = SCRY_SPACE(2);
    const double mean[] = {0.3, -0.1}, C[] = {1.3, 0.4, 0.4, 0.9}, diagonal[] = {0.7, 0.2};
    const scry_mixture_component c[] = {{.weight = 1, .mean = mean, .cov = C},
                                        {.weight = 2, .mean = mean, .diagonal = diagonal},
                                        {.weight = 2, .mean = mean, .variance = 0.4}};
    scry_status st;
    scry_prior *P;
    REFUSING(scry_mixture_create(&P, &two, c, 3, err), P);
    scry_prior_free(P);
    return st;
}

static scry_status a_tikhonov(size_t nth, scry_error *err)
{
    scry_status st;
    scry_prior *P;
    REFUSING(scry_tikhonov_create(
                 &P, &image, &(scry_tikhonov_params){.rank = 2, .lambda = 1.7, .ridge = 0.1}, err),
             P);
    scry_prior_free(P);
    return st;
}

static scry_status a_total_variation(size_t nth, scry_error *err)
{
    scry_status st;
    scry_prior *P;
    REFUSING(scry_tv_create(&P, &image, 2, 1.7, NULL, err), P);
    scry_prior_free(P);
    return st;
}

/* The inner prior belongs to the wrapper once that exists, and not before. */
static scry_status an_affine_prior(size_t nth, scry_error *err)
{
    scry_prior *inner = gaussian(&image), *P;
    scry_status st;
    REFUSING(scry_affine_prior_create(&P, inner, 2.5, 0.7, err), P);
    if (st != SCRY_OK) scry_prior_free(inner);
    scry_prior_free(P);
    return st;
}

static scry_status a_padded_prior(size_t nth, scry_error *err)
{
    scry_prior *inner = gaussian(&plane), *P;
    scry_status st;
    REFUSING(scry_padded_create(&P, &image, inner, err), P);
    if (st != SCRY_OK) scry_prior_free(inner);
    scry_prior_free(P);
    return st;
}

static scry_status a_tiled_prior(size_t nth, scry_error *err)
{
    const scry_space large = SCRY_SPACE(17, 23);
    scry_prior *inner = gaussian(&plane), *P;
    scry_status st;
    REFUSING(scry_tiled_create(&P, &large, inner, 4, 2, err), P);
    if (st != SCRY_OK) scry_prior_free(inner);
    scry_prior_free(P);
    return st;
}

static scry_status a_prior_per_plane(size_t nth, scry_error *err)
{
    const scry_space stack = SCRY_SPACE(3, 8, 12);
    scry_prior *inner = gaussian(&plane), *P;
    scry_status st;
    REFUSING(scry_perplane_create(&P, &stack, inner, 2, err), P);
    if (st != SCRY_OK) scry_prior_free(inner);
    scry_prior_free(P);
    return st;
}

/* ---- estimates ---- */

enum { SIDE = 48 };

static scry_status a_noise_level(size_t nth, scry_error *err)
{
    static float x[SIDE * SIDE];
    double sigma;
    fill(x, SIDE * SIDE);
    scry_memory_fail_at(nth);
    const scry_status st = scry_noise_sigma(&sigma, x, 1, SIDE, SIDE, err);
    scry_memory_fail_at(0);
    return st;
}

static scry_status a_camera_estimate(size_t nth, scry_error *err)
{
    static float x[SIDE * SIDE];
    scry_camera_estimate estimate;
    fill(x, SIDE * SIDE);
    scry_memory_fail_at(nth);
    const scry_status st = scry_noise_camera(&estimate, x, 1, SIDE, SIDE, NULL, err);
    scry_memory_fail_at(0);
    return st;
}

static const struct {
    const char *name;
    attempt_fn *attempt;
} attempts[] = {
    {"identity", an_identity},
    {"mask", a_mask},
    {"mask of floats", a_mask_of_floats},
    {"matrix", a_matrix},
    {"crop", a_crop},
    {"periodic blur", a_periodic_blur},
    {"open blur", an_open_blur},
    {"chain", a_chain},
    {"multiple", a_multiple},
    {"stack", a_stack},
    {"likelihood", a_likelihood},
    {"norm", a_norm},
    {"dot test", a_dot_test},
    {"matrix of an operator", a_matrix_of},
    {"defects", the_defects},
    {"stationary Gaussian", a_stationary_gaussian},
    {"Gaussian from a table", a_radial_gaussian},
    {"dense Gaussian", a_dense_gaussian},
    {"mixture", a_mixture},
    {"Tikhonov", a_tikhonov},
    {"total variation", a_total_variation},
    {"affine prior", an_affine_prior},
    {"padded prior", a_padded_prior},
    {"tiled prior", a_tiled_prior},
    {"prior per plane", a_prior_per_plane},
    {"noise level", a_noise_level},
    {"camera", a_camera_estimate},
};

static void every_refusal_is_survived(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        const size_t live = scry_memory_live();
        scry_status st = SCRY_ENOMEM;
        for (size_t nth = 1; st != SCRY_OK; nth++) {
            scry_error err = {0};
            st = attempts[i].attempt(nth, &err);
            const bool worded = st == SCRY_OK || (st == SCRY_ENOMEM && err.text[0]);
            if (!worded || scry_memory_live() != live || nth > 200 || (st == SCRY_OK && nth == 1)) {
                print_error("%s: allocation %zu refused: %s \"%s\", %td blocks more than before\n",
                            attempts[i].name, nth, scry_status_name(st), err.text,
                            (ptrdiff_t)(scry_memory_live() - live));
                fail();
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_refusal_is_survived)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
