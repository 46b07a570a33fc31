#include "apps/cli/mri.h"

#include "apps/cli/choices.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mri_settings_init(mri_settings *s)
{
    *s = (mri_settings){.method = "auto",
                        .prior = "mri",
                        .guidance = 1,
                        .maps = "auto",
                        .noise = "auto",
                        .phase = "auto",
                        .output.region = 16,
                        .samples = 16,
                        .sets = 1,
                        .crop = NAN,
                        .gain = 0.75};
}

#define AT(member) offsetof(mri_settings, member)

static const cli_setting scan_settings[] = {
    {"method", CLI_TEXT, AT(method), "METHOD",
     "see 'scry methods'; auto: wavelet, or dds where it predicts samples of the middle slice that "
     "are held out better and an hour of a processor will do for it, or where maps of the "
     "posterior are asked for. The mean of dds was .3 to 1.7 dB better on brains and simulated "
     "scans at R 4 and 8 (.3 and 1.2, 1.7 and 1.0), 1 dB worse at partial Fourier; wavelet is "
     "fifty times as quick. dds has error bars that are too narrow, preconditioned-langevin with "
     "--steps 20 --level-steps 2 fair ones and a worse mean [auto]"},
    {"maps", CLI_TEXT, AT(maps), "auto|espirit|lowres|none|FILE",
     "coil sensitivities: espirit or lowres, from the middle of k-space; none: root sum of "
     "squares (zero-filled); or a .cfl or .h5 file of them, with all of its sets [espirit for "
     "several coils]"},
    {"mask", CLI_TEXT, AT(mask), "FILE",
     "samples to use, nonzero: .cfl or .h5, (y, x) or one line along the phase encodes"},
    {"trajectory", CLI_TEXT, AT(trajectory), "FILE",
     "where the samples of a radial, spiral or other scan lie: .cfl as BART writes it, or .h5 "
     "(..., 2 or 3: kx, ky), in units of 1/field of view, or of 1/pixel within half a unit "
     "[Cartesian, or that of the ISMRMRD file]"},
    {"size", CLI_TEXT, AT(size), "YxX",
     "rows and columns of the image, with --trajectory [as large as it reaches]"},
    {"sets", CLI_INTEGER, AT(sets), "N",
     "sets of ESPIRiT maps; each has an image, and their magnitudes add up by squares [1]"},
    {"acs", CLI_INTEGER, AT(acs), "N",
     "samples of the middle that maps are made from, at most so many along each axis [64, and "
     "all of a complete readout]"},
    {"crop", CLI_REAL, AT(crop), "X",
     "eigenvalue below which ESPIRiT takes a pixel for empty [0.8; 0.7 where samples that are held "
     "out are predicted better by that]"},
    {"soft", CLI_FLAG, AT(soft), NULL, "fade ESPIRiT maps out in place of cutting them off"},
    {"coils", CLI_INTEGER, AT(coils), "N", "compress to N virtual coils [all]"},
    {"noise", CLI_TEXT, AT(noise), "auto|scan|kspace|none|SD|FILE",
     "covariance of the coils' noise, which whitens them: scan (noise scans of the file), "
     "kspace (what is left where signal cancels or does not reach), none (coils as they are), auto "
     "(scan, else kspace; and what the coil maps leave unexplained, where samples that are held "
     "out are predicted better by that), a number (sd of a complex sample, the same in all coils), "
     "or a file of samples without signal [auto]"},
    {"prior", CLI_TEXT, AT(prior), "PRIOR",
     "pretrained network: a name or a folder in the layout of diffusers [mri]"},
    {"samples", CLI_INTEGER, AT(samples), "K",
     "independent posterior chains; their mean is written [16]"},
    {"gain", CLI_REAL, AT(gain), "G",
     "brightness that the network is shown the brightest tissue with: 2 G above its black "
     "[0.75]"},
    {"phase", CLI_TEXT, AT(phase), "auto|smooth|free",
     "of the image: smooth (that of the middle of k-space; the image is real beside it, so "
     "that "
     "half of k-space determines it), free, or auto (smooth for partial Fourier, where an axis "
     "is sampled farther to one side; else free) [auto]"},
    {"phase-width", CLI_REAL, AT(phase_width), "PX",
     "the phase of the image is that of an estimate blurred by a Gaussian of this sd "
     "[2 or less: the widest that leaves 1 % of the energy beside it]"},
    {"imaginary", CLI_REAL, AT(imaginary), "SD",
     "spread of the imaginary part beside that phase, in the network's unit [learnt]"},
    {"holdout", CLI_REAL, AT(holdout), "SHARE",
     "leave out this share of the samples outside the middle, and report how well they are "
     "predicted [0]"},
    {"complex", CLI_FLAG, AT(cplx), NULL, "write complex images, not magnitudes"},
    {"slices", CLI_TEXT, AT(slices), "A-B", "only these slices, from 0 [all]"},
    {"dataset", CLI_TEXT, AT(dataset), "NAME",
     "complex dataset, or measurement, of an HDF5 file that has several"},
    {"oversampling", CLI_REAL, AT(oversampling), "F",
     "of the readout, where the file does not say: the image is the middle 1/F [as the file "
     "says]"},
    {"transformed", CLI_TEXT, AT(transformed), "read",
     "the readout of this .cfl (dim 0) or plain HDF5 is in the image already"},
    {"threads", CLI_INTEGER, AT(threads), "N",
     "slices or chains at a time, or parts of one where the machine is not busy; the result "
     "does not depend on it [all processors]"},
    {"report", CLI_TEXT, AT(report), "FILE",
     "write settings, costs and statistics as JSON, or, where the name ends in .html, as a "
     "page "
     "with figures"},
    {"preview", CLI_TEXT, AT(preview), "FILE",
     "write a PNG of the middle slice: zero-filled, result and sd"},
    {"resume", CLI_FLAG, AT(resume), NULL,
     "continue the run of several slices that was stopped, from OUT.journal: the same bytes as "
     "if it had not been"},
    CLI_RUN_SETTINGS(mri_settings),
    {0},
};

