#ifndef SCRY_APPS_RECON_OUTPUT_MAPS_H
#define SCRY_APPS_RECON_OUTPUT_MAPS_H

#include "lib/api.h"
#include "solvers/chains.h"

SCRY_BEGIN

/* Images computed from the chains beside their mean: the standard deviation of the draws,
 * quantiles, shares above a threshold, R-hat and the effective sample size. */

typedef enum scry_output_kind {
    SCRY_OUTPUT_SD,
    SCRY_OUTPUT_QUANTILE, /* at: the probability */
    SCRY_OUTPUT_ABOVE,    /* at: the threshold, unit of the image that was measured */
    SCRY_OUTPUT_RHAT,
    SCRY_OUTPUT_ESS
} scry_output_kind;

enum { SCRY_OUTPUT_MAX = 2 * SCRY_MAX_QUANTILES + 3 };

typedef struct scry_output_map {
    scry_output_kind kind;
    double at;
    size_t index;  /* among the maps of its kind */
    bool optional; /* a run with too few draws for this map is not refused */
} scry_output_map;

/* All zeros: none. Filled by scry_output_maps_add. */
typedef struct scry_output_maps {
    size_t count, quantiles, thresholds;
    size_t region; /* side of the regions of R-hat and ESS, pixels; 0: they are not followed */
    scry_output_map list[SCRY_OUTPUT_MAX];
    double probability[SCRY_MAX_QUANTILES], threshold[SCRY_MAX_QUANTILES];
} scry_output_maps;

/* Appends a map. `at` as above, ignored where a kind has none. EINVAL: a probability outside (0,
 * 1), a threshold that is not finite, more than SCRY_MAX_QUANTILES of either, or a second one of
 * another kind. */
scry_status scry_output_maps_add(scry_output_maps *p, scry_output_kind kind, double at,
                                 scry_error *err);

/* The standard deviation, one of the images of all maps (n floats each); NULL where there is none.
 */
const float *scry_output_maps_sd(const scry_output_maps *p, const float *images, size_t n);

SCRY_END

/* EINVAL: a map needs more draws than `chains` chains with these options give. */
scry_status scry_output_maps_possible(const scry_output_maps *p, const scry_options *options,
                                      size_t chains, scry_error *err);

/* The number of draws that a standard deviation needs from all chains together, and R-hat from each
 * chain. */
enum { SCRY_DRAWS_FOR_SPREAD = 2, SCRY_DRAWS_FOR_RHAT = 4 };

/* Sets the options of the chains for these maps. The caller converts the thresholds to u, since
 * they may differ between images; `threshold` holds p->thresholds of them. */
void scry_output_maps_request(scry_chains_opts *opts, const scry_output_maps *p,
                              const double *threshold);

/* ENUMERIC: chains diverged, and too few draws are left for the maps. */
scry_status scry_output_maps_check(const scry_output_maps *p, const scry_chains *c,
                                   scry_error *err);

/* Map k of the chains, n floats in u's own unit. */
const float *scry_output_maps_values(const scry_output_maps *p, size_t k, const scry_chains *c);

/* A value of a map in the unit of the image, where image = scale u + shift: quantiles are images,
 * an sd is only scaled, the others are shares and counts. */
double scry_output_maps_scaled(const scry_output_map *p, double u, double scale, double shift);

/* "standard deviation", "P(x > 3)": for descriptions; returns buf. */
const char *scry_output_maps_title(const scry_output_map *p, char *buf, size_t size);

#endif
