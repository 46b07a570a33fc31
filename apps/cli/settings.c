#include "apps/cli/restore.h"

#include "apps/cli/choices.h"
#include "apps/cli/restore_page.h"
#include "lib/io/tiff/tiff.h"
#include "solvers/roles.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* --range LOW,HIGH. EINVAL: not two numbers, or LOW not below HIGH. */
static scry_status parse_range(const char *text, double *low, double *high, scry_error *err)
{
    char end;
    if (sscanf(text, "%lf,%lf%c", low, high, &end) == 2 && *high > *low && isfinite(*high - *low))
        return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "--range '%s', expected LOW,HIGH with LOW < HIGH", text);
}

enum { CHAINS = 16 };

void restore_settings_init(restore_settings *s, restore_task task)
{
    *s = (restore_settings){.method = task == RESTORE_DENOISE ? NULL : "auto",
                            .prior = "microscopy",
                            .guidance = 1,
                            .defects = task == RESTORE_DEBLUR ? "auto" : "none",
                            .maps.region = 16,
                            .samples = task == RESTORE_DENOISE ? 0 : CHAINS,
                            .tile = 512,
                            .time = 30,
                            .gain = NAN,
                            .offset = NAN,
                            .read_noise = NAN,
                            .background = NAN,
                            .sigma = NAN};
}

#define AT(member) offsetof(restore_settings, member)

static const cli_setting deblur_settings[] = {
    {"psf", CLI_TEXT, AT(psf), "PSF",
     "point-spread function: an image (of one point, or of beads: beads:FILE), or a model: "
     "gaussian:sigma=2 (sigma=auto: by the image), airy, born-wolf, gibson-lanni, "
     "confocal, with key=value after a colon; keys that are not given come from the file's "
     "metadata. "
     "Stacks are taken plane by plane for airy and for gaussian without sigma_z"},
    {"psf-width", CLI_TEXT, AT(psf_width), "auto|FACTOR",
     "widen the psf by a factor, or by the one that the spectrum of the image prefers [as given, "
     "or narrower, or shorter along z, where the image says so]"},
    {"crop-psf", CLI_FLAG, AT(crop_psf), NULL,
     "cut a measured psf that is larger than the image sees, also where more than a tenth of its "
     "light is lost"},
    {"boundary", CLI_TEXT, AT(boundary), "open|joined|periodic",
     "open: light enters from outside the field of view; joined: so it does, from one margin "
     "for opposite edges, which costs less; periodic: it wraps around [open; joined for "
     "volumes]"},
    {"time", CLI_REAL, AT(time), "MIN",
     "minutes that an image may take where no method is named: beyond, fewer chains, a "
     "method without any or fewer iterations are used, and a line says so; 0: no limit [30]"},
    {"defects", CLI_TEXT, AT(defects), "auto|none|saturated|all",
     "pixels to treat as not measured: auto (saturated and hot ones, and padding at the "
     "border, which keeps its value), none, saturated, or all (also dead and missing) [auto]"},
    {"noise", CLI_TEXT, AT(noise), "auto|none",
     "auto: estimate the noise from the image [auto unless --gain or --sigma is given]"},
    {"method", CLI_TEXT, AT(method), "auto|METHOD",
     "see 'scry methods'; auto: richardson-lucy, diffpir or their average, the one that "
     "predicts best, on the image itself, light that neither has seen, and of volumes without "
     "maps richardson-lucy; the error bars of "
     "diffpir are too narrow, those of jfps with --spread 1 are fairer, at twice its time and a "
     "worse mean [auto]"},
    {0},
};

static const cli_setting inpaint_settings[] = {
    {"noise", CLI_TEXT, AT(noise), "auto|none",
     "auto: estimate the noise from the image; none: known pixels are exact [none]"},
    {"method", CLI_TEXT, AT(method), "auto|METHOD",
     "see 'scry methods'; auto: the mean of draws by jfps and the biharmonic fill, averaged as "
     "fills copies of the holes best, at places where the image is known; jfps: draws alone, of 14 "
     "levels that are visited 3 times; where known pixels have noise, mmps has a better mean and "
     "fairer error bars, at twice the time [auto]"},
    {0},
};

