#include "apps/recon/image/psf_source.h"

#include "lib/memory.h"
#include "lib/vector.h"
#include "operators/psf_beads.h"
#include "operators/psf_keys.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FEW_BEADS = 3 }; /* whose noise the psf has */

/* Beads: their number, and why others were not used. */
static void log_beads(const scry_log *log, const char *name, const scry_psf_beads *b, int rank)
{
    char width[96] = "", spread[96] = "";
    for (int a = 0; a < rank; a++) {
        const size_t w = strlen(width), d = strlen(spread);
        snprintf(width + w, sizeof width - w, "%s%.2f", a ? " x " : "", b->fwhm[a]);
        snprintf(spread + d, sizeof spread - d, "%s%.2f", a ? " x " : "", b->spread[a]);
    }
    scry_log_note(log,
                  "psf %s: %zu beads found, %zu used; %zu are too close to another, %zu at the "
                  "border, %zu saturated, %zu unlike the others\n"
                  "psf %s: FWHM %s px, sd among beads %s px, background %.4g, peak %.3g times its "
                  "noise",
                  name, b->found, b->used, b->close, b->border, b->saturated, b->unlike, name,
                  width, spread, b->background, b->signal);
    if (b->used < FEW_BEADS)
        scry_log_warn(log, "%s: a psf out of %zu bead%s carries its noise", name, b->used,
                      b->used == 1 ? "" : "s");
}

/* An image of beads becomes the PSF that they show. Where nobody said that it is one, it has to
 * show some that can be used. */
static scry_status psf_source_distil(scry_psf_source *s, const scry_log *log, scry_error *err)
{
    scry_psf_request *r = &s->request;
    bool beads = r->beads;
    scry_psf_beads found = {0};
    scry_space space;
    scry_status st = SCRY_OK;
    if (!beads) st = scry_psf_is_beads(&beads, r->pixels, &r->space, err);
    if (st != SCRY_OK || !beads) return st;
    st = scry_psf_distil(&s->distilled, &space, r->pixels, &r->space, NULL, &found, NULL,
                         r->beads ? err : NULL);
    if (!r->beads && (st == SCRY_EFORMAT || found.used < FEW_BEADS)) {
        scry_free(s->distilled);
        s->distilled = NULL;
        return SCRY_OK;
    }
    if (st == SCRY_ENOMEM) return SCRY_FAIL(err, st, "psf out of beads");
    if (st != SCRY_OK) return st;
    if (!r->beads)
        scry_log_note(log, "psf %s: an image of beads, since bright points lie apart in it",
                      s->name);
    log_beads(log, s->name, &found, space.rank);
    r->pixels = s->distilled;
    r->space = space;
    return SCRY_OK;
}

scry_status scry_psf_source_init(scry_psf_source *s, const scry_psf_request *request,
                                 const scry_log *log, scry_error *err)
{
    scry_status st;
    *s = (scry_psf_source){.request = *request};
    if (!request->model == !request->pixels)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s, expected one of them",
                         request->model ? "a psf as a model and as pixels"
                                        : "no psf: neither a model nor pixels");
    s->name = request->model ? request->model : request->name ? request->name : "psf";
    if (request->model) {
        st = scry_psf_parse(&s->params, request->model, err);
        if (s->params.find_width && request->width_choice == SCRY_WIDTH_CHECK)
            s->request.width_choice = SCRY_WIDTH_FIND;
        return st;
    }
    const int rank = request->space.rank;
    if ((rank != 2 && rank != 3) || request->space.cplx || !scry_space_count(&request->space))
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s: psf of %d axes, expected 2 or 3 (z, y, x), real and not empty",
                         s->name, rank);
    st = psf_source_distil(s, log, err);
    if (st != SCRY_OK) scry_error_name(err, s->name);
    return st;
}

void scry_psf_source_free(scry_psf_source *s)
{
    scry_free(s->distilled);
    *s = (scry_psf_source){0};
}

/* The planes of a measured psf. */
static size_t measured_planes(const scry_psf_source *s)
{
    return s->request.space.rank == 3 ? s->request.space.dims[0] : 1;
}

int scry_psf_source_rank(const scry_psf_source *s, size_t nz)
{
    if (nz == 1) return 2;
    if (!s->request.model) return measured_planes(s) > 1 ? 3 : 2;
    if (s->params.model == SCRY_PSF_GAUSSIAN) /* one sigma says nothing about the z axis */
        return s->params.origin[SCRY_PSF_SIGMA_Z] == SCRY_PSF_GIVEN ? 3 : 2;
    return s->params.model == SCRY_PSF_AIRY ? 2 : 3;
}

