#include "apps/recon/mri/mri.h"

#include "lib/memory.h"
#include "operators/coils.h"
#include "operators/fourier.h"
#include "operators/sensitivity.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_ACS = 24 }; /* lines */

void scry_mri_slice_free(scry_mri_slice *s)
{
    if (s->calibration != s->data) scry_free(s->calibration);
    if (s->calibration_mask != s->mask) scry_free(s->calibration_mask);
    scry_free(s->data);
    scry_free(s->mask);
    *s = (scry_mri_slice){0};
}

void scry_mri_plane_free(scry_mri_plane *p)
{
    scry_free(p->data);
    scry_free(p->mask);
    scry_free(p->maps);
    *p = (scry_mri_plane){0};
}

scry_status scry_mri_plane_seen(unsigned char **out, const scry_mri_plane *p, size_t side,
                                scry_error *err)
{
    const size_t n = p->ny * p->nx, all = p->coils * p->sets, step = side ? side : 1;
    unsigned char *seen = *out = scry_alloc(n, 1);
    if (!seen) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    for (size_t i = 0; i < n; i++) {
        bool by = !p->maps; /* a root sum of squares is of all that there is */
        for (size_t c = 0; c < all && !by; c++)
            by = cabsf(p->maps[c * n + i]) > 0;
        seen[i] = by ? SCRY_MRI_SEEN : 0;
    }
    for (size_t y = 0; y < p->ny; y += step)
        for (size_t x = 0; x < p->nx; x += step) {
            const size_t h = step < p->ny - y ? step : p->ny - y;
            const size_t w = step < p->nx - x ? step : p->nx - x;
            size_t count = 0;
            for (size_t k = 0; k < h * w; k++)
                count += seen[(y + k / w) * p->nx + x + k % w];
            for (size_t k = 0; k < h * w && 2 * count >= h * w; k++)
                seen[(y + k / w) * p->nx + x + k % w] *= SCRY_MRI_SEEN_AROUND;
        }
    return SCRY_OK;
}

/* ---- the readout ---- */

bool scry_mri_complete_along(const unsigned char *mask, const size_t dims[3], int axis)
{
    const size_t step = axis == 2 ? 1 : dims[2], n = dims[axis];
    const size_t all = dims[0] * dims[1] * dims[2];
    for (size_t i = 0; i < all; i++) {
        const size_t at = axis == 2 ? i % dims[2] : i / dims[2] % dims[1];
        if (at + 1 < n && mask[i] != mask[i + step]) return false;
    }
    return true;
}

/* The middle `keep` along axis 1 or 2 of (count, dims), in place. */
static void crop_axis(void *data, size_t bytes, size_t count, const size_t dims[3], int axis,
                      size_t keep)
{
    const size_t n = dims[axis], start = n / 2 - keep / 2;
    const size_t outer = count * dims[0] * (axis == 2 ? dims[1] : 1);
    const size_t inner = bytes * (axis == 1 ? dims[2] : 1);
    char *to = data;
    const char *from = data;
    for (size_t o = 0; o < outer; o++)
        memmove(to + o * keep * inner, from + (o * n + start) * inner, keep * inner);
}

/* Transforms the readout to the image, unless it is there, and cuts it to size. */
static scry_status transform_readout(const scry_mri_slice *s, float complex *data,
                                     unsigned char *mask, int axis, size_t keep, scry_error *err)
{
    const size_t *dims = s->dims;
    scry_status st = SCRY_OK;
    if (!s->image_axis[axis])
        st = scry_fourier_transform(data, s->coils * dims[0], dims[1], dims[2],
                                    axis == 1 ? SCRY_FOURIER_Y : SCRY_FOURIER_X, true, err);
    if (st != SCRY_OK || keep == dims[axis]) return st;
    crop_axis(data, sizeof *data, s->coils, dims, axis, keep);
    crop_axis(mask, 1, 1, dims, axis, keep);
    return SCRY_OK;
}

static scry_status mri_prepare_read_calibration(scry_mri_slice *s, scry_kspace_reader *reader,
                                                const scry_mri_run *run, size_t slice,
                                                scry_error *err)
{
    const size_t n = s->dims[0] * s->dims[1] * s->dims[2];
    s->calibration = s->data;
    s->calibration_mask = s->mask;
    if (!run->info->has_calibration) return SCRY_OK;
    s->calibration = scry_alloc(s->coils * n, sizeof *s->calibration);
    s->calibration_mask = scry_alloc(n, 1);
    if (!s->calibration || !s->calibration_mask)
        return SCRY_FAIL(err, SCRY_ENOMEM, "calibration of %zu coils x %zu samples", s->coils, n);
    return scry_kspace_read_calibration(reader, slice, s->calibration, s->calibration_mask, err);
}