static const cli_setting denoise_settings[] = {
    {"sigma", CLI_TEXT, AT(level), "SD|auto",
     "Gaussian noise of this sd in the file's unit; auto: estimate the noise from the image, a "
     "camera's where it shows one [auto unless --gain is given]"},
    {"method", CLI_TEXT, AT(method), "METHOD",
     "see 'scry methods'; denoiser is a call of the network, or a few for counted light; jfps "
     "draws samples [denoiser; jfps with --samples, --sd ...]"},
    {"samples", CLI_INTEGER, AT(samples), "K",
     "draw K samples of the posterior; their mean is written [none; 16 with --sd ...]"},
    {0},
};

/* Of deblur and inpaint. */
static const cli_setting chain_settings[] = {
    {"mask", CLI_TEXT, AT(mask), "FILE",
     "TIFF, nonzero where a pixel was measured; NaN in the image says the opposite"},
    {"sigma", CLI_REAL, AT(sigma), "SD", "Gaussian noise of this sd in the file's unit"},
    {"samples", CLI_INTEGER, AT(samples), "K",
     "independent posterior chains; their mean is written [16]"},
    {0},
};

static const cli_setting all_settings[] = {
    {"series", CLI_INTEGER, AT(series), "N",
     "image of an OME-TIFF or OME-Zarr that holds several, from 0; 'scry info' lists them [0]"},
    {"prior", CLI_TEXT, AT(prior), "PRIOR",
     "pretrained network: a name or a folder in the layout of diffusers [microscopy]"},
    {"gain", CLI_REAL, AT(gain), "E", "camera gain in e-/ADU: Poisson-Gaussian noise"},
    {"offset", CLI_REAL, AT(offset), "ADU", "camera offset (with --gain) [0]"},
    {"read-noise", CLI_REAL, AT(read_noise), "E", "camera read noise in e- (with --gain) [0]"},
    {"background", CLI_REAL, AT(background), "E",
     "uniform background in e- (with --sigma: in the file's unit), not part of the image [0]"},
    {"range", CLI_TEXT, AT(range), "LOW,HIGH",
     "intensities (file's unit) of background and brightest structures, which the prior is "
     "given "
     "[estimated]"},
    {"threads", CLI_INTEGER, AT(threads), "N",
     "chains at a time; the result does not depend on it "
     "[all processors]"},
    {"memory", CLI_REAL, AT(memory), "GB",
     "memory that the run may take; larger images are restored in tiles that overlap by the "
     "support of the psf [all that is available]"},
    {"slices", CLI_TEXT, AT(slices), "auto|planes|all",
     "of a volume, those that the network sees: its planes, or slices across each axis, one "
     "drawn at every noise level; auto: all where the file says that voxels are cubes [auto]"},
    {"tile", CLI_INTEGER, AT(tile), "PX",
     "window that the network sees at a time, where images are larger [512]"},
    {"type", CLI_TEXT, AT(type), "TYPE",
     "sample type of the output [that of the input; float32 where that would clip more than "
     "0.1 % of the pixels or change the flux by 0.5 %]"},
    {"compress", CLI_TEXT, AT(compress), "none|deflate|lzw",
     "of the output [none; an OME-Zarr: blosc]"},
    {"zarr", CLI_INTEGER, AT(zarr), "2|3",
     "zarr format of outputs whose names end in .zarr, which are OME-Zarr: 2 (OME-NGFF 0.4) or 3 "
     "(0.5); they have one level, also where the input is a pyramid [2]"},
    {"bigtiff", CLI_FLAG, AT(bigtiff), NULL, "write BigTIFF even below 4 GB"},
    {"report", CLI_TEXT, AT(report), "FILE",
     "write settings, costs and statistics as JSON, or, where the name ends in .html, as a "
     "page "
     "with figures and findings"},
    {"preview", CLI_TEXT, AT(preview), "FILE", "write a PNG of input, result and sd"},
    {"residual", CLI_TEXT, AT(residual), "FILE",
     "write the part of the input that the result does not explain: (input - blurred result) / "
     "sd of "
     "the noise, float32, NaN where nothing was measured"},
    CLI_RUN_SETTINGS(restore_settings),
    {0},
};

