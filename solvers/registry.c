#include "solvers/registry.h"

#include "operators/op.h"
#include "solvers/methods_impl.h"

#include <string.h>

#define LIST(name) &scry_method_##name,
static const struct scry_method *const methods[] = {SCRYI_METHODS(LIST)};
#undef LIST

const struct scry_method *const *scry_methods(size_t *count)
{
    *count = sizeof methods / sizeof methods[0];
    return methods;
}

const struct scry_method *scry_method_find(const char *name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (strcmp(methods[i]->name, name) == 0) return methods[i];
    return NULL;
}

const char *scry_method_missing(const struct scry_method *method, const scry_problem *problem)
{
    const unsigned needs = method->needs;
    const scry_prior *P = problem->prior;
    if (method->kind != SCRY_UNCONDITIONAL && !problem->L) return "a measurement";
    if ((needs & SCRY_NEEDS_DENOISER) && !(P && scry_prior_has_denoise(P)))
        return "a prior that denoises";
    if ((needs & SCRY_NEEDS_VJP) && !(P && scry_prior_has_vjp(P)))
        return "a prior with a vector-Jacobian product";
    const scry_op *A = problem->L ? scry_likelihood_op(problem->L) : NULL;
    if ((needs & SCRY_NEEDS_SVD) && !(A && scry_op_has_svd(A)))
        return "an operator whose singular value decomposition is known";
    if ((needs & SCRY_NEEDS_MODEL) && !problem->model)
        return "a Gaussian model of the images (mean and power spectrum)";
    if ((needs & SCRY_NEEDS_POSITIVE) && !problem->positive) return "non-negative intensities";
    return NULL;
}

bool scry_method_walks(const struct scry_method *method)
{
    return scry_option_find(method, "draws") != NULL;
}

size_t scry_method_draws(const scry_options *options)
{
    double draws = 1;
    if (scry_method_walks(options->method)) scry_options_get(options, "draws", &draws, NULL);
    return (size_t)draws;
}
