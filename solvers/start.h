#ifndef SCRY_SOLVERS_START_H
#define SCRY_SOLVERS_START_H

#include "solvers/registry.h"
#include "solvers/solver.h"

/* The closed-form start. In noise far above the spread of the images, only their mean and spectrum
 * matter, and their Gaussian model replaces calls of the denoiser:
 *   posterior      x_s = u + s n, u an exact draw from p(u | y) under the model (guided.c)
 *   unconditional  x_s = m + (C + s^2 I)^(1/2) n, which is an exact draw from the model in noise of
 *                  level s, and also the point that the probability-flow ODE of the model reaches
 *                  from the noise n: its solution is x_s' = m + ((C + s'^2 I) / (C + s^2 I))^(1/2)
 *                  (x_s - m), and x_s / s -> n as s grows. Wang & Vastola 2024, TMLR
 *                  (arXiv:2412.09726): skipping the first 15-30 % of the calls costs nothing.
 *
 * *sigma = the level s at which the prior takes over: `start-sigma`; where that is 0, the lowest
 * level above which problem->gap stays within `start-gap`, or 2 where the gap is not known; in both
 * cases between the first and the last level of the schedule. 0: the method starts from noise, or
 * has no such choice. EUNSUP: `start gaussian` without problem->model. */
scry_status scry_start_sigma(double *sigma, const scry_problem *problem,
                             const scry_options *options, scry_error *err);

#endif
