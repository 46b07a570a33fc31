#include "apps/recon/output_maps.h"

#include "lib/given.h"

#include <math.h>
#include <stdio.h>

static const char *const kind_names[] = {[SCRY_OUTPUT_SD] = "sd",
                                         [SCRY_OUTPUT_QUANTILE] = "quantiles",
                                         [SCRY_OUTPUT_ABOVE] = "above",
                                         [SCRY_OUTPUT_RHAT] = "rhat",
                                         [SCRY_OUTPUT_ESS] = "ess"};

static scry_status count_list(size_t *count, const char *what, scry_error *err)
{
    if (*count < SCRY_MAX_QUANTILES) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%zu %s, expected at most %d", *count + 1, what,
                     SCRY_MAX_QUANTILES);
}

scry_status scry_output_maps_add(scry_output_maps *p, scry_output_kind kind, double at,
                                 scry_error *err)
{
    if (SCRY_MISSING(err, p)) return SCRY_EINVAL;
    scry_output_map one = {.kind = kind};
    scry_status st = SCRY_OK;
    if (kind == SCRY_OUTPUT_QUANTILE) {
        if (!(at > 0 && at < 1))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "quantile %g, expected a probability between 0 and 1", at);
        if ((st = count_list(&p->quantiles, "quantiles", err)) != SCRY_OK) return st;
        one.at = p->probability[p->quantiles] = at;
        one.index = p->quantiles++;
    } else if (kind == SCRY_OUTPUT_ABOVE) {
        if (!isfinite(at))
            return SCRY_FAIL(err, SCRY_EINVAL, "threshold %g, expected a finite number", at);
        if ((st = count_list(&p->thresholds, "thresholds", err)) != SCRY_OK) return st;
        one.at = p->threshold[p->thresholds] = at;
        one.index = p->thresholds++;
    } else {
        for (size_t k = 0; k < p->count; k++)
            if (p->list[k].kind == kind)
                return SCRY_FAIL(err, SCRY_EINVAL, "%s is asked for twice", kind_names[kind]);
    }
    p->list[p->count++] = one;
    return SCRY_OK;
}

/* ---- draws ---- */

static void list_multi_draw(char *list, size_t size)
{
    size_t count, used = 0;
    const struct scry_method *const *all = scry_methods(&count);
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (all[i]->kind != SCRY_POSTERIOR || !scry_method_multi_draw(all[i])) continue;
        const int wrote =
            snprintf(list + used, size - used, "%s%s", used ? ", " : "", all[i]->name);
        if (wrote > 0 && used + (size_t)wrote < size) used += (size_t)wrote;
    }
}

scry_status scry_output_maps_possible(const scry_output_maps *p, const scry_options *options,
                                      size_t chains, scry_error *err)
{
    const struct scry_method *method = options->method;
    const size_t each = scry_method_draws(options);
    const bool multi_draw = scry_method_multi_draw(method);
    for (size_t k = 0; k < p->count; k++) {
        const char *option = kind_names[p->list[k].kind];
        if (chains * each < SCRY_DRAWS_FOR_SPREAD && method->kind != SCRY_POSTERIOR)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--%s needs %d draws or more, %s has only one estimate; 'scry "
                             "methods' lists the posterior methods",
                             option, SCRY_DRAWS_FOR_SPREAD, method->name);
        if (p->list[k].kind == SCRY_OUTPUT_RHAT && each < SCRY_DRAWS_FOR_RHAT && !multi_draw) {
            char list[96];
            list_multi_draw(list, sizeof list);
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--rhat needs chains of %d draws or more, %s gives one a chain; "
                             "methods with several draws a chain take --draws %d or more: %s",
                             SCRY_DRAWS_FOR_RHAT, method->name, SCRY_DRAWS_FOR_RHAT, list);
        }
        if (p->list[k].kind == SCRY_OUTPUT_RHAT && each < SCRY_DRAWS_FOR_RHAT)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--rhat needs chains of %d draws or more, %s gives %zu here: "
                             "--draws %d or more",
                             SCRY_DRAWS_FOR_RHAT, method->name, each, SCRY_DRAWS_FOR_RHAT);
        if (chains * each < SCRY_DRAWS_FOR_SPREAD)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--%s needs %d draws or more, --samples %zu gives %zu: expected "
                             "--samples 2 or more%s",
                             option, SCRY_DRAWS_FOR_SPREAD, chains, chains * each,
                             multi_draw ? ", or --draws" : "");
    }
    return SCRY_OK;
}

void scry_output_maps_request(scry_chains_opts *opts, const scry_output_maps *p,
                              const double *threshold)
{
    opts->quantiles = p->quantiles;
    opts->probability = p->probability;
    opts->thresholds = p->thresholds;
    opts->threshold = threshold;
    opts->region = p->region;
}

scry_status scry_output_maps_check(const scry_output_maps *p, const scry_chains *c, scry_error *err)
{
    size_t k = 0;
    while (k < p->count && p->list[k].optional)
        k++; /* a preview can do without its sd */
    if (k == p->count || c->draws >= SCRY_DRAWS_FOR_SPREAD) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC,
                     "%zu of %zu chains diverged and %zu draw%s left, expected %d or more for "
                     "--%s: %s",
                     c->failed, c->failed + c->done, c->draws, c->draws == 1 ? " is" : "s are",
                     SCRY_DRAWS_FOR_SPREAD, kind_names[p->list[k].kind], c->failure.text);
}

/* ---- images ---- */

const float *scry_output_maps_values(const scry_output_maps *p, size_t k, const scry_chains *c)
{
    const scry_output_map *one = &p->list[k];
    switch (one->kind) {
    case SCRY_OUTPUT_SD:
        return c->sd;
    case SCRY_OUTPUT_QUANTILE:
        return c->quantile + one->index * c->n;
    case SCRY_OUTPUT_ABOVE:
        return c->above + one->index * c->n;
    case SCRY_OUTPUT_RHAT:
        return c->rhat;
    default:
        return c->ess;
    }
}

double scry_output_maps_scaled(const scry_output_map *p, double u, double scale, double shift)
{
    return p->kind == SCRY_OUTPUT_QUANTILE ? scale * u + shift
           : p->kind == SCRY_OUTPUT_SD     ? scale * u
                                           : u;
}

const char *scry_output_maps_title(const scry_output_map *p, char *buf, size_t size)
{
    switch (p->kind) {
    case SCRY_OUTPUT_SD:
        snprintf(buf, size, "standard deviation");
        break;
    case SCRY_OUTPUT_QUANTILE:
        snprintf(buf, size, "%g %% quantile", 100 * p->at);
        break;
    case SCRY_OUTPUT_ABOVE:
        snprintf(buf, size, "P(x > %g)", p->at);
        break;
    case SCRY_OUTPUT_RHAT:
        snprintf(buf, size, "split R-hat");
        break;
    case SCRY_OUTPUT_ESS:
        snprintf(buf, size, "effective sample size");
        break;
    }
    return buf;
}

const float *scry_output_maps_sd(const scry_output_maps *p, const float *images, size_t n)
{
    for (size_t k = 0; images && k < p->count; k++)
        if (p->list[k].kind == SCRY_OUTPUT_SD) return images + k * n;
    return NULL;
}
