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
 *       {"fresh-noise", "eta", SCRY_FIELD(struct my_options, fresh_noise), 1, 0, 1, NULL, "..."},
 *       SCRYI_START_OPTIONS(struct my_options),
 *       {0},
 *   };
 *
 * Fields of a group that the method does not list are 0. */

/* Of every method with levels of noise: member `sampler`. */
struct scryi_schedule {
    size_t steps;
    double sigma_max; /* 0: from the prior */
    double sigma_min; /* 0: from the prior */
    double power;     /* rho of Karras et al. */
    size_t visits;    /* of a level; 0: 1 */
    size_t coherence; /* planes of a volume over which noise turns into other noise; 0: 1 */
};

enum scryi_start { SCRYI_START_NOISE = 0, SCRYI_START_GAUSSIAN, SCRYI_START_AUTO };
extern const char *const scryi_start_names[];

struct scryi_start_options {
    enum scryi_start from;
    double sigma; /* level at which the prior takes over; 0: automatic */
    double gap;   /* of the prior from its Gaussian model that is accepted above it */
};

struct scryi_draws_options {
    size_t count, thin;
};

struct scryi_sampler_options {
    struct scryi_schedule schedule;
    struct scryi_start_options start;
    struct scryi_draws_options draws;
};

/* Of methods that solve a linear system: member `cg`. */
struct scryi_cg_options {
    size_t iterations;
    double tolerance;
};

/* Whether the level at which a prior is known blurs the image, as published, or is taken out of the
 * noise of the data. */
enum scryi_coupling { SCRYI_COUPLING_PAPER = 0, SCRYI_COUPLING_EXACT };
extern const char *const scryi_coupling_names[];

/* An entry in a macro: braces there would be laid out one word a line. */
#define SCRYI_OPTION(type, field, name, alias, ...)                                                \
    {                                                                                              \
        name, alias, SCRY_FIELD(type, field), __VA_ARGS__                                          \
    }

#define SCRYI_STEPS_OPTION(type, steps_, high_, help_)                                             \
    SCRYI_OPTION(type, sampler.schedule.steps, "steps", NULL, steps_, 1, high_, NULL, help_)

#define SCRYI_LEVEL_OPTIONS(type)                                                                  \
    SCRYI_OPTION(type, sampler.schedule.sigma_max, "sigma-max", NULL, 0, 0, 1e6, NULL,             \
                 "first noise level; 0: 40, or the largest that the prior knows"),                 \
        SCRYI_OPTION(type, sampler.schedule.sigma_min, "sigma-min", NULL, 0, 0, 1e6, NULL,         \
                     "last noise level; 0: 0.03, or the smallest that the prior knows")

#define SCRYI_POWER_OPTION(type)                                                                   \
    SCRYI_OPTION(type, sampler.schedule.power, "schedule-power", "rho", 7, 0.1, 1000, NULL,        \
                 "exponent of the schedule (Karras et al. 2022, Eq. 5)")

#define SCRYI_SCHEDULE_OPTIONS(type, steps_)                                                       \
    SCRYI_STEPS_OPTION(type, steps_, 100000, "levels of the noise schedule"),                      \
        SCRYI_LEVEL_OPTIONS(type), SCRYI_POWER_OPTION(type)

#define SCRYI_VISITS_OPTION(type)                                                                  \
    SCRYI_OPTION(type, sampler.schedule.visits, "visits", "travel", 1, 1, 100, NULL,               \
                 "visits of each level, with noise added between them")

#define SCRYI_COHERENCE_OPTION(type, planes_)                                                      \
    SCRYI_OPTION(type, sampler.schedule.coherence, "coherence", NULL, planes_, 1, 1000, NULL,      \
                 "planes of a volume over which the noise of a chain turns into other noise, so "  \
                 "that neighbours are drawn alike; 1: independent planes")

/* Where a chain starts: solvers/start.h. */
#define SCRYI_START_OPTION(type, from_, help_)                                                     \
    SCRYI_OPTION(type, sampler.start.from, "start", NULL, from_, 0, SCRYI_START_AUTO,              \
                 scryi_start_names, help_)

#define SCRYI_HANDOVER_OPTIONS(type)                                                               \
    SCRYI_OPTION(type, sampler.start.sigma, "start-sigma", NULL, 0, 0, 1e6, NULL,                  \
                 "noise level at which the prior takes over from the Gaussian model; 0: by "       \
                 "start-gap, or 2 where the prior does not state its gap, and at most sigma-max"), \
        SCRYI_OPTION(type, sampler.start.gap, "start-gap", "start-departure", 0.3, 0, 1, NULL,     \
                     "share by which the mean square error of the prior may be below that of the " \
                     "Gaussian denoiser above start-sigma")

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

/* Of methods whose chains give several draws: after the first one the chain goes on at its last
 * level. The default of `thin` is about two thirds of the steps that are worth one independent draw
 * where a Gaussian prior of unit size is blurred or masked (tests/exact/test_walks.c prints them):
 * more draws would cost memory and add little. */
#define SCRYI_DRAWS_OPTIONS(type, thin_)                                                           \
    SCRYI_OPTION(type, sampler.draws.count, "draws", NULL, 1, 1, 1e6, NULL,                        \
                 "images that a chain gives; the first after its steps"),                          \
        SCRYI_OPTION(type, sampler.draws.thin, "thin", NULL, thin_, 1, 1e6, NULL,                  \
                     "steps from a draw to the next")

#define SCRYI_CG_OPTIONS(type, iterations_, tolerance_)                                            \
    SCRYI_OPTION(type, cg.iterations, "solve-iterations", "inner", iterations_, 1, 1000000, NULL,  \
                 "conjugate-gradient iterations of a linear solve, at most"),                      \
        SCRYI_OPTION(type, cg.tolerance, "solve-tolerance", "tol", tolerance_, 0, 1, NULL,         \
                     "relative residual at which they stop")

/* Of methods whose steps are solves of condition_impl.h: 0 is scryi_condition_settings. */
#define SCRYI_SOLVE_TOLERANCE_OPTION(type, member, tolerance_)                                     \
    SCRYI_OPTION(type, member, "solve-tolerance", "tol", 0, 0, 1, NULL,                            \
                 "where conjugate gradients stop. Blurs and masks: when an iteration changes "     \
                 "chi2 by less than this part of its spread, sqrt(2 m); 0: 0.01. Else a relative " \
                 "residual; 0: " #tolerance_)
#define SCRYI_SOLVE_OPTIONS(type, iterations_, tolerance_)                                         \
    SCRYI_OPTION(type, cg.iterations, "solve-iterations", "inner", 0, 0, 1000000, NULL,            \
                 "conjugate-gradient iterations of a data step, at most; 0: 4000 for blurs and "   \
                 "masks, else " #iterations_),                                                     \
        SCRYI_SOLVE_TOLERANCE_OPTION(type, cg.tolerance, tolerance_)

#endif
