#include "apps/cli/map_options.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void map_options_table(cli_option *table, map_options *w, const char *ending)
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
    const cli_option options[MAP_OPTIONS] = {
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

struct maps {
    scry_output_maps *list;
    map_files *files;
};

static scry_status add_map(const struct maps *m, scry_output_kind kind, double at,
                           const char *option, const char *name, size_t length, scry_error *err)
{
    if (!length || length >= MAP_FILE_NAME)
        return SCRY_FAIL(err, SCRY_EINVAL, "--%s: a name of %zu letters, expected 1 to %d", option,
                         length, MAP_FILE_NAME - 1);
    const size_t k = m->list->count;
    const scry_status st = scry_output_maps_add(m->list, kind, at, err);
    if (st == SCRY_OK) snprintf(m->files->name[k], MAP_FILE_NAME, "%.*s", (int)length, name);
    return st;
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
    char stem[MAP_FILE_NAME];
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

static scry_status parse_quantiles(const struct maps *m, const char *list, scry_error *err)
{
    for (const char *at = list; at && *at;) {
        const size_t n = strcspn(at, ",");
        char name[MAP_FILE_NAME];
        if (m->list->quantiles == SCRY_MAX_QUANTILES)
            return SCRY_FAIL(err, SCRY_EINVAL, "--quantiles '%s': expected at most %d names", list,
                             SCRY_MAX_QUANTILES);
        snprintf(name, sizeof name, "%.*s", (int)(n < sizeof name ? n : 0), at);
        const double percent = percentage_of(name);
        if (!(percent > 0 && percent < 100))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--quantiles '%.*s': expected one percentage between 0 and 100 in the "
                             "file's name, as in q05.tif or run2_q97.5.tif",
                             (int)n, at);
        const scry_status st =
            add_map(m, SCRY_OUTPUT_QUANTILE, percent / 100, "quantiles", at, n, err);
        if (st != SCRY_OK) return st;
        at += n + (at[n] == ',');
    }
    return SCRY_OK;
}

static scry_status parse_above(const struct maps *m, const char *list, scry_error *err)
{
    for (const char *at = list; at && *at;) {
        const size_t n = strcspn(at, ",");
        char *end;
        const double threshold = strtod(at, &end);
        if (m->list->thresholds == SCRY_MAX_QUANTILES)
            return SCRY_FAIL(err, SCRY_EINVAL, "--above '%s': expected at most %d of T=FILE", list,
                             SCRY_MAX_QUANTILES);
        if (end == at || *end != '=' || !isfinite(threshold))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--above '%.*s', expected T=FILE with a number T in the unit of the "
                             "file, as in 120=above.tif",
                             (int)n, at);
        const scry_status st = add_map(m, SCRY_OUTPUT_ABOVE, threshold, "above", end + 1,
                                       n - (size_t)(end + 1 - at), err);
        if (st != SCRY_OK) return st;
        at += n + (at[n] == ',');
    }
    return SCRY_OK;
}

scry_status map_options_parse(scry_output_maps *p, map_files *files, const map_options *w,
                              bool preview, const scry_options *options, size_t chains,
                              scry_error *err)
{
    const struct {
        scry_output_kind kind;
        const char *option, *name;
    } single[] = {{SCRY_OUTPUT_SD, "sd", w->sd},
                  {SCRY_OUTPUT_RHAT, "rhat", w->rhat},
                  {SCRY_OUTPUT_ESS, "ess", w->ess}};
    const struct maps m = {p, files};
    scry_status st;
    *p = (scry_output_maps){0};
    *files = (map_files){0};
    if (w->region < 1 || w->region > 65536)
        return SCRY_FAIL(err, SCRY_EINVAL, "--region %lld, expected 1 to 65536 pixels",
                         (long long)w->region);
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        if (single[i].name && (st = add_map(&m, single[i].kind, 0, single[i].option, single[i].name,
                                            strlen(single[i].name), err)) != SCRY_OK)
            return st;
    if ((st = parse_quantiles(&m, w->quantiles, err)) != SCRY_OK) return st;
    if ((st = parse_above(&m, w->above, err)) != SCRY_OK) return st;
    if ((st = scry_output_maps_possible(p, options, chains, err)) != SCRY_OK) return st;
    const size_t each = scry_method_draws(options);
    if (w->rhat || w->ess || each >= SCRY_DRAWS_FOR_RHAT) p->region = (size_t)w->region;
    if (!preview || w->sd || chains * each < SCRY_DRAWS_FOR_SPREAD) return SCRY_OK;
    st = scry_output_maps_add(p, SCRY_OUTPUT_SD, 0, err);
    if (st == SCRY_OK) p->list[p->count - 1].optional = true;
    return st;
}

/* ---- no file twice ---- */

scry_status map_files_check(const scry_output_maps *p, const map_files *files,
                            const output_names *names, bool folders, bool force, scry_error *err)
{
    const char *all[SCRY_OUTPUT_MAX + MAP_OTHERS] = {NULL};
    output_names whole = *names;
    whole.outputs = all;
    for (size_t i = 0; i < names->output_count; i++)
        all[i] = names->outputs[i];
    for (size_t k = 0; k < p->count; k++)
        all[whole.output_count++] = files->name[k];
    return folders ? outputs_distinct(&whole, err) : outputs_check(&whole, force, err);
}
