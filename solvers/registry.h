#ifndef SCRY_SOLVERS_REGISTRY_H
#define SCRY_SOLVERS_REGISTRY_H

#include "lib/api.h"
#include "solvers/options.h"
#include "solvers/solver.h"

SCRY_BEGIN

/* The table of methods, which the command line, the help, the benchmarks and the tests read. */

typedef enum scry_method_kind {
    SCRY_CLASSICAL,     /* regularised estimate, no network (or the network as a plain denoiser) */
    SCRY_UNCONDITIONAL, /* draws from the prior */
    SCRY_POSTERIOR      /* draws from p(x | y) */
} scry_method_kind;

enum scry_needs { /* requirements of a method */
                  SCRY_NEEDS_DENOISER = 1,
                  SCRY_NEEDS_VJP = 2,
                  SCRY_NEEDS_SVD = 4, /* operator with a known decomposition */
                  SCRY_NEEDS_GAUSSIAN =
                      8, /* Gaussian noise; other noise is approximated by its local Gaussian */
                  SCRY_NEEDS_MODEL = 16, /* a Gaussian model of the images */
                  SCRY_NEEDS_POSITIVE =
                      32, /* works on non-negative physical intensities (scale 1, shift 0) */
                  SCRY_NEEDS_LINES =
                      64, /* k-space itself, which no problem has: `scry mri` alone */
                  SCRY_NEEDS_SERIES = 128 /* complex images (frames, y, x) */
};

struct scry_method {
    const char *name;  /* "diffpir" */
    const char *title; /* "DiffPIR" */
    scry_method_kind kind;
    unsigned needs;    /* enum scry_needs */
    const char *exact; /* its accuracy: "exact for Gaussian priors", "approximate: ...", ... */
    bool contends;     /* one of the methods compared on held-out data when the user names none */
    const char *citation;       /* "Zhu et al. 2023, CVPR Workshops" */
    const scry_option *options; /* ends with name == NULL */
    scry_status (*plan)(scry_solver **out, const scry_problem *problem, const scry_options *options,
                        scry_error *err);
};

enum { SCRY_MAX_METHODS = 256, SCRY_MAX_NAME = 32 /* with its end */ };

/* Adds the caller's method: scry_method_find, the command line, chains and reports then treat it
 * like those of the library. solvers/callbacks.h makes the solver that its plan returns. The method
 * is borrowed for the life of the process. Do not call it while other threads look methods up.
 * EINVAL, and nothing is added: the name exists or is not a word; a member is missing; the default,
 * range, choices or offset of an option is impossible; there are SCRY_MAX_METHODS already. */
scry_status scry_method_register(const struct scry_method *method, scry_error *err);

const struct scry_method *const *scry_methods(size_t *count);
/* NULL when unknown. */
const struct scry_method *scry_method_find(const char *name);

/* The requirement of `method` that `problem` does not meet, as a text that follows "needs": "a
 * prior with a vector-Jacobian product"; NULL when nothing is missing. */
const char *scry_method_missing(const struct scry_method *method, const scry_problem *problem);

/* Whether a chain of the method can give several draws, as a Markov chain: it has the options
 * `draws` and `thin`. Chains of other methods give one. */
bool scry_method_multi_draw(const struct scry_method *method);

/* The number of images from one chain with these options: `draws` if the method gives several, else
 * 1. */
size_t scry_method_draws(const scry_options *options);

SCRY_END

#endif
