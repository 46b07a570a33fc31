#include "apps/recon/image/psf_source.h"

#include "lib/memory.h"
#include "lib/vector.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

scry_status psf_open(psf_source *s, const char *spec, scry_error *err)
{
    *s = (psf_source){.spec = spec, .model = scry_psf_is_model(spec)};
    /* A name without a dot, or with a colon, that no file has is a model misspelled. */
    const bool word = strchr(spec, ':') || !strpbrk(spec, "./");
    if (s->model || (word && access(spec, F_OK))) return scry_psf_parse(&s->params, spec, err);
    scry_status st = image_load(&s->measured, spec, err);
    if (st != SCRY_OK) return st;
    const scry_tiff_info *i = &s->measured.info;
    if (i->c > 1 || i->t > 1) {
        st = SCRY_FAIL(err, SCRY_ESHAPE,
                       "%s: psf with %zu channels and %zu frames, expected 1 and 1", spec, i->c,
                       i->t);
        psf_close(s);
    }
    return st;
}

void psf_close(psf_source *s)
{
    image_free(&s->measured);
}

int psf_rank(const psf_source *s, const scry_tiff_info *info)
{
    if (info->z == 1) return 2;
    if (s->model &&
        s->params.model == SCRY_PSF_GAUSSIAN) /* one sigma tells nothing of the z axis */
        return s->params.origin[SCRY_PSF_SIGMA_Z] == SCRY_PSF_GIVEN ? 3 : 2;
    if (s->model) return s->params.model == SCRY_PSF_AIRY ? 2 : 3;
    return s->measured.info.z > 1 ? 3 : 2;
}

static scry_status psf_source_make_model(float **psf, scry_space *space, const psf_source *s,
                                         const scry_tiff_info *info, size_t c, int rank,
                                         const size_t *limit, FILE *log, scry_error *err)
{
    scry_psf_params p = s->params;
    scry_psf_metadata m = {.na = info->na,
                           .ni = info->refractive_index,
                           .pixel_um = info->pixel_um[2],
                           .spacing_um = info->pixel_um[0]};
    if (c < info->channel_count) {
        m.wavelength_nm = info->channels[c].emission_nm;
        m.excitation_nm = info->channels[c].excitation_nm;
    }
    scry_psf_info made;
    scry_psf_merge(&p, &m);
    scry_status st = scry_psf_create(psf, space, &p, rank, limit, &made, err);
    if (st != SCRY_OK || !log) return st;
    if ((st = scry_psf_complete(&p, rank, err)) != SCRY_OK) return st;
    const size_t n = scry_psf_describe(&p, NULL, 0);
    char *text = malloc(n + 1);
    if (!text) return SCRY_FAIL(err, SCRY_ENOMEM, "description of the psf");
    scry_psf_describe(&p, text, n + 1);
    fprintf(log, "psf of channel %zu:\n%s", c, text);
    free(text);
    return SCRY_OK;
}

/* A plane for a 2-D image out of a 3-D measurement: the brightest. */
static const float *focal_plane(const image *im)
{
    const size_t plane = im->info.y * im->info.x;
    size_t best = 0;
    for (size_t i = 1; i < im->count; i++)
        if (im->pixels[i] > im->pixels[best]) best = i;
    return im->pixels + best / plane * plane;
}

/* Measured and image on different voxel grids, where both say so: the psf moves to the image's. */
static scry_status match_voxels(float **psf, scry_space *space, const scry_tiff_info *from,
                                const scry_tiff_info *to, FILE *log, scry_error *err)
{
    double scale[3];
    bool differ = false;
    for (int a = 0; a < space->rank; a++) {
        const int axis = 3 - space->rank + a;
        const double old = from->pixel_um[axis], new = to->pixel_um[axis];
        scale[a] = old > 0 && new > 0 ? old / new : 1;
        if (fabs(scale[a] - 1) < 0.01) scale[a] = 1;
        differ |= scale[a] < 1 || scale[a] > 1;
    }
    if (!differ) return SCRY_OK;
    float *other = NULL;
    scry_space os;
    scry_status st = scry_psf_resample(&other, &os, *psf, space, scale, err);
    if (st != SCRY_OK) return st;
    if (log)
        fprintf(log,
                "psf resampled from %g x %g x %g um to the image's %g x %g x %g um (z, y, x)\n",
                from->pixel_um[0], from->pixel_um[1], from->pixel_um[2], to->pixel_um[0],
                to->pixel_um[1], to->pixel_um[2]);
    scry_free(*psf);
    *psf = other;
    *space = os;
    return SCRY_OK;
}

