#ifndef SCRY_LIB_CANCEL_H
#define SCRY_LIB_CANCEL_H

#include "lib/status.h"

#include <stdbool.h>

/* One flag that ends all long work of the process early, for programs that a signal stops. Monitors
 * (solvers/solver.h) stop one run between its steps; the flag also reaches work that has no steps
 * or no monitor, in any thread: operators and priors look at it in every call, networks in every
 * layer, and long loops in every turn. Work that finds it set fails with ESTOP, leaves no output
 * and frees its memory. Results do not depend on the flag as long as it is not set. */

void scry_cancel(void); /* sets it; may be called from a signal handler and from any thread */
bool scry_cancelled(void);
void scry_cancel_clear(void); /* before the next work, once all that was cancelled has returned */

/* ESTOP, "interrupted", when the flag is set. */
scry_status scry_cancel_check(scry_error *err);

#endif
