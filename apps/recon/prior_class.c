#include "apps/recon/prior_lookup.h"

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/network/network.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The class of an image, named or recognised. */

#define SIDE 128 /* of the part that is looked at, at most */
#define DRAWS 2  /* of the noise at each level */
#define NO_CLASS "none"

static const double hidden_by[] = {.2, .5}; /* levels of noise, in x */

static const char *class_named(const scry_prior_pool *pool, int label)
{
    if (label < 0) return NO_CLASS;
    return (size_t)label < pool->info->class_count ? pool->info->classes[label] : "?";
}

static scry_status class_unknown(const scry_prior_pool *pool, const char *name, scry_error *err)
{
    char list[120] = "";
    size_t at = 0;
    for (size_t c = 0; c < scry_network_classes(pool->network) && at < sizeof list; c++) {
        const int n = snprintf(list + at, sizeof list - at, "%s, ", class_named(pool, (int)c));
        at += n > 0 ? (size_t)n : 0;
    }
    return SCRY_FAIL(err, SCRY_EINVAL, "class '%s' is not known to the prior, expected %s" NO_CLASS,
                     name, list);
}

scry_status scry_prior_pool_condition(scry_prior_pool *pool, const char *name, double guidance,
                                      scry_error *err)
{
    const size_t classes = scry_network_classes(pool->network);
    if (guidance < 0 || guidance > 0) pool->guidance = guidance;
    if (!isfinite(guidance))
        return SCRY_FAIL(err, SCRY_EINVAL, "guidance %g, expected a number", guidance);
    const bool none = !name || !strcmp(name, NO_CLASS);
    if (!classes && (!none || pool->guidance < 1 || pool->guidance > 1))
        return SCRY_FAIL(err, SCRY_EINVAL, "prior %s knows no classes", pool->info->name);
    pool->recognises = !name && classes;
    if (none) return SCRY_OK;
    for (size_t c = 0; c < classes; c++)
        if (!strcmp(class_named(pool, (int)c), name)) {
            pool->label = (int)c;
            return SCRY_OK;
        }
    return class_unknown(pool, name, err);
}

/* The middle of the middle plane, or of all colours, both sides multiples of what the network
 * needs. */
static float *class_middle(scry_space *part, const scry_prior_pool *pool, const float *image,
                           const scry_space *space)
{
    const size_t multiple = scry_network_multiple(pool->network);
    const size_t channels = scry_network_channels(pool->network);
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    const size_t limit = SIDE / multiple * multiple, planes = scry_space_count(space) / (ny * nx);
    size_t h = ny / multiple * multiple, w = nx / multiple * multiple;
    h = h < limit ? h : limit;
    w = w < limit ? w : limit;
    *part = channels > 1 ? SCRY_SPACE(channels, h, w) : SCRY_SPACE(h, w);
    float *out = h && w ? scry_alloc(channels * h * w, sizeof *out) : NULL;
    const size_t first = channels > 1 ? 0 : planes / 2;
    for (size_t r = 0; out && r < channels * h; r++)
        memcpy(out + r * w,
               image + ((first + r / h) * ny + (ny - h) / 2 + r % h) * nx + (nx - w) / 2,
               w * sizeof *out);
    return out;
}

/* |D(x + s n) - x|^2 over the levels, in units of s^2. */
static scry_status class_misses(double *error, const scry_prior *P, const float *x, float *noisy,
                                void *work, scry_error *err)
{
    const size_t n = scry_space_count(scry_prior_space(P));
    *error = 0;
    for (size_t k = 0; k < 2 * DRAWS; k++) {
        const double s = hidden_by[k % 2];
        scry_rng_normal(noisy, 0, n, 1, (uint32_t)k, 0);
        scry_axpby(noisy, 1, x, s, noisy, n);
        const scry_status st = scry_prior_denoise(P, noisy, noisy, (float)s, work, err);
        if (st != SCRY_OK) return st;
        *error += pow(scry_distance(noisy, x, n) / s, 2) / (double)(2 * DRAWS * n);
    }
    return SCRY_OK;
}

static scry_status class_try(double *error, const scry_prior_pool *pool, int label, const float *x,
                             const scry_space *part, float *noisy, scry_error *err)
{
    scry_unet_opts opts;
    scry_prior *P = NULL;
    scry_unet_opts_init(&opts);
    opts.vjp = false;
    opts.label = label;
    scry_status st = scry_unet_create(&P, pool->network, part, &opts, err);
    if (st != SCRY_OK) return st;
    void *work = scry_alloc(1, scry_prior_work_bytes(P));
    st = work ? class_misses(error, P, x, noisy, work, err)
              : SCRY_FAIL(err, SCRY_ENOMEM, "class of the image");
    scry_free(work);
    scry_prior_free(P);
    return st;
}

scry_status scry_prior_pool_recognise(int *label, const scry_prior_pool *pool, const float *image,
                                      const scry_space *space, const scry_log *log, scry_error *err)
{
    scry_space part;
    double best = HUGE_VAL, without = 0;
    *label = pool->label;
    if (!pool->recognises) return SCRY_OK;
    float *x = class_middle(&part, pool, image, space);
    if (!x) return SCRY_OK; /* smaller than the network takes: no class */
    float *noisy = scry_alloc(scry_space_count(&part), sizeof *noisy);
    scry_status st = noisy ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "class of the image");
    for (int c = -1; st == SCRY_OK && c < (int)scry_network_classes(pool->network); c++) {
        double error = 0;
        st = class_try(&error, pool, c, x, &part, noisy, err);
        if (st == SCRY_OK && c < 0) without = error;
        if (st == SCRY_OK && error < best) {
            best = error;
            *label = c;
        }
    }
    if (st == SCRY_OK)
        scry_log_note(log, "class: %s (predicts hidden detail %.2g dB better than no class)",
                      class_named(pool, *label), 10 * log10(without / best));
    scry_free(x);
    scry_free(noisy);
    return st;
}
