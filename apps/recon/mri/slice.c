#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "operators/fourier.h"

#include <math.h>
#include <string.h>

void scry_mri_slice_free(scry_mri_slice *s)
{
    if (s->calibration != s->data) scry_free(s->calibration);
    if (s->calibration_mask != s->mask) scry_free(s->calibration_mask);
    scry_free(s->data);
    scry_free(s->mask);
    scry_free(s->scattered.data);
    scry_free(s->scattered.trajectory);
    scry_free(s->scattered.density);
    *s = (scry_mri_slice){0};
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

/* The readout of data, and of calibration data apart from it, in the image and cut to size. */
static scry_status open_readout(scry_mri_slice *s, const scry_scan *scan, scry_error *err)
{
    const int axis = scan->readout;
    const size_t n = s->dims[axis], want = scan->image[axis];
    const size_t keep = want && want < n ? want : n;
    scry_status st = SCRY_OK;
    if (!s->image_axis[axis] && !scry_mri_complete_along(s->mask, s->dims, axis)) return SCRY_OK;
    if (s->calibration != s->data)
        st = transform_readout(s, s->calibration, s->calibration_mask, axis, keep, err);
    if (st == SCRY_OK) st = transform_readout(s, s->data, s->mask, axis, keep, err);
    if (st != SCRY_OK) return st;
    s->image_axis[axis] = true;
    s->dims[axis] = keep;
    return SCRY_OK;
}

scry_status scry_mri_slice_take(scry_mri_slice *out, const scry_scan *scan,
                                const scry_mri_samples *samples, scry_error *err)
{
    if (scan->trajectory) return scryi_mri_scatter(out, scan, samples, err);
    float complex *data = samples->data, *calibration = samples->calibration;
    unsigned char *mask = samples->mask, *calibration_mask = samples->calibration_mask;
    scry_mri_slice s = {.coils = scan->coils,
                        .data = data,
                        .mask = mask,
                        .calibration = calibration ? calibration : data,
                        .calibration_mask = calibration_mask ? calibration_mask : mask};
    const size_t n = scan->dims[0] * scan->dims[1] * scan->dims[2];
    size_t sampled = 0;
    scry_status st = SCRY_OK;
    *out = (scry_mri_slice){0};
    memcpy(s.dims, scan->dims, sizeof s.dims);
    memcpy(s.image_axis, scan->image_axis, sizeof s.image_axis);
    for (size_t i = 0; data && mask && i < n; i++)
        sampled += mask[i] != 0;
    if (!data || !mask || !calibration != !calibration_mask)
        st = SCRY_FAIL(err, SCRY_EINVAL, "a slice without %s", data ? "its mask" : "samples");
    else if (!sampled)
        st = SCRY_FAIL(err, SCRY_EINVAL, "none of %zu places is sampled, expected some", n);
    if (st != SCRY_OK) goto done;
    for (size_t c = 0; c < s.coils; c++)
        for (size_t i = 0; i < n; i++)
            if (!s.mask[i]) s.data[c * n + i] = 0;
    if ((st = open_readout(&s, scan, err)) != SCRY_OK) goto done;
    *out = s;
    s = (scry_mri_slice){0};
done:
    scry_mri_slice_free(&s);
    return st;
}

/* ---- planes and sizes ---- */

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
