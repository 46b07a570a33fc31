/* A prior of one's own: pixels are +1 or -1, each by itself and equally often. All that is needed
 * is the denoiser, D(x; sigma) = E[x0 | x0 + sigma n = x] = tanh(x / sigma^2). Here draws from the
 * posterior of a noisy image, whose exact mean is known to compare with.
 *
 *     cc -std=c11 own_prior.c -o own_prior $(pkg-config --cflags --libs scry) -lm */
#include <scry/scry.h>

#include <math.h>
#include <stdio.h>

enum { H = 16, W = 24, N = H * W };
static const double SIGMA = 0.8; /* of the noise */

static scry_status sign_denoise(void *ctx, float *x0, const float *x, float sigma, scry_error *err)
{
    (void)ctx, (void)err;
    for (size_t i = 0; i < N; i++)
        x0[i] = tanhf(x[i] / (sigma * sigma));
    return SCRY_OK;
}

/* g = (dD/dx)^T v. Optional: methods that need it refuse a prior without. */
static scry_status sign_vjp(void *ctx, float *g, const float *x, const float *v, float sigma,
                            scry_error *err)
{
    (void)ctx, (void)err;
    for (size_t i = 0; i < N; i++) {
        const float D = tanhf(x[i] / (sigma * sigma));
        g[i] = v[i] * (1 - D * D) / (sigma * sigma);
    }
    return SCRY_OK;
}

static scry_status sample(scry_chains *out, const scry_prior *prior, const float *y,
                          scry_error *err)
{
    const scry_noise noise = {.kind = SCRY_NOISE_GAUSSIAN, .sigma = SIGMA};
    scry_op *A = NULL;
    scry_likelihood *L = NULL;
    scry_options options;
    scry_chains_opts chains;
    scry_options_init(&options, scry_method_find("pnpdm"));
    scry_chains_opts_init(&chains);
    chains.chains = 100;
    scry_status st = scry_identity_create(&A, scry_prior_space(prior), err);
    if (st == SCRY_OK) st = scry_likelihood_create(&L, A, y, &noise, NULL, err);
    if (st == SCRY_OK)
        st = scry_chains_run(out, &(scry_problem){.L = L, .prior = prior}, &options, &chains, NULL,
                             NULL, err);
    scry_likelihood_free(L);
    scry_op_free(A);
    return st;
}

int main(void)
{
    static float y[N], n[N], u[N];
    const scry_space space = SCRY_SPACE(H, W);
    const scry_prior_callbacks sign = {.name = "sign",
                                       .sigma_low = 1e-3,
                                       .sigma_high = 100,
                                       .denoise = sign_denoise,
                                       .vjp = sign_vjp};
    scry_error err = {0};
    scry_prior *prior = NULL;
    scry_chains chains = {0};
    double off = 0;
    scry_rng_uniform(u, 0, N, 1, 0, 0);
    scry_rng_normal(n, 0, N, 1, 0, 1);
    for (size_t i = 0; i < N; i++)
        y[i] = (u[i] < 0.5f ? -1 : 1) + (float)SIGMA * n[i];
    scry_status st = scry_prior_from_callbacks(&prior, &space, &sign, &err);
    if (st == SCRY_OK) st = sample(&chains, prior, y, &err);
    for (size_t i = 0; st == SCRY_OK && i < N; i++)
        off += pow(chains.mean[i] - tanh(y[i] / (SIGMA * SIGMA)), 2) / N;
    scry_chains_free(&chains);
    scry_prior_free(prior);
    if (st != SCRY_OK) return fprintf(stderr, "%s: %s\n", err.where, err.text), 1;
    printf("posterior mean of 100 draws, rms distance from the exact one: %.3f\n", sqrt(off));
    return 0;
}
