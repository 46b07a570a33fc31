#include "operators/op_impl.h"
#include "operators/op_sampled.h"

#include "lib/cancel.h"
#include "lib/given.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"

#include <math.h>

void scry_op_free(scry_op *A)
{
    if (A) A->ops->destroy(A);
}

const char *scry_op_name(const scry_op *A)
{
    return A->ops->name;
}

const scry_space *scry_op_dom(const scry_op *A)
{
    return &A->dom;
}

const scry_space *scry_op_cod(const scry_op *A)
{
    return &A->cod;
}

size_t scry_op_work_bytes(const scry_op *A)
{
    size_t bytes = A->work_bytes;
    if (!A->ops->normal) bytes += scry_align_up(scry_space_floats(&A->cod) * sizeof(float));
    return bytes;
}

scry_status scry_op_forward(const scry_op *A, float *y, const float *x, void *work, scry_error *err)
{
    if (SCRY_MISSING(err, A, y, x, work)) return SCRY_EINVAL;
    const scry_status st = scry_cancel_check(err);
    return st != SCRY_OK ? st : A->ops->forward(A, y, x, work, err);
}

scry_status scry_op_adjoint(const scry_op *A, float *x, const float *y, void *work, scry_error *err)
{
    if (SCRY_MISSING(err, A, x, y, work)) return SCRY_EINVAL;
    const scry_status st = scry_cancel_check(err);
    return st != SCRY_OK ? st : A->ops->adjoint(A, x, y, work, err);
}

scry_status scry_op_normal(const scry_op *A, float *out, const float *x, void *work,
                           scry_error *err)
{
    if (SCRY_MISSING(err, A, out, x, work)) return SCRY_EINVAL;
    scry_status st = scry_cancel_check(err);
    if (st != SCRY_OK) return st;
    if (A->ops->normal) return A->ops->normal(A, out, x, work, err);
    float *y = (float *)(void *)((char *)work + scry_align_up(A->work_bytes));
    st = A->ops->forward(A, y, x, work, err);
    return st != SCRY_OK ? st : A->ops->adjoint(A, out, y, work, err);
}

bool scry_op_has_svd(const scry_op *A)
{
    return A->ops->svd != NULL;
}

static scry_status check_svd(const scry_op *A, scry_error *err)
{
    if (A->ops->svd) return scry_cancel_check(err);
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s: no singular value decomposition is known",
                     A->ops->name);
}

scry_status scry_op_svd(const scry_op *A, scry_svd *out, scry_error *err)
{
    if (SCRY_MISSING(err, A, out)) return SCRY_EINVAL;
    scry_status st = check_svd(A, err);
    if (st == SCRY_OK) A->ops->svd->describe(A, out);
    return st;
}

scry_status scry_op_svd_v(const scry_op *A, float *x, const float *c, void *work, scry_error *err)
{
    if (SCRY_MISSING(err, A, x, c, work)) return SCRY_EINVAL;
    scry_status st = check_svd(A, err);
    return st != SCRY_OK ? st : A->ops->svd->v(A, x, c, work, err);
}

scry_status scry_op_svd_vh(const scry_op *A, float *c, const float *x, void *work, scry_error *err)
{
    if (SCRY_MISSING(err, A, c, x, work)) return SCRY_EINVAL;
    scry_status st = check_svd(A, err);
    return st != SCRY_OK ? st : A->ops->svd->vh(A, c, x, work, err);
}

scry_status scry_op_svd_uh(const scry_op *A, float *c, const float *y, void *work, scry_error *err)
{
    if (SCRY_MISSING(err, A, c, y, work)) return SCRY_EINVAL;
    scry_status st = check_svd(A, err);
    return st != SCRY_OK ? st : A->ops->svd->uh(A, c, y, work, err);
}

int scry_op_sampled_rank(const scry_op *A)
{
    return A->ops->sampled && !A->dom.cplx ? A->ops->sampled->rank(A) : -1;
}

static scry_status check_sampled(const scry_op *A, scry_error *err)
{
    if (scry_op_sampled_rank(A) >= 0) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EUNSUP, "%s is not known to be a sampled convolution", A->ops->name);
}

scry_status scry_op_sampled_transfer(const scry_op *A, float *pairs, scry_error *err)
{
    scry_status st = check_sampled(A, err);
    if (st == SCRY_OK) A->ops->sampled->transfer(A, pairs);
    return st;
}

scry_status scry_op_sample(const scry_op *A, float *y, const float *x, void *work, scry_error *err)
{
    scry_status st = check_sampled(A, err);
    return st != SCRY_OK ? st : A->ops->sampled->sample(A, y, x, work, err);
}

scry_status scry_op_scatter(const scry_op *A, float *x, const float *y, void *work, scry_error *err)
{
    scry_status st = check_sampled(A, err);
    return st != SCRY_OK ? st : A->ops->sampled->scatter(A, x, y, work, err);
}

