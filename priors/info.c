#include "priors/info.h"

#include "lib/io/json.h"
#include "lib/memory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define INFO_LIMIT ((size_t)1 << 20)

struct holder {
    scry_prior_info info; /* first: the public pointer is the holder's */
    scry_json *doc;       /* owns the strings */
    double *power, *gap[2];
    const char **classes;
    char name[128];
};

void scry_prior_info_free(scry_prior_info *info)
{
    struct holder *h = (struct holder *)info;
    if (!h) return;
    scry_json_free(h->doc);
    scry_free(h->power);
    scry_free(h->classes);
    scry_free(h->gap[0]);
    scry_free(h->gap[1]);
    scry_free(h);
}

static void name_of_folder(char *name, size_t size, const char *folder)
{
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/')
        end--;
    size_t start = end;
    while (start && folder[start - 1] != '/')
        start--;
    snprintf(name, size, "%.*s", (int)(end - start < size ? end - start : size - 1),
             folder + start);
}

static scry_status read_words(struct holder *h, const scry_json_node *root, scry_error *err)
{
    int64_t channels = 0;
    const struct {
        const char *key, **value;
    } words[] = {
        {"name", &h->info.name},
        {"description", &h->info.description},
        {"training_data", &h->info.training_data},
        {"licence", &h->info.licence},
        {"weights_sha256", &h->info.weights_sha256},
    };
    scry_status st;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if ((st = scry_json_string(h->doc, root, words[i].key, SCRY_JSON_OPTIONAL, words[i].value,
                                   err)) != SCRY_OK)
            return st;
    st = scry_json_integer(h->doc, root, "channels", SCRY_JSON_OPTIONAL, 1, 64, &channels, err);
    h->info.channels = (size_t)channels;
    return st;
}

static scry_status read_classes(struct holder *h, const scry_json_node *root, scry_error *err)
{
    const scry_json_node *list = NULL;
    scry_status st = scry_json_array(h->doc, root, "classes", SCRY_JSON_OPTIONAL, &list, err);
    if (st != SCRY_OK || !list || !scry_json_count(list)) return st;
    if (!(h->classes = scry_alloc(scry_json_count(list), sizeof *h->classes)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: classes", h->info.name);
    h->info.classes = h->classes;
    for (const scry_json_node *n = scry_json_first(list); n && st == SCRY_OK; n = scry_json_next(n))
        st = scry_json_to_string(h->doc, n, &h->classes[h->info.class_count++], err);
    return st;
}

static scry_status read_intensity(struct holder *h, const scry_json_node *root, scry_error *err)
{
    scry_prior_info *p = &h->info;
    const scry_json_node *intensity = NULL;
    const struct {
        const char *key;
        double *value;
    } numbers[] = {
        {"low_percentile", &p->low_percentile},
        {"high_percentile", &p->high_percentile},
        {"gain_low", &p->gain_low},
        {"gain_high", &p->gain_high},
    };
    scry_status st =
        scry_json_object(h->doc, root, "intensity", SCRY_JSON_OPTIONAL, &intensity, err);
    if (st != SCRY_OK || !intensity) return st;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if ((st = scry_json_number(h->doc, intensity, numbers[i].key, SCRY_JSON_OPTIONAL,
                                   numbers[i].value, err)) != SCRY_OK)
            return st;
    if (!(p->low_percentile >= 0 && p->low_percentile < p->high_percentile &&
          p->high_percentile <= 100))
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: percentiles %g and %g, expected 0 <= low < high <= 100", p->name,
                         p->low_percentile, p->high_percentile);
    if (!(p->gain_low > 0 && p->gain_low <= p->gain_high))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: gains %g to %g, expected 0 < low <= high", p->name,
                         p->gain_low, p->gain_high);
    return SCRY_OK;
}

