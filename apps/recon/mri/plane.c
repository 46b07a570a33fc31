#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "operators/coils.h"
#include "operators/fourier.h"
#include "operators/sensitivity.h"

#include <math.h>
#include <string.h>

enum { MIN_ACS = 6 }; /* lines that coil maps are made from */

void scryi_plane_free(struct scryi_plane *p)
{
    scry_free(p->data);
    scry_free(p->mask);
    scry_free(p->maps);
    scry_free(p->silent);
    *p = (struct scryi_plane){0};
}

scry_status scryi_plane_seen(unsigned char **out, const struct scryi_plane *p, size_t side,
                             scry_error *err)
{
    const size_t n = p->ny * p->nx, all = p->coils * p->sets, step = side ? side : 1;
    unsigned char *seen = *out = scry_alloc(n, 1);
    if (!seen) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    for (size_t i = 0; i < n; i++) {
        bool by = !p->maps; /* a root sum of squares is of all that there is */
        for (size_t c = 0; c < all && !by; c++)
            by = cabsf(p->maps[c * n + i]) > 0;
        seen[i] = by ? SCRYI_SEEN : 0;
    }
    for (size_t y = 0; y < p->ny; y += step)
        for (size_t x = 0; x < p->nx; x += step) {
            const size_t h = step < p->ny - y ? step : p->ny - y;
            const size_t w = step < p->nx - x ? step : p->nx - x;
            size_t count = 0;
            for (size_t k = 0; k < h * w; k++)
                count += seen[(y + k / w) * p->nx + x + k % w];
            for (size_t k = 0; k < h * w && 2 * count >= h * w; k++)
                seen[(y + k / w) * p->nx + x + k % w] *= SCRYI_SEEN_AROUND;
        }
    return SCRY_OK;
}

/* Plane `index` of (coils, z, y, x) along the axis that is not in p->axis. */
void scryi_plane_take(float complex *out, const struct scryi_plane *p, const float complex *data,
                      const scry_mri_slice *s, size_t index)
{
    const size_t stride[3] = {s->dims[1] * s->dims[2], s->dims[2], 1};
    const size_t n = s->dims[0] * stride[0];
    const int across = 3 - p->axis[0] - p->axis[1];
    for (size_t c = 0; c < s->coils; c++)
        for (size_t y = 0; y < p->ny; y++)
            for (size_t x = 0; x < p->nx; x++)
                *out++ = data[c * n + index * stride[across] + y * stride[p->axis[0]] +
                              x * stride[p->axis[1]]];
}

void scryi_plane_take_mask(unsigned char *out, const struct scryi_plane *p,
                           const unsigned char *mask, const scry_mri_slice *s, size_t index)
{
    const size_t stride[3] = {s->dims[1] * s->dims[2], s->dims[2], 1};
    const int across = 3 - p->axis[0] - p->axis[1];
    for (size_t y = 0; y < p->ny; y++)
        for (size_t x = 0; x < p->nx; x++)
            *out++ = mask[index * stride[across] + y * stride[p->axis[0]] + x * stride[p->axis[1]]];
}

/* The middle that calibrates, cut out of a plane in k-space on both axes. */
struct plane_block {
    scry_calibration at;
    float complex *data; /* (coils, cy, cx) */
    unsigned char *mask; /* (cy, cx) */
};

static void plane_block_free(struct plane_block *b)
{
    scry_free(b->data);
    scry_free(b->mask);
}

/* Images of the middle need all of it, ESPIRiT only windows. */
static scry_status find_block(scry_calibration *at, const struct scryi_plane *p,
                              const unsigned char *mask, const scry_reconstructor *r,
                              scry_error *err)
{
    const size_t limit = r->request->acs ? r->request->acs : SCRY_CALIBRATION_AUTO;
    if (r->request->coil_maps != SCRY_COILS_LOWRES)
        return scry_calibration_find(at, mask, p->ny, p->nx, limit, MIN_ACS, err);
    *at = (scry_calibration){0};
    return scry_calibration_region(&at->cy, &at->cx, mask, p->ny, p->nx, limit, MIN_ACS, err);
}

