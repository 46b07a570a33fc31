#ifndef SCRY_APPS_RECON_RUN_H
#define SCRY_APPS_RECON_RUN_H

#include "apps/recon/diagnosis.h"
#include "apps/recon/log.h"
#include "apps/recon/output_maps.h"
#include "apps/recon/start.h"
#include "operators/window.h"
#include "solvers/chains.h"

/* The one pipeline from a problem to its result, shared by images, scans, draws from a prior and
 * tests of methods: forecast, thresholds, start, chains, diagnosis. */

/* A problem in the method's variable u, and the map from u to the image. Everything is borrowed. */
typedef struct scry_recon_problem {
    const char *name; /* for messages; NULL: none */
    scry_problem problem;
    const scry_window *window; /* the image's place in u's domain; NULL: all of it */
    scry_affine map; /* image = scale u + shift, in the unit of the measurement; maps and thresholds
                        of complex images refer to the real part */
    const unsigned char *judged; /* per pixel: not 0 where R-hat and ESS count; NULL: everywhere */
    bool guessed_noise;          /* chi2 has no meaning */
} scry_recon_problem;

typedef struct scry_recon_request {
    const scry_options *options; /* of the method to use */
    size_t chains;
    size_t first; /* number of the first chain */
    uint64_t seed;
    size_t threads;               /* chains at a time; 0: as many as OpenMP has threads */
    bool keep;                    /* keep every draw */
    const scry_output_maps *maps; /* beside the mean; NULL: none */
    const scry_log *log;          /* NULL: silent */
    const char *start; /* "Gaussian posterior": log where chains start, under this name */
    bool forecast;     /* log the memory of the run, and refuse a run that needs more than the
                          machine has */
} scry_recon_request;

typedef struct scry_recon_result {
    scry_chains chains; /* in u */
    scry_start_point start;
    scry_diagnosis diagnosis;
    size_t forecast_bytes; /* 0: no forecast */
} scry_recon_result;

/* monitor (may be NULL) sees every step of every chain and may stop them all.
 * errors  those of scry_chains_run, with the problem's name; ENUMERIC: also when too few draws are
 *         left for the maps; ENOMEM: also when the forecast exceeds the machine; ESTOP: the monitor
 *         stopped the run. *out is to be freed after success only. */
scry_status scry_recon_run(scry_recon_result *out, const scry_recon_problem *problem,
                           const scry_recon_request *request, scry_chains_monitor *monitor,
                           void *ctx, scry_error *err);
void scry_recon_result_free(scry_recon_result *r); /* accepts a zeroed one */

/* Bytes that the run will allocate beyond the problem itself. */
scry_status scry_recon_forecast(size_t *bytes, const scry_recon_problem *problem,
                                const scry_recon_request *request, scry_error *err);
/* Logs "memory: 1.2 GB for 16 chains". ENOMEM: the machine has less; `less` names a way to use
 * less. */
scry_status scry_recon_afford(size_t bytes, const char *what, const char *less, const scry_log *log,
                              scry_error *err);

/* The mean of real images on the image's grid and in its unit; and map k of request->maps, for
 * complex images too. */
void scry_recon_mean(float *out, const scry_recon_problem *problem, const scry_recon_result *r);
void scry_recon_map(float *out, const scry_recon_problem *problem, const scry_output_maps *maps,
                    size_t k, const scry_recon_result *r);

/* The seed of image `number` of a run: images do not share their random numbers. */
uint64_t scry_recon_seed(uint64_t seed, uint64_t number);

#endif