/* A list of two numbers or more; *out belongs to the holder, also when this fails. */
static scry_status read_numbers(double **out, size_t *count, const struct holder *h,
                                const scry_json_node *list, const char *key, scry_error *err)
{
    *count = scry_json_count(list);
    if (*count < 2)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s has %zu entries, expected at least 2",
                         h->info.name, key, *count);
    if (!(*out = scry_alloc(*count, sizeof **out)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %s", h->info.name, key);
    scry_status st = SCRY_OK;
    size_t i = 0;
    for (const scry_json_node *n = scry_json_first(list); n && st == SCRY_OK;
         n = scry_json_next(n), i++)
        st = scry_json_to_number(h->doc, n, &(*out)[i], err);
    return st;
}

static scry_status read_spectrum(struct holder *h, const scry_json_node *root, scry_error *err)
{
    scry_prior_info *p = &h->info;
    const scry_json_node *list = NULL;
    scry_status st;
    if ((st = scry_json_number(h->doc, root, "mean", SCRY_JSON_OPTIONAL, &p->radial.mean, err)) !=
            SCRY_OK ||
        (st = scry_json_number(h->doc, root, "variance", SCRY_JSON_OPTIONAL, &p->variance, err)) !=
            SCRY_OK ||
        (st = scry_json_array(h->doc, root, "radial_power", SCRY_JSON_OPTIONAL, &list, err)) !=
            SCRY_OK ||
        !list)
        return st;
    size_t count;
    if ((st = read_numbers(&h->power, &count, h, list, "radial_power", err)) != SCRY_OK) return st;
    for (size_t i = 0; i < count; i++)
        if (!(h->power[i] > 0))
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: radial_power[%zu] is %g, expected > 0",
                             p->name, i, h->power[i]);
    p->radial.count = count;
    p->radial.power = h->power;
    return SCRY_OK;
}

static scry_status read_gap(struct holder *h, const scry_json_node *root, scry_error *err)
{
    static const char *const keys[2] = {"sigma", "value"};
    static const char *const names[2] = {"gaussian_gap", "gaussian_departure"}; /* now, before */
    const char *name = h->info.name, *key = NULL;
    const scry_json_node *curve = NULL, *list = NULL;
    size_t count[2];
    scry_status st = SCRY_OK;
    for (size_t k = 0; k < 2 && st == SCRY_OK && !curve; k++)
        st = scry_json_object(h->doc, root, key = names[k], SCRY_JSON_OPTIONAL, &curve, err);
    if (st != SCRY_OK || !curve) return st;
    for (size_t k = 0; k < 2; k++) {
        st = scry_json_array(h->doc, curve, keys[k], SCRY_JSON_REQUIRED, &list, err);
        if (st == SCRY_OK) st = read_numbers(&h->gap[k], &count[k], h, list, keys[k], err);
        if (st != SCRY_OK) return st;
    }
    if (count[0] != count[1])
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %s has %zu levels and %zu values, expected as many", name, key,
                         count[0], count[1]);
    for (size_t i = 0; i < count[0]; i++) {
        const double s = h->gap[0][i], last = i ? h->gap[0][i - 1] : 0;
        if (!(s > last))
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s.sigma[%zu] is %g, expected more than %g",
                             name, key, i, s, last);
        if (!(h->gap[1][i] <= 1))
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s.value[%zu] is %g, expected at most 1", name,
                             key, i, h->gap[1][i]);
    }
    h->info.gap = (scry_gaussian_gap){count[0], h->gap[0], h->gap[1]};
    return SCRY_OK;
}

scry_status scry_prior_info_read(scry_prior_info **out, const char *folder, scry_error *err)
{
    char path[4096];
    scry_status st = SCRY_OK;
    *out = NULL;
    struct holder *h = scry_alloc(1, sizeof *h);
    if (!h) return SCRY_FAIL(err, SCRY_ENOMEM, "notes of the prior");
    name_of_folder(h->name, sizeof h->name, folder);
    h->info = (scry_prior_info){.name = h->name,
                                .description = "",
                                .training_data = "",
                                .licence = "",
                                .weights_sha256 = "",
                                .low_percentile = .5,
                                .high_percentile = 99.9,
                                .gain_low = .5,
                                .gain_high = 1};
    const int n = snprintf(path, sizeof path, "%s/prior.json", folder);
    if (n < 0 || (size_t)n >= sizeof path) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "the path of the prior is longer than %zu characters",
                       sizeof path);
        goto done;
    }
    if (access(path, F_OK) == 0) {
        if ((st = scry_json_read(&h->doc, path, INFO_LIMIT, err)) != SCRY_OK) goto done;
        const scry_json_node *root = scry_json_root(h->doc);
        if ((st = read_words(h, root, err)) != SCRY_OK) goto done;
        if ((st = read_classes(h, root, err)) != SCRY_OK) goto done;
        if ((st = read_intensity(h, root, err)) != SCRY_OK) goto done;
        if ((st = read_spectrum(h, root, err)) != SCRY_OK) goto done;
        if ((st = read_gap(h, root, err)) != SCRY_OK) goto done;
    }
    *out = &h->info;
    h = NULL;
done:
    scry_prior_info_free((scry_prior_info *)h);
    return st;
}
