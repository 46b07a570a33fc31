#include "solvers/callbacks.h"

#include "lib/given.h"
#include "lib/memory.h"
#include "solvers/solver_impl.h"

#include <math.h>
#include <string.h>

struct callbacks {
    struct scry_solver base;
    scry_solver_callbacks own;
    float *images[SCRY_SOLVER_IMAGES], *pixels; /* of all images, one after another */
    void *work;
};

static scry_solver_call callbacks_call(struct callbacks *C)
{
    struct scry_solver *S = &C->base;
    return (scry_solver_call){.problem = &S->problem,
                              .n = S->n,
                              .images = C->images,
                              .work = C->work,
                              .seed = S->seed,
                              .chain = S->chain,
                              .step = S->step,
                              .steps = S->steps,
                              .counts = &S->counts};
}

static scry_status callbacks_start(struct scry_solver *S, scry_error *err)
{
    struct callbacks *C = (struct callbacks *)S;
    const scry_solver_call call = callbacks_call(C);
    if (C->pixels) memset(C->pixels, 0, C->own.images * S->n * sizeof *C->pixels);
    return C->own.start ? C->own.start(C->own.ctx, &call, err) : SCRY_OK;
}

static scry_status callbacks_step(struct scry_solver *S, scry_progress *p, scry_error *err)
{
    struct callbacks *C = (struct callbacks *)S;
    const scry_solver_call call = callbacks_call(C);
    scry_status st = C->own.step(C->own.ctx, &call, p, err);
    if (st != SCRY_OK) return st;
    if (!p->x0) return SCRY_FAIL(err, SCRY_EINVAL, "the step set no estimate, expected p->x0");
    if (!p->x) p->x = p->x0;
    S->step++;
    if (S->step == S->steps) p->reason = SCRY_DONE;
    return SCRY_OK;
}

static void callbacks_destroy(struct scry_solver *S)
{
    struct callbacks *C = (struct callbacks *)S;
    if (C->own.destroy) C->own.destroy(C->own.ctx);
    scry_free(C->pixels);
    scry_free(C->work);
    scry_free(C);
}

static scry_status callbacks_check(const scry_problem *problem, const struct scry_method *method,
                                   const scry_solver_callbacks *own, scry_error *err)
{
    if (!own->step || (!own->start && !own->images))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: expected a step, and a start or images",
                         method->name);
    if (own->images > SCRY_SOLVER_IMAGES)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %zu images, expected at most %d", method->name,
                         own->images, SCRY_SOLVER_IMAGES);
    if (own->steps < 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: 0 steps, expected 1 or more", method->name);
    if (!problem->L && !problem->prior)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: neither a measurement nor a prior", method->name);
    return SCRY_OK;
}

/* The memory that the callbacks get. */
static scry_status callbacks_allocate(struct callbacks *C, scry_error *err)
{
    const scry_likelihood *L = C->base.problem.L;
    const size_t n = C->base.n, images = C->own.images;
    if (images) C->pixels = scry_alloc(images, n * sizeof *C->pixels);
    if (L) {
        const size_t op = scry_op_work_bytes(scry_likelihood_op(L));
        const size_t bytes = scry_likelihood_work_bytes(L);
        C->work = scry_alloc(1, bytes > op ? bytes : op);
    }
    if ((images && !C->pixels) || (L && !C->work))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu images of %zu pixels", C->base.method->name,
                         images, n);
    for (size_t k = 0; k < images; k++)
        C->images[k] = C->pixels + k * n;
    return SCRY_OK;
}

scry_status scry_solver_create(scry_solver **out, const scry_problem *problem,
                               const scry_options *options, const scry_solver_callbacks *callbacks,
                               scry_error *err)
{
    struct callbacks *C = NULL;
    if (SCRY_MISSING_OUT(err, out, problem, options, callbacks) ||
        SCRY_MISSING(err, options->method)) {
        if (callbacks && callbacks->destroy) callbacks->destroy(callbacks->ctx);
        return SCRY_EINVAL;
    }
    scry_status st = callbacks_check(problem, options->method, callbacks, err);
    if (st == SCRY_OK && !(C = scry_alloc(1, sizeof *C)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s", options->method->name);
    if (st != SCRY_OK) {
        if (callbacks->destroy) callbacks->destroy(callbacks->ctx);
        return st;
    }
    C->own = *callbacks;
    C->base = (struct scry_solver){
        .method = options->method,
        .problem = *problem,
        .options = *options,
        .space = problem->L ? *scry_op_dom(scry_likelihood_op(problem->L))
                            : *scry_prior_space(problem->prior),
        .steps = callbacks->steps,
        .limit = INFINITY,
        .start_fn = callbacks_start,
        .step_fn = callbacks_step,
        .destroy = callbacks_destroy,
    };
    C->base.n = scry_space_floats(&C->base.space);
    if ((st = callbacks_allocate(C, err)) != SCRY_OK)
        callbacks_destroy(&C->base);
    else
        *out = &C->base;
    return st;
}
