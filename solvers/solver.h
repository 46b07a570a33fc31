#ifndef SCRY_SOLVERS_SOLVER_H
#define SCRY_SOLVERS_SOLVER_H

#include "operators/likelihood.h"
#include "priors/gaussian_gap.h"
#include "priors/prior.h"

#include <stdint.h>

/* What a solver is given. Everything is borrowed until the solver is freed.
 *   L      the likelihood of the measurement, in the solver's variable u; NULL: unconditional
 *   prior  in u; NULL for methods that need none
 *   model  a Gaussian prior with the mean and spectrum of the images (priors/gaussian.h), in u, on
 *          the same space; NULL when there is none. Supplies covariances and closed-form starts.
 *   departure  how far `prior` is from such a model, by level, in u; NULL, or count 0: not known
 *   positive  u >= -shift/scale is known to hold (an intensity) */
typedef struct scry_problem {
    const scry_likelihood *L;
    const scry_prior *prior;
    const scry_prior *model;
    const scry_gaussian_gap *departure;
    bool positive;
} scry_problem;

/* Settings; scry_solver_opts_init(opts, method) fills in the defaults of a method. A field that a
 * method does not list in the registry is ignored by it. */
typedef struct scry_solver_opts {
    size_t steps;           /* iterations, or levels of the noise schedule */
    double sigma_max;       /* first noise level of a sampler; 0: from the prior and the schedule */
    double sigma_min;       /* last noise level */
    double rho;             /* Karras exponent of the schedule */
    size_t travel;          /* visits of each level, noise added between them; 0: 1 */
    double eta;             /* share of fresh noise in a step: 0 deterministic, 1 ancestral */
    double eta_b;           /* share of the measurement in a coefficient of DDRM */
    double spread;          /* share of the local posterior's spread that a step draws */
    double lambda;          /* weight of the data term or of the regularizer, as the method says */
    double zeta;            /* second weight (DPS step, DiffPIR noise share) */
    double gamma;           /* weight of the data in a step of DDS */
    double tv;              /* weight of total variation */
    double lr;              /* learning rate of RED-diff */
    double tol;             /* relative change that ends an iterative method; 0: run all steps */
    size_t inner;           /* CG iterations inside a step; stages, particles */
    size_t shifts;          /* 1: wavelets are shifted at random in each step; 0: never */
    int start;              /* enum scry_start */
    double start_sigma;     /* noise level at which a Gaussian start hands over; 0: automatic */
    double start_departure; /* of the prior from its Gaussian model, that it is put up with */
    int stop;               /* enum scry_stop, classical methods */
    int accelerate;         /* enum scry_accelerate, richardson-lucy */
    int weight;             /* enum scry_weight, dds */
    int variance;           /* enum scry_variance, daps */
    int inner_draw;         /* enum scry_inner_draw, daps */
    int coupling;           /* enum scry_coupling, pnpdm, pnp-ula, sk-rock */
    int twist;              /* enum scry_twist, tds */
    size_t order;           /* of the steps down the levels: 1, 2 */
    int scheme;             /* enum scry_scheme, pnp-ula, sk-rock */
    size_t draw_steps;      /* gradients of a chain inside a step */
    double draw_size;       /* length of its steps, relative to the stable one */
    size_t draws; /* images that a chain gives, of methods that walk; the first after steps */
    size_t thin;  /* steps from one of them to the next */
} scry_solver_opts;

enum scry_start { SCRY_START_NOISE = 0, SCRY_START_GAUSSIAN, SCRY_START_AUTO };
enum scry_stop {
    SCRY_STOP_STEPS = 0,   /* the count of iterations, or the weight, that was given */
    SCRY_STOP_DISCREPANCY, /* chi2 per measurement reaches 1 */
    SCRY_STOP_HOLDOUT,     /* prediction of data that the estimate has not seen is best */
    SCRY_STOP_FRC          /* Fourier ring correlation of two independent halves stops improving */
};
enum scry_accelerate { SCRY_ACCELERATE_NONE = 0, SCRY_ACCELERATE_BIGGS, SCRY_ACCELERATE_NESTEROV };

/* What a weight of the data is relative to: the publication's constant, or the noise. */
enum scry_weight { SCRY_WEIGHT_PAPER = 0, SCRY_WEIGHT_NOISE };

/* What a state of DAPS leaves unknown of its image, and how the image is drawn given the data. */
enum scry_variance { SCRY_VARIANCE_PAPER = 0, SCRY_VARIANCE_MATCHED };
enum scry_inner_draw { SCRY_DRAW_EXACT = 0, SCRY_DRAW_LANGEVIN, SCRY_DRAW_HMC };

/* Whether the coupling of a split Gibbs sampler adds to the noise of the data. */
enum scry_coupling { SCRY_COUPLING_PAPER = 0, SCRY_COUPLING_EXACT };

/* What bends the moves and weights of particles: the published twist or the Gaussian model. */
enum scry_twist { SCRY_TWIST_PAPER = 0, SCRY_TWIST_MODEL };

/* How a step of Langevin's equation is made: as published, corrected, or with a velocity. */
enum scry_scheme { SCRY_SCHEME_PAPER = 0, SCRY_SCHEME_POSTPROCESSED, SCRY_SCHEME_KINETIC };

typedef enum scry_reason { /* > 0 finished, < 0 stopped early */
                           SCRY_RUNNING = 0,
                           SCRY_DONE = 1,
                           SCRY_STOP_USER = -1,
                           SCRY_STOP_NAN = -2
} scry_reason;

/* Pointers are valid during the call. */
typedef struct scry_progress {
    size_t step, steps;
    double sigma, residual; /* noise level now; |W^(1/2)(A x0 - b)| / sqrt(count), 0 if unknown */
    const float *x, *x0;    /* state, and estimate of the image */
    bool draw;              /* x0 is what the method gives: its last estimate, or one more draw */
    scry_reason reason;
} scry_progress;

/* false asks to stop. */
typedef bool scry_monitor(const scry_progress *p, void *ctx);

/* Calls so far in this solver: for reports and benchmarks. */
typedef struct scry_counts {
    size_t denoise, vjp, forward, adjoint; /* adjoint counts A^T; a fused normal counts as both */
} scry_counts;

typedef struct scry_solver scry_solver;
struct scry_method; /* solvers/registry.h */

/* plan allocates all that start and step need. EUNSUP names the missing requirement. */
scry_status scry_solver_plan(scry_solver **out, const struct scry_method *method,
                             const scry_problem *problem, const scry_solver_opts *opts,
                             scry_error *err);
/* The run is a function of (seed, chain) alone. */
scry_status scry_solver_start(scry_solver *S, uint64_t seed, uint32_t chain, scry_error *err);
/* ENUMERIC when the chain diverges: what the step computed, its state or its estimate is not finite
 * or, of samplers, is 10^4 times larger than at the start and than the unit of the prior. The
 * message has the step, the seed and the chain; p has no image then. */
scry_status scry_solver_step(scry_solver *S, scry_progress *p, scry_error *err);
/* start is called by the caller; run steps until done and copies the last estimate to x (dom; or
 * NULL: the monitor sees them all). */
scry_status scry_solver_run(scry_solver *S, float *x, scry_monitor *monitor, void *ctx,
                            scry_progress *end, scry_error *err);
scry_counts scry_solver_counts(const scry_solver *S);
void scry_solver_free(scry_solver *S); /* accepts NULL */

#endif