scry_status scry_mri_slice_read(scry_mri_slice *out, scry_kspace_reader *reader,
                                const scry_mri_run *run, size_t frame, size_t slice,
                                const unsigned char *mask, scry_error *err)
{
    const scry_kspace_info *info = run->info;
    scry_mri_slice s = {.coils = info->coils, .dims = {info->nz, info->ny, info->nx}};
    const size_t n = info->nz * info->ny * info->nx;
    scry_status st;
    memcpy(s.image_axis, info->image_axis, sizeof s.image_axis);
    s.data = scry_alloc(s.coils * n, sizeof *s.data);
    s.mask = scry_alloc(n, 1);
    if (!s.data || !s.mask) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "k-space of %zu coils x %zu samples", s.coils, n);
        goto done;
    }
    if ((st = scry_kspace_read(reader, frame, slice, s.data, s.mask, err)) != SCRY_OK) goto done;
    if ((st = mri_prepare_read_calibration(&s, reader, run, slice, err)) != SCRY_OK) goto done;
    size_t kept = 0;
    for (size_t i = 0; mask && i < n; i++)
        s.mask[i] = s.mask[i] && mask[i];
    for (size_t i = 0; i < n; i++)
        kept += s.mask[i];
    if (!kept) {
        st = SCRY_FAIL(
            err, SCRY_EINVAL, "%s keeps none of the samples that %s holds, expected some",
            run->request->mask_name ? run->request->mask_name : "the mask", info->dataset);
        goto done;
    }
    for (size_t c = 0; c < s.coils; c++)
        for (size_t i = 0; i < n; i++)
            if (!s.mask[i]) s.data[c * n + i] = 0;
    const int axis = info->readout;
    if (s.image_axis[axis] || scry_mri_complete_along(s.mask, s.dims, axis)) {
        const size_t keep = info->recon[axis] < s.dims[axis] ? info->recon[axis] : s.dims[axis];
        if (s.calibration != s.data &&
            (st = transform_readout(&s, s.calibration, s.calibration_mask, axis, keep, err)) !=
                SCRY_OK)
            goto done;
        if ((st = transform_readout(&s, s.data, s.mask, axis, keep, err)) != SCRY_OK) goto done;
        s.image_axis[axis] = true;
        s.dims[axis] = keep;
    }
    *out = s;
    s = (scry_mri_slice){0};
done:
    scry_mri_slice_free(&s);
    return st;
}

/* ---- planes ---- */

scry_status scry_mri_slice_planes(size_t *count, int *across, const scry_mri_slice *s,
                                  scry_error *err)
{
    *count = 0;
    *across = 0;
    for (int a = 0; a < 3; a++)
        if (s->image_axis[a] || (a == 0 && s->dims[0] == 1)) {
            *across = a;
            *count = s->dims[a];
            return SCRY_OK;
        }
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "a volume of %zu x %zu x %zu samples whose readout is not completely sampled; "
                     "expected whole lines along one axis, or a stack of slices",
                     s->dims[0], s->dims[1], s->dims[2]);
}

