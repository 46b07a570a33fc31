#include "apps/recon/output_maps.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Draws that a statement of each kind takes: of all chains together, or of one chain. */
enum { DRAWS_FOR_SPREAD = 2, DRAWS_FOR_RHAT = 4 };

static const char *const option_names[] = {[OUTPUT_MAP_SD] = "sd",
                                           [OUTPUT_MAP_QUANTILE] = "quantiles",
                                           [OUTPUT_MAP_ABOVE] = "above",
                                           [OUTPUT_MAP_RHAT] = "rhat",
                                           [OUTPUT_MAP_ESS] = "ess"};

void output_map_options(cli_option *table, output_map_names *w, const char *ending)
{
    static char quantiles[320], above[160]; /* help outlives the call; both commands say the same */
    snprintf(quantiles, sizeof quantiles,
             "write quantiles of the draws: q05.%s,q95.%s, or q2.5.%s. The percentage is the "
             "number after a q, or the only one, in the name without folder and ending",
             ending, ending, ending);
    snprintf(above, sizeof above,
             "write the share of the draws above T (file's unit), float32 in 0 to 1: "
             "120=above.%s, several with commas",
             ending);
    const cli_option options[OUTPUT_MAP_OPTIONS] = {
        {"sd", CLI_TEXT, &w->sd, "FILE", "write the standard deviation of the draws, float32"},
        {"quantiles", CLI_TEXT, &w->quantiles, "FILES", quantiles},
        {"above", CLI_TEXT, &w->above, "T=FILES", above},
        {"rhat", CLI_TEXT, &w->rhat, "FILE",
         "write split R-hat region by region: chains that agree have 1 (methods with --draws)"},
        {"ess", CLI_TEXT, &w->ess, "FILE",
         "write region by region how many independent draws would say as much about the mean"},
        {"region", CLI_INTEGER, &w->region, "PX", "side of the regions of --rhat and --ess [16]"},
    };
    memcpy(table, options, sizeof options);
}

/* ---- names ---- */

static scry_status output_maps_add(output_maps *p, output_map_kind kind, double at, size_t index,
                                   const char *name, size_t length, scry_error *err)
{
    if (!length || length >= OUTPUT_MAP_NAME)
        return SCRY_FAIL(err, SCRY_EINVAL, "--%s: a name of %zu letters, expected 1 to %d",
                         option_names[kind], length, OUTPUT_MAP_NAME - 1);
    output_map *one = &p->list[p->count++];
    *one = (output_map){.kind = kind, .at = at, .index = index};
    memcpy(one->name, name, length);
    return SCRY_OK;
}

/* The name without folders and the endings that images have here, which hold digits (.h5). */
static void stem_of(char *stem, size_t size, const char *name)
{
    static const char *const endings[] = {".nii.gz",   ".nii",     ".hdf5", ".h5", ".cfl",
                                          ".ome.tiff", ".ome.tif", ".tiff", ".tif"};
    size_t n = strlen(name);
    while (n > 1 && name[n - 1] == '/')
        n--; /* a folder, for several images */
    size_t from = n;
    while (from > 0 && name[from - 1] != '/')
        from--;
    snprintf(stem, size, "%.*s", (int)(n - from), name + from);
    n = strlen(stem);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        const size_t m = strlen(endings[i]);
        if (n <= m || strcasecmp(stem + n - m, endings[i]) != 0) continue;
        stem[n - m] = '\0';
        return;
    }
}

/* The number after a q of its own, or the only number: 5 for "run2_q05.tif" and "low5.tif". Numbers
 * are digits with at most one point between them. NaN: none, or several to choose from. */
static double percentage_of(const char *name)
{
    char stem[OUTPUT_MAP_NAME];
    double marked = NAN, plain = NAN;
    size_t marks = 0, plains = 0;
    stem_of(stem, sizeof stem, name);
    for (const char *at = stem; *(at += strcspn(at, "0123456789"));) {
        const char *from = at;
        at += strspn(at, "0123456789");
        if (*at == '.' && isdigit((unsigned char)at[1])) at += 1 + strspn(at + 1, "0123456789");
        const bool q = from > stem && tolower((unsigned char)from[-1]) == 'q' &&
                       (from == stem + 1 || !isalpha((unsigned char)from[-2]));
        *(q ? &marked : &plain) = strtod(from, NULL);
        *(q ? &marks : &plains) += 1;
    }
    return marks == 1 ? marked : !marks && plains == 1 ? plain : NAN;
}

