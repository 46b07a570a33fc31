#include "solvers/registry.h"

#include "operators/op.h"
#include "solvers/methods_impl.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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
    for (const scry_option *o = method->options; o->name; o++)
        if (strcmp(o->name, "draws") == 0) return true;
    return false;
}

static const char *const start_words[] = {[SCRY_START_NOISE] = "noise",
                                          [SCRY_START_GAUSSIAN] = "gaussian",
                                          [SCRY_START_AUTO] = "auto",
                                          NULL};
static const char *const stop_words[] = {[SCRY_STOP_STEPS] = "steps",
                                         [SCRY_STOP_DISCREPANCY] = "discrepancy",
                                         [SCRY_STOP_HOLDOUT] = "holdout",
                                         [SCRY_STOP_FRC] = "frc",
                                         NULL};
static const char *const accelerate_words[] = {[SCRY_ACCELERATE_NONE] = "none",
                                               [SCRY_ACCELERATE_BIGGS] = "biggs",
                                               [SCRY_ACCELERATE_NESTEROV] = "nesterov",
                                               NULL};
static const char *const weight_words[] = {
    [SCRY_WEIGHT_PAPER] = "paper", [SCRY_WEIGHT_NOISE] = "noise", NULL};
static const char *const variance_words[] = {
    [SCRY_VARIANCE_PAPER] = "paper", [SCRY_VARIANCE_MATCHED] = "matched", NULL};
static const char *const draw_words[] = {
    [SCRY_DRAW_EXACT] = "exact", [SCRY_DRAW_LANGEVIN] = "langevin", [SCRY_DRAW_HMC] = "hmc", NULL};
static const char *const coupling_words[] = {
    [SCRY_COUPLING_PAPER] = "paper", [SCRY_COUPLING_EXACT] = "exact", NULL};
static const char *const twist_words[] = {
    [SCRY_TWIST_PAPER] = "paper", [SCRY_TWIST_MODEL] = "model", NULL};
static const char *const scheme_words[] = {[SCRY_SCHEME_PAPER] = "paper",
                                           [SCRY_SCHEME_POSTPROCESSED] = "postprocessed",
                                           [SCRY_SCHEME_KINETIC] = "kinetic",
                                           NULL};

/* Where an option lives in scry_solver_opts, and what the values of a choice are called. */
struct field {
    const char *name;
    enum { COUNT, REAL, CHOICE } kind;
    size_t offset;
    const char *const *words;
};

static const struct field fields[] = {
    {"steps", COUNT, offsetof(scry_solver_opts, steps), NULL},
    {"iterations", COUNT, offsetof(scry_solver_opts, steps), NULL},
    {"sigma-max", REAL, offsetof(scry_solver_opts, sigma_max), NULL},
    {"sigma-min", REAL, offsetof(scry_solver_opts, sigma_min), NULL},
    {"rho", REAL, offsetof(scry_solver_opts, rho), NULL},
    {"travel", COUNT, offsetof(scry_solver_opts, travel), NULL},
    {"eta", REAL, offsetof(scry_solver_opts, eta), NULL},
    {"eta-b", REAL, offsetof(scry_solver_opts, eta_b), NULL},
    {"spread", REAL, offsetof(scry_solver_opts, spread), NULL},
    {"lambda", REAL, offsetof(scry_solver_opts, lambda), NULL},
    {"zeta", REAL, offsetof(scry_solver_opts, zeta), NULL},
    {"gamma", REAL, offsetof(scry_solver_opts, gamma), NULL},
    {"tv", REAL, offsetof(scry_solver_opts, tv), NULL},
    {"lr", REAL, offsetof(scry_solver_opts, lr), NULL},
    {"tol", REAL, offsetof(scry_solver_opts, tol), NULL},
    {"shifts", COUNT, offsetof(scry_solver_opts, shifts), NULL},
    {"inner", COUNT, offsetof(scry_solver_opts, inner), NULL},
    {"particles", COUNT, offsetof(scry_solver_opts, inner), NULL},
    {"start", CHOICE, offsetof(scry_solver_opts, start), start_words},
    {"start-sigma", REAL, offsetof(scry_solver_opts, start_sigma), NULL},
    {"start-departure", REAL, offsetof(scry_solver_opts, start_departure), NULL},
    {"stop", CHOICE, offsetof(scry_solver_opts, stop), stop_words},
    {"accelerate", CHOICE, offsetof(scry_solver_opts, accelerate), accelerate_words},
    {"weight", CHOICE, offsetof(scry_solver_opts, weight), weight_words},
    {"variance", CHOICE, offsetof(scry_solver_opts, variance), variance_words},
    {"inner-draw", CHOICE, offsetof(scry_solver_opts, inner_draw), draw_words},
    {"coupling", CHOICE, offsetof(scry_solver_opts, coupling), coupling_words},
    {"twist", CHOICE, offsetof(scry_solver_opts, twist), twist_words},
    {"order", COUNT, offsetof(scry_solver_opts, order), NULL},
    {"scheme", CHOICE, offsetof(scry_solver_opts, scheme), scheme_words},
    {"draw-steps", COUNT, offsetof(scry_solver_opts, draw_steps), NULL},
    {"draw-size", REAL, offsetof(scry_solver_opts, draw_size), NULL},
    {"draws", COUNT, offsetof(scry_solver_opts, draws), NULL},
    {"thin", COUNT, offsetof(scry_solver_opts, thin), NULL},
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
    if (f->kind == COUNT) memcpy(to, &(size_t){(size_t)value}, sizeof(size_t));
    if (f->kind == REAL) memcpy(to, &value, sizeof value);
    if (f->kind == CHOICE) memcpy(to, &(int){(int)value}, sizeof(int));
}

