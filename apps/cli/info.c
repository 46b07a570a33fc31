#include "apps/cli/cli.h"

#include "apps/cli/image_file.h"
#include "apps/recon/prior_lookup.h"
#include "lib/memory.h"
#include "lib/space.h"
#include "operators/psf.h"
#include "operators/psf_keys.h"
#include "priors/gaussian_gap.h"
#include "priors/info.h"
#include "priors/network/network.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static void print_layout(const image_file *f)
{
    const scry_tiff_info *i = &f->info;
    if (f->zarr) {
        printf("  %-14s %s\n", "layout", scry_zarr_layout(f->zarr));
        return;
    }
    printf("  %-14s %s, %s-endian%s%s%s%s, compression %s\n", "layout", image_file_kind(f),
           i->big_endian ? "big" : "little", i->bigtiff ? ", BigTIFF" : "",
           i->tiled ? ", tiles" : ", strips", i->rgb ? ", RGB" : "",
           i->one_ifd ? ", one directory for all planes" : "",
           scry_tiff_compression_name(i->compression));
}

static void print_axes(const image_file *f)
{
    const scry_tiff_info *i = &f->info;
    printf("  %-14s %zu channel%s, %zu slice%s, %zu frame%s, %zu x %zu pixels (y, x)\n", "axes",
           i->c, i->c == 1 ? "" : "s", i->z, i->z == 1 ? "" : "s", i->t, i->t == 1 ? "" : "s", i->y,
           i->x);
    printf("  %-14s %s, %d bits, %d used\n", "samples", scry_tiff_type_name(i->type), i->bits,
           i->significant_bits);
    print_layout(f);
    if (i->levels) printf("  %-14s %zu reduced copies, not read\n", "pyramid", i->levels);
    if (i->files > 1) printf("  %-14s %zu\n", "files", i->files);
    if (i->orientation > 1)
        printf("  %-14s %d (rows and columns are those of the file)\n", "orientation",
               i->orientation);
    if (i->pixel_um[2] > 0)
        printf("  %-14s %.6g x %.6g x %.6g um (z, y, x; 0 unknown)\n", "voxel", i->pixel_um[0],
               i->pixel_um[1], i->pixel_um[2]);
    if (i->frame_s > 0) printf("  %-14s %.6g s\n", "frame interval", i->frame_s);
    if (i->na > 0) printf("  %-14s %g\n", "objective NA", i->na);
    if (i->refractive_index > 0) printf("  %-14s %g\n", "medium index", i->refractive_index);
    if (i->magnification > 0) printf("  %-14s %g\n", "magnification", i->magnification);
    if (i->immersion[0]) printf("  %-14s %s\n", "immersion", i->immersion);
    for (size_t c = 0; c < i->channel_count; c++) {
        const scry_tiff_channel *ch = &i->channels[c];
        printf("  channel %-6zu %s", c, ch->name[0] ? ch->name : "(no name)");
        if (ch->excitation_nm > 0) printf(", excitation %g nm", ch->excitation_nm);
        if (ch->emission_nm > 0) printf(", emission %g nm", ch->emission_nm);
        if (ch->pinhole_um > 0) printf(", pinhole %g um", ch->pinhole_um);
        printf("\n");
    }
}

/* Of a PSF, as a share of its maximum: images with a brighter border are no PSFs. */
#define DARK_BORDER 0.25

/* Statistics of the file as a PSF. With `doubt`, only when it could be one: a peak that is well
 * within the image on every axis, and dark borders. */
static scry_status print_psf(const float *pixels, const scry_space *space, bool doubt,
                             scry_error *err)
{
    scry_psf_stats s;
    scry_status st = scry_psf_measure(&s, pixels, space, err);
    if (st != SCRY_OK) return st;
    bool peak = s.border < DARK_BORDER;
    for (int a = 0; a < space->rank; a++)
        peak = peak && s.fwhm[a] > 0 && s.fwhm[a] < 0.5 * (double)space->dims[a];
    if (doubt && !peak) return SCRY_OK;
    printf("  %-14s sum %.6g, peak at", "as a psf", s.sum);
    for (int a = 0; a < space->rank; a++)
        printf(" %zu", s.peak[a]);
    printf(", FWHM");
    for (int a = 0; a < space->rank; a++)
        printf(" %.2f", s.fwhm[a]);
    printf(" px, border %.3f of the maximum, asymmetry", s.border);
    for (int a = 0; a < space->rank; a++)
        printf(" %.2f", s.asymmetry[a]);
    printf("\n");
    return SCRY_OK;
}

struct range {
    double low, high;
    size_t nonfinite;
};

static void info_widen(struct range *r, const float *pixels, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (!isfinite(pixels[k])) {
            r->nonfinite++;
            continue;
        }
        r->low = fmin(r->low, pixels[k]);
        r->high = fmax(r->high, pixels[k]);
    }
}

/* The images of an OME-TIFF or OME-Zarr, by the numbers that --series takes. */
static void print_series(const image_file *f)
{
    for (size_t k = 0; f->info.series > 1 && k < f->info.series; k++)
        printf("  series %-7zu %s%s\n", k,
               f->zarr ? scry_zarr_series_name(f->zarr, k) : scry_tiff_series_name(f->tiff, k),
               k == f->info.series_at ? " (this one)" : "");
}

