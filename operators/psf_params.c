/* The parameters of the PSF models: one table drives the parser, the checks, the merge with a
 * file's metadata, the printed list and the help. */
#include "operators/psf.h"
#include "operators/psf_keys.h"

#include "lib/given.h"
#include "lib/nearest.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    GA = 1 << SCRY_PSF_GAUSSIAN,
    AI = 1 << SCRY_PSF_AIRY,
    BW = 1 << SCRY_PSF_BORN_WOLF,
    GL = 1 << SCRY_PSF_GIBSON_LANNI,
    CO = 1 << SCRY_PSF_CONFOCAL
};

struct key {
    const char *name, *unit;
    int models, required; /* required: the models that have no default for it */
    double low, high;     /* legal range, both ends included */
    const char *help;
    const char *metadata; /* where a file can know it, or NULL */
};

/* The ranges refuse a certain slip of the unit (a wavelength of 0.52, a pixel of
 * 0.065). */
static const struct key keys[SCRY_PSF_KEY_COUNT] = {
    [SCRY_PSF_SIGMA] = {"sigma", "px", GA, 0, 0.01, 1000,
                        "standard deviation, all axes; auto: by the image", NULL},
    [SCRY_PSF_SIGMA_X] = {"sigma_x", "px", GA, GA, 0, 1000, "along x (default: sigma)", NULL},
    [SCRY_PSF_SIGMA_Y] = {"sigma_y", "px", GA, GA, 0, 1000, "along y (default: sigma)", NULL},
    [SCRY_PSF_SIGMA_Z] = {"sigma_z", "px", GA, GA, 0, 1000, "along z (default: sigma)", NULL},
    [SCRY_PSF_NA] = {"na", "", AI | BW | GL | CO, AI | BW | GL | CO, 0.01, 1.7,
                     "numerical aperture", "the objective's LensNA"},
    [SCRY_PSF_WAVELENGTH] = {"wavelength", "nm", AI | BW | GL | CO, AI | BW | GL | CO, 100, 20000,
                             "emission wavelength", "the channel's EmissionWavelength"},
    [SCRY_PSF_EXCITATION] = {"excitation", "nm", CO, CO, 100, 20000, "excitation wavelength",
                             "the channel's ExcitationWavelength"},
    [SCRY_PSF_PIXEL] = {"pixel", "nm", AI | BW | GL | CO, AI | BW | GL | CO, 1, 1e6,
                        "pixel size in the sample", "PhysicalSizeX or the resolution tags"},
    [SCRY_PSF_SPACING] = {"spacing", "nm", BW | GL | CO, BW | GL | CO, 1, 1e6,
                          "distance of the planes, 3-D only", "PhysicalSizeZ or spacing"},
    [SCRY_PSF_NI] = {"ni", "", BW | GL | CO, BW | GL | CO, 1, 2.5,
                     "refractive index of the immersion (default: air, water or oil, by na)",
                     "the objective's RefractiveIndex"},
    [SCRY_PSF_NI0] = {"ni0", "", GL | CO, GL | CO, 1, 2.5, "  ... that the lens is made for (ni)",
                      NULL},
    [SCRY_PSF_NS] = {"ns", "", GL | CO, GL | CO, 1, 2.5, "refractive index of the sample (ni)",
                     NULL},
    [SCRY_PSF_NG] = {"ng", "", GL | CO, GL | CO, 1, 2.5,
                     "refractive index of the coverslip (1.5255)", NULL},
    [SCRY_PSF_NG0] = {"ng0", "", GL | CO, GL | CO, 1, 2.5, "  ... that the lens is made for (ng)",
                      NULL},
    [SCRY_PSF_TG] = {"tg", "um", GL | CO, GL | CO, 0, 5000, "thickness of the coverslip (170)",
                     NULL},
    [SCRY_PSF_TG0] = {"tg0", "um", GL | CO, GL | CO, 0, 5000,
                      "  ... that the lens is made for (tg)", NULL},
    [SCRY_PSF_WD] = {"wd", "um", GL | CO, GL | CO, 0, 50000,
                     "working distance: thickness of the immersion layer (150)", NULL},
    [SCRY_PSF_DEPTH] = {"depth", "um", GL | CO, GL | CO, 0, 5000, "depth below the coverslip (0)",
                        NULL},
    [SCRY_PSF_PINHOLE] = {"pinhole", "AU", CO, CO, 0, 20,
                          "diameter in Airy units, 0 is a point (1)", NULL},
    [SCRY_PSF_SIZE] = {"size", "px", GA | AI | BW | GL | CO, 0, 1, 4095,
                       "lateral size, odd (by energy)", NULL},
    [SCRY_PSF_SIZE_Z] = {"size_z", "planes", GA | BW | GL | CO, 0, 1, 4095,
                         "axial size, odd (where the axis is dark)", NULL},
    [SCRY_PSF_ENERGY] = {"energy", "", GA | AI | BW | GL | CO, GA | AI | BW | GL | CO, 0.1, 0.9999,
                         "fraction of the light inside (0.99; gaussian 0.9997)", NULL},
};