static double read_field(const scry_solver_opts *opts, const struct field *f)
{
    const char *from = (const char *)opts + f->offset;
    size_t count;
    int choice;
    double value;
    switch (f->kind) {
    case COUNT:
        memcpy(&count, from, sizeof count);
        return (double)count;
    case CHOICE:
        memcpy(&choice, from, sizeof choice);
        return choice;
    default:
        memcpy(&value, from, sizeof value);
        return value;
    }
}

void scry_solver_opts_init(scry_solver_opts *opts, const struct scry_method *method)
{
    *opts = (scry_solver_opts){0};
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
        const int wrote =
            snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", (*out)->name);
        if (wrote > 0 && used + (size_t)wrote < sizeof list) used += (size_t)wrote;
    }
    return SCRY_FAIL(err, SCRY_EINVAL, "%s has no option %s; it takes %s", method->name, name,
                     used ? list : "none");
}

const char *const *scry_option_words(const scry_option *option)
{
    return find_field(option->name)->words;
}

/* The words that a method takes for a choice, "steps, discrepancy, holdout". */
static void list_words(char *list, size_t size, const scry_option *o, const char *const *words)
{
    size_t used = 0;
    for (int i = (int)o->low; i <= (int)o->high; i++) {
        const int wrote = snprintf(list + used, size - used, "%s%s", used ? ", " : "", words[i]);
        if (wrote > 0 && used + (size_t)wrote < size) used += (size_t)wrote;
    }
}

/* Written so that a NaN fails. */
static scry_status check_value(const struct scry_method *method, const scry_option *o, double value,
                               scry_error *err)
{
    const bool whole = find_field(o->name)->kind != REAL;
    if (value >= o->low && value <= o->high && (!whole || value == floor(value))) return SCRY_OK;
    const char *const *words = scry_option_words(o);
    if (words) {
        char list[96];
        list_words(list, sizeof list, o, words);
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s is %g, expected %s (%g to %g)", method->name,
                         o->name, value, list, o->low, o->high);
    }
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

/* The shortest decimals that give the number again. */
static void print_number(char *text, size_t size, double value)
{
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, size, "%.*g", digits, value);
        if (strtod(text, NULL) == value) return;
    }
}

scry_status scry_solver_opts_text(const scry_solver_opts *opts, const struct scry_method *method,
                                  char *text, size_t size, scry_error *err)
{
    size_t used = 0;
    if (size) text[0] = '\0';
    for (const scry_option *o = method->options; o->name; o++) {
        const struct field *f = find_field(o->name);
        const double value = read_field(opts, f);
        char number[32];
        if (value == o->value) continue;
        print_number(number, sizeof number, value);
        const int wrote = snprintf(text + used, size - used, "%s--%s %s", used ? " " : "", o->name,
                                   f->words ? f->words[(size_t)value] : number);
        if (wrote < 0 || (size_t)wrote >= size - used)
            return SCRY_FAIL(err, SCRY_EINVAL, "settings of %s take more than %zu characters",
                             method->name, size);
        used += (size_t)wrote;
    }
    return SCRY_OK;
}

/* A number, or one of the words. */
static bool read_value(const char *const *words, const char *text, double *value)
{
    char *end;
    for (size_t i = 0; words && words[i]; i++)
        if (!strcmp(words[i], text)) {
            *value = (double)i;
            return true;
        }
    *value = strtod(text, &end);
    return end != text && !*end;
}

/* The next word, and where the one after it begins. */
static const char *next_word(char *word, size_t size, const char *at)
{
    at += strspn(at, " ");
    const size_t length = strcspn(at, " ");
    snprintf(word, size, "%.*s", (int)(length < size ? length : size - 1), at);
    return at + length;
}

scry_status scry_solver_opts_parse(scry_solver_opts *opts, const struct scry_method *method,
                                   const char *settings, scry_error *err)
{
    char name[32], text[40];
    for (const char *at = settings; at[strspn(at, " ")];) {
        const scry_option *o;
        double value;
        at = next_word(name, sizeof name, at);
        at = next_word(text, sizeof text, at);
        if (strncmp(name, "--", 2) != 0 || !text[0])
            return SCRY_FAIL(err, SCRY_EINVAL, "'%s' in '%s', expected --option value", name,
                             settings);
        scry_status st = find_option(&o, method, name + 2, err);
        if (st == SCRY_OK && !read_value(find_field(o->name)->words, text, &value))
            st = SCRY_FAIL(err, SCRY_EINVAL, "--%s '%s' in '%s', expected a number%s", o->name,
                           text, settings, find_field(o->name)->words ? " or a word" : "");
        if (st == SCRY_OK) st = scry_solver_opts_set(opts, method, o->name, value, err);
        if (st != SCRY_OK) return st;
    }
    return SCRY_OK;
}
