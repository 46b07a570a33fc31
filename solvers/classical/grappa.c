/* GRAPPA (Griswold et al. 2002): lines of k-space from lines of k-space. It knows no likelihood, so
 * that there is nothing to plan here: `scry mri` fills the samples by operators/grappa.h, and this
 * is its name, its options, and the refusal of everything else. */
#include "solvers/solver_impl.h"

struct grappa_options {
    double lines, samples, ridge;
};

static scry_status grappa_plan(scry_solver **out, const scry_problem *problem,
                               const scry_options *options, scry_error *err)
{
    (void)out;
    (void)problem;
    (void)options;
    return SCRY_FAIL(err, SCRY_EUNSUP, "grappa fills lines of k-space: it is for `scry mri`");
}

static const scry_option grappa_options[] = {
    {"lines", NULL, SCRY_FIELD(struct grappa_options, lines), 4, 2, 16, NULL,
     "acquired lines from which a missing one is made, half of them on each side"},
    {"kernel", NULL, SCRY_FIELD(struct grappa_options, samples), 5, 1, 31, NULL,
     "samples of each of these lines, an odd number"},
    {"ridge", "lambda", SCRY_FIELD(struct grappa_options, ridge), 0.01, 0, 1e6, NULL,
     "weight of the ridge in the fit of the calibration lines, relative to the mean energy of a "
     "sample"},
    {0},
};

const struct scry_method scry_method_grappa = {
    .name = "grappa",
    .title = "GRAPPA",
    .kind = SCRY_CLASSICAL,
    .needs = SCRY_NEEDS_LINES,
    .exact = "no estimate of the image: missing k-space lines are interpolated in each coil, the "
             "noise amplified by where they were",
    .citation = "Griswold et al. 2002, MRM 47:1202",
    .options = grappa_options,
    .plan = grappa_plan,
};