static scry_status parse_quantiles(output_maps *p, const char *list, scry_error *err)
{
    for (const char *at = list; at && *at;) {
        const size_t n = strcspn(at, ",");
        char name[OUTPUT_MAP_NAME];
        if (p->quantiles == SCRY_MAX_QUANTILES)
            return SCRY_FAIL(err, SCRY_EINVAL, "--quantiles '%s': expected at most %d names", list,
                             SCRY_MAX_QUANTILES);
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : 0), at);
        const double percent = percentage_of(name);
        if (!(percent > 0 && percent < 100))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--quantiles '%.*s': expected one percentage between 0 and 100 in the "
                             "file's name, as in q05.tif or run2_q97.5.tif",
                             (int)n, at);
        p->probability[p->quantiles] = percent / 100;
        const scry_status st =
            output_maps_add(p, OUTPUT_MAP_QUANTILE, percent / 100, p->quantiles++, at, n, err);
        if (st != SCRY_OK) return st;
        at += n + (at[n] == ',');
    }
    return SCRY_OK;
}

static scry_status parse_above(output_maps *p, const char *list, scry_error *err)
{
    for (const char *at = list; at && *at;) {
        const size_t n = strcspn(at, ",");
        char *end;
        const double threshold = strtod(at, &end);
        if (p->thresholds == SCRY_MAX_QUANTILES)
            return SCRY_FAIL(err, SCRY_EINVAL, "--above '%s': expected at most %d of T=FILE", list,
                             SCRY_MAX_QUANTILES);
        if (end == at || *end != '=' || !isfinite(threshold))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--above '%.*s', expected T=FILE with a number T in the unit of the "
                             "file, as in 120=above.tif",
                             (int)n, at);
        p->threshold[p->thresholds] = threshold;
        const scry_status st = output_maps_add(p, OUTPUT_MAP_ABOVE, threshold, p->thresholds++,
                                               end + 1, n - (size_t)(end + 1 - at), err);
        if (st != SCRY_OK) return st;
        at += n + (at[n] == ',');
    }
    return SCRY_OK;
}

/* ---- draws ---- */

static void list_walkers(char *list, size_t size)
{
    size_t count, used = 0;
    const struct scry_method *const *all = scry_methods(&count);
    list[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        if (all[i]->kind != SCRY_POSTERIOR || !scry_method_walks(all[i])) continue;
        const int wrote =
            snprintf(list + used, size - used, "%s%s", used ? ", " : "", all[i]->name);
        if (wrote > 0 && used + (size_t)wrote < size) used += (size_t)wrote;
    }
}

/* What was asked takes more draws than the run will give. */
static scry_status check_draws(const output_maps *p, const scry_options *options, size_t chains,
                               scry_error *err)
{
    const struct scry_method *method = options->method;
    const size_t each = scry_method_draws(options);
    const bool walks = scry_method_walks(method);
    for (size_t k = 0; k < p->count; k++) {
        const char *option = option_names[p->list[k].kind];
        if (chains * each < DRAWS_FOR_SPREAD && method->kind != SCRY_POSTERIOR)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--%s needs %d draws or more, %s has only one estimate; 'scry "
                             "methods' lists the posterior methods",
                             option, DRAWS_FOR_SPREAD, method->name);
        if (p->list[k].kind == OUTPUT_MAP_RHAT && each < DRAWS_FOR_RHAT && !walks) {
            char list[96];
            list_walkers(list, sizeof list);
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--rhat needs chains of %d draws or more, %s gives one a chain; "
                             "methods that walk take --draws %d or more: %s",
                             DRAWS_FOR_RHAT, method->name, DRAWS_FOR_RHAT, list);
        }
        if (p->list[k].kind == OUTPUT_MAP_RHAT && each < DRAWS_FOR_RHAT)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--rhat needs chains of %d draws or more, %s gives %zu here: "
                             "--draws %d or more",
                             DRAWS_FOR_RHAT, method->name, each, DRAWS_FOR_RHAT);
        if (chains * each < DRAWS_FOR_SPREAD)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--%s needs %d draws or more, --samples %zu gives %zu: expected "
                             "--samples 2 or more%s",
                             option, DRAWS_FOR_SPREAD, chains, chains * each,
                             walks ? ", or --draws" : "");
    }
    return SCRY_OK;
}

