/* An operator of one's own: a camera that averages blocks of 2 x 2 pixels. Two functions are
 * it does; scry_op_from_callbacks makes an operator of them that every method takes. Restored by
 * total variation.
 *
 *     cc -std=c11 own_operator.c -o own_operator $(pkg-config --cflags --libs scry) */
#include <scry/scry.h>

#include <stdio.h>

enum { H = 64, W = 80, N = H * W, M = N / 4 };

static size_t block_of(size_t i) /* pixel i of the image lies in this pixel of the camera */
{
    return i / W / 2 * (W / 2) + i % W / 2;
}

/* y = A x. ctx is whatever the operator was made with: here nothing. */
static scry_status bin_forward(void *ctx, float *y, const float *x, scry_error *err)
{
    (void)ctx, (void)err;
    for (size_t j = 0; j < M; j++)
        y[j] = 0;
    for (size_t i = 0; i < N; i++)
        y[block_of(i)] += x[i] / 4;
    return SCRY_OK;
}

/* x = A^T y: not an inverse, but the same numbers the other way round. */
static scry_status bin_adjoint(void *ctx, float *x, const float *y, scry_error *err)
{
    (void)ctx, (void)err;
    for (size_t i = 0; i < N; i++)
        x[i] = y[block_of(i)] / 4;
    return SCRY_OK;
}

static scry_status restore(float *x, const scry_op *A, const float *y, scry_error *err)
{
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.01};
    scry_options options;
    scry_likelihood *L = NULL;
    scry_solver *S = NULL;
    scry_options_init(&options, scry_method_find("tv"));
    scry_status st = scry_likelihood_create(&L, A, y, &noise, NULL, err);
    if (st == SCRY_OK) st = scry_solver_plan(&S, &(scry_problem){.L = L}, &options, err);
    if (st == SCRY_OK) st = scry_solver_start(S, 1, 0, err);
    if (st == SCRY_OK) st = scry_solver_run(S, x, NULL, NULL, NULL, err);
    scry_solver_free(S);
    scry_likelihood_free(L);
    return st;
}

int main(void)
{
    static float truth[N], y[M], z[M], naive[N], x[N];
    const scry_space image = SCRY_SPACE(H, W), camera = SCRY_SPACE(H / 2, W / 2);
    const scry_op_callbacks bin = {
        .name = "binning", .forward = bin_forward, .adjoint = bin_adjoint};
    scry_fidelity before = {0}, after = {0};
    scry_error err = {0};
    scry_op *A = NULL;
    double dot = 0;
    scry_status st = scry_op_from_callbacks(&A, &image, &camera, &bin, &err);
    if (st == SCRY_OK) st = scry_op_check(A, 1, 10, &dot, &err); /* ten more pairs of vectors */
    if (st == SCRY_OK) st = scry_phantom_cells(truth, &image, 20, 1, &err);
    if (st == SCRY_OK) st = bin_forward(NULL, y, truth, &err);
    scry_rng_normal(z, 0, M, 1, 0, 0);
    for (size_t j = 0; j < M; j++)
        y[j] += 0.01f * z[j];
    for (size_t i = 0; i < N; i++)
        naive[i] = y[block_of(i)];
    if (st == SCRY_OK) st = restore(x, A, y, &err);
    if (st == SCRY_OK) st = scry_fidelity_measure(&before, naive, truth, NULL, N, 1, &err);
    if (st == SCRY_OK) st = scry_fidelity_measure(&after, x, truth, NULL, N, 1, &err);
    scry_op_free(A);
    if (st != SCRY_OK) return fprintf(stderr, "%s: %s\n", err.where, err.text), 1;
    printf("dot test %.0e; enlarged %.1f dB, restored %.1f dB\n", dot, before.psnr, after.psnr);
    return 0;
}
