#include "solvers/condition_impl.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/op_sampled.h"

#include <assert.h>
#include <math.h>
#include <string.h>

struct scryi_covariance scryi_covariance_white(double t)
{
    return (struct scryi_covariance){.t = t};
}

struct scryi_covariance scryi_covariance_model(double t)
{
    return (struct scryi_covariance){.model = true, .f = SCRY_GAUSSIAN_COV, .t = t};
}

struct scryi_covariance scryi_covariance_shrink(double noise)
{
    return (struct scryi_covariance){
        .model = true, .f = SCRY_GAUSSIAN_SHRINK, .noise = noise, .t = 1};
}

/* Iterations of update.h at most, three times as many as a peak of 50 000 electrons on a background
 * of two took from a blank image; and the change that an iteration may still make. */
enum { UPDATE_LIMIT = 4000 };
static const double UPDATE_TOL = 0.01;

/* The fast form of the system, where A and the model have one. */
static scry_status find_update(struct scryi_condition *c, scry_error *err)
{
    const int A = scry_op_sampled_rank(c->A), C = c->model ? scry_gaussian_rank(c->model) : 0;
    if (A < 0) return SCRY_OK;
    c->spectral = C > 0 && (A == 0 || A == C);
    return scry_update_create(&c->update, c->A, c->spectral ? C : 0, err);
}

struct scryi_cg_options scryi_condition_settings(const struct scryi_condition *c,
                                                 struct scryi_cg_options asked,
                                                 size_t usual_iterations, double usual_tolerance)
{
    if (!asked.iterations) asked.iterations = c->update ? UPDATE_LIMIT : usual_iterations;
    if (!(asked.tolerance > 0)) asked.tolerance = c->update ? UPDATE_TOL : usual_tolerance;
    return asked;
}

scry_status scryi_condition_init(struct scryi_condition *c, const scry_op *A,
                                 const scry_prior *model, bool even, scry_counts *counts,
                                 scry_error *err)
{
    c->A = A;
    c->model = model;
    c->counts = counts;
    c->n = scry_space_floats(scry_op_dom(A));
    c->m = scry_space_floats(scry_op_cod(A));
    scry_status st = find_update(c, err);
    if (st != SCRY_OK) return st;
    c->image = even && !c->update;
    const size_t unknowns = c->image ? c->n : c->m;
    const size_t update = c->update ? scry_update_work_bytes(c->update) : 0;
    const size_t cg = scry_cg_work_bytes(unknowns);
    bool ok = (c->u = scry_alloc(c->n, sizeof(float))) != NULL;
    ok = (c->v = scry_alloc(c->n, sizeof(float))) && ok;
    ok = (c->q = scry_alloc(unknowns, sizeof(float))) && ok;
    ok = (c->t = scry_alloc(c->m, sizeof(float))) && ok;
    ok = (c->op_work = scry_alloc(1, scry_op_work_bytes(A))) && ok;
    ok = (c->work = scry_alloc(1, update > cg ? update : cg)) && ok;
    if (c->update) ok = (c->d = scry_alloc(c->n, sizeof(float))) && ok;
    if (c->image) ok = (c->rhs = scry_alloc(c->n, sizeof(float))) && ok;
    if (model) ok = (c->model_work = scry_alloc(1, scry_prior_work_bytes(model))) && ok;
    if (c->spectral) ok = (c->S = scry_alloc(scry_update_bins(c->update), sizeof(float))) && ok;
    if (ok) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "conditioning images of %zu on measurements of %zu values",
                     c->n, c->m);
}

void scryi_condition_clear(struct scryi_condition *c)
{
    void *owned[] = {c->d, c->q, c->rhs,     c->S,          c->u,
                     c->v, c->t, c->op_work, c->model_work, c->work};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        scry_free(owned[i]);
    scry_update_free(c->update);
}

void scryi_condition_forget(struct scryi_condition *c)
{
    memset(c->q, 0, (c->image ? c->n : c->m) * sizeof *c->q);
    if (c->d) memset(c->d, 0, c->n * sizeof *c->d);
}

scry_status scryi_condition_covariance(struct scryi_condition *c, float *out, const float *in,
                                       const struct scryi_covariance *V, scry_error *err)
{
    if (!V->model) {
        scry_axpby(out, V->t, in, 0, in, c->n);
        return SCRY_OK;
    }
    scry_status st = scry_gaussian_apply(c->model, out, in, V->f, V->noise, c->model_work, err);
    if (st == SCRY_OK && V->t != 1) scry_scale(out, V->t, c->n);
    return st;
}

scry_status scryi_condition_root(struct scryi_condition *c, float *out, const float *in,
                                 const struct scryi_covariance *V, scry_error *err)
{
    if (!V->model) {
        scry_axpby(out, sqrt(V->t), in, 0, in, c->n);
        return SCRY_OK;
    }
    const scry_gaussian_fn f =
        V->f == SCRY_GAUSSIAN_SHRINK ? SCRY_GAUSSIAN_SHRINK_SQRT : SCRY_GAUSSIAN_SQRT;
    scry_status st = scry_gaussian_apply(c->model, out, in, f, V->noise, c->model_work, err);
    if (st == SCRY_OK && V->t != 1) scry_scale(out, sqrt(V->t), c->n);
    return st;
}