static const struct {
    const char *name, *help;
} models[SCRY_PSF_MODEL_COUNT] = {
    {"gaussian", "separable Gaussian, in pixels"},
    {"airy", "diffraction limit of a round lens in focus, plane by plane"},
    {"born-wolf", "widefield 2-D and 3-D, paraxial, without aberrations"},
    {"gibson-lanni", "widefield 2-D and 3-D, with mismatched media and coverslip"},
    {"confocal", "excitation times pinholed detection, each gibson-lanni"},
};

const char *scry_psf_model_name(scry_psf_model model)
{
    return models[model].name;
}

const char *scry_psf_key_name(scry_psf_key key)
{
    return keys[key].name;
}

const char *scry_psf_key_unit(scry_psf_key key)
{
    return keys[key].unit;
}

bool scry_psf_model_uses(scry_psf_model model, scry_psf_key key)
{
    return (keys[key].models >> model) & 1;
}

void scry_psf_params_init(scry_psf_params *p, scry_psf_model model)
{
    *p = (scry_psf_params){.model = model};
}

/* Appends to a caller's buffer and counts characters that did not fit, as snprintf does. */
struct text {
    char *at;
    size_t size, used;
};

#if defined(__GNUC__)
__attribute__((format(printf, 2, 3)))
#endif
static void
psf_params_append(struct text *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    const bool has_space = t->used < t->size;
    const int n =
        vsnprintf(has_space ? t->at + t->used : NULL, has_space ? t->size - t->used : 0, fmt, args);
    va_end(args);
    if (n > 0) t->used += (size_t)n;
}

static const char *list_models(char *buf, size_t size)
{
    struct text t = {buf, size, 0};
    for (int m = 0; m < SCRY_PSF_MODEL_COUNT; m++)
        psf_params_append(&t, m ? ", %s" : "%s", models[m].name);
    return buf;
}

static const char *list_keys(scry_psf_model model, char *buf, size_t size)
{
    struct text t = {buf, size, 0};
    for (int k = 0; k < SCRY_PSF_KEY_COUNT; k++)
        if (scry_psf_model_uses(model, (scry_psf_key)k))
            psf_params_append(&t, t.used ? ", %s" : "%s", keys[k].name);
    return buf;
}

/* " (did you mean \"sigma\"?)" in buf, or nothing where no name is near. */
static const char *psf_params_guess(const char *word, size_t n, const char *const *names,
                                    size_t count, char *buf, size_t size)
{
    const char *near = scry_nearest_name(word, n, names, count);
    buf[0] = '\0';
    if (near) snprintf(buf, size, " (did you mean \"%s\"?)", near);
    return buf;
}

static const char *guess_model(const char *word, size_t n, char *buf, size_t size)
{
    const char *names[SCRY_PSF_MODEL_COUNT];
    for (int m = 0; m < SCRY_PSF_MODEL_COUNT; m++)
        names[m] = models[m].name;
    return psf_params_guess(word, n, names, SCRY_PSF_MODEL_COUNT, buf, size);
}

