#include "priors/train/optim_impl.h"

#include "priors/network/dnnl_train_impl.h"

#include <math.h>

#define BETA1 .9
#define BETA2 .95
#define ADAM_EPS 1e-8
#define MUON_KEEP .95

void scryi_adamw_step(const scryi_adamw *a, float *w, float *m, float *v, const float *g, size_t n)
{
    const double t = (double)a->step, c1 = 1 - pow(BETA1, t), c2 = sqrt(1 - pow(BETA2, t));
    const float keep = (float)(1 - a->rate * a->decay), size = (float)(a->rate / c1);
    const float scale = (float)(1 / c2), eps = (float)ADAM_EPS;
    const float b1 = (float)BETA1, b2 = (float)BETA2, o1 = (float)(1 - BETA1),
                o2 = (float)(1 - BETA2);
    for (size_t i = 0; i < n; i++) {
        m[i] = b1 * m[i] + o1 * g[i];
        v[i] = b2 * v[i] + o2 * g[i] * g[i];
        w[i] = keep * w[i] - size * m[i] / (sqrtf(v[i]) * scale + eps);
    }
}

size_t scryi_muon_work(size_t rows, size_t columns)
{
    const size_t small = rows < columns ? rows : columns, n = rows * columns;
    return 2 * n + 2 * small * small;
}

/* X (small x large) towards U V^T of its singular vectors: the quintic of Jordan et al., which
 * brings singular values between about .7 and 1.2 after five steps. A and B: small x small. */
static scry_status newton_schulz(float *X, float *next, float *A, float *B, size_t small,
                                 size_t large, scry_error *err)
{
    const float a = 3.4445f, b = -4.7750f, c = 2.0315f;
    scry_status st = SCRY_OK;
    for (int k = 0; k < 5 && st == SCRY_OK; k++) {
        st = scryi_matrix_product(A, X, false, X, true, small, small, large, 1, 0, err);
        for (size_t i = 0; i < small * small; i++)
            B[i] = b * A[i];
        if (st == SCRY_OK)
            st = scryi_matrix_product(B, A, false, A, false, small, small, small, c, 1, err);
        for (size_t i = 0; i < small * large; i++)
            next[i] = a * X[i];
        if (st == SCRY_OK)
            st = scryi_matrix_product(next, B, false, X, false, small, large, small, 1, 1, err);
        float *swap = X;
        X = next;
        next = swap;
    }
    return st; /* five swaps: the result is in the former `next` */
}

scry_status scryi_muon_step(float *w, float *m, const float *g, size_t rows, size_t columns,
                            double rate, double decay, float *work, scry_error *err)
{
    const size_t n = rows * columns, small = rows < columns ? rows : columns, large = n / small;
    const bool tall = rows > columns;
    float *X = work, *next = X + n, *A = next + n, *B = A + small * small;
    double square = 0;
    const float keep = (float)MUON_KEEP, fresh = (float)(1 - MUON_KEEP);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            const size_t k = i * columns + j;
            m[k] += fresh * (g[k] - m[k]);
            const float u = g[k] + keep * (m[k] - g[k]);
            X[tall ? j * rows + i : k] = u;
            square += (double)u * (double)u;
        }
    const float scale = (float)(1 / (sqrt(square) + 1e-7));
    for (size_t i = 0; i < n; i++)
        X[i] *= scale;
    const scry_status st = newton_schulz(X, next, A, B, small, large, err);
    if (st != SCRY_OK) return st;
    const float left = (float)(1 - rate * decay);
    const float size = (float)(rate * sqrt(fmax(1, (double)rows / (double)columns)));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            const size_t k = i * columns + j;
            w[k] = left * w[k] - size * next[tall ? j * rows + i : k];
        }
    return SCRY_OK;
}