static scry_status cut_block(struct plane_block *b, const struct scryi_plane *p,
                             float complex *calibration, const unsigned char *mask,
                             const scry_reconstructor *r, scry_error *err)
{
    const unsigned back = SCRY_FOURIER_YX & ~p->axes;
    scry_status st = SCRY_OK;
    if (back) st = scry_fourier_transform(calibration, p->coils, p->ny, p->nx, back, false, err);
    if (st == SCRY_OK) st = find_block(&b->at, p, mask, r, err);
    if (st != SCRY_OK) return st;
    const size_t cy = b->at.cy, cx = b->at.cx;
    b->data = scry_alloc(p->coils * cy * cx, sizeof *b->data);
    b->mask = scry_alloc(cy, cx);
    if (!b->data || !b->mask) return SCRY_FAIL(err, SCRY_ENOMEM, "calibration block");
    const size_t y0 = p->ny / 2 - cy / 2, x0 = p->nx / 2 - cx / 2;
    for (size_t y = 0; y < cy; y++)
        memcpy(b->mask + y * cx, mask + (y0 + y) * p->nx + x0, cx);
    for (size_t c = 0; c < p->coils; c++)
        for (size_t y = 0; y < cy; y++)
            memcpy(b->data + (c * cy + y) * cx, calibration + (c * p->ny + y0 + y) * p->nx + x0,
                   cx * sizeof *b->data);
    return SCRY_OK;
}

static scry_status block_maps(struct scryi_plane *p, const struct plane_block *b,
                              const scry_reconstructor *r, scry_error *err)
{
    const scry_mri_request *q = r->request;
    const size_t cy = b->at.cy, cx = b->at.cx;
    scry_espirit_opts opts;
    if (q->coil_maps == SCRY_COILS_LOWRES)
        return scry_lowres_maps(p->maps, b->data, p->coils, cy, cx, p->ny, p->nx, err);
    scry_espirit_opts_init(&opts);
    opts.sets = p->sets;
    opts.soft = q->soft;
    opts.kernel = b->at.kernel;
    if (b->at.gaps) opts.mask = b->mask;
    if (q->crop > 0) opts.crop = q->crop;
    if (q->crop < 0) opts.crop = 0;
    if (r->crop > 0) opts.crop = r->crop;
    return scry_espirit(p->maps, NULL, b->data, p->coils, cy, cx, p->ny, p->nx, &opts, err);
}

static scry_status estimate_maps(struct scryi_plane *p, const scry_mri_slice *s,
                                 const scry_reconstructor *r, size_t index, scry_error *err)
{
    const size_t n = p->ny * p->nx;
    float complex *calibration = scry_alloc(p->coils * n, sizeof *calibration);
    unsigned char *mask = scry_alloc(n, 1), *silent = scry_alloc(p->coils, 1);
    struct plane_block block = {0};
    scry_status st = SCRY_OK;
    if (!calibration || !mask || !silent) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "calibration of %zu coils", p->coils);
        goto done;
    }
    scryi_plane_take(calibration, p, s->calibration, s, index);
    scryi_plane_take_mask(mask, p, s->calibration_mask, s, index);
    if ((st = scryi_coils_silent(silent, p, calibration, mask, p->coils, err)) != SCRY_OK)
        goto done;
    scryi_coils_blank(calibration, silent, p->coils, n);
    if ((st = cut_block(&block, p, calibration, mask, r, err)) == SCRY_OK)
        st = block_maps(p, &block, r, err);
done:
    plane_block_free(&block);
    scry_free(calibration);
    scry_free(mask);
    scry_free(silent);
    return st;
}