static const char *guess_key(scry_psf_model model, const char *word, size_t n, char *buf,
                             size_t size)
{
    const char *names[SCRY_PSF_KEY_COUNT];
    size_t count = 0;
    for (int k = 0; k < SCRY_PSF_KEY_COUNT; k++)
        if (scry_psf_model_uses(model, (scry_psf_key)k)) names[count++] = keys[k].name;
    return psf_params_guess(word, n, names, count, buf, size);
}

/* The model that spec names up to its end or ':', or -1. */
static int find_model(const char *spec)
{
    const size_t n = strcspn(spec, ":");
    for (int m = 0; m < SCRY_PSF_MODEL_COUNT; m++)
        if (strlen(models[m].name) == n && strncmp(spec, models[m].name, n) == 0) return m;
    return -1;
}

bool scry_psf_is_model(const char *spec)
{
    return find_model(spec) >= 0;
}

scry_status scry_psf_set(scry_psf_params *p, scry_psf_key key, double value, scry_error *err)
{
    const struct key *k = &keys[key];
    char legal[256];
    if (!scry_psf_model_uses(p->model, key))
        return SCRY_FAIL(err, SCRY_EINVAL, "psf %s has no key \"%s\"; its keys are %s",
                         models[p->model].name, k->name, list_keys(p->model, legal, sizeof legal));
    if (!(value >= k->low && value <= k->high))
        return SCRY_FAIL(err, SCRY_EINVAL, "psf %s: %s = %g, expected %g to %g%s%s",
                         models[p->model].name, k->name, value, k->low, k->high,
                         *k->unit ? " " : "", k->unit);
    if ((key == SCRY_PSF_SIZE || key == SCRY_PSF_SIZE_Z) && fmod(value, 2) != 1)
        return SCRY_FAIL(err, SCRY_EINVAL, "psf %s: %s = %g, expected an odd whole number",
                         models[p->model].name, k->name, value);
    p->value[key] = value;
    p->origin[key] = SCRY_PSF_GIVEN;
    return SCRY_OK;
}

/* One "key=value" of n characters. */
static scry_status psf_parse_setting(scry_psf_params *p, const char *setting, size_t n,
                                     scry_error *err)
{
    const char *model = models[p->model].name;
    const size_t name = strcspn(setting, "=,");
    char legal[256], near[48], *end = NULL;
    if (name >= n)
        return SCRY_FAIL(err, SCRY_EINVAL, "psf %s: \"%.*s\" is not of the form key=value", model,
                         (int)(n < 60 ? n : 60), setting);
    int key = 0;
    while (key < SCRY_PSF_KEY_COUNT &&
           !(scry_psf_model_uses(p->model, (scry_psf_key)key) && strlen(keys[key].name) == name &&
             strncmp(setting, keys[key].name, name) == 0))
        key++;
    if (key == SCRY_PSF_KEY_COUNT)
        return SCRY_FAIL(err, SCRY_EINVAL, "psf %s has no key \"%.*s\"%s; its keys are %s", model,
                         (int)(name < 20 ? name : 20), setting,
                         guess_key(p->model, setting, name, near, sizeof near),
                         list_keys(p->model, legal, sizeof legal));
    if (p->origin[key] == SCRY_PSF_GIVEN)
        return SCRY_FAIL(err, SCRY_EINVAL, "psf %s: %s is given twice", model, keys[key].name);
    const char *text = setting + name + 1;
    if (key == SCRY_PSF_SIGMA && n == name + 5 && !strncmp(text, "auto", 4)) {
        p->find_width = true;
        return scry_psf_set(p, SCRY_PSF_SIGMA, 1.6, err);
    }
    const double value = strtod(text, &end);
    if (end == text || end != setting + n)
        return SCRY_FAIL(err, SCRY_EINVAL, "psf %s: %s = \"%.*s\" is not a number", model,
                         keys[key].name, (int)(n - name - 1 < 60 ? n - name - 1 : 60), text);
    return scry_psf_set(p, (scry_psf_key)key, value, err);
}

