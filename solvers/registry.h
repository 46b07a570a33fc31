#ifndef SCRY_SOLVERS_REGISTRY_H
#define SCRY_SOLVERS_REGISTRY_H

#include "solvers/solver.h"

/* The one table of methods: the command line, the help, the benches and the tests read it. */

typedef enum scry_method_kind {
    SCRY_CLASSICAL,     /* regularized estimate, no network (or the network as a plain denoiser) */
    SCRY_UNCONDITIONAL, /* draws from the prior */
    SCRY_POSTERIOR      /* draws from p(x | y) */
} scry_method_kind;

enum scry_needs { /* what a method cannot do without */
                  SCRY_NEEDS_DENOISER = 1,
                  SCRY_NEEDS_VJP = 2,
                  SCRY_NEEDS_SVD = 4, /* operator with a known decomposition */
                  SCRY_NEEDS_GAUSSIAN =
                      8, /* Gaussian noise; others are approximated by their local Gaussian */
                  SCRY_NEEDS_MODEL = 16, /* a Gaussian model of the images */
                  SCRY_NEEDS_POSITIVE =
                      32 /* works on non-negative physical intensities (scale 1, shift 0) */
};

/* One option of a method: a field of scry_solver_opts, its default and its meaning. */
typedef struct scry_option {
    const char *name; /* "lambda": the command line's --lambda */
    double value;     /* default */
    double low, high; /* legal range, inclusive */
    const char *help;
} scry_option;

struct scry_method {
    const char *name;  /* "diffpir" */
    const char *title; /* "DiffPIR" */
    scry_method_kind kind;
    unsigned needs;       /* enum scry_needs */
    const char *exact;    /* what it is: "exact for Gaussian priors", "approximate: ...", ... */
    const char *citation; /* "Zhu et al. 2023, CVPR Workshops" */
    const scry_option *options; /* ends with name == NULL */
    scry_status (*plan)(scry_solver **out, const scry_problem *problem,
                        const scry_solver_opts *opts, scry_error *err);
};

const struct scry_method *const *scry_methods(size_t *count);
/* NULL when unknown. */
const struct scry_method *scry_method_find(const char *name);

/* What `problem` lacks of the needs of `method`, in words that follow "needs": "a prior with a
 * vector-Jacobian product"; NULL when nothing is missing. */
const char *scry_method_missing(const struct scry_method *method, const scry_problem *problem);

/* Whether it goes on from its first draw to further ones, as a Markov chain: it lists `draws` and
 * `thin`. Other methods give one draw a chain. */
bool scry_method_walks(const struct scry_method *method);

/* The defaults of `method`; fields that it does not list are 0. */
void scry_solver_opts_init(scry_solver_opts *opts, const struct scry_method *method);
/* One option by its registry name: its field's name with '-' for '_', or `iterations` and
 * `particles`, which are the fields `steps` and `inner`. EINVAL with the list of names, or with the
 * legal range; counts and choices must be whole numbers. */
scry_status scry_solver_opts_set(scry_solver_opts *opts, const struct scry_method *method,
                                 const char *name, double value, scry_error *err);
/* The words of an option that is a choice, in the order of its values and ending with NULL:
 * "steps", "discrepancy", ... for `stop`. NULL for options that are numbers. */
const char *const *scry_option_words(const scry_option *option);
scry_status scry_solver_opts_get(const scry_solver_opts *opts, const struct scry_method *method,
                                 const char *name, double *value, scry_error *err);
/* Checks every field that the method lists, as scry_solver_plan does. */
scry_status scry_solver_opts_check(const scry_solver_opts *opts, const struct scry_method *method,
                                   scry_error *err);

/* Settings as the command line takes them, "--steps 60 --variance matched".
 *   text   what of opts differs from the defaults, in the order of the method's table; "" for the
 *          defaults. EINVAL: size is too small
 *   parse  sets what `settings` says and leaves the rest. EINVAL: words missing, too long, or as
 *          scry_solver_opts_set
 * Values survive the way through both: numbers take the shortest of up to 17 digits that does. */
scry_status scry_solver_opts_text(const scry_solver_opts *opts, const struct scry_method *method,
                                  char *text, size_t size, scry_error *err);
scry_status scry_solver_opts_parse(scry_solver_opts *opts, const struct scry_method *method,
                                   const char *settings, scry_error *err);

#endif
