#include "apps/cli/restore.h"

#include <math.h>
#include <string.h>

scry_status restore_range(const char *text, double *low, double *high, scry_error *err)
{
    char end;
    if (sscanf(text, "%lf,%lf%c", low, high, &end) == 2 && *high > *low && isfinite(*high - *low))
        return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "--range '%s', expected LOW,HIGH with LOW < HIGH", text);
}

void restore_settings_init(restore_settings *s, bool deblur)
{
    *s = (restore_settings){.method = deblur ? "diffpir" : "jfps",
                            .prior = "microscopy",
                            .defects = deblur ? "saturated" : "none",
                            .products.region = 16,
                            .samples = 16,
                            .tile = 512,
                            .gain = NAN,
                            .offset = NAN,
                            .read_noise = NAN,
                            .background = NAN,
                            .sigma = NAN};
}

void restore_options(cli_option *table, restore_settings *s, bool deblur)
{
    const cli_option only_deblur[] = {
        {"psf", CLI_TEXT, &s->psf, "PSF",
         "point-spread function: a TIFF, or a model: gaussian:sigma=2, airy, born-wolf, "
         "gibson-lanni, "
         "confocal, with key=value after a colon; what is not given comes from the file's "
         "metadata. "
         "Stacks are taken plane by plane for airy and for gaussian without sigma_z"},
        {"crop-psf", CLI_FLAG, &s->crop_psf, NULL,
         "cut a measured psf that is larger than the image, and say what light that leaves out"},
        {"boundary", CLI_TEXT, &s->boundary, "KIND",
         "open: light enters from outside the field of view; joined: so it does, from one margin "
         "for opposite edges, which costs less; periodic: it wraps around [open; joined for "
         "volumes]"},
        {"defects", CLI_TEXT, &s->defects, "WHICH",
         "pixels to treat as not measured: none, saturated, or all (also hot, dead and missing) "
         "[saturated]"},
    };
    const cli_option common[] = {
        {"mask", CLI_TEXT, &s->mask, "FILE", "TIFF, nonzero where a pixel was measured"},
        {"method", CLI_TEXT, &s->method, "NAME",
         deblur ? "see 'scry methods'; diffpir is the quickest to a good mean, and its error bars "
                  "are too narrow; those of jfps with --spread 1 are fairer, at twice its time and "
                  "a worse mean [diffpir]"
                : "see 'scry methods'; where known pixels have noise, mmps has a better mean and "
                  "fairer error bars, at twice the time [jfps]"},
        {"prior", CLI_TEXT, &s->prior, "NAME",
         "pretrained network: a name or a folder in the layout of diffusers [microscopy]"},
        {"samples", CLI_INTEGER, &s->samples, "K",
         "independent posterior chains; their mean is written [16]"},
        {"gain", CLI_REAL, &s->gain, "E", "camera gain in e-/ADU: Poisson-Gaussian noise"},
        {"offset", CLI_REAL, &s->offset, "ADU", "camera offset (with --gain) [0]"},
        {"read-noise", CLI_REAL, &s->read_noise, "E", "camera read noise in e- (with --gain) [0]"},
        {"background", CLI_REAL, &s->background, "E",
         "uniform background in e- (with --sigma: in the file's unit), not part of the image [0]"},
        {"sigma", CLI_REAL, &s->sigma, "SD", "Gaussian noise of this sd in the file's unit"},
        {"noise", CLI_TEXT, &s->noise, "KIND",
         deblur ? "auto: estimate the noise from the image [auto unless --gain or --sigma is given]"
                : "auto: estimate the noise from the image; none: known pixels are exact [none]"},
        {"range", CLI_TEXT, &s->range, "LOW,HIGH",
         "intensities (file's unit) of background and brightest structures, which the prior is "
         "told "
         "[estimated]"},
        {"seed", CLI_INTEGER, &s->seed, "N",
         "of the random numbers; the run is a function of it [0]"},
        {"fft", CLI_TEXT, &s->fft, "KIND",
         "rows: the same bytes in every run; measure: FFTW's measured plans, kept in the user's "
         "cache [rows]"},
        {"threads", CLI_INTEGER, &s->threads, "N",
         "chains at a time; the result does not depend on it "
         "[all processors]"},
        {"tile", CLI_INTEGER, &s->tile, "PX",
         "window that the network sees at a time, where images are larger [512]"},
        {"type", CLI_TEXT, &s->type, "TYPE", "sample type of the output [that of the input]"},
        {"compress", CLI_TEXT, &s->compress, "KIND", "none, deflate or lzw [none]"},
        {"bigtiff", CLI_FLAG, &s->bigtiff, NULL, "write BigTIFF even below 4 GB"},
        {"report", CLI_TEXT, &s->report, "FILE", "write settings, costs and statistics as JSON"},
        {"preview", CLI_TEXT, &s->preview, "FILE", "write a PNG of input, result and sd"},
        {"force", CLI_FLAG, &s->force, NULL, "replace existing outputs"},
        {"quiet", CLI_FLAG, &s->quiet, NULL, "errors and warnings only"},
    };
    size_t n = 0;
    for (size_t i = 0; deblur && i < sizeof only_deblur / sizeof *only_deblur; i++)
        table[n++] = only_deblur[i];
    for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
        table[n++] = common[i];
        if (strcmp(common[i].name, "samples") != 0) continue;
        output_map_options(table + n, &s->products, "tif");
        n += OUTPUT_MAP_OPTIONS;
    }
    table[n] = (cli_option){0};
}
