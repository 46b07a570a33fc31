#ifndef SCRY_APPS_CLI_RESTORE_H
#define SCRY_APPS_CLI_RESTORE_H

#include "apps/cli/cli.h"
#include "apps/recon/diagnosis.h"
#include "apps/recon/prior_lookup.h"
#include "apps/recon/output_maps.h"
#include "apps/recon/image/psf_source.h"
#include "apps/recon/start.h"
#include "operators/likelihood.h"
#include "operators/window.h"
#include "solvers/chains.h"

#include <stdio.h>

/* What `scry deblur` and `scry inpaint` have in common: settings, one image, one run. */

typedef struct restore_settings {
    const char *method, *prior, *psf, *mask, *boundary, *defects, *fft;
    const char *report, *preview;
    output_map_names products;
    const char *type, *compress, *range, *noise;
    int64_t samples, seed, threads, tile;
    double gain, offset, read_noise, background, sigma;
    bool force, bigtiff, quiet, crop_psf;
    cli_method_values methods;
} restore_settings;

void restore_settings_init(restore_settings *s, bool deblur);

/* Options of the two commands; `table` has room for RESTORE_OPTIONS. */
enum { RESTORE_OPTIONS = 40 };
void restore_options(cli_option *table, restore_settings *s, bool deblur);

/* Both commands: parses, runs over all files, returns the exit status. */
int restore_main(const cli_command *command, int argc, char **argv);

/* ---- one image or volume (item.c) ---- */

/* What lives for a whole run. */
typedef struct restore_run_state {
    const restore_settings *settings;
    const struct scry_method *method;
    scry_options opts;
    scry_chains_opts chains; /* but for the thresholds, which are in the unit of the file */
    output_maps products;
    psf_source psf;  /* deblur */
    image mask;      /* known pixels, from --mask */
    prior_pool pool; /* when the method needs a network */
    bool deblur, has_pool, has_mask;
    FILE *log; /* stderr, or NULL when quiet */
    /* the last prior, kept while the shape of the domain stays the same */
    scry_prior *prior;
    scry_space prior_space;
    prior_layout layout;
} restore_run_state;

typedef struct restore_item {
    const char *path;
    const scry_tiff_info *info;
    size_t c, z, t;   /* first plane of the item; z is 0 for volumes */
    scry_space space; /* (y, x) or (z, y, x) */
    const float *y;   /* in the unit of the file */
    uint64_t seed;
} restore_item;

/* Everything in the unit of the file, on the image's grid. */
typedef struct restore_result {
    float *mean, *products; /* one image; one for each of the products, NULL without */
    size_t samples, failed;
    scry_noise noise;
    scry_affine map; /* physical = scale u + shift */
    start_point start;
    scry_counts counts;
    diagnosis diagnosis;
    double flux_in, flux_out; /* sums over the image, physical unit, background removed */
    size_t excluded;          /* defects left out */
    size_t work_bytes;
    prior_layout layout;
    scry_reason reason;
} restore_result;

scry_status restore_solve(restore_result *out, restore_run_state *run, const restore_item *item,
                          scry_error *err);
void restore_result_free(restore_result *r);

/* --range LOW,HIGH. EINVAL: not two numbers, or LOW not below HIGH. */
scry_status restore_range(const char *text, double *low, double *high, scry_error *err);

/* ---- noise (noise_settings.c) ---- */

/* The noise model of an image: from the options, or estimated from y and told on log. */
scry_status restore_noise(scry_noise *out, const restore_settings *s, bool deblur, const float *y,
                          const scry_space *space, FILE *log, scry_error *err);

/* File unit -> physical (electrons for a camera; background removed) and back. */
double restore_to_physical(const scry_noise *n, double value);
double restore_to_file(const scry_noise *n, double value);
double restore_scale_to_file(const scry_noise *n); /* of differences and standard deviations */

#endif