scry_status scry_psf_parse(scry_psf_params *p, const char *spec, scry_error *err)
{
    if (SCRY_MISSING(err, p, spec)) return SCRY_EINVAL;
    char legal[128], near[48];
    const int model = find_model(spec);
    const size_t length = strcspn(spec, ":");
    if (model < 0)
        return SCRY_FAIL(err, SCRY_EINVAL, "unknown psf model \"%.*s\"%s; the models are %s",
                         (int)(length < 60 ? length : 60), spec,
                         guess_model(spec, length, near, sizeof near),
                         list_models(legal, sizeof legal));
    scry_psf_params_init(p, (scry_psf_model)model);
    const char *at = spec + strcspn(spec, ":");
    while (*at) { /* at a ':' or ',' that must be followed by an setting */
        at++;
        const size_t n = strcspn(at, ",");
        scry_status st = psf_parse_setting(p, at, n, err);
        if (st != SCRY_OK) return st;
        at += n;
    }
    return SCRY_OK;
}

static void psf_params_offer(scry_psf_params *p, scry_psf_key key, double value,
                             scry_psf_origin origin)
{
    if (!scry_psf_model_uses(p->model, key) || p->origin[key] >= origin) return;
    if (!(value >= keys[key].low && value <= keys[key].high)) return;
    p->value[key] = value;
    p->origin[key] = origin;
}

void scry_psf_merge(scry_psf_params *p, const scry_psf_metadata *m)
{
    psf_params_offer(p, SCRY_PSF_NA, m->na, SCRY_PSF_FILE);
    psf_params_offer(p, SCRY_PSF_NI, m->ni, SCRY_PSF_FILE);
    psf_params_offer(p, SCRY_PSF_WAVELENGTH, m->wavelength_nm, SCRY_PSF_FILE);
    psf_params_offer(p, SCRY_PSF_EXCITATION, m->excitation_nm, SCRY_PSF_FILE);
    psf_params_offer(p, SCRY_PSF_PIXEL, m->pixel_um * 1e3, SCRY_PSF_FILE);
    psf_params_offer(p, SCRY_PSF_SPACING, m->spacing_um * 1e3, SCRY_PSF_FILE);
}

/* Defaults, in an order in which each may lean on those before it. */
static void fill_defaults(scry_psf_params *p)
{
    double *v = p->value;
    if (p->origin[SCRY_PSF_SIGMA] != SCRY_PSF_UNSET)
        for (int k = SCRY_PSF_SIGMA_X; k <= SCRY_PSF_SIGMA_Z; k++)
            psf_params_offer(p, (scry_psf_key)k, v[SCRY_PSF_SIGMA], SCRY_PSF_DEFAULT);
    if (p->origin[SCRY_PSF_NA] != SCRY_PSF_UNSET) {
        /* Dry lenses end at 0.95; water lenses at about 1.27. */
        const double na = v[SCRY_PSF_NA];
        psf_params_offer(p, SCRY_PSF_NI,
                         na <= 0.95   ? 1.0
                         : na <= 1.27 ? 1.333
                                      : 1.518,
                         SCRY_PSF_DEFAULT);
        psf_params_offer(p, SCRY_PSF_NI0, v[SCRY_PSF_NI], SCRY_PSF_DEFAULT);
        psf_params_offer(p, SCRY_PSF_NS, v[SCRY_PSF_NI], SCRY_PSF_DEFAULT);
    }
    psf_params_offer(p, SCRY_PSF_NG, 1.5255,
                     SCRY_PSF_DEFAULT); /* ISO 8255-1: 1.5255 at 546.1 nm, 170 um */
    psf_params_offer(p, SCRY_PSF_NG0, v[SCRY_PSF_NG], SCRY_PSF_DEFAULT);
    psf_params_offer(p, SCRY_PSF_TG, 170, SCRY_PSF_DEFAULT);
    psf_params_offer(p, SCRY_PSF_TG0, v[SCRY_PSF_TG], SCRY_PSF_DEFAULT);
    psf_params_offer(p, SCRY_PSF_WD, 150, SCRY_PSF_DEFAULT);
    psf_params_offer(p, SCRY_PSF_DEPTH, 0, SCRY_PSF_DEFAULT);
    psf_params_offer(p, SCRY_PSF_PINHOLE, 1, SCRY_PSF_DEFAULT);
    psf_params_offer(p, SCRY_PSF_ENERGY, p->model == SCRY_PSF_GAUSSIAN ? 0.9997 : 0.99,
                     SCRY_PSF_DEFAULT);
}