static double psf_source_depth(const scry_psf_source *s)
{
    return s->request.depth > 0 ? s->request.depth : 1;
}

/* A Gaussian is scaled by its parameters; of others the samples are. */
static void scale_gaussian(scry_psf_params *p, double factor, double depth)
{
    const bool lateral = p->find_width; /* sigma_z is then as given */
    for (int k = SCRY_PSF_SIGMA; k <= SCRY_PSF_SIGMA_Z; k++)
        if (p->origin[k] == SCRY_PSF_GIVEN && !(lateral && k == SCRY_PSF_SIGMA_Z))
            p->value[k] *= factor;
    if (p->origin[SCRY_PSF_SIGMA_Z] == SCRY_PSF_GIVEN) p->value[SCRY_PSF_SIGMA_Z] *= depth;
    p->find_width = false;
}

static scry_status make_model(float **psf, scry_space *space, const scry_psf_source *s,
                              const scry_image *image, const size_t *limit, double factor,
                              const scry_log *log, scry_error *err)
{
    const int rank = scry_image_axes(image);
    scry_psf_params p = s->params;
    if (p.model == SCRY_PSF_GAUSSIAN) scale_gaussian(&p, factor, psf_source_depth(s));
    const scry_psf_metadata m = {.na = image->na,
                                 .ni = image->refractive_index,
                                 .pixel_um = image->voxel_um[2],
                                 .spacing_um = image->voxel_um[0],
                                 .wavelength_nm = image->emission_nm,
                                 .excitation_nm = image->excitation_nm};
    scry_psf_info made;
    scry_psf_merge(&p, &m);
    scry_status st =
        scry_psf_create(psf, space, &p, &(scry_psf_grid){.rank = rank, .limit = limit}, &made, err);
    if (st != SCRY_OK || !log) return st;
    if ((st = scry_psf_complete(&p, rank, err)) != SCRY_OK) return st;
    const size_t n = scry_psf_describe(&p, NULL, 0);
    char *text = scry_alloc(n + 1, 1);
    if (!text) return SCRY_FAIL(err, SCRY_ENOMEM, "description of the psf");
    scry_psf_describe(&p, text, n + 1);
    if (n && text[n - 1] == '\n') text[n - 1] = '\0';
    scry_log_note(log, "psf of channel %zu:\n%s", image->channel, text);
    scry_free(text);
    return SCRY_OK;
}

/* A plane for a 2-D image out of a 3-D measurement: the brightest. */
static const float *focal_plane(const scry_psf_request *r)
{
    const size_t n = scry_space_count(&r->space), plane = r->space.dims[1] * r->space.dims[2];
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (r->pixels[i] > r->pixels[best]) best = i;
    return r->pixels + best / plane * plane;
}

/* Voxel sizes that differ by less are the same: files round them. A factor on the width that is
 * nearer to 1 changes nothing. */
static const double SAME_VOXEL = 0.01, SAME_WIDTH = 1e-6;

/* Measured and image on different voxel grids, where both say so: the psf moves to the image's. */
static scry_status match_voxels(float **psf, scry_space *space, const double from[3],
                                const double to[3], const scry_log *log, scry_error *err)
{
    double scale[3];
    bool differ = false;
    for (int a = 0; a < space->rank; a++) {
        const int axis = 3 - space->rank + a;
        const double old = from[axis], new = to[axis];
        scale[a] = old > 0 && new > 0 ? old / new : 1;
        if (fabs(scale[a] - 1) < SAME_VOXEL) scale[a] = 1;
        differ |= scale[a] < 1 || scale[a] > 1;
    }
    if (!differ) return SCRY_OK;
    float *other = NULL;
    scry_space os;
    scry_status st = scry_psf_resample(&other, &os, *psf, space, scale, err);
    if (st != SCRY_OK) return st;
    scry_log_note(log,
                  "psf resampled from %g x %g x %g um to the image's %g x %g x %g um (z, y, x)",
                  from[0], from[1], from[2], to[0], to[1], to[2]);
    scry_free(*psf);
    *psf = other;
    *space = os;
    return SCRY_OK;
}

static const double CUT_MAX = 0.1; /* of the light of a psf, without being asked */