/* Plane `index` of (coils, z, y, x) along the axis that is not in p->axis. */
static void take_plane(float complex *out, const scry_mri_plane *p, const float complex *data,
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

static void take_mask(unsigned char *out, const scry_mri_plane *p, const unsigned char *mask,
                      const scry_mri_slice *s, size_t index)
{
    const size_t stride[3] = {s->dims[1] * s->dims[2], s->dims[2], 1};
    const int across = 3 - p->axis[0] - p->axis[1];
    for (size_t y = 0; y < p->ny; y++)
        for (size_t x = 0; x < p->nx; x++)
            *out++ = mask[index * stride[across] + y * stride[p->axis[0]] + x * stride[p->axis[1]]];
}

/* The fully sampled middle of the calibration plane, in k-space on both axes. */
static scry_status calibration_block(float complex **block, size_t *cy, size_t *cx,
                                     const scry_mri_plane *p, float complex *calibration,
                                     const unsigned char *mask, const scry_mri_run *run,
                                     scry_error *err)
{
    enum { LEAST = 6 };
    const unsigned back = SCRY_FOURIER_YX & ~p->axes;
    scry_status st = SCRY_OK;
    if (back) st = scry_fourier_transform(calibration, p->coils, p->ny, p->nx, back, false, err);
    if (st == SCRY_OK)
        st = scry_calibration_region(cy, cx, mask, p->ny, p->nx,
                                     run->request->acs ? run->request->acs : DEFAULT_ACS, LEAST,
                                     err);
    if (st != SCRY_OK) return st;
    *block = scry_alloc(p->coils * *cy * *cx, sizeof **block);
    if (!*block) return SCRY_FAIL(err, SCRY_ENOMEM, "calibration block");
    const size_t y0 = p->ny / 2 - *cy / 2, x0 = p->nx / 2 - *cx / 2;
    for (size_t c = 0; c < p->coils; c++)
        for (size_t y = 0; y < *cy; y++)
            memcpy(*block + (c * *cy + y) * *cx, calibration + (c * p->ny + y0 + y) * p->nx + x0,
                   *cx * sizeof **block);
    return SCRY_OK;
}

size_t scry_mri_kernel(size_t kernel, size_t cy, size_t cx)
{
    const size_t half = ((cy < cx ? cy : cx) + 1) / 2;
    return half < kernel ? half : kernel;
}

static scry_status estimate_maps(scry_mri_plane *p, const scry_mri_slice *s,
                                 const scry_mri_run *run, size_t index, scry_error *err)
{
    const size_t n = p->ny * p->nx;
    float complex *calibration = scry_alloc(p->coils * n, sizeof *calibration), *block = NULL;
    unsigned char *mask = scry_alloc(n, 1);
    size_t cy, cx;
    scry_status st = SCRY_OK;
    if (!calibration || !mask) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "calibration of %zu coils", p->coils);
        goto done;
    }
    take_plane(calibration, p, s->calibration, s, index);
    take_mask(mask, p, s->calibration_mask, s, index);
    if ((st = calibration_block(&block, &cy, &cx, p, calibration, mask, run, err)) != SCRY_OK)
        goto done;
    if (run->request->coil_maps == SCRY_COILS_LOWRES) {
        st = scry_lowres_maps(p->maps, block, p->coils, cy, cx, p->ny, p->nx, err);
    } else {
        scry_espirit_opts opts;
        scry_espirit_opts_init(&opts);
        opts.sets = p->sets;
        opts.soft = run->request->soft;
        opts.kernel = scry_mri_kernel(opts.kernel, cy, cx);
        if (run->request->crop > 0) opts.crop = run->request->crop;
        if (run->request->crop < 0) opts.crop = 0;
        st = scry_espirit(p->maps, NULL, block, p->coils, cy, cx, p->ny, p->nx, &opts, err);
    }
done:
    scry_free(calibration);
    scry_free(block);
    scry_free(mask);
    return st;
}

/* Whitened, compressed: data (coils, n) of the file's coils in place of itself. */
static scry_status whiten(float complex **data, size_t n, const scry_mri_run *run, scry_error *err)
{
    const size_t coils = run->info->coils;
    scry_status st = SCRY_OK;
    if (run->psi && (st = scry_whiten(*data, run->psi, coils, n, err)) != SCRY_OK) return st;
    if (!run->virtual) return SCRY_OK;
    float complex *out = scry_alloc(run->coils * n, sizeof *out);
    if (!out) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu virtual coils", run->coils);
    scry_compress(out, run->virtual, run->coils, *data, coils, n);
    scry_free(*data);
    *data = out;
    return SCRY_OK;
}

/* Divides maps and data by the largest root sum of squares of the maps, so that |A| = 1 whatever
 * the unit of the noise. */
static scry_status mri_prepare_normalise(scry_mri_plane *p, scry_error *err)
{
    const size_t n = p->ny * p->nx, m = p->sets * n;
    double most = 0;
    for (size_t i = 0; i < m; i++) {
        double sum = 0;
        for (size_t c = 0; c < p->coils; c++) {
            const float complex v = p->maps[c * m + i];
            sum += (double)crealf(v) * crealf(v) + (double)cimagf(v) * cimagf(v);
        }
        most = sum > most ? sum : most;
    }
    if (!(most > 0)) return SCRY_FAIL(err, SCRY_ENUMERIC, "the coil maps are 0 everywhere");
    p->scale = sqrt(most);
    const float f = (float)(1 / p->scale);
    for (size_t i = 0; i < p->coils * m; i++)
        p->maps[i] *= f;
    for (size_t i = 0; i < p->coils * n; i++)
        p->data[i] *= f;
    return SCRY_OK;
}

/* The maps are those of the file's own coils with a root sum of squares of 1, and are whitened with
 * the data: an image has the intensity of a root-sum-of-squares reconstruction of the file, however
 * the noise of its coils is. */