static bool only_in_3d(int key)
{
    return key == SCRY_PSF_SPACING || key == SCRY_PSF_SIGMA_Z || key == SCRY_PSF_SIZE_Z;
}

scry_status scry_psf_complete(scry_psf_params *p, int rank, scry_error *err)
{
    if (SCRY_MISSING(err, p)) return SCRY_EINVAL;
    const char *model = models[p->model].name;
    if (rank != 2 && rank != 3)
        return SCRY_FAIL(err, SCRY_EINVAL, "a psf has 2 or 3 axes, not %d", rank);
    fill_defaults(p);
    for (int k = 0; k < SCRY_PSF_KEY_COUNT; k++) {
        if (!((keys[k].required >> p->model) & 1) || p->origin[k] != SCRY_PSF_UNSET) continue;
        if (only_in_3d(k) && rank == 2) continue;
        /* sigma stands for the three of them */
        const struct key *key = k == SCRY_PSF_SIGMA_X ? &keys[SCRY_PSF_SIGMA] : &keys[k];
        if (key->metadata)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "psf %s needs %s (%s%s%s), which neither you nor the file gave: write "
                             "%s:%s=..., or record %s in the file",
                             model, key->name, key->help, *key->unit ? ", " : "", key->unit, model,
                             key->name, key->metadata);
        return SCRY_FAIL(err, SCRY_EINVAL, "psf %s needs %s (%s): write %s:%s=...", model,
                         key->name, key->help, model, key->name);
    }
    const double na = p->value[SCRY_PSF_NA], ni = p->value[SCRY_PSF_NI];
    if (scry_psf_model_uses(p->model, SCRY_PSF_NI) && na > ni)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "psf %s: na = %g exceeds the refractive index of the immersion, ni = %g",
                         model, na, ni);
    return SCRY_OK;
}

size_t scry_psf_describe(const scry_psf_params *p, char *text, size_t size)
{
    static const char *const origins[] = {"automatic", "default", "from file", "given"};
    struct text t = {text, size, 0};
    psf_params_append(&t, "psf model %s\n", models[p->model].name);
    for (int k = 0; k < SCRY_PSF_KEY_COUNT; k++) {
        if (!scry_psf_model_uses(p->model, (scry_psf_key)k)) continue;
        if (p->origin[k] == SCRY_PSF_UNSET)
            psf_params_append(&t, "  %-11s %-9s %-6s %s\n", keys[k].name, "-", keys[k].unit,
                              (keys[k].required >> p->model) & 1 ? "not known" : origins[0]);
        else
            psf_params_append(&t, "  %-11s %-9g %-6s %s\n", keys[k].name, p->value[k], keys[k].unit,
                              origins[p->origin[k]]);
    }
    return t.used;
}

size_t scry_psf_help(char *text, size_t size)
{
    struct text t = {text, size, 0};
    psf_params_append(&t, "PSF models (model:key=value,...):\n");
    for (int m = 0; m < SCRY_PSF_MODEL_COUNT; m++) {
        char list[256];
        psf_params_append(&t, "  %-13s %s\n  %-13s keys: %s\n", models[m].name, models[m].help, "",
                          list_keys((scry_psf_model)m, list, sizeof list));
    }
    psf_params_append(&t, "Keys (default; * a file's metadata may give it):\n");
    for (int k = 0; k < SCRY_PSF_KEY_COUNT; k++)
        psf_params_append(&t, "  %-10s %c %-6s %s\n", keys[k].name, keys[k].metadata ? '*' : ' ',
                          keys[k].unit, keys[k].help);
    return t.used;
}