/* The middle of a psf, no larger than limit, its sum 1 again; *kept: it before that. */
static scry_status crop_psf(float **psf, scry_space *space, double *kept, const size_t *limit,
                            const char *name, const scry_log *log, scry_error *err)
{
    size_t from[3] = {1, 1, 1}, to[3] = {1, 1, 1}, skip[3] = {0, 0, 0};
    scry_space small = *space;
    const int lead = 3 - space->rank;
    *kept = 1;
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
    *kept = scry_sum(cut, n);
    for (size_t i = 0; i < n; i++)
        cut[i] = (float)((double)cut[i] / *kept);
    char before[64], after[64];
    scry_log_warn(log, "%s: psf cut from %s to %s, which leaves out %.2g %% of its light", name,
                  scry_space_print(space, before, sizeof before),
                  scry_space_print(&small, after, sizeof after), 100 * (1 - *kept));
    scry_free(*psf);
    *psf = cut;
    *space = small;
    return SCRY_OK;
}

/* Logs the preparation of a measured psf, and its defects. */
static void log_measured(const scry_log *log, const scry_psf_source *s, const scry_image *image,
                         const scry_space *space, const scry_psf_report *report)
{
    char text[64], shift[96] = "", width[96] = "";
    for (int a = 0; a < space->rank; a++) {
        const size_t at = strlen(shift), w = strlen(width);
        snprintf(shift + at, sizeof shift - at, " %td", report->shift[a]);
        snprintf(width + w, sizeof width - w, " %.2f", report->stats.fwhm[a]);
    }
    scry_log_note(log,
                  "psf %s: support %s, background %.4g, light kept %.4f, shifted by%s, FWHM%s px",
                  s->name, scry_space_print(space, text, sizeof text), report->background,
                  report->energy, shift, width);
    for (unsigned bit = 1; bit <= SCRY_PSF_WARN_NEGATIVE; bit <<= 1)
        if (report->warnings & bit) scry_log_warn(log, "%s: %s", s->name, scry_psf_warning(bit));
    if (image->voxel_um[2] > 0 && !(s->request.voxel_um[2] > 0))
        scry_log_note(log, "psf %s: voxel size unknown, taken as that of the image", s->name);
}

/* The samples of a PSF widened on every axis, and along z by another factor, cut to the limit. */
static scry_status psf_source_widen(float **psf, scry_space *space, double factor, double depth,
                                    const size_t *limit, const char *name, const scry_log *log,
                                    scry_error *err)
{
    const double scale[3] = {space->rank == 3 ? factor * depth : factor, factor, factor};
    float *other = NULL;
    double kept;
    scry_space os;
    if (fabs(factor - 1) < SAME_WIDTH && fabs(scale[0] - 1) < SAME_WIDTH) return SCRY_OK;
    scry_status st = scry_psf_resample(&other, &os, *psf, space, scale, err);
    if (st != SCRY_OK) return st;
    scry_free(*psf);
    *psf = other;
    *space = os;
    return crop_psf(psf, space, &kept, limit, name, log, err);
}

/* A psf that reaches farther than one pixel of the image sees another: its end has no effect, but
 * where a large part of its light is there, it is more likely that of another image. */
static scry_status crop_measured(float **psf, scry_space *space, const scry_psf_source *s,
                                 const size_t *limit, const scry_log *log, scry_error *err)
{
    const scry_space whole = *space;
    double kept;
    const scry_status st = crop_psf(psf, space, &kept, limit, s->name, log, err);
    if (st != SCRY_OK || s->request.crop || 1 - kept <= CUT_MAX) return st;
    int a = 0;
    while (whole.dims[a] <= limit[a])
        a++;
    return SCRY_FAIL(err, SCRY_ESHAPE,
                     "%s: the psf is %zu long in %c, expected at most %zu, as far as one pixel of "
                     "the image sees another; %.2g %% of its light lies beyond: --crop-psf cuts it",
                     s->name, whole.dims[a], "zyx"[3 - whole.rank + a], limit[a], 100 * (1 - kept));
}

static scry_status make_measured(float **psf, scry_space *space, const scry_psf_source *s,
                                 const scry_image *image, const size_t *limit, const scry_log *log,
                                 scry_error *err)
{
    const scry_psf_request *r = &s->request;
    const int rank = scry_image_axes(image), own = r->space.rank;
    const size_t *dims = r->space.dims;
    const size_t planes = measured_planes(s);
    const scry_space in = rank == 3 ? SCRY_SPACE(planes, dims[own - 2], dims[own - 1])
                                    : SCRY_SPACE(dims[own - 2], dims[own - 1]);
    const float *pixels = rank == 2 && planes > 1 ? focal_plane(r) : r->pixels;
    scry_psf_report report;
    scry_psf_prepare_opts o;
    scry_psf_prepare_opts_init(&o);
    /* Centring a tail may make the box larger than the file; one that fits the image still does. */
    for (int a = 0; a < rank; a++)
        if (in.dims[a] <= limit[a]) o.limit[a] = limit[a];
    scry_status st = scry_psf_prepare(psf, space, pixels, &in, &o, &report, err);
    if (st == SCRY_OK) st = match_voxels(psf, space, r->voxel_um, image->voxel_um, log, err);
    if (st != SCRY_OK) return st;
    log_measured(log, s, image, space, &report);
    return crop_measured(psf, space, s, limit, log, err);
}

