#include "operators/cg.h"

#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/vector.h"

#include <math.h>
#include <string.h>

/* Hestenes & Stiefel 1952, J. Res. NBS 49:409, Eqs. 3:1. r = b - H x, z = M r, p the direction,
 * q = H p. */

enum { BLOCK = 4096 };

static size_t cg_blocks_of(size_t n)
{
    return (n + BLOCK - 1) / BLOCK;
}

size_t scry_cg_work_bytes(size_t n)
{
    return 4 * scry_align_up(n * sizeof(float)) + scry_align_up(cg_blocks_of(n) * sizeof(double));
}

/* x += alpha p, r -= alpha q, and |r|^2 in the same pass. Sums run over fixed blocks, so that the
 * result does not depend on the number of threads; below 512 a team costs more than it saves. */
static double cg_advance(float *x, float *r, const float *p, const float *q, double alpha, size_t n,
                         double *part)
{
    const size_t blocks = cg_blocks_of(n);
    const float a = (float)alpha;
    double sum = 0;
    SCRY_PARALLEL_FOR(
        blocks > 512 ? scry_threads() : 1, for (size_t b = 0; b < blocks; b++) {
            const size_t end = n < (b + 1) * BLOCK ? n : (b + 1) * BLOCK;
            double s = 0;
            _Pragma("omp simd reduction(+ : s)") for (size_t i = b * BLOCK; i < end; i++)
            {
                x[i] += a * p[i];
                const float v = r[i] - a * q[i];
                r[i] = v;
                s += (double)v * v;
            }
            part[b] = s;
        });
    for (size_t b = 0; b < blocks; b++)
        sum += part[b];
    return sum;
}

/* r = b - H x into r. A start of zeros, the usual one, costs no product. */
static scry_status first_residual(scry_cg_fn *H, void *ctx, float *r, const float *x,
                                  const float *b, size_t n, scry_error *err)
{
    size_t zeros = 0;
    while (zeros < n && x[zeros] == 0)
        zeros++;
    if (zeros == n) {
        memcpy(r, b, n * sizeof *r);
        return SCRY_OK;
    }
    scry_status st = H(ctx, r, x, err);
    if (st == SCRY_OK) scry_axpby(r, -1, r, 1, b, n);
    return st;
}

/* z = M r, and <r, z>; without M, z is r itself. */
static scry_status cg_precondition(scry_cg_fn *M, void *ctx, float *z, const float *r, double rr,
                                   size_t n, double *rz, scry_error *err)
{
    *rz = rr;
    if (!M) return SCRY_OK;
    scry_status st = M(ctx, z, r, err);
    if (st != SCRY_OK) return st;
    *rz = scry_dot(r, z, n);
    if (*rz > 0 || rr == 0) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC,
                     "r^T M r = %g, expected a positive number: the preconditioner is not "
                     "positive definite",
                     *rz);
}

scry_status scry_cg_until(scry_cg_fn *H, scry_cg_fn *M, void *ctx, float *x, const float *b,
                          size_t n, const scry_cg_stop *stop, void *work, scry_cg_result *result,
                          scry_error *err)
{
    const size_t stride = scry_align_up(n * sizeof(float));
    float *r = work, *p = (void *)((char *)work + stride), *q = (void *)((char *)work + 2 * stride);
    float *z = M ? (void *)((char *)work + 3 * stride) : r;
    double *part = (void *)((char *)work + 4 * stride);
    const double size = scry_norm(b, n);
    /* Below the rounding of float the recurrence for r goes on shrinking while the true residual
     * does not: iterations there are wasted. */
    const double goal = fmax(stop->tol, 1e-8) * size;
    scry_cg_result end = {.converged = true};
    int small = 0; /* gains in a row */
    scry_status st = SCRY_OK;
    double rr, rz;
    if (!isfinite(size)) return SCRY_FAIL(err, SCRY_ENUMERIC, "right-hand side is not finite");
    if (size == 0) {
        memset(x, 0, n * sizeof *x);
        goto done;
    }
    if ((st = first_residual(H, ctx, r, x, b, n, err)) != SCRY_OK) return st;
    rr = scry_dot(r, r, n);
    if ((st = cg_precondition(M, ctx, z, r, rr, n, &rz, err)) != SCRY_OK) return st;
    memcpy(p, z, n * sizeof *p);
    while (sqrt(rr) > goal && small < 2 && end.iterations < stop->iterations) {
        if ((st = H(ctx, q, p, err)) != SCRY_OK) return st;
        const double curvature = scry_dot(p, q, n), before = rz;
        if (!(curvature > 0) || !isfinite(curvature))
            return SCRY_FAIL(err, SCRY_ENUMERIC,
                             "iteration %zu: curvature %g, expected a positive number: the "
                             "operator is not positive definite",
                             end.iterations, curvature);
        rr = cg_advance(x, r, p, q, rz / curvature, n, part);
        end.iterations++;
        small = before * before / curvature < stop->gain ? small + 1 : 0;
        if (sqrt(rr) <= goal) break; /* spares a product with M */
        if ((st = cg_precondition(M, ctx, z, r, rr, n, &rz, err)) != SCRY_OK) return st;
        scry_axpby(p, 1, z, rz / before, p, n);
    }
    if (!isfinite(rr)) return SCRY_FAIL(err, SCRY_ENUMERIC, "residual is not finite");
    end.residual = sqrt(rr) / size;
    end.converged = sqrt(rr) <= goal || small == 2;
done:
    if (result) *result = end;
    return st;
}

scry_status scry_cg_preconditioned(scry_cg_fn *H, scry_cg_fn *M, void *ctx, float *x,
                                   const float *b, size_t n, double tol, size_t iterations,
                                   void *work, scry_cg_result *result, scry_error *err)
{
    const scry_cg_stop stop = {.tol = tol, .iterations = iterations};
    return scry_cg_until(H, M, ctx, x, b, n, &stop, work, result, err);
}

scry_status scry_cg(scry_cg_fn *H, void *ctx, float *x, const float *b, size_t n, double tol,
                    size_t iterations, void *work, scry_cg_result *result, scry_error *err)
{
    return scry_cg_preconditioned(H, NULL, ctx, x, b, n, tol, iterations, work, result, err);
}