#undef AT

void mri_options(cli_option *table, mri_settings *s)
{
    _Static_assert(sizeof scan_settings / sizeof *scan_settings + MAP_OPTIONS < MRI_OPTIONS,
                   "table is too small");
    size_t n = cli_bind(table, scan_settings, s);
    map_options_table(table + n, &s->output, "h5");
    table[n + MAP_OPTIONS] = (cli_option){0};
}

static bool noise_is_word(const mri_settings *s)
{
    static const char *const words[] = {"auto", "scan", "kspace", "none", NULL};
    for (const char *const *w = words; *w; w++)
        if (!strcmp(s->noise, *w)) return true;
    return false;
}

/* 0: it is not a number that can be an sd. */
static double noise_number(const mri_settings *s)
{
    char *end;
    const double value = strtod(s->noise, &end);
    return end != s->noise && !*end && value > 0 && isfinite(value) ? value : 0;
}

scry_status mri_settings_check(const mri_settings *s, scry_error *err)
{
    const struct {
        const char *name;
        double value, low, high;
    } range[] = {
        {"samples", (double)s->samples, 1, 4096}, {"threads", (double)s->threads, 0, 1024},
        {"sets", (double)s->sets, 1, 8},          {"acs", s->acs ? (double)s->acs : 64, 6, 4096},
        {"coils", (double)s->coils, 0, 4096},     {"crop", s->crop, 0, 1},
        {"holdout", s->holdout, 0, 0.5},          {"gain", s->gain, 0.05, 4},
        {"phase-width", s->phase_width, 0, 1000}, {"imaginary", s->imaginary, 0, 10},
        {"oversampling", s->oversampling, 0, 64}, {"seed", (double)s->seed, 0, 9e15}};
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (range[i].value < range[i].low || range[i].value > range[i].high)
            return SCRY_FAIL(err, SCRY_EINVAL, "--%s %g, expected %g to %g", range[i].name,
                             range[i].value, range[i].low, range[i].high);
    if (noise_is_word(s) || noise_number(s) > 0 || !access(s->noise, R_OK)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL,
                     "--noise '%s', expected auto, scan, kspace, none, a number above 0 or the "
                     "name of a file",
                     s->noise);
}

bool mri_gives_weight(const mri_settings *s)
{
    static const char *const names[] = {"lambda", "ridge", "wavelet-weight", "tv-weight", NULL};
    for (size_t k = 0; k < s->methods.count; k++)
        for (const char *const *n = names; *n && s->methods.texts[k]; n++)
            if (!strcmp(s->methods.names[k], *n)) return true;
    return false;
}

const char *mri_noise_file(const mri_settings *s)
{
    return noise_is_word(s) || noise_number(s) > 0 ? NULL : s->noise;
}

static const char *const map_words[] = {"auto", "espirit", "lowres", "none", NULL};

bool mri_maps_from_file(const mri_settings *s)
{
    for (const char *const *w = map_words; *w; w++)
        if (!strcmp(s->maps, *w)) return false;
    return true;
}

void mri_settings_request(scry_mri_request *out, const mri_settings *s)
{
    *out = (scry_mri_request){.sets = (size_t)s->sets,
                              .acs = (size_t)s->acs,
                              .soft = s->soft,
                              .coils = (size_t)s->coils,
                              .gain = s->gain,
                              .phase_width = s->phase_width,
                              .imaginary = s->imaginary,
                              .holdout = s->holdout,
                              .prior = s->prior,
                              .class_name = s->class_name,
                              .guidance = s->guidance,
                              .samples = (size_t)s->samples};
    if (!strcmp(s->phase, "smooth")) out->phase = SCRY_PHASE_SMOOTH;
    if (!strcmp(s->phase, "free")) out->phase = SCRY_PHASE_FREE;
    if (!strcmp(s->noise, "scan")) out->noise = SCRY_COIL_NOISE_SCAN;
    if (!strcmp(s->noise, "kspace")) out->noise = SCRY_COIL_NOISE_KSPACE;
    if (!strcmp(s->noise, "none")) out->noise = SCRY_COIL_NOISE_NONE;
    if (mri_noise_file(s)) out->noise = SCRY_COIL_NOISE_SCAN;
    out->noise_sd = noise_number(s);
    if (out->noise_sd > 0) out->noise = SCRY_COIL_NOISE_GIVEN;
    if (!isnan(s->crop)) out->crop = s->crop > 0 ? s->crop : -1;
    out->judge_crop = isnan(s->crop);
    out->judge_noise = !strcmp(s->noise, "auto");
    if (!strcmp(s->maps, "lowres")) out->coil_maps = SCRY_COILS_LOWRES;
    if (!strcmp(s->maps, "none")) out->coil_maps = SCRY_COILS_NONE;
}