scry_status scry_op_norm2(const scry_op *A, double *norm2, double tol, scry_error *err)
{
    if (SCRY_MISSING(err, A, norm2)) return SCRY_EINVAL;
    scry_status st = SCRY_OK;
    const size_t n = scry_space_floats(&A->dom);
    float *x = scry_alloc(n, sizeof *x), *z = scry_alloc(n, sizeof *z);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    double value = 0, before;
    if (!x || !z || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "power iteration of %s", A->ops->name);
        goto done;
    }
    scry_rng_normal(x, 0, n, 1, 0, 0);
    scry_scale(x, 1 / scry_norm(x, n), n);
    for (int i = 0; i < 200; i++) {
        if ((st = scry_op_normal(A, z, x, work, err)) != SCRY_OK) goto done;
        before = value;
        value = scry_norm(z, n);
        if (!(value > 0)) break;
        scry_axpby(x, 1 / value, z, 0, z, n);
        if (fabs(value - before) <= tol * value) break;
    }
    if (!isfinite(value)) st = SCRY_FAIL(err, SCRY_ENUMERIC, "%s: norm not finite", A->ops->name);
    *norm2 = value;
done:
    scry_free(x);
    scry_free(z);
    scry_free(work);
    return st;
}

/* Imaginary part of <a, b> = sum conj(a) b over pairs. */
static double dot_imaginary(const float *a, const float *b, size_t pairs)
{
    double s = 0;
    for (size_t i = 0; i < pairs; i++)
        s += (double)a[2 * i] * b[2 * i + 1] - (double)a[2 * i + 1] * b[2 * i];
    return s;
}

scry_status scry_op_dot_test(const scry_op *A, uint64_t seed, double *error, scry_error *err)
{
    if (SCRY_MISSING(err, A, error)) return SCRY_EINVAL;
    scry_status st = SCRY_OK;
    const size_t n = scry_space_floats(&A->dom), m = scry_space_floats(&A->cod);
    float *x = scry_alloc(n, sizeof *x), *Ay = scry_alloc(n, sizeof *Ay);
    float *y = scry_alloc(m, sizeof *y), *Ax = scry_alloc(m, sizeof *Ax);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    if (!x || !Ay || !y || !Ax || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "dot test of %s", A->ops->name);
        goto done;
    }
    scry_rng_normal(x, 0, n, seed, 0, 0);
    scry_rng_normal(y, 0, m, seed, 1, 0);
    if ((st = scry_op_forward(A, Ax, x, work, err)) != SCRY_OK) goto done;
    if ((st = scry_op_adjoint(A, Ay, y, work, err)) != SCRY_OK) goto done;
    double re = scry_dot(Ax, y, m) - scry_dot(x, Ay, n), im = 0;
    if (A->dom.cplx && A->cod.cplx) im = dot_imaginary(Ax, y, m / 2) - dot_imaginary(x, Ay, n / 2);
    const double size = scry_norm(Ax, m) * scry_norm(y, m);
    *error = size > 0 ? hypot(re, im) * sqrt((double)m) / size : hypot(re, im);
done:
    scry_free(x);
    scry_free(Ay);
    scry_free(y);
    scry_free(Ax);
    scry_free(work);
    return st;
}

/* |N x - A^H A x| / |A^H A x|, N the operator's own normal, for a random x. */
static scry_status op_normal_test(const scry_op *A, uint64_t seed, double *error, scry_error *err)
{
    scry_status st = SCRY_OK;
    const size_t n = scry_space_floats(&A->dom);
    float *x = scry_alloc(n, sizeof *x), *own = scry_alloc(n, sizeof *own);
    float *z = scry_alloc(n, sizeof *z), *y = scry_alloc(scry_space_floats(&A->cod), sizeof *y);
    void *work = scry_alloc(1, scry_op_work_bytes(A));
    if (!x || !own || !z || !y || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "check of %s", A->ops->name);
        goto done;
    }
    scry_rng_normal(x, 0, n, seed, 2, 0);
    if ((st = scry_op_forward(A, y, x, work, err)) != SCRY_OK) goto done;
    if ((st = scry_op_adjoint(A, z, y, work, err)) != SCRY_OK) goto done;
    if ((st = scry_op_normal(A, own, x, work, err)) != SCRY_OK) goto done;
    const double size = scry_norm(z, n), off = scry_distance(own, z, n);
    *error = size > 0 ? off / size : off;
done:
    scry_free(x);
    scry_free(own);
    scry_free(z);
    scry_free(y);
    scry_free(work);
    return st;
}

/* Too large for an error of rounding; a NaN is. */
static bool op_is_off(double error)
{
    return !(error <= 1e-4);
}

scry_status scry_op_check(const scry_op *A, uint64_t seed, size_t count, double *worst,
                          scry_error *err)
{
    if (SCRY_MISSING(err, A)) return SCRY_EINVAL;
    scry_status st = SCRY_OK;
    double dot = 0, normal = 0, error = 0;
    for (size_t i = 0; i < count && !op_is_off(dot); i++) {
        if ((st = scry_op_dot_test(A, seed + i, &error, err)) != SCRY_OK) return st;
        if (!(error <= dot)) dot = error;
    }
    if (count && A->ops->normal) st = op_normal_test(A, seed, &normal, err);
    if (st != SCRY_OK) return st;
    if (worst) *worst = normal <= dot ? dot : normal;
    if (op_is_off(dot))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: the dot test of forward and adjoint gives %g, expected at most 1e-4: "
                         "they are not each other's adjoint",
                         A->ops->name, dot);
    if (op_is_off(normal))
        return SCRY_FAIL(
            err, SCRY_EINVAL,
            "%s: normal differs from adjoint after forward by %g of its norm, expected "
            "at most 1e-4",
            A->ops->name, normal);
    return SCRY_OK;
}