/* out = A^T w in */
static scry_status condition_pull(struct scryi_condition *c, float *out, const float *in,
                                  const float *w, scry_error *err)
{
    for (size_t i = 0; i < c->m; i++)
        c->t[i] = w[i] * in[i];
    c->counts->adjoint++;
    return scry_op_adjoint(c->A, out, c->t, c->op_work, err);
}

scry_status scryi_condition_image(struct scryi_condition *c, float *out, const float *w,
                                  const struct scryi_covariance *V, scry_error *err)
{
    if (c->added) {
        memcpy(out, c->d, c->n * sizeof *out);
        return SCRY_OK;
    }
    if (c->image) return scryi_condition_root(c, out, c->q, V, err);
    scry_status st = condition_pull(c, c->v, c->q, w, err);
    return st != SCRY_OK ? st : scryi_condition_covariance(c, out, c->v, V, err);
}

scry_status scryi_condition_dual(struct scryi_condition *c, float *out, const float *w,
                                 const struct scryi_covariance *V, scry_error *err)
{
    assert(!V->model);
    if (c->added) {
        scry_axpby(out, 1 / V->t, c->d, 0, c->d, c->n);
        return SCRY_OK;
    }
    if (!c->image) return condition_pull(c, out, c->q, w, err);
    scry_axpby(out, 1 / sqrt(V->t), c->q, 0, c->q, c->n);
    return SCRY_OK;
}

/* out = (w A V A^T w + I) in, step by step */
static scry_status condition_apply(void *ctx, float *out, const float *in, scry_error *err)
{
    struct scryi_condition *c = ctx;
    scry_status st = condition_pull(c, c->v, in, c->w, err);
    if (st == SCRY_OK) st = scryi_condition_covariance(c, c->u, c->v, c->V, err);
    if (st != SCRY_OK) return st;
    c->counts->forward++;
    if ((st = scry_op_forward(c->A, c->t, c->u, c->op_work, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < c->m; i++)
        out[i] = c->w[i] * c->t[i] + in[i];
    return SCRY_OK;
}

/* out = (w^2 R A^H A R + I) in */
static scry_status apply_image(void *ctx, float *out, const float *in, scry_error *err)
{
    struct scryi_condition *c = ctx;
    scry_status st = scryi_condition_root(c, c->u, in, c->V, err);
    if (st != SCRY_OK) return st;
    c->counts->forward++;
    c->counts->adjoint++;
    if ((st = scry_op_normal(c->A, c->v, c->u, c->op_work, err)) != SCRY_OK) return st;
    if ((st = scryi_condition_root(c, out, c->v, c->V, err)) != SCRY_OK) return st;
    scry_axpby(out, (double)c->w[0] * c->w[0], out, 1, in, c->n);
    return SCRY_OK;
}

static scry_status condition_solve_image(struct scryi_condition *c, const float *r,
                                         const struct scryi_cg_options *cg, scry_cg_result *result,
                                         scry_error *err)
{
    scry_status st = condition_pull(c, c->v, r, c->w, err);
    if (st == SCRY_OK) st = scryi_condition_root(c, c->rhs, c->v, c->V, err);
    if (st != SCRY_OK) return st;
    /* R A^T w q of measurement space varies slowly from level to level, without R even less */
    if (!c->V->model && c->root > 0) scry_scale(c->q, sqrt(c->V->t) / c->root, c->n);
    c->root = sqrt(c->V->t);
    return scry_cg(apply_image, c, c->q, c->rhs, c->n, cg->tolerance, cg->iterations, c->work,
                   result, err);
}

scry_cg_stop scryi_condition_stop(struct scryi_cg_options asked, const float *w, size_t m)
{
    size_t known = 0;
    for (size_t i = 0; i < m; i++)
        known += w[i] > 0;
    return (scry_cg_stop){.gain = (asked.tolerance > 0 ? asked.tolerance : UPDATE_TOL) *
                                  sqrt(2.0 * (double)known),
                          .iterations = asked.iterations ? asked.iterations : UPDATE_LIMIT};
}

static scry_status solve_update(struct scryi_condition *c, const float *r,
                                const struct scryi_cg_options *cg, scry_cg_result *result,
                                scry_error *err)
{
    const struct scryi_covariance *V = c->V;
    scry_status st = SCRY_OK;
    const scry_cg_stop stop = scryi_condition_stop(*cg, c->w, c->m);
    if (V->model) st = scry_gaussian_spectrum(c->model, c->S, V->f, V->noise, err);
    if (st == SCRY_OK)
        st = (c->resume ? scry_update_resume : scry_update_solve)(
            c->update, c->d, r, c->w, V->model ? c->S : NULL, V->t, &stop, c->work, result, err);
    c->counts->forward += result->iterations;
    c->counts->adjoint += result->iterations;
    return st;
}

scry_status scryi_condition_solve(struct scryi_condition *c, const float *r, const float *w,
                                  const struct scryi_covariance *V, struct scryi_cg_options cg,
                                  scry_error *err)
{
    scry_cg_result result = {0};
    scry_status st;
    c->w = w;
    c->V = V;
    c->added = c->update && (!V->model || c->spectral);
    if (c->added)
        st = solve_update(c, r, &cg, &result, err);
    else if (c->image)
        st = condition_solve_image(c, r, &cg, &result, err);
    else
        st = scry_cg(condition_apply, c, c->q, r, c->m, cg.tolerance, cg.iterations, c->work,
                     &result, err);
    c->counts->solves++;
    c->counts->unconverged += cg.tolerance > 0 && !result.converged;
    return st;
}
