#ifndef SCRY_SOLVERS_SOLVERS_H
#define SCRY_SOLVERS_SOLVERS_H

/* The contents of this folder: solvers for a measurement and a prior. Each method is an entry of
 * the registry; none has a header of its own. */

#include "solvers/solver.h"    /* the problem, plan / start / step / run */
#include "solvers/options.h"   /* a table of options, and the values of one method */
#include "solvers/registry.h"  /* the table of methods: options, needs, citations */
#include "solvers/callbacks.h" /* a method from callbacks, outside this library */
#include "solvers/roles.h"     /* methods by their purpose */
#include "solvers/start.h"     /* where a sampler starts: noise, or a Gaussian in closed form */
#include "solvers/chains.h"    /* many chains: moments, quantiles, how well they mix */
#include "solvers/calibration_labels.h" /* the measured accuracy of each posterior method */

#endif