/* Whitened, compressed: data (coils, n) of the file's coils in place of itself. */
scry_status scryi_plane_whiten(float complex **data, size_t n, const scry_reconstructor *r,
                               scry_error *err)
{
    const size_t coils = r->scan->coils;
    scry_status st = SCRY_OK;
    if (r->psi && (st = scry_whiten(*data, r->psi, coils, n, err)) != SCRY_OK) return st;
    if (!r->virtual) return SCRY_OK;
    float complex *out = scry_alloc(r->coils * n, sizeof *out);
    if (!out) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu virtual coils", r->coils);
    scry_compress(out, r->virtual, r->coils, *data, coils, n);
    scry_free(*data);
    *data = out;
    return SCRY_OK;
}

/* Divides maps and data by the largest root sum of squares of the maps, so that |A| = 1 whatever
 * the unit of the noise. */
static scry_status mri_prepare_normalise(struct scryi_plane *p, scry_error *err)
{
    const size_t n = p->ny * p->nx, m = p->sets * n;
    double max = 0;
    for (size_t i = 0; i < m; i++) {
        double sum = 0;
        for (size_t c = 0; c < p->coils; c++) {
            const float complex v = p->maps[c * m + i];
            sum += (double)crealf(v) * crealf(v) + (double)cimagf(v) * cimagf(v);
        }
        max = sum > max ? sum : max;
    }
    if (!(max > 0)) return SCRY_FAIL(err, SCRY_ENUMERIC, "the coil maps are 0 everywhere");
    p->scale = sqrt(max);
    const float f = (float)(1 / p->scale);
    for (size_t i = 0; i < p->coils * m; i++)
        p->maps[i] *= f;
    for (size_t i = 0; i < p->coils * p->places; i++)
        p->data[i] *= f;
    return SCRY_OK;
}

/* The maps are those of the file's own coils with a root sum of squares of 1, and are whitened with
 * the data: an image has the intensity of a root-sum-of-squares reconstruction of the file, however
 * the noise of its coils is. */
static scry_status plane_make_maps(struct scryi_plane *p, const scry_mri_slice *s,
                                   const scry_reconstructor *r, size_t index,
                                   const float complex *maps, scry_error *err)
{
    const size_t entries = p->coils * p->sets * p->ny * p->nx;
    p->maps = scry_alloc(entries, sizeof *p->maps);
    if (!p->maps) return SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu coils", p->coils);
    if (maps) {
        memcpy(p->maps, maps, entries * sizeof *maps);
        return SCRY_OK;
    }
    if (p->coils > 1) return estimate_maps(p, s, r, index, err);
    for (size_t i = 0; i < entries; i++)
        p->maps[i] = 1;
    return SCRY_OK;
}

/* Coils that say nothing are not heard, neither by their data nor by maps from elsewhere. */
static scry_status plane_silence(struct scryi_plane *p, const scry_mri_slice *s, scry_error *err)
{
    if (s->scattered.data) return SCRY_OK;
    p->silent = scry_alloc(s->coils, 1);
    if (!p->silent) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu coils", s->coils);
    const scry_status st = scryi_coils_silent(p->silent, p, p->data, p->mask, s->coils, err);
    if (st != SCRY_OK) return st;
    scryi_coils_blank(p->data, p->silent, s->coils, p->places);
    if (p->maps) scryi_coils_blank(p->maps, p->silent, s->coils, p->sets * p->ny * p->nx);
    return SCRY_OK;
}

/* Sizes and axes of the planes of a slice. */
static scry_status plane_shape(struct scryi_plane *p, const scry_reconstructor *r,
                               const scry_mri_slice *s, scry_error *err)
{
    size_t planes;
    int across;
    *p = (struct scryi_plane){.coils = s->coils, .sets = r->request->sets ? r->request->sets : 1};
    const scry_status st = scry_mri_slice_planes(&planes, &across, s, err);
    if (st != SCRY_OK) return st;
    for (int a = 0, k = 0; a < 3; a++)
        if (a != across) p->axis[k++] = a;
    p->ny = s->dims[p->axis[0]];
    p->nx = s->dims[p->axis[1]];
    p->axes = (s->image_axis[p->axis[0]] ? 0u : SCRY_FOURIER_Y) |
              (s->image_axis[p->axis[1]] ? 0u : SCRY_FOURIER_X);
    return SCRY_OK;
}

