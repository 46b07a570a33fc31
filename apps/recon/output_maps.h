#ifndef SCRY_APPS_RECON_OUTPUT_MAPS_H
#define SCRY_APPS_RECON_OUTPUT_MAPS_H

#include "apps/cli/cli.h"
#include "solvers/chains.h"

/* What chains say beside their mean, an image in a file each: --sd, --quantiles, --above, --rhat
 * and --ess of `scry deblur`, `inpaint` and `mri`. */

typedef struct output_map_names { /* as on the command line; NULL: not asked */
    const char *sd, *quantiles, *above, *rhat, *ess;
    int64_t region;
} output_map_names;

/* The entries of the option table, OUTPUT_MAP_OPTIONS of them; `ending` of the examples: "tif". */
enum { OUTPUT_MAP_OPTIONS = 6 };
void output_map_options(cli_option *table, output_map_names *w, const char *ending);

typedef enum output_map_kind {
    OUTPUT_MAP_SD,
    OUTPUT_MAP_QUANTILE, /* at: the probability */
    OUTPUT_MAP_ABOVE,    /* at: the threshold, unit of the file */
    OUTPUT_MAP_RHAT,
    OUTPUT_MAP_ESS
} output_map_kind;

enum { OUTPUT_MAPS_MAX = 2 * SCRY_MAX_QUANTILES + 3, OUTPUT_MAP_NAME = 512 };

typedef struct output_map {
    output_map_kind kind;
    double at;
    size_t index;               /* among those of its kind */
    char name[OUTPUT_MAP_NAME]; /* file, or folder where several images are restored; "" for an sd
                                that only a preview shows */
} output_map;

typedef struct output_maps {
    size_t count, quantiles, thresholds, region;
    output_map list[OUTPUT_MAPS_MAX];
    double probability[SCRY_MAX_QUANTILES], threshold[SCRY_MAX_QUANTILES];
} output_maps;

/* The products that `w` asks for from `chains` chains with these options of a method; `preview`: an
 * sd too, if there is one. EINVAL: a name without a percentage or with several, a threshold that is
 * no number, too many of them; more draws needed than the chains give. */
scry_status output_maps_parse(output_maps *p, const output_map_names *w, bool preview,
                              const scry_options *options, size_t chains, scry_error *err);

/* Tells the chains what is wanted. The thresholds are the caller's: they are in u there, and may
 * differ from image to image; `threshold` holds p->thresholds of them. */
void output_maps_request(scry_chains_opts *opts, const output_maps *p, const double *threshold);

/* ENUMERIC: chains diverged, and too few draws are left for what was asked. */
scry_status output_maps_check(const output_maps *p, const scry_chains *c, scry_error *err);

/* Product k of the chains, n floats in u's own unit. */
const float *output_maps_values(const output_maps *p, size_t k, const scry_chains *c);

/* Product k in the unit of the file, where image = scale u + shift: quantiles are images, an sd is
 * only scaled, the others are shares and counts. */
double output_maps_scaled(const output_map *p, double u, double scale, double shift);

/* "standard deviation", "P(x > 3)": for descriptions; returns buf. */
const char *output_maps_title(const output_map *p, char *buf, size_t size);

/* The sd among the images of all products, n floats each; NULL where there is none. */
const float *output_maps_sd(const output_maps *p, const float *images, size_t n);

/* EINVAL: two of the `count` names (NULL is skipped), or one of them and a product's, are the same
 * path. */
scry_status output_maps_distinct(const output_maps *p, const char *const *names, size_t count,
                                 scry_error *err);

#endif
