/* A method of one's own: gradient ascent of the likelihood, with an option. Registered, it is a
 * method like all others for scry_solver_plan, scry_chains_run and scry_restore.
 *
 *     cc -std=c11 own_method.c -o own_method $(pkg-config --cflags --libs scry) */
#include <scry/scry.h>

#include <stdio.h>

enum { H = 64, W = 80, N = H * W };

struct ascent_options {
    size_t iterations;
};
static const scry_option ascent_table[] = {
    {"iterations", NULL, SCRY_FIELD(struct ascent_options, iterations), 100, 1, 1e5, NULL, "steps"},
    {0},
};

/* x += size * gradient. The two images are the solver's, and 0 before the first step. */
static scry_status ascent_step(void *size, const scry_solver_call *call, scry_progress *p,
                               scry_error *err)
{
    float *x = call->images[0], *g = call->images[1];
    const scry_status st = scry_likelihood_score(call->problem->L, g, x, call->work, err);
    for (size_t i = 0; st == SCRY_OK && i < call->n; i++)
        x[i] += *(const float *)size * g[i];
    call->counts->forward++, call->counts->adjoint++;
    p->x0 = x; /* the estimate */
    return st;
}

static scry_status ascent_plan(scry_solver **out, const scry_problem *problem,
                               const scry_options *options, scry_error *err)
{
    const scry_likelihood *L = problem->L;
    const double unit = scry_likelihood_noise(L)->sigma / scry_likelihood_map(L).scale;
    const size_t steps = ((const struct ascent_options *)scry_options_block(options))->iterations;
    double norm2;
    if (!scry_likelihood_is_gaussian(L))
        return SCRY_FAIL(err, SCRY_EUNSUP, "ascent is for Gaussian noise");
    const scry_status st = scry_op_norm2(scry_likelihood_op(L), &norm2, 1e-3, err);
    if (st != SCRY_OK) return st;
    float *size = scry_alloc(1, sizeof *size); /* the solver frees it */
    if (!size) return SCRY_FAIL(err, SCRY_ENOMEM, "ascent");
    *size = (float)(unit * unit / norm2);
    const scry_solver_callbacks callbacks = {
        .steps = steps, .images = 2, .step = ascent_step, .destroy = scry_free, .ctx = size};
    return scry_solver_create(out, problem, options, &callbacks, err);
}

static const struct scry_method ascent = {.name = "ascent",
                                          .title = "gradient ascent",
                                          .kind = SCRY_CLASSICAL,
                                          .needs = SCRY_NEEDS_GAUSSIAN,
                                          .exact = "point estimate, regularised by stopping early",
                                          .citation = "Landweber 1951, Amer. J. Math. 73:615",
                                          .options = ascent_table,
                                          .plan = ascent_plan};

int main(void)
{
    static float truth[N], y[N];
    const float psf[3] = {0.25f, 0.5f, 0.25f};
    const scry_image image = {.space = SCRY_SPACE(H, W), .pixels = y};
    const scry_psf_request blur = {.pixels = psf, .space = SCRY_SPACE(1, 3)};
    const scry_restore_request request = {.psf = blur, .noise.sigma = 1e-3, .method = "ascent"};
    scry_restore_result result = {0};
    scry_fidelity after = {0};
    scry_error err = {0};
    scry_status st = scry_method_register(&ascent, &err);
    if (st == SCRY_OK) st = scry_phantom_cells(truth, &image.space, 20, 1, &err);
    for (size_t i = 1; i < N - 1; i++)
        y[i] = psf[0] * truth[i - 1] + psf[1] * truth[i] + psf[2] * truth[i + 1];
    if (st == SCRY_OK) st = scry_restore(&result, &image, &request, NULL, NULL, &err);
    if (st == SCRY_OK) st = scry_fidelity_measure(&after, result.mean, truth, NULL, N, 1, &err);
    scry_restore_result_free(&result);
    if (st != SCRY_OK) return fprintf(stderr, "%s: %s\n", err.where, err.text), 1;
    printf("restored %.1f dB\n", after.psnr); /* blurred: 33.5 */
    return 0;
}
