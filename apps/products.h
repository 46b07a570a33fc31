#ifndef SCRY_APPS_PRODUCTS_H
#define SCRY_APPS_PRODUCTS_H

#include "apps/cli.h"
#include "solvers/chains.h"

/* What chains say beside their mean, an image in a file each: --sd, --quantiles, --above, --rhat
 * and --ess of `scry deblur`, `inpaint` and `mri`. */

typedef struct product_words { /* as on the command line; NULL: not asked */
    const char *sd, *quantiles, *above, *rhat, *ess;
    int64_t region;
} product_words;

/* The entries of the option table, PRODUCT_OPTIONS of them; `ending` of the examples: "tif". */
enum { PRODUCT_OPTIONS = 6 };
void product_options(cli_option *table, product_words *w, const char *ending);

typedef enum product_kind {
    PRODUCT_SD,
    PRODUCT_QUANTILE, /* at: the probability */
    PRODUCT_ABOVE,    /* at: the threshold, unit of the file */
    PRODUCT_RHAT,
    PRODUCT_ESS
} product_kind;

enum { PRODUCTS_MOST = 2 * SCRY_MAX_QUANTILES + 3, PRODUCT_NAME = 512 };

typedef struct product {
    product_kind kind;
    double at;
    size_t index;            /* among those of its kind */
    char name[PRODUCT_NAME]; /* file, or folder where several images are restored; "" for an sd
                                that only a preview shows */
} product;

typedef struct products {
    size_t count, quantiles, thresholds, region;
    product list[PRODUCTS_MOST];
    double probability[SCRY_MAX_QUANTILES], threshold[SCRY_MAX_QUANTILES];
} products;

/* The products that `w` asks for from `chains` chains of `method`; `preview`: an sd too, if there
 * is one. EINVAL: a name without a percentage or with several, a threshold that is no number, too
 * many of them; more draws needed than the chains give. */
scry_status products_parse(products *p, const product_words *w, bool preview,
                           const struct scry_method *method, const scry_solver_opts *opts,
                           size_t chains, scry_error *err);

/* Draws that a chain of the method gives with these options. */
size_t products_draws(const struct scry_method *method, const scry_solver_opts *opts);

/* Tells the chains what is wanted. The thresholds are the caller's: they are in u there, and may
 * differ from image to image; `threshold` holds p->thresholds of them. */
void products_ask(scry_chains_opts *opts, const products *p, const double *threshold);

/* ENUMERIC: chains diverged, and too few draws are left for what was asked. */
scry_status products_check(const products *p, const scry_chains *c, scry_error *err);

/* Product k of the chains, n floats in u's own unit. */
const float *products_values(const products *p, size_t k, const scry_chains *c);

/* Product k in the unit of the file, where image = scale u + shift: quantiles are images, an sd is
 * only scaled, the others are shares and counts. */
double products_scaled(const product *p, double u, double scale, double shift);

/* "standard deviation", "P(x > 3)": for descriptions; returns buf. */
const char *products_title(const product *p, char *buf, size_t size);

/* The sd among the images of all products, n floats each; NULL where there is none. */
const float *products_sd(const products *p, const float *images, size_t n);

/* EINVAL: two of the `count` names (NULL is skipped), or one of them and a product's, are the same
 * path. */
scry_status products_distinct(const products *p, const char *const *names, size_t count,
                              scry_error *err);

#endif
