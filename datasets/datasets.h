#ifndef SCRY_DATASETS_DATASETS_H
#define SCRY_DATASETS_DATASETS_H

/* Phantoms with a known truth, and simulated acquisitions. */

#endif