static scry_status info_image(const char *path, size_t series, scry_error *err)
{
    image_file f;
    float *pixels = NULL;
    scry_status st = image_file_open_series(&f, path, series, err);
    if (st != SCRY_OK) return st;
    const scry_tiff_info *i = &f.info;
    const size_t plane = i->y * i->x;
    struct range range = {INFINITY, -INFINITY, 0};
    printf("%s\n", path);
    print_axes(&f);
    print_series(&f);
    pixels = scry_alloc(plane, sizeof *pixels);
    if (!pixels) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: a plane of %zu pixels", path, plane);
        goto done;
    }
    for (size_t c = 0; c < i->c; c++)
        for (size_t t = 0; t < i->t; t++)
            for (size_t z = 0; z < i->z; z++) {
                if ((st = image_file_read(&f, c, z, t, pixels, err)) != SCRY_OK) goto done;
                info_widen(&range, pixels, plane);
            }
    if (range.low > range.high)
        printf("  %-14s no finite value, %zu NaN or infinite\n", "values", range.nonfinite);
    else
        printf("  %-14s %g to %g, %zu NaN or infinite\n", "values", range.low, range.high,
               range.nonfinite);
    const char *warning;
    for (size_t w = 0; (warning = image_file_warning(&f, w)); w++)
        printf("  %-14s %s\n", "warning", warning);
    if (i->c == 1 && i->t == 1 && !range.nonfinite && plane <= 1u << 18 && i->z <= 512) {
        float *volume = scry_alloc(plane * i->z, sizeof *volume);
        if (!volume) st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu planes", path, i->z);
        for (size_t z = 0; st == SCRY_OK && z < i->z; z++)
            st = image_file_read(&f, 0, z, 0, volume + z * plane, err);
        const scry_space s = i->z > 1 ? SCRY_SPACE(i->z, i->y, i->x) : SCRY_SPACE(i->y, i->x);
        if (st == SCRY_OK && range.high > range.low) st = print_psf(volume, &s, true, err);
        scry_free(volume);
    }
done:
    scry_free(pixels);
    image_file_close(&f);
    return st;
}

static scry_status info_prior(const char *folder, scry_error *err)
{
    scry_network *net = NULL;
    scry_prior_info *about = NULL;
    scry_status st = scry_network_load(&net, folder, err);
    if (st != SCRY_OK) return st;
    const scry_schedule *s = scry_network_schedule(net);
    printf(
        "%s\n  %-14s UNet2DModel, %.2f million parameters, %zu channel%s, sides multiples of %zu\n",
        folder, "network", (double)scry_network_parameters(net) / 1e6, scry_network_channels(net),
        scry_network_channels(net) == 1 ? "" : "s", scry_network_multiple(net));
    double low, high;
    scry_network_sigma_range(net, &low, &high);
    printf("  %-14s %s, %zu steps, sigma %.4g to %.4g\n", "training", scry_network_prediction(net),
           scry_schedule_steps(s), low, high);
    if (scry_network_classes(net))
        printf("  %-14s %zu known to the network\n", "classes", scry_network_classes(net));
    printf("  %-14s sha256 %s\n", "weights", scry_network_sha256(net));
    st = scry_prior_info_read(&about, folder, err);
    if (st == SCRY_OK && about) {
        printf("  %-14s %s: %s\n", "about", about->name,
               about->description ? about->description : "");
        if (about->training_data) printf("  %-14s %s\n", "trained on", about->training_data);
        if (about->licence) printf("  %-14s %s\n", "licence", about->licence);
        if (about->gap.count)
            printf("  %-14s by 0.1 down to sigma %.3g, by 0.2 to %.3g, by 0.3 to %.3g\n",
                   "not Gaussian", scry_gaussian_gap_switch(&about->gap, 0.1),
                   scry_gaussian_gap_switch(&about->gap, 0.2),
                   scry_gaussian_gap_switch(&about->gap, 0.3));
    }
    scry_prior_info_free(about);
    scry_network_free(net);
    return st;
}

static scry_status info_model(const char *spec, scry_error *err)
{
    float *psf = NULL;
    scry_space space;
    scry_psf_params p;
    char text[64];
    scry_status st = scry_psf_parse(&p, spec, err);
    const int rank = p.model == SCRY_PSF_AIRY || p.model == SCRY_PSF_GAUSSIAN ? 2 : 3;
    if (st == SCRY_OK)
        st = scry_psf_create(&psf, &space, &p, &(scry_psf_grid){.rank = rank}, NULL, err);
    if (st != SCRY_OK) return st;
    printf("%s\n  %-14s %s\n", spec, "support", scry_space_print(&space, text, sizeof text));
    st = print_psf(psf, &space, false, err);
    scry_free(psf);
    return st;
}

static int info_run(const cli_command *self, int argc, char **argv)
{
    int64_t series = 0;
    const cli_option options[] = {
        {"series", CLI_INTEGER, &series, "N",
         "image of an OME-TIFF or OME-Zarr that holds several, from 0 [0]"},
        {0}};
    cli_parse p;
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    if (!p.count) status = cli_usage(self, "no file given");
    if (series < 0)
        status = cli_usage(self, "--series %lld, expected 0 or more", (long long)series);
    for (int i = 0; series >= 0 && i < p.count; i++) {
        scry_error err = {0};
        struct stat s;
        char folder[4096];
        const bool there = stat(p.args[i], &s) == 0;
        scry_status st;
        if (there && S_ISDIR(s.st_mode) && !scry_zarr_is(p.args[i]))
            st = info_prior(p.args[i], &err);
        else if (!there && scry_psf_is_model(p.args[i]))
            st = info_model(p.args[i], &err);
        else if (!there && scry_prior_find(folder, sizeof folder, p.args[i], NULL) == SCRY_OK)
            st = info_prior(folder, &err);
        else
            st = info_image(p.args[i], (size_t)series, &err);
        if (st != SCRY_OK) status = cli_failed(self, &err);
    }
    cli_end(&p);
    return status;
}

const cli_command cli_info = {"info", "[options] FILE|PSF|PRIOR...",
                              "say what an image, a PSF or a prior is", NULL, info_run};