scry_status output_maps_parse(output_maps *p, const output_map_names *w, bool preview,
                              const scry_options *options, size_t chains, scry_error *err)
{
    const char *const single[] = {
        [OUTPUT_MAP_SD] = w->sd, [OUTPUT_MAP_RHAT] = w->rhat, [OUTPUT_MAP_ESS] = w->ess};
    scry_status st;
    *p = (output_maps){0};
    if (w->region < 1 || w->region > 65536)
        return SCRY_FAIL(err, SCRY_EINVAL, "--region %lld, expected 1 to 65536 pixels",
                         (long long)w->region);
    for (size_t kind = 0; kind < sizeof single / sizeof *single; kind++)
        if (single[kind] && (st = output_maps_add(p, (output_map_kind)kind, 0, 0, single[kind],
                                                  strlen(single[kind]), err)) != SCRY_OK)
            return st;
    if ((st = parse_quantiles(p, w->quantiles, err)) != SCRY_OK) return st;
    if ((st = parse_above(p, w->above, err)) != SCRY_OK) return st;
    if ((st = check_draws(p, options, chains, err)) != SCRY_OK) return st;
    const size_t each = scry_method_draws(options);
    if (w->rhat || w->ess || each >= DRAWS_FOR_RHAT) p->region = (size_t)w->region;
    if (preview && !w->sd && chains * each >= DRAWS_FOR_SPREAD)
        p->list[p->count++] = (output_map){.kind = OUTPUT_MAP_SD};
    return SCRY_OK;
}

void output_maps_request(scry_chains_opts *opts, const output_maps *p, const double *threshold)
{
    opts->quantiles = p->quantiles;
    opts->probability = p->probability;
    opts->thresholds = p->thresholds;
    opts->threshold = threshold;
    opts->region = p->region;
}

scry_status output_maps_check(const output_maps *p, const scry_chains *c, scry_error *err)
{
    size_t k = 0;
    while (k < p->count && !p->list[k].name[0])
        k++; /* a preview can do without its sd */
    if (k == p->count || c->draws >= DRAWS_FOR_SPREAD) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC,
                     "%zu of %zu chains diverged and %zu draw%s left, expected %d or more for "
                     "--%s: %s",
                     c->failed, c->failed + c->done, c->draws, c->draws == 1 ? " is" : "s are",
                     DRAWS_FOR_SPREAD, option_names[p->list[k].kind], c->failure.text);
}

/* ---- images ---- */

const float *output_maps_values(const output_maps *p, size_t k, const scry_chains *c)
{
    const output_map *one = &p->list[k];
    switch (one->kind) {
    case OUTPUT_MAP_SD:
        return c->sd;
    case OUTPUT_MAP_QUANTILE:
        return c->quantile + one->index * c->n;
    case OUTPUT_MAP_ABOVE:
        return c->above + one->index * c->n;
    case OUTPUT_MAP_RHAT:
        return c->rhat;
    default:
        return c->ess;
    }
}

double output_maps_scaled(const output_map *p, double u, double scale, double shift)
{
    return p->kind == OUTPUT_MAP_QUANTILE ? scale * u + shift
           : p->kind == OUTPUT_MAP_SD     ? scale * u
                                          : u;
}

const char *output_maps_title(const output_map *p, char *buf, size_t size)
{
    switch (p->kind) {
    case OUTPUT_MAP_SD:
        snprintf(buf, size, "standard deviation");
        break;
    case OUTPUT_MAP_QUANTILE:
        snprintf(buf, size, "%g %% quantile", 100 * p->at);
        break;
    case OUTPUT_MAP_ABOVE:
        snprintf(buf, size, "P(x > %g)", p->at);
        break;
    case OUTPUT_MAP_RHAT:
        snprintf(buf, size, "split R-hat");
        break;
    case OUTPUT_MAP_ESS:
        snprintf(buf, size, "effective sample size");
        break;
    }
    return buf;
}

const float *output_maps_sd(const output_maps *p, const float *images, size_t n)
{
    for (size_t k = 0; images && k < p->count; k++)
        if (p->list[k].kind == OUTPUT_MAP_SD) return images + k * n;
    return NULL;
}

/* ---- no file twice ---- */

static bool same_path(const char *a, const char *b)
{
    struct stat sa, sb;
    size_t n = strlen(a), m = strlen(b);
    if (!stat(a, &sa) && !stat(b, &sb)) return sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;
    for (; n > 2 && a[0] == '.' && a[1] == '/'; n -= 2)
        a += 2;
    for (; m > 2 && b[0] == '.' && b[1] == '/'; m -= 2)
        b += 2;
    while (n > 1 && a[n - 1] == '/')
        n--;
    while (m > 1 && b[m - 1] == '/')
        m--;
    return n == m && !strncmp(a, b, n);
}

scry_status output_maps_distinct(const output_maps *p, const char *const *names, size_t count,
                                 scry_error *err)
{
    for (size_t i = 0; i < count + p->count; i++) {
        const char *a = i < count ? names[i] : p->list[i - count].name;
        for (size_t j = 0; a && *a && j < i; j++) {
            const char *b = j < count ? names[j] : p->list[j - count].name;
            if (b && *b && same_path(a, b))
                return SCRY_FAIL(err, SCRY_EINVAL,
                                 "%s is named for two outputs, expected a name "
                                 "for each",
                                 a);
        }
    }
    return SCRY_OK;
}
