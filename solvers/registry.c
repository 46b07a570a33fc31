#include "solvers/registry.h"

#include "operators/op.h"
#include "solvers/methods_impl.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LIST(name) &scry_method_##name,
static const struct scry_method *const methods[] = { SCRYI_METHODS(LIST) };
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
    if ((needs & SCRY_NEEDS_POSITIVE) && !problem->positive)
        return "non-negative intensities";
    return NULL;
}

/* Where an option lives in scry_solver_opts. */
struct field {
    const char *name;
    enum { COUNT, REAL, CHOICE } kind;
    size_t offset;
};

static const struct field fields[] = {
    { "steps", COUNT, offsetof(scry_solver_opts, steps) },
    { "iterations", COUNT, offsetof(scry_solver_opts, steps) },
    { "sigma-max", REAL, offsetof(scry_solver_opts, sigma_max) },
    { "sigma-min", REAL, offsetof(scry_solver_opts, sigma_min) },
    { "rho", REAL, offsetof(scry_solver_opts, rho) },
    { "eta", REAL, offsetof(scry_solver_opts, eta) },
    { "lambda", REAL, offsetof(scry_solver_opts, lambda) },
    { "zeta", REAL, offsetof(scry_solver_opts, zeta) },
    { "tv", REAL, offsetof(scry_solver_opts, tv) },
    { "tol", REAL, offsetof(scry_solver_opts, tol) },
    { "inner", COUNT, offsetof(scry_solver_opts, inner) },
    { "start", CHOICE, offsetof(scry_solver_opts, start) },
    { "start-sigma", REAL, offsetof(scry_solver_opts, start_sigma) },
    { "stop", CHOICE, offsetof(scry_solver_opts, stop) },
    { "accelerate", CHOICE, offsetof(scry_solver_opts, accelerate) },
};

static const struct field *find_field(const char *name)
{
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strcmp(fields[i].name, name) == 0) return &fields[i];
    assert(false && "a method lists an option that has no field");
    return NULL;
}

static void write_field(scry_solver_opts *opts, const struct field *f, double value)
{
    char *to = (char *)opts + f->offset;
    if (f->kind == COUNT) memcpy(to, &(size_t){ (size_t)value }, sizeof(size_t));
    if (f->kind == REAL) memcpy(to, &value, sizeof value);
    if (f->kind == CHOICE) memcpy(to, &(int){ (int)value }, sizeof(int));
}

static double read_field(const scry_solver_opts *opts, const struct field *f)
{
    const char *from = (const char *)opts + f->offset;
    size_t count;
    int choice;
    double value;
    switch (f->kind) {
    case COUNT: memcpy(&count, from, sizeof count); return (double)count;
    case CHOICE: memcpy(&choice, from, sizeof choice); return choice;
    default: memcpy(&value, from, sizeof value); return value;
    }
}

void scry_solver_opts_init(scry_solver_opts *opts, const struct scry_method *method)
{
    *opts = (scry_solver_opts){ 0 };
    for (const scry_option *o = method->options; o->name; o++)
        write_field(opts, find_field(o->name), o->value);
}

static scry_status find_option(const scry_option **out, const struct scry_method *method,
                               const char *name, scry_error *err)
{
    char list[384] = "";
    size_t used = 0;
    for (*out = method->options; (*out)->name; (*out)++) {
        if (strcmp((*out)->name, name) == 0) return SCRY_OK;
        const int wrote = snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "",
                                   (*out)->name);
        if (wrote > 0 && used + (size_t)wrote < sizeof list) used += (size_t)wrote;
    }
    return SCRY_FAIL(err, SCRY_EINVAL, "%s has no option %s; it takes %s", method->name, name,
                     used ? list : "none");
}

/* Written so that a NaN fails. */
static scry_status check_value(const struct scry_method *method, const scry_option *o, double value,
                               scry_error *err)
{
    const bool whole = find_field(o->name)->kind != REAL;
    if (value >= o->low && value <= o->high && (!whole || value == floor(value))) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s is %g, expected %s from %g to %g", method->name,
                     o->name, value, whole ? "a whole number" : "a number", o->low, o->high);
}

scry_status scry_solver_opts_set(scry_solver_opts *opts, const struct scry_method *method,
                                 const char *name, double value, scry_error *err)
{
    const scry_option *o;
    scry_status st = find_option(&o, method, name, err);
    if (st == SCRY_OK) st = check_value(method, o, value, err);
    if (st == SCRY_OK) write_field(opts, find_field(name), value);
    return st;
}

scry_status scry_solver_opts_get(const scry_solver_opts *opts, const struct scry_method *method,
                                 const char *name, double *value, scry_error *err)
{
    const scry_option *o;
    scry_status st = find_option(&o, method, name, err);
    if (st == SCRY_OK) *value = read_field(opts, find_field(name));
    return st;
}

scry_status scry_solver_opts_check(const scry_solver_opts *opts, const struct scry_method *method,
                                   scry_error *err)
{
    for (const scry_option *o = method->options; o->name; o++) {
        scry_status st = check_value(method, o, read_field(opts, find_field(o->name)), err);
        if (st != SCRY_OK) return st;
    }
    return SCRY_OK;
}