#undef AT

void restore_options(cli_option *table, restore_settings *s, restore_task task)
{
    static const cli_setting *const own[] = {[RESTORE_DEBLUR] = deblur_settings,
                                             [RESTORE_INPAINT] = inpaint_settings,
                                             [RESTORE_DENOISE] = denoise_settings};
    _Static_assert(sizeof deblur_settings / sizeof *deblur_settings +
                           sizeof chain_settings / sizeof *chain_settings +
                           sizeof all_settings / sizeof *all_settings + MAP_OPTIONS <=
                       RESTORE_OPTIONS + 2,
                   "table is too small");
    size_t n = cli_bind(table, own[task], s);
    if (task != RESTORE_DENOISE) n += cli_bind(table + n, chain_settings, s);
    map_options_table(table + n, &s->maps, "tif");
    n += MAP_OPTIONS;
    n += cli_bind(table + n, all_settings, s);
    table[n] = (cli_option){0};
}

/* --psf-width auto|FACTOR. */
static scry_status parse_width(const char *text, bool *find, double *factor, scry_error *err)
{
    char end;
    *factor = 1;
    *find = !strcmp(text, "auto");
    if (*find || (sscanf(text, "%lf%c", factor, &end) == 1 && *factor >= 0.1 && *factor <= 10))
        return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "--psf-width '%s', expected auto or a factor of 0.1 to 10",
                     text);
}

void restore_settings_complete(restore_settings *s, restore_task task)
{
    const map_options *m = &s->maps;
    if (task != RESTORE_DENOISE) return;
    const bool draws = s->samples || m->sd || m->quantiles || m->above || m->rhat || m->ess;
    if (!s->method)
        s->method = scry_role_method(draws ? SCRY_ROLE_DENOISE_DRAWS : SCRY_ROLE_DENOISE)->name;
    if (!s->samples) s->samples = CHAINS;
    if (isnan(s->gain)) s->noise = "auto"; /* where no level is given either */
}

/* --sigma of denoise. */
static scry_status parse_level(restore_settings *s, scry_error *err)
{
    char end;
    if (!s->level || !strcmp(s->level, "auto")) return SCRY_OK;
    if (sscanf(s->level, "%lf%c", &s->sigma, &end) == 1 && s->sigma > 0) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "--sigma '%s', expected a number above 0 or auto", s->level);
}

scry_status restore_settings_check(restore_settings *s, restore_task task, scry_error *err)
{
    const bool deblur = task == RESTORE_DEBLUR;
    scry_status st = parse_level(s, err);
    if (st != SCRY_OK) return st;
    if (s->type && scry_tiff_type_parse(s->type) == SCRY_TIFF_KEEP)
        return SCRY_FAIL(err, SCRY_EINVAL, "--type '%s', expected uint8, uint16, float32, ...",
                         s->type);
    if (s->zarr && s->zarr != 2 && s->zarr != 3)
        return SCRY_FAIL(err, SCRY_EINVAL, "--zarr %lld, expected 2 or 3", (long long)s->zarr);
    if (deblur && !s->psf)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--psf is missing: a TIFF or a model such as gaussian:sigma=2");
    if (s->sigma <= 0)
        return SCRY_FAIL(err, SCRY_EINVAL, "--sigma %g, expected more than 0; %s", s->sigma,
                         deblur ? "without it the noise is estimated"
                                : "--noise none takes known pixels as exact");
    const struct {
        const char *name;
        double value, low, high;
    } range[] = {{"gain", s->gain, 1e-9, 1e9},
                 {"offset", s->offset, -1e9, 1e9},
                 {"read-noise", s->read_noise, 0, 1e9},
                 {"background", s->background, -1e9, 1e9},
                 {"sigma", s->sigma, 1e-30, 1e30},
                 {"samples", (double)s->samples, 1, 4096},
                 {"threads", (double)s->threads, 0, 1024},
                 {"tile", (double)s->tile, 64, 65536},
                 {"memory", s->memory, 0, 1e6},
                 {"time", s->time, 0, 1e6},
                 {"series", (double)s->series, 0, 1e9},
                 {"seed", (double)s->seed, 0, 9e15}};
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (range[i].value < range[i].low || range[i].value > range[i].high)
            return SCRY_FAIL(err, SCRY_EINVAL, "--%s %g, expected %g to %g", range[i].name,
                             range[i].value, range[i].low, range[i].high);
    double low, high, factor;
    bool find;
    if (s->psf_width && (st = parse_width(s->psf_width, &find, &factor, err)) != SCRY_OK) return st;
    if (s->range && (st = parse_range(s->range, &low, &high, err)) != SCRY_OK) return st;
    if (!isnan(s->sigma) && !isnan(s->gain))
        return SCRY_FAIL(err, SCRY_EINVAL, "--sigma and --gain are two noise models, expected one");
    return SCRY_OK;
}

