#ifndef SCRY_SOLVERS_OPTION_GROUPS_IMPL_H
#define SCRY_SOLVERS_OPTION_GROUPS_IMPL_H

#include "solvers/options.h"

/* Groups of options that methods share. A method embeds the struct of a group in its own and lists
 * the group's entries in its table, with `type` the method's struct:
 *
 *   struct my_options {
 *       struct scryi_sampler_options sampler;
 *       double fresh_noise;
 *   };
 *   static const scry_option options[] = {
 *       SCRYI_SCHEDULE_OPTIONS(struct my_options, 50),
 *       {"eta", NULL, SCRY_FIELD(struct my_options, fresh_noise), 1, 0, 1, NULL, "..."},
 *       SCRYI_START_OPTIONS(struct my_options),
 *       {0},
 *   };
 *
 * Fields of a group that the method does not list are 0. */

/* Of every method that walks down levels of noise: member `sampler`. */
struct scryi_schedule {
    size_t steps;
    double sigma_max; /* 0: from the prior */
    double sigma_min; /* 0: from the prior */
    double rho;
    size_t travel; /* visits of a level; 0: 1 */
};

enum scryi_start { SCRYI_START_NOISE = 0, SCRYI_START_GAUSSIAN, SCRYI_START_AUTO };
extern const char *const scryi_start_words[];

struct scryi_start_options {
    enum scryi_start from;
    double sigma;     /* level at which the prior takes over; 0: automatic */
    double departure; /* of the prior from its Gaussian model that is accepted there */
};

struct scryi_walk {
    size_t draws, thin;
};

struct scryi_sampler_options {
    struct scryi_schedule schedule;
    struct scryi_start_options start;
    struct scryi_walk walk;
};

/* Of methods that solve a linear system: member `cg`. */
struct scryi_cg_options {
    size_t iterations;
    double tolerance;
};

/* Whether the level at which a prior is known blurs the image, as published, or is taken out of the
 * noise of the data. */
enum scryi_coupling { SCRYI_COUPLING_PAPER = 0, SCRYI_COUPLING_EXACT };
extern const char *const scryi_coupling_words[];

#define SCRYI_STEPS_OPTION(type, steps_, high_, help_)                                             \
    {                                                                                              \
        "steps", NULL, SCRY_FIELD(type, sampler.schedule.steps), steps_, 1, high_, NULL, help_     \
    }

#define SCRYI_LEVEL_OPTIONS(type)                                                                  \
    {"sigma-max",                                                                                  \
     NULL,                                                                                         \
     SCRY_FIELD(type, sampler.schedule.sigma_max),                                                 \
     0,                                                                                            \
     0,                                                                                            \
     1e6,                                                                                          \
     NULL,                                                                                         \
     "first noise level; 0: 40, or the largest that the prior knows"},                             \
    {                                                                                              \
        "sigma-min", NULL, SCRY_FIELD(type, sampler.schedule.sigma_min), 0, 0, 1e6, NULL,          \
            "last noise level; 0: 0.03, or the least that the prior knows"                         \
    }

#define SCRYI_RHO_OPTION(type)                                                                     \
    {                                                                                              \
        "rho", NULL, SCRY_FIELD(type, sampler.schedule.rho), 7, 0.1, 1000, NULL,                   \
            "exponent of the schedule (Karras et al. 2022, Eq. 5)"                                 \
    }

#define SCRYI_SCHEDULE_OPTIONS(type, steps_)                                                       \
    SCRYI_STEPS_OPTION(type, steps_, 100000, "levels of the noise schedule"),                      \
        SCRYI_LEVEL_OPTIONS(type), SCRYI_RHO_OPTION(type)

#define SCRYI_VISITS_OPTION(type)                                                                  \
    {                                                                                              \
        "travel", NULL, SCRY_FIELD(type, sampler.schedule.travel), 1, 1, 100, NULL,                \
            "visits of each level, with noise added between them"                                  \
    }

/* Where a chain starts: solvers/start.h. */
#define SCRYI_START_OPTION(type, from_, help_)                                                     \
    {                                                                                              \
        "start", NULL, SCRY_FIELD(type, sampler.start.from), from_, 0, SCRYI_START_AUTO,           \
            scryi_start_words, help_                                                               \
    }

#define SCRYI_HANDOVER_OPTIONS(type)                                                               \
    {"start-sigma",                                                                                \
     NULL,                                                                                         \
     SCRY_FIELD(type, sampler.start.sigma),                                                        \
     0,                                                                                            \
     0,                                                                                            \
     1e6,                                                                                          \
     NULL,                                                                                         \
     "noise level at which that hands over to the prior; 0: by start-departure, or 2 where the "   \
     "prior does not state its departure, and not above sigma-max"},                               \
    {                                                                                              \
        "start-departure", NULL, SCRY_FIELD(type, sampler.start.departure), 0.3, 0, 1, NULL,       \
            "share of the Gaussian denoiser's mean square error that the prior may do without "    \
            "above the level at which it takes over"                                               \
    }

/* Of posterior samplers, and of those that draw from the prior. */
#define SCRYI_START_OPTIONS(type)                                                                  \
    SCRYI_START_OPTION(                                                                            \
        type, SCRYI_START_AUTO,                                                                    \
        "noise; gaussian: an exact draw of the posterior under the Gaussian model, which saves "   \
        "the levels above start-sigma; auto: gaussian where there is such a model, else noise"),   \
        SCRYI_HANDOVER_OPTIONS(type)

#define SCRYI_PRIOR_START_OPTIONS(type)                                                            \
    SCRYI_START_OPTION(                                                                            \
        type, SCRYI_START_NOISE,                                                                   \
        "noise; gaussian: the Gaussian model of the images in closed form, which saves the "       \
        "levels above start-sigma; auto: gaussian where there is such a model, else noise"),       \
        SCRYI_HANDOVER_OPTIONS(type)

/* Of methods that walk: from the first draw the chain goes on at its last level. The default of
 * `thin` is about two thirds of the steps that are worth one independent draw where a Gaussian
 * prior of unit size is blurred or masked (tests/exact/test_walks.c prints them): more draws would
 * cost memory and tell little. */
#define SCRYI_WALK_OPTIONS(type, thin_)                                                            \
    {"draws",                                                                                      \
     NULL,                                                                                         \
     SCRY_FIELD(type, sampler.walk.draws),                                                         \
     1,                                                                                            \
     1,                                                                                            \
     1e6,                                                                                          \
     NULL,                                                                                         \
     "images that a chain gives; the first after its steps"},                                      \
    {                                                                                              \
        "thin", NULL, SCRY_FIELD(type, sampler.walk.thin), thin_, 1, 1e6, NULL,                    \
            "steps from a draw to the next"                                                        \
    }

#define SCRYI_CG_OPTIONS(type, iterations_, tolerance_)                                            \
    {"inner",                                                                                      \
     NULL,                                                                                         \
     SCRY_FIELD(type, cg.iterations),                                                              \
     iterations_,                                                                                  \
     1,                                                                                            \
     1000000,                                                                                      \
     NULL,                                                                                         \
     "conjugate-gradient iterations of a solve, at most"},                                         \
    {                                                                                              \
        "tol", NULL, SCRY_FIELD(type, cg.tolerance), tolerance_, 0, 1, NULL,                       \
            "relative residual at which they stop"                                                 \
    }

#endif
