/* u = A^H b: the measurement in its places, and 0 where nothing was measured.
 * For k-space with coil maps (sum |S|^2 = 1) the coil-combined zero-filled image (Roemer et al.
 * 1990, MRM 16:192); for other operators the matched filter, the start of most iterations. */
#include "solvers/classical/fit_impl.h"

#include "lib/memory.h"

#include <math.h>

struct zero_filled {
    scry_solver base;
    scryi_fit fit;
    float *u;
};

static void zero_filled_destroy(scry_solver *S)
{
    struct zero_filled *Z = (struct zero_filled *)S;
    if (!Z) return;
    scryi_fit_free(&Z->fit);
    scry_free(Z->u);
    scry_free(Z);
}

static scry_status zero_filled_start(scry_solver *S, scry_error *err)
{
    struct zero_filled *Z = (struct zero_filled *)S;
    return scryi_fit_unweighted(&Z->fit, Z->u, err);
}

static scry_status zero_filled_step(scry_solver *S, scry_progress *p, scry_error *err)
{
    struct zero_filled *Z = (struct zero_filled *)S;
    scry_status st = scryi_fit_forward(&Z->fit, Z->u, err);
    if (st == SCRY_OK && !scry_likelihood_is_gaussian(Z->fit.L))
        st = scryi_fit_expand(&Z->fit, err);
    S->step = 1;
    p->reason = SCRY_DONE;
    p->residual = sqrt(scryi_fit_chi2(&Z->fit));
    p->x = p->x0 = Z->u;
    return st;
}

static scry_status zero_filled_plan(scry_solver **out, const scry_problem *problem,
                                    const scry_options *options, scry_error *err);

static const scry_option zero_filled_options[] = {{0}};

const struct scry_method scry_method_zero_filled = {
    .name = "zero-filled",
    .title = "Zero-filled",
    .kind = SCRY_CLASSICAL,
    .exact = "no estimate: the adjoint of the measurement, aliased where it was undersampled",
    .citation = "Roemer et al. 1990, MRM 16:192",
    .options = zero_filled_options,
    .plan = zero_filled_plan,
};

static scry_status zero_filled_plan(scry_solver **out, const scry_problem *problem,
                                    const scry_options *options, scry_error *err)
{
    scry_status st;
    struct zero_filled *Z = scry_alloc(1, sizeof *Z);
    if (!Z) return SCRY_FAIL(err, SCRY_ENOMEM, "zero-filled");
    Z->base = (scry_solver){.method = &scry_method_zero_filled,
                            .problem = *problem,
                            .options = *options,
                            .space = *scry_op_dom(scry_likelihood_op(problem->L)),
                            .steps = 1,
                            .start_fn = zero_filled_start,
                            .step_fn = zero_filled_step,
                            .destroy = zero_filled_destroy};
    if ((st = scryi_fit_create(&Z->fit, problem, &Z->base.counts, err)) != SCRY_OK) goto done;
    Z->base.n = Z->fit.n;
    Z->u = scry_alloc(Z->base.n, sizeof(float));
    if (!Z->u) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "zero-filled: %zu floats", Z->base.n);
        goto done;
    }
    *out = &Z->base;
    Z = NULL;
done:
    if (Z) zero_filled_destroy(&Z->base);
    return st;
}