static scry_status make_maps(scry_mri_plane *p, const scry_mri_slice *s, const scry_mri_run *run,
                             size_t index, const float complex *maps, scry_error *err)
{
    const size_t entries = p->coils * p->sets * p->ny * p->nx;
    p->maps = scry_alloc(entries, sizeof *p->maps);
    if (!p->maps) return SCRY_FAIL(err, SCRY_ENOMEM, "maps of %zu coils", p->coils);
    if (maps) {
        memcpy(p->maps, maps, entries * sizeof *maps);
        return SCRY_OK;
    }
    if (p->coils > 1) return estimate_maps(p, s, run, index, err);
    for (size_t i = 0; i < entries; i++)
        p->maps[i] = 1;
    return SCRY_OK;
}

scry_status scry_mri_plane_make(scry_mri_plane *out, const scry_mri_slice *s,
                                const scry_mri_run *run, size_t index, const float complex *maps,
                                scry_error *err)
{
    scry_mri_plane p = {.coils = s->coils, .sets = run->request->sets ? run->request->sets : 1};
    size_t planes;
    int across;
    scry_status st = scry_mri_slice_planes(&planes, &across, s, err);
    if (st != SCRY_OK) return st;
    for (int a = 0, k = 0; a < 3; a++)
        if (a != across) p.axis[k++] = a;
    p.ny = s->dims[p.axis[0]];
    p.nx = s->dims[p.axis[1]];
    p.axes = (s->image_axis[p.axis[0]] ? 0u : SCRY_FOURIER_Y) |
             (s->image_axis[p.axis[1]] ? 0u : SCRY_FOURIER_X);
    if (p.coils == 1) p.sets = 1;
    const size_t n = p.ny * p.nx;
    p.data = scry_alloc(p.coils * n, sizeof *p.data);
    p.mask = scry_alloc(n, 1);
    if (!p.data || !p.mask) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "plane of %zu coils x %zu x %zu", p.coils, p.ny, p.nx);
        goto done;
    }
    take_plane(p.data, &p, s->data, s, index);
    take_mask(p.mask, &p, s->mask, s, index);
    const bool combined = p.coils == 1 || run->request->coil_maps != SCRY_COILS_NONE;
    p.scale = 1;
    if (combined && (st = make_maps(&p, s, run, index, maps, err)) != SCRY_OK) goto done;
    if ((st = whiten(&p.data, n, run, err)) != SCRY_OK) goto done;
    if (combined && (st = whiten(&p.maps, p.sets * n, run, err)) != SCRY_OK) goto done;
    p.coils = run->coils;
    if (combined && (st = mri_prepare_normalise(&p, err)) != SCRY_OK) goto done;
    *out = p;
    p = (scry_mri_plane){0};
done:
    scry_mri_plane_free(&p);
    return st;
}

/* ---- sizes ---- */

/* Cuts or fills with zeros around the middle, axis by axis. */
static void copy_middle(float complex *out, size_t oy, size_t ox, const float complex *in,
                        size_t ny, size_t nx)
{
    const size_t h = oy < ny ? oy : ny, w = ox < nx ? ox : nx;
    const size_t y0 = ny / 2 - h / 2, x0 = nx / 2 - w / 2;
    const size_t to_y = oy / 2 - h / 2, to_x = ox / 2 - w / 2;
    memset(out, 0, oy * ox * sizeof *out);
    for (size_t y = 0; y < h; y++)
        memcpy(out + (to_y + y) * ox + to_x, in + (y0 + y) * nx + x0, w * sizeof *out);
}

scry_status scry_mri_resize(float complex *out, size_t oy, size_t ox, const float complex *image,
                            size_t ny, size_t nx, scry_error *err)
{
    const size_t uy = oy > ny ? oy : ny, ux = ox > nx ? ox : nx; /* first larger, then cut */
    const unsigned axes = (oy > ny ? SCRY_FOURIER_Y : 0u) | (ox > nx ? SCRY_FOURIER_X : 0u);
    scry_status st = SCRY_OK;
    if (!axes) {
        copy_middle(out, oy, ox, image, ny, nx);
        return SCRY_OK;
    }
    float complex *k = scry_copy(image, ny * nx * sizeof *k);
    float complex *large = scry_alloc(uy * ux, sizeof *large);
    if (!k || !large) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "image of %zu x %zu", uy, ux);
        goto done;
    }
    if ((st = scry_fourier_transform(k, 1, ny, nx, axes, false, err)) != SCRY_OK) goto done;
    copy_middle(large, uy, ux, k, ny, nx);
    if ((st = scry_fourier_transform(large, 1, uy, ux, axes, true, err)) != SCRY_OK) goto done;
    const float f = (float)sqrt((double)(uy * ux) / (double)(ny * nx)); /* same intensity */
    for (size_t i = 0; i < uy * ux; i++)
        large[i] *= f;
    copy_middle(out, oy, ox, large, uy, ux);
done:
    scry_free(k);
    scry_free(large);
    return st;
}