static scry_noise_request noise_request(const restore_settings *s)
{
    scry_noise_request r = {.sigma = isnan(s->sigma) ? 0 : s->sigma,
                            .gain = isnan(s->gain) ? 0 : s->gain,
                            .offset = isnan(s->offset) ? 0 : s->offset,
                            .read_noise = isnan(s->read_noise) ? 0 : s->read_noise,
                            .offset_known = !isnan(s->offset),
                            .read_noise_known = !isnan(s->read_noise),
                            .background = isnan(s->background) ? 0 : s->background};
    if (s->noise) r.choice = strcmp(s->noise, "auto") ? SCRY_NOISE_EXACT : SCRY_NOISE_ESTIMATED;
    return r;
}

static scry_boundary_choice boundary_choice(const char *name)
{
    if (!name) return SCRY_BOUNDARY_AUTO;
    return !strcmp(name, "periodic") ? SCRY_BOUNDARY_PERIODIC
           : !strcmp(name, "joined") ? SCRY_BOUNDARY_JOINED
                                     : SCRY_BOUNDARY_OPEN;
}

static scry_slices_choice slices_choice(const char *name)
{
    return !name || !strcmp(name, "auto") ? SCRY_SLICES_AUTO
           : !strcmp(name, "all")         ? SCRY_SLICES_ALL
                                          : SCRY_SLICES_PLANES;
}

void restore_settings_request(scry_restore_request *out, const restore_settings *s)
{
    *out = (scry_restore_request){.boundary = boundary_choice(s->boundary),
                                  .defects = SCRY_DEFECTS_KEEP,
                                  .noise = noise_request(s),
                                  .prior = s->prior,
                                  .class_name = s->class_name,
                                  .guidance = s->guidance,
                                  .tile = (size_t)s->tile,
                                  .predict = s->residual || report_is_page(s->report),
                                  .samples = (size_t)s->samples,
                                  .threads = (size_t)s->threads,
                                  .slices = slices_choice(s->slices),
                                  .memory = 1e9 * s->memory,
                                  .seconds = 60 * s->time};
    out->psf.crop = s->crop_psf;
    bool find = false;
    if (s->psf_width) {
        parse_width(s->psf_width, &find, &out->psf.width, NULL);
        out->psf.width_choice = find ? SCRY_WIDTH_FIND : SCRY_WIDTH_KEEP;
    }
    if (!strcmp(s->defects, "auto")) out->defects = SCRY_DEFECTS_AUTO;
    if (!strcmp(s->defects, "saturated")) out->defects = SCRY_DEFECTS_SATURATED;
    if (!strcmp(s->defects, "all")) out->defects = SCRY_DEFECTS_ALL;
    if (s->range) parse_range(s->range, &out->low, &out->high, NULL);
}
