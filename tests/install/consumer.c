/* A stranger's program: blurs a phantom, measures it with noise, restores it. Touches every room,
 * so that one that is missing from the library fails to link. */

#include <scry/scry.h>

#include <stdio.h>

enum { H = 40, W = 48, N = H * W };

static scry_status restore(float *x, const scry_op *A, const float *y, scry_error *err)
{
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = 0.02};
    scry_likelihood *L = NULL;
    scry_solver *S = NULL;
    scry_options options;
    scry_options_init(&options, scry_method_find("tikhonov"));
    scry_status st = scry_likelihood_create(&L, A, y, &noise, NULL, err);
    const scry_problem problem = {.L = L};
    if (st == SCRY_OK) st = scry_solver_plan(&S, &problem, &options, err);
    if (st == SCRY_OK) st = scry_solver_start(S, 1, 0, err);
    if (st == SCRY_OK) st = scry_solver_run(S, x, NULL, NULL, NULL, err);
    scry_solver_free(S);
    scry_likelihood_free(L);
    return st;
}

static double psnr(const float *x, const float *truth)
{
    scry_fidelity f = {0};
    scry_error err = {0};
    return scry_fidelity_measure(&f, x, truth, NULL, N, 1, &err) == SCRY_OK ? f.psnr : 0;
}

int main(void)
{
    static float truth[N], y[N], x[N], z[N];
    const scry_space space = SCRY_SPACE(H, W);
    scry_space psf_space;
    scry_psf_params params;
    scry_network *network;
    scry_error err = {0}, missing = {0};
    scry_op *A = NULL;
    float *psf = NULL;
    void *work = NULL;

    scry_status st = scry_phantom_cells(truth, &space, 16, 1, &err);
    if (st == SCRY_OK) st = scry_psf_parse(&params, "gaussian:sigma=1.5", &err);
    if (st == SCRY_OK)
        st = scry_psf_create(&psf, &psf_space, &params, &(scry_psf_grid){.rank = 2}, NULL, &err);
    if (st == SCRY_OK)
        st = scry_blur_create(&A, &space, &(scry_blur_params){.psf = psf, .psf_space = psf_space},
                              &err);
    if (st == SCRY_OK) work = scry_alloc(1, scry_op_work_bytes(A));
    if (work) st = scry_op_forward(A, y, truth, work, &err);
    if (work && st == SCRY_OK) {
        scry_rng_normal(z, 0, N, 1, 0, 0);
        for (int i = 0; i < N; i++)
            y[i] += 0.02f * z[i];
        st = restore(x, A, y, &err);
    }
    scry_free(work);
    scry_op_free(A);
    scry_free(psf);
    if (st != SCRY_OK) {
        fprintf(stderr, "consumer: %s: %s\n", err.where, err.text);
        return 1;
    }
    printf("measured %.1f dB, restored %.1f dB\n", psnr(y, truth), psnr(x, truth));
    st = scry_network_load(&network, "no-such-folder", &missing);
    return st != SCRY_EIO || psnr(x, truth) < psnr(y, truth) + 1;
}