/* *to = psf * kernel on every plane; both have odd sides. */
static void convolve_planes(float *to, const scry_space *big, const float *psf,
                            const scry_space *small, const float *kernel, size_t side)
{
    const int r = big->rank;
    const size_t ny = small->dims[r - 2], nx = small->dims[r - 1], width = big->dims[r - 1];
    const size_t planes = scry_space_count(small) / (ny * nx), rows = big->dims[r - 2];
    for (size_t i = 0; i < planes * ny * nx; i++) {
        const size_t z = i / (ny * nx), y = i / nx % ny, x = i % nx;
        for (size_t k = 0; k < side * side; k++)
            to[(z * rows + y + k / side) * width + x + k % side] += psf[i] * kernel[k];
    }
}

/* The psf of an image that was smoothed, resampled or median-filtered after its measurement. */
static scry_status psf_source_treat(float **psf, scry_space *space, const scry_psf_source *s,
                                    const size_t *limit, scry_error *err)
{
    float *kernel = NULL, *wide = NULL;
    size_t side;
    double kept;
    scry_space ws = *space;
    scry_status st = scry_noise_treatment_kernel(&kernel, &side, &s->request.treatment, err);
    if (st != SCRY_OK || !kernel) return st;
    ws.dims[ws.rank - 2] += side - 1;
    ws.dims[ws.rank - 1] += side - 1;
    const size_t n = scry_space_count(&ws);
    wide = scry_alloc(n, sizeof *wide);
    if (wide) {
        convolve_planes(wide, &ws, *psf, space, kernel, side);
        for (size_t i = 0; i < n; i++) /* lobes of cubic interpolation */
            wide[i] = fmaxf(wide[i], 0);
        const double sum = scry_sum(wide, n);
        for (size_t i = 0; i < n; i++)
            wide[i] = (float)((double)wide[i] / sum);
        scry_free(*psf);
        *psf = wide;
        *space = ws;
        st = crop_psf(psf, space, &kept, limit, s->name, NULL, err);
    } else
        st = SCRY_FAIL(err, SCRY_ENOMEM, "psf of %zu pixels", n);
    scry_free(kernel);
    return st;
}

int scry_image_axes(const scry_image *image)
{
    return image->colour ? 2 : image->space.rank;
}

scry_boundary scry_boundary_of(scry_boundary_choice choice, const scry_image *image)
{
    switch (choice) {
    case SCRY_BOUNDARY_OPEN:
        return SCRY_OPEN;
    case SCRY_BOUNDARY_JOINED:
        return SCRY_JOINED;
    case SCRY_BOUNDARY_PERIODIC:
        return SCRY_PERIODIC;
    default:
        return scry_image_axes(image) == 3 ? SCRY_JOINED : SCRY_OPEN;
    }
}

scry_status scry_psf_source_make(float **psf, scry_space *space, const scry_psf_source *s,
                                 const scry_psf_setting *setting, scry_error *err)
{
    const scry_image *image = setting->image;
    const scry_boundary boundary = setting->boundary;
    const scry_log *log = setting->log;
    size_t limit[3] = {0};
    const double factor = s->request.width > 0 ? s->request.width : 1;
    const bool gaussian = s->request.model && s->params.model == SCRY_PSF_GAUSSIAN;
    const int axes = scry_image_axes(image), first = image->space.rank - axes;
    for (int a = 0; a < axes; a++) {
        const size_t side = image->space.dims[first + a];
        limit[a] = boundary == SCRY_PERIODIC ? side : 2 * side - 1;
    }
    *psf = NULL;
    scry_status st = s->request.model ? make_model(psf, space, s, image, limit, factor, log, err)
                                      : make_measured(psf, space, s, image, limit, log, err);
    if (st == SCRY_OK && !gaussian)
        st = psf_source_widen(psf, space, factor, psf_source_depth(s), limit, s->name, log, err);
    if (st == SCRY_OK && s->request.treatment.name)
        st = psf_source_treat(psf, space, s, limit, err);
    if (st != SCRY_OK) {
        scry_error_name(err, s->name);
        scry_free(*psf);
        *psf = NULL;
    }
    return st;
}