scry_status scry_reconstructor_maps(float complex **maps, const scry_reconstructor *r,
                                    const scry_mri_slice *slice, size_t index, scry_error *err)
{
    struct scryi_plane p;
    *maps = NULL;
    if (r->request->coil_maps == SCRY_COILS_NONE || slice->coils == 1) return SCRY_OK;
    scry_status st = plane_shape(&p, r, slice, err);
    if (st == SCRY_OK) st = plane_make_maps(&p, slice, r, index, NULL, err);
    if (st == SCRY_OK) {
        *maps = p.maps;
        p.maps = NULL;
    }
    scryi_plane_free(&p);
    return st;
}

/* Data and mask. */
static scry_status plane_take(struct scryi_plane *p, const scry_reconstructor *r,
                              const scry_mri_slice *s, size_t index, scry_error *err)
{
    if (s->scattered.data) {
        p->scattered = &s->scattered;
        p->covered = s->mask;
    }
    if (p->scattered && scryi_grappa_chosen(r))
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "grappa fills lines of a grid, and these samples lie off it; expected "
                         "another --method, such as cg-sense");
    p->places = p->scattered ? p->scattered->samples : p->ny * p->nx;
    p->data = scry_alloc(p->coils * p->places, sizeof *p->data);
    p->mask = scry_alloc(p->places, 1);
    if (!p->data || !p->mask)
        return SCRY_FAIL(err, SCRY_ENOMEM, "plane of %zu coils x %zu x %zu", p->coils, p->ny,
                         p->nx);
    if (p->scattered) {
        memcpy(p->data, p->scattered->data, p->coils * p->places * sizeof *p->data);
        memset(p->mask, 1, p->places);
        return SCRY_OK;
    }
    scryi_plane_take(p->data, p, s->data, s, index);
    scryi_plane_take_mask(p->mask, p, s->mask, s, index);
    return SCRY_OK;
}

scry_status scryi_plane_make(struct scryi_plane *out, const scry_reconstructor *r,
                             const scry_mri_slice *s, size_t index, const float complex *maps,
                             scry_error *err)
{
    struct scryi_plane p;
    scry_status st = plane_shape(&p, r, s, err);
    if (st != SCRY_OK) return st;
    if (maps && r->scan->sets) p.sets = r->scan->sets;
    if (p.coils == 1 && !maps) p.sets = 1;
    const size_t n = p.ny * p.nx;
    if ((st = plane_take(&p, r, s, index, err)) != SCRY_OK) goto done;
    const bool combined = p.coils == 1 || r->request->coil_maps != SCRY_COILS_NONE;
    p.scale = 1;
    if (combined && (st = plane_make_maps(&p, s, r, index, maps, err)) != SCRY_OK) goto done;
    if ((st = plane_silence(&p, s, err)) != SCRY_OK) goto done;
    if ((st = scryi_plane_whiten(&p.data, p.places, r, err)) != SCRY_OK) goto done;
    if (combined && (st = scryi_plane_whiten(&p.maps, p.sets * n, r, err)) != SCRY_OK) goto done;
    p.coils = r->coils;
    if (scryi_grappa_chosen(r) && p.coils > 1 &&
        (st = scryi_plane_fill(&p, s, r, index, err)) != SCRY_OK)
        goto done;
    if (combined && (st = mri_prepare_normalise(&p, err)) != SCRY_OK) goto done;
    *out = p;
    p = (struct scryi_plane){0};
done:
    scryi_plane_free(&p);
    return st;
}
