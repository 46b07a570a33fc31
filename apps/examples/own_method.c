/* A method of one's own: gradient ascent of the likelihood (Landweber 1951), with an option. Once
 * it is registered it is a method like all others, by name and with options that are checked, for
 * scry_solver_plan, scry_chains_run and scry_restore.
 *
 *     cc -std=c11 own_method.c -o own_method $(pkg-config --cflags --libs scry) */
#include <scry/scry.h>

#include <stdio.h>

enum { H = 64, W = 80, N = H * W };

struct ascent_options {
    size_t iterations;
};
static const scry_option ascent_table[] = {
    {"iterations", NULL, SCRY_FIELD(struct ascent_options, iterations), 30, 1, 1e5, NULL, "steps"},
    {0},
};

struct ascent { /* all that a run needs, in one block */
    const scry_likelihood *L;
    size_t n;
    float step;
    void *work;
    float x[]; /* the image, then the gradient */
};

static scry_status ascent_start(void *ctx, const scry_solver_call *call, scry_error *err)
{
    struct ascent *M = ctx;
    (void)call, (void)err;
    for (size_t i = 0; i < M->n; i++)
        M->x[i] = 0;
    return SCRY_OK;
}

static scry_status ascent_step(void *ctx, const scry_solver_call *call, scry_progress *p,
                               scry_error *err)
{
    struct ascent *M = ctx;
    float *g = M->x + M->n;
    const scry_status st = scry_likelihood_score(M->L, g, M->x, M->work, err);
    for (size_t i = 0; st == SCRY_OK && i < M->n; i++)
        M->x[i] += M->step * g[i];
    call->counts->forward++, call->counts->adjoint++;
    p->x0 = M->x; /* the estimate */
    return st;
}

static scry_status ascent_plan(scry_solver **out, const scry_problem *problem,
                               const scry_options *options, scry_error *err)
{
    const struct ascent_options *o = scry_options_block(options);
    const scry_likelihood *L = problem->L;
    const size_t n = scry_space_floats(scry_op_dom(scry_likelihood_op(L)));
    const size_t head = scry_align_up(sizeof(struct ascent) + 2 * n * sizeof(float));
    const double unit = scry_likelihood_noise(L)->sigma / scry_likelihood_map(L).scale;
    double norm2 = 1;
    if (!scry_likelihood_is_gaussian(L))
        return SCRY_FAIL(err, SCRY_EUNSUP, "ascent is for Gaussian noise");
    const scry_status st = scry_op_norm2(scry_likelihood_op(L), &norm2, 1e-3, err);
    if (st != SCRY_OK) return st;
    struct ascent *M = scry_alloc(1, head + scry_likelihood_work_bytes(L));
    if (!M) return SCRY_FAIL(err, SCRY_ENOMEM, "ascent of %zu pixels", n);
    *M = (struct ascent){L, n, (float)(unit * unit / norm2), (char *)M + head};
    const scry_solver_callbacks callbacks = {o->iterations, ascent_start, ascent_step, scry_free,
                                             M};
    return scry_solver_create(out, problem, options, &callbacks, err); /* M is the solver's now */
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
    scry_options options;
    scry_restore_request request = {.psf = {.pixels = psf, .space = SCRY_SPACE(1, 3)},
                                    .noise.sigma = 1e-3,
                                    .options = &options};
    scry_restore_result result = {0};
    scry_fidelity after = {0};
    scry_error err = {0};
    scry_options_init(&options, &ascent);
    scry_status st = scry_method_register(&ascent, &err);
    if (st == SCRY_OK) st = scry_options_parse(&options, "--iterations 100", &err);
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
