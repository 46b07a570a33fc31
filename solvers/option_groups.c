#include "solvers/option_groups_impl.h"

const char *const scryi_start_names[] = {[SCRYI_START_NOISE] = "noise",
                                         [SCRYI_START_GAUSSIAN] = "gaussian",
                                         [SCRYI_START_AUTO] = "auto",
                                         NULL};

const char *const scryi_coupling_names[] = {
    [SCRYI_COUPLING_PAPER] = "paper", [SCRYI_COUPLING_EXACT] = "exact", NULL};
