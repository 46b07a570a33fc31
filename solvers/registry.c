#include "solvers/registry.h"

#include "lib/given.h"
#include "operators/op.h"
#include "solvers/methods_impl.h"

#include <string.h>

/* The methods of the library, then those that were registered. */
#define LIST(name) &scry_method_##name,
static const struct scry_method *methods[SCRY_MAX_METHODS] = {SCRYI_METHODS(LIST)};
#undef LIST
#define COUNT(name) +1
static size_t methods_count = 0 SCRYI_METHODS(COUNT);
#undef COUNT

const struct scry_method *const *scry_methods(size_t *count)
{
    *count = methods_count;
    return methods;
}

const struct scry_method *scry_method_find(const char *name)
{
    for (size_t i = 0; i < methods_count; i++)
        if (strcmp(methods[i]->name, name) == 0) return methods[i];
    return NULL;
}

/* A word for the command line: lower case, digits, '-' and '+'. */
static bool registry_word(const char *name)
{
    return name && name[0] >= 'a' && name[0] <= 'z' && strlen(name) < SCRY_MAX_NAME &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-+")] == '\0';
}

static size_t option_bytes(const scry_option *o)
{
    return o->kind == SCRY_CHOICE ? sizeof(int)
           : o->kind == SCRY_REAL ? sizeof(double)
                                  : sizeof(size_t);
}

/* The words of a choice: as many as its range asks for. */
static scry_status check_choices(const struct scry_method *m, const scry_option *o, scry_error *err)
{
    size_t choices = 0;
    while (o->choices && o->choices[choices])
        choices++;
    if ((o->kind == SCRY_CHOICE) != (choices > 0))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: option %s has %zu words, expected %s", m->name,
                         o->name, choices,
                         choices ? "none: it is a number" : "one for each choice");
    if (choices && !(o->low >= 0 && o->high < (double)choices))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: option %s goes from %g to %g, expected numbers of its %zu words",
                         m->name, o->name, o->low, o->high, choices);
    return SCRY_OK;
}

static scry_status check_option(const struct scry_method *m, const scry_option *o, scry_error *err)
{
    if (!registry_word(o->name) || (o->alias && !registry_word(o->alias)))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: option '%s', alias '%s': expected small letters, digits and '-', at "
                         "most %d",
                         m->name, o->name, o->alias ? o->alias : "", SCRY_MAX_NAME - 1);
    if (scry_option_find(m, o->name) != o || (o->alias && scry_option_find(m, o->alias) != o))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: two options are called %s", m->name,
                         scry_option_find(m, o->name) != o ? o->name : o->alias);
    if (!o->help || !o->help[0])
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: option %s has no help", m->name, o->name);
    if (o->offset > SCRY_OPTIONS_BYTES - option_bytes(o))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: option %s is at byte %zu, expected at most %d bytes", m->name,
                         o->name, o->offset, SCRY_OPTIONS_BYTES);
    for (const scry_option *p = m->options; p < o; p++)
        if (p->offset < o->offset + option_bytes(o) && o->offset < p->offset + option_bytes(p))
            return SCRY_FAIL(err, SCRY_EINVAL, "%s: options %s and %s are in the same bytes",
                             m->name, p->name, o->name);
    if (!(o->value >= o->low && o->value <= o->high))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: option %s is %g by default, expected %g to %g",
                         m->name, o->name, o->value, o->low, o->high);
    return check_choices(m, o, err);
}

scry_status scryi_method_check(const struct scry_method *m, scry_error *err)
{
    if (!registry_word(m->name))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "method '%s', expected small letters, digits, '-' and '+', at most %d",
                         m->name ? m->name : "", SCRY_MAX_NAME - 1);
    if (!m->title || !m->exact || !m->citation || !m->options || !m->plan)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: expected title, exact, citation, options and plan, all of them",
                         m->name);
    for (const scry_option *o = m->options; o->name; o++) {
        scry_status st = check_option(m, o, err);
        if (st != SCRY_OK) return st;
    }
    return SCRY_OK;
}

scry_status scry_method_register(const struct scry_method *method, scry_error *err)
{
    if (SCRY_MISSING(err, method)) return SCRY_EINVAL;
    scry_status st = scryi_method_check(method, err);
    if (st != SCRY_OK) return st;
    if (scry_method_find(method->name))
        return SCRY_FAIL(err, SCRY_EINVAL, "there is a method %s already: %s", method->name,
                         scry_method_find(method->name)->title);
    if (methods_count == SCRY_MAX_METHODS)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: expected at most %d methods", method->name,
                         SCRY_MAX_METHODS);
    methods[methods_count++] = method;
    return SCRY_OK;
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
    if ((needs & SCRY_NEEDS_SERIES) && !(A && scry_op_dom(A)->rank == 3 && scry_op_dom(A)->cplx))
        return "a series of complex images, as `scry mri` has of several frames";
    if (needs & SCRY_NEEDS_LINES) return "lines of k-space, as `scry mri` has them";
    return NULL;
}

bool scry_method_multi_draw(const struct scry_method *method)
{
    return scry_option_find(method, "draws") != NULL;
}

size_t scry_method_draws(const scry_options *options)
{
    double draws = 1;
    if (scry_method_multi_draw(options->method)) scry_options_get(options, "draws", &draws, NULL);
    return (size_t)draws;
}