/* The middle of a psf, no larger than limit, its sum 1 again. */
static scry_status crop_psf(float **psf, scry_space *space, const size_t *limit, const char *name,
                            scry_error *err)
{
    size_t from[3] = {1, 1, 1}, to[3] = {1, 1, 1}, skip[3] = {0, 0, 0};
    scry_space small = *space;
    const int lead = 3 - space->rank;
    for (int a = 0; a < space->rank; a++) {
        from[lead + a] = space->dims[a];
        small.dims[a] = space->dims[a] <= limit[a] ? space->dims[a] : (limit[a] - 1) / 2 * 2 + 1;
        to[lead + a] = small.dims[a];
        skip[lead + a] = (space->dims[a] - small.dims[a]) / 2;
    }
    if (scry_space_equal(&small, space)) return SCRY_OK;
    const size_t n = scry_space_count(&small);
    float *cut = scry_alloc(n, sizeof *cut);
    if (!cut) return SCRY_FAIL(err, SCRY_ENOMEM, "psf of %zu voxels", n);
    for (size_t z = 0; z < to[0]; z++)
        for (size_t y = 0; y < to[1]; y++)
            memcpy(cut + (z * to[1] + y) * to[2],
                   *psf + ((z + skip[0]) * from[1] + y + skip[1]) * from[2] + skip[2],
                   to[2] * sizeof *cut);
    const double kept = scry_sum(cut, n);
    for (size_t i = 0; i < n; i++)
        cut[i] = (float)((double)cut[i] / kept);
    char before[64], after[64];
    fprintf(stderr,
            "scry: warning: %s: psf cut from %s to %s, which leaves out %.2g %% of its light\n",
            name, scry_space_print(space, before, sizeof before),
            scry_space_print(&small, after, sizeof after), 100 * (1 - kept));
    scry_free(*psf);
    *psf = cut;
    *space = small;
    return SCRY_OK;
}

static scry_status make_measured(float **psf, scry_space *space, const psf_source *s,
                                 const scry_tiff_info *info, int rank, const size_t *limit,
                                 FILE *log, scry_error *err)
{
    const scry_tiff_info *mi = &s->measured.info;
    scry_psf_report report;
    scry_space in = rank == 3 ? SCRY_SPACE(mi->z, mi->y, mi->x) : SCRY_SPACE(mi->y, mi->x);
    const float *pixels = rank == 2 && mi->z > 1 ? focal_plane(&s->measured) : s->measured.pixels;
    scry_psf_prepare_opts o;
    scry_psf_prepare_opts_init(&o);
    /* Centring a tail may make the box larger than the file; one that fits the image still does. */
    for (int a = 0; a < rank; a++)
        if (in.dims[a] <= limit[a]) o.limit[a] = limit[a];
    scry_status st = scry_psf_prepare(psf, space, pixels, &in, &o, &report, err);
    if (st == SCRY_OK) st = match_voxels(psf, space, mi, info, log, err);
    if (st != SCRY_OK) return st;
    char text[64];
    if (log) {
        fprintf(log, "psf %s: support %s, background %.4g, light kept %.4f, shifted by", s->spec,
                scry_space_print(space, text, sizeof text), report.background, report.energy);
        for (int a = 0; a < rank; a++)
            fprintf(log, " %td", report.shift[a]);
        fprintf(log, ", FWHM");
        for (int a = 0; a < rank; a++)
            fprintf(log, " %.2f", report.stats.fwhm[a]);
        fprintf(log, " px\n");
        for (unsigned bit = 1; bit <= SCRY_PSF_WARN_NEGATIVE; bit <<= 1)
            if (report.warnings & bit)
                fprintf(log, "scry: warning: %s: %s\n", s->spec, scry_psf_warning(bit));
        if (info->pixel_um[2] > 0 && !(mi->pixel_um[2] > 0))
            fprintf(log, "psf %s: voxel size unknown, taken as that of the image\n", s->spec);
    }
    if (s->crop && (st = crop_psf(psf, space, limit, s->spec, err)) != SCRY_OK) return st;
    for (int a = 0; a < rank; a++)
        if (space->dims[a] > limit[a])
            return SCRY_FAIL(err, SCRY_ESHAPE,
                             "%s: the psf is %zu long in %c, expected at most %zu, as far as "
                             "one pixel of the image sees another; --crop-psf cuts it",
                             s->spec, space->dims[a], "zyx"[3 - rank + a], limit[a]);
    return SCRY_OK;
}

scry_boundary psf_boundary(const char *name, int rank)
{
    if (!name) return rank == 3 ? SCRY_JOINED : SCRY_OPEN;
    return !strcmp(name, "periodic") ? SCRY_PERIODIC
           : !strcmp(name, "joined") ? SCRY_JOINED
                                     : SCRY_OPEN;
}

scry_status psf_make(float **psf, scry_space *space, const psf_source *s,
                     const scry_tiff_info *info, size_t c, int rank, scry_boundary boundary,
                     FILE *log, scry_error *err)
{
    size_t limit3[3] = {info->z, info->y, info->x};
    for (int a = 0; a < 3 && boundary != SCRY_PERIODIC; a++)
        limit3[a] = 2 * limit3[a] - 1;
    const size_t *limit = limit3 + 3 - rank;
    *psf = NULL;
    scry_status st = s->model ? psf_source_make_model(psf, space, s, info, c, rank, limit, log, err)
                              : make_measured(psf, space, s, info, rank, limit, log, err);
    if (st != SCRY_OK) {
        image_name_error(err, s->spec);
        scry_free(*psf);
        *psf = NULL;
    }
    return st;
}
