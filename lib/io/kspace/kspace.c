#include "lib/io/kspace/kspace_impl.h"
#include "lib/given.h"
#include "lib/io/kspace/kspace_write.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/space.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

const char *scry_kspace_format_name(scry_kspace_format f)
{
    static const char *const names[] = {
        [SCRY_KSPACE_FASTMRI] = "fastMRI HDF5", [SCRY_KSPACE_ISMRMRD] = "ISMRMRD HDF5",
        [SCRY_KSPACE_CFL] = "BART cfl",         [SCRY_KSPACE_PLAIN] = "plain HDF5",
        [SCRY_KSPACE_NPY] = "NumPy array",
    };
    return (size_t)f < sizeof names / sizeof *names ? names[f] : "unknown format";
}

/* Samples of one coil in a slice, and of all; scry_kspace_open and _create have checked them. */
static size_t plane_count(const scry_kspace_info *info)
{
    return info->nz * info->ny * info->nx;
}

static size_t slice_count(const scry_kspace_info *info)
{
    return info->coils * plane_count(info);
}

/* A header of a few bytes can promise any shape: one slice must fit into the memory. */
static scry_status kspace_check_size(const scry_kspace_info *info, const char *path,
                                     scry_error *err)
{
    const size_t dims[] = {info->frames, info->slices,   info->coils,    info->nz,      info->ny,
                           info->nx,     info->recon[0], info->recon[1], info->recon[2]};
    size_t bytes = sizeof(float complex);
    bool fits = true;
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        if (!dims[i])
            return SCRY_FAIL(err, SCRY_EFORMAT,
                             "%s: %zu frames of %zu slices of %zu coils x %zu x %zu x %zu samples, "
                             "image %zu x %zu x %zu: expected none of them to be 0",
                             path, dims[0], dims[1], dims[2], dims[3], dims[4], dims[5], dims[6],
                             dims[7], dims[8]);
    for (int i = 2; i < 6 && fits; i++)
        fits = scry_mul(&bytes, bytes, dims[i]);
    size_t image = sizeof(float complex);
    for (int i = 6; i < 9 && fits; i++)
        fits = scry_mul(&image, image, dims[i]);
    const size_t max = scry_memory_total() ? scry_memory_total() : SIZE_MAX / 2;
    if (fits && bytes <= max && image <= max) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM,
                     "%s: a slice of %zu coils x %zu x %zu x %zu samples (image %zu x %zu x %zu) "
                     "does not fit in the %zu MB of this machine",
                     path, dims[2], dims[3], dims[4], dims[5], dims[6], dims[7], dims[8],
                     max >> 20);
}

/* ---- reading ---- */

/* Is there a measurement in the way of ISMRMRD? The group is called "dataset", or "dataset_1" and
 * so on where a converter found several. */
static bool has_measurement(const scry_hdf5 *f)
{
    scry_hdf5_info *all = NULL;
    scry_error ignored = {0};
    size_t n = 0;
    bool found = scry_hdf5_has_group(f, "dataset");
    if (found || scry_hdf5_list(&all, &n, f, &ignored) != SCRY_OK) return found;
    for (size_t i = 0; i < n && !found; i++)
        found = scryi_ismrmrd_names(f, all[i].name);
    scry_free(all);
    return found;
}

static scry_status open_hdf5(scry_kspace_reader *r, const scry_kspace_choice *choice,
                             scry_error *err)
{
    scry_status st = scry_hdf5_open(&r->file, r->path, err);
    if (st != SCRY_OK) return st;
    if (!choice->dataset && scry_hdf5_has_dataset(r->file, "kspace")) {
        r->info.format = SCRY_KSPACE_FASTMRI;
        return scryi_fastmri_open(r, err);
    }
    if (choice->dataset ? scryi_ismrmrd_names(r->file, choice->dataset)
                        : has_measurement(r->file)) {
        r->info.format = SCRY_KSPACE_ISMRMRD;
        return scryi_ismrmrd_open(r, choice, err);
    }
    r->info.format = SCRY_KSPACE_PLAIN;
    return scryi_plain_open(r, choice, err);
}

static scry_status open_format(scry_kspace_reader *r, const scry_kspace_choice *choice,
                               scry_error *err)
{
    struct stat about;
    if (scryi_cfl_recognise(r->path)) {
        r->info.format = SCRY_KSPACE_CFL;
        return scryi_cfl_open(r, choice, err);
    }
    if (stat(r->path, &about)) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", r->path, strerror(errno));
    if (!S_ISREG(about.st_mode)) return SCRY_FAIL(err, SCRY_EIO, "%s: not a regular file", r->path);
    if (scry_hdf5_recognise(r->path)) return open_hdf5(r, choice, err);
    if (scryi_npy_recognise(r->path)) {
        r->info.format = SCRY_KSPACE_NPY;
        return scryi_npy_kspace_open(r, err);
    }
    const char *foreign = scryi_kspace_foreign(r->path);
    if (foreign) return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s", r->path, foreign);
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: neither HDF5 (fastMRI, ISMRMRD, plain) nor a BART pair of .hdr and .cfl "
                     "(%lld bytes%s)",
                     r->path, (long long)about.st_size, about.st_size ? "" : ": empty");
}

/* Facts about the readout that the caller knows and the file does not state. */
static scry_status apply_choice(scry_kspace_reader *r, const scry_kspace_choice *choice,
                                scry_error *err)
{
    scry_kspace_info *i = &r->info;
    const char *format = scry_kspace_format_name(i->format);
    const size_t n = i->readout == 1 ? i->ny : i->nx;
    if (choice->transformed &&
        (i->format == SCRY_KSPACE_FASTMRI || i->format == SCRY_KSPACE_ISMRMRD))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: %s holds k-space along the readout, a transformed "
                         "one is for cfl and plain HDF5",
                         r->path, format);
    r->scattered = choice->scattered || i->scattered;
    if (choice->transformed) i->image_axis[i->readout] = true;
    if (choice->oversampling == 0) return SCRY_OK;
    const double kept = round((double)n / choice->oversampling);
    if (!(choice->oversampling >= 1) || kept < 1)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: oversampling %g of %zu readout samples, expected 1 "
                         "to %zu",
                         r->path, choice->oversampling, n, n);
    i->recon[i->readout] = (size_t)kept;
    return SCRY_OK;
}

scry_status scry_kspace_open(scry_kspace_reader **out, const char *path,
                             const scry_kspace_choice *choice, scry_error *err)
{
    if (SCRY_MISSING_OUT(err, out, path)) return SCRY_EINVAL;
    const scry_kspace_choice none = {0};
    scry_kspace_reader *r = scry_alloc(1, sizeof *r);
    if (!r) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: reader", path);
    scry_status st = SCRY_OK;
    r->info.dataset = r->dataset;
    if ((size_t)snprintf(r->path, sizeof r->path, "%s", path) >= sizeof r->path) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "a path of %zu characters, at most %zu", strlen(path),
                       sizeof r->path - 1);
        goto done;
    }
    if (!choice) choice = &none;
    if ((st = open_format(r, choice, err)) != SCRY_OK) goto done;
    if ((st = apply_choice(r, choice, err)) != SCRY_OK) goto done;
    if ((st = kspace_check_size(&r->info, path, err)) != SCRY_OK) goto done;
    if (!(r->mask = scry_alloc(plane_count(&r->info), 1))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: mask", path);
        goto done;
    }
    *out = r;
    r = NULL;
done:
    scry_kspace_close(r);
    return st;
}

const scry_kspace_info *scry_kspace_describe(const scry_kspace_reader *r)
{
    return &r->info;
}

void scry_kspace_close(scry_kspace_reader *r)
{
    if (!r) return;
    if (r->ops && r->ops->close) r->ops->close(r);
    scry_hdf5_close(r->file);
    scry_free(r->mask);
    scry_free(r);
}

void scryi_kspace_warn(scry_kspace_reader *r, const char *fmt, ...)
{
    char text[sizeof *r->warnings];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    for (size_t i = 0; i < r->warning_count; i++)
        if (!strcmp(r->warnings[i], text)) return;
    if (r->warning_count < SCRYI_KSPACE_WARNINGS)
        memcpy(r->warnings[r->warning_count++], text, sizeof text);
}

const char *scry_kspace_warning(scry_kspace_reader *r)
{
    return r->warning_next < r->warning_count ? r->warnings[r->warning_next++] : NULL;
}

/* Is any coil's sample at i of a plane not 0? */
static bool kspace_sampled(const scry_kspace_info *info, const float complex *data, size_t i)
{
    const size_t n = plane_count(info);
    for (size_t c = 0; c < info->coils; c++)
        if (crealf(data[c * n + i]) != 0 || cimagf(data[c * n + i]) != 0) return true;
    return false;
}

void scryi_kspace_mask_from_zeros(const scry_kspace_info *info, const float complex *data,
                                  unsigned char *mask)
{
    const size_t ny = info->ny, nx = info->nx, n = plane_count(info);
    const bool along_x = info->readout == 2;
    const size_t length = along_x ? nx : ny, step = along_x ? 1 : nx;
    for (size_t i = 0; i < n; i++)
        mask[i] = kspace_sampled(info, data, i);
    for (size_t line = 0; line < n / length; line++) {
        const size_t first = along_x ? line * nx : line / nx * ny * nx + line % nx;
        size_t held = 0;
        for (size_t k = 0; k < length; k++)
            held += mask[first + k * step];
        if ((length - held) * 50 > length) continue;
        for (size_t k = 0; k < length; k++)
            mask[first + k * step] = 1;
    }
}

/* Squares and their sums must be floats: beyond these sizes they are not. */
static const float MIN_LARGEST = 1e-16f, MAX_LARGEST = 1e16f;

static scry_status kspace_check_range(const scry_kspace_info *info, const char *path,
                                      const char *what, const float complex *data, scry_error *err)
{
    const float *values = (const float *)data;
    float largest = 0;
    for (size_t i = 0; i < 2 * slice_count(info); i++)
        largest = fmaxf(largest, fabsf(values[i]));
    if (!(largest > 0) || (largest >= MIN_LARGEST && largest <= MAX_LARGEST)) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC,
                     "%s: %s, %s: the largest sample is %g, expected %g to %g, the range of single "
                     "precision: scale the samples",
                     path, info->dataset, what, (double)largest, (double)MIN_LARGEST,
                     (double)MAX_LARGEST);
}

/* ENUMERIC with the number of samples that are not finite and the place of the first. */
static scry_status kspace_check_finite(const scry_kspace_info *info, const char *path,
                                       const char *what, const float complex *data, scry_error *err)
{
    const size_t n = plane_count(info), all = slice_count(info);
    size_t bad = 0, first = 0;
    for (size_t i = 0; i < all; i++)
        if (!isfinite(crealf(data[i])) || !isfinite(cimagf(data[i])))
            if (!bad++) first = i;
    if (!bad) return SCRY_OK;
    const size_t p = first % n;
    return SCRY_FAIL(err, SCRY_ENUMERIC,
                     "%s: %s, %s: %zu of %zu samples are NaN or infinite, the first (%g, %g) at "
                     "coil %zu, z %zu, y %zu, x %zu",
                     path, info->dataset, what, bad, all, (double)crealf(data[first]),
                     (double)cimagf(data[first]), first / n, p / (info->ny * info->nx),
                     p / info->nx % info->ny, p % info->nx);
}

/* Checks a slice of any format; clears samples that the mask does not keep. */
static scry_status check_slice(scry_kspace_reader *r, const char *what, float complex *data,
                               const unsigned char *mask, scry_error *err)
{
    const scry_kspace_info *info = &r->info;
    const size_t n = plane_count(info);
    size_t kept = 0, empty = 0, outside = 0;
    scry_status st = kspace_check_finite(info, r->path, what, data, err);
    if (st == SCRY_OK) st = kspace_check_range(info, r->path, what, data, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < n; i++) {
        const bool here = kspace_sampled(info, data, i);
        if (mask[i]) {
            kept++;
            empty += !here;
        } else if (here) {
            outside++;
            for (size_t c = 0; c < info->coils; c++)
                data[c * n + i] = 0;
        }
    }
    if (kept == empty)
        return SCRY_FAIL(err, SCRY_ENUMERIC,
                         outside ? "%s: %s, %s: all %zu samples that the mask keeps are 0 (%zu "
                                   "outside the mask are not)"
                                 : "%s: %s, %s: all samples are 0 (the mask keeps %zu of %zu)",
                         r->path, info->dataset, what, kept, outside ? outside : n);
    if (outside)
        scryi_kspace_warn(r, "%s: %zu samples outside the mask are not 0: they are left out", what,
                          outside);
    if (info->has_mask && empty * 10 > kept)
        scryi_kspace_warn(r, "%s: %zu of the %zu samples that the mask keeps are 0 in every coil",
                          what, empty, kept);
    return SCRY_OK;
}

static scry_status check_place(const scry_kspace_info *info, const char *path, size_t frame,
                               size_t slice, scry_error *err)
{
    if (frame < info->frames && slice < info->slices) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL,
                     "%s: frame %zu, slice %zu, where there are %zu frames of %zu slices", path,
                     frame, slice, info->frames, info->slices);
}

typedef scry_status read_fn(scry_kspace_reader *r, size_t frame, size_t slice, float complex *data,
                            unsigned char *mask, scry_error *err);

static scry_status read_checked(scry_kspace_reader *r, read_fn *read, const char *kind,
                                size_t frame, size_t slice, float complex *data,
                                unsigned char *mask, scry_error *err)
{
    char what[64];
    scry_status st = check_place(&r->info, r->path, frame, slice, err);
    if (st != SCRY_OK) return st;
    if (r->info.frames > 1)
        snprintf(what, sizeof what, "%sframe %zu, slice %zu", kind, frame, slice);
    else
        snprintf(what, sizeof what, "%sslice %zu", kind, slice);
    if (!mask) mask = r->mask;
    memset(data, 0, slice_count(&r->info) * sizeof *data);
    memset(mask, 0, plane_count(&r->info));
    if ((st = read(r, frame, slice, data, mask, err)) != SCRY_OK) return st;
    if ((st = check_slice(r, what, data, mask, err)) != SCRY_OK) return st;
    return scryi_kspace_examine(r, what, data, mask, err);
}

scry_status scry_kspace_read(scry_kspace_reader *r, size_t frame, size_t slice, float complex *data,
                             unsigned char *mask, scry_error *err)
{
    if (SCRY_MISSING(err, r, data)) return SCRY_EINVAL;
    return read_checked(r, r->ops->read, "", frame, slice, data, mask, err);
}

static scry_status kspace_read_calibration(scry_kspace_reader *r, size_t frame, size_t slice,
                                           float complex *data, unsigned char *mask,
                                           scry_error *err)
{
    (void)frame;
    return r->ops->calibration(r, slice, data, mask, err);
}

scry_status scry_kspace_read_calibration(scry_kspace_reader *r, size_t slice, float complex *data,
                                         unsigned char *mask, scry_error *err)
{
    if (SCRY_MISSING(err, r, data)) return SCRY_EINVAL;
    r->info.calibration_frames = 1;
    r->info.calibration_first = 0;
    if (!r->info.has_calibration && r->info.frames > 1)
        return scryi_kspace_series_mean(r, slice, data, mask ? mask : r->mask, err);
    if (!r->ops->calibration) return scry_kspace_read(r, 0, slice, data, mask, err);
    return read_checked(r, kspace_read_calibration, "calibration of ", 0, slice, data, mask, err);
}

scry_status scry_kspace_read_trajectory(scry_kspace_reader *r, size_t frame, size_t slice, float *k,
                                        scry_error *err)
{
    if (SCRY_MISSING(err, r, k)) return SCRY_EINVAL;
    const scry_status st = check_place(&r->info, r->path, frame, slice, err);
    if (st != SCRY_OK) return st;
    if (!r->info.scattered || !r->ops->trajectory)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s: samples on the grid have no trajectory", r->path);
    memset(k, 0, 2 * plane_count(&r->info) * sizeof *k);
    return r->ops->trajectory(r, frame, slice, k, err);
}

scry_status scry_kspace_read_noise(scry_kspace_reader *r, float complex *noise, scry_error *err)
{
    if (SCRY_MISSING(err, r)) return SCRY_EINVAL;
    if (!r->info.noise_samples || !r->ops->noise)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s: %s without noise scans", r->path,
                         scry_kspace_format_name(r->info.format));
    if (SCRY_MISSING(err, noise)) return SCRY_EINVAL;
    scry_status st = r->ops->noise(r, noise, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < r->info.coils * r->info.noise_samples; i++)
        if (!isfinite(crealf(noise[i])) || !isfinite(cimagf(noise[i])))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: noise sample %zu of coil %zu is (%g, %g)",
                             r->path, i % r->info.noise_samples, i / r->info.noise_samples,
                             (double)crealf(noise[i]), (double)cimagf(noise[i]));
    return SCRY_OK;
}

scry_status scry_kspace_read_target(scry_kspace_reader *r, size_t slice, float *target,
                                    scry_error *err)
{
    if (SCRY_MISSING(err, r)) return SCRY_EINVAL;
    scry_status st = check_place(&r->info, r->path, 0, slice, err);
    if (st != SCRY_OK) return st;
    if (!r->info.has_target || !r->ops->target)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s: %s without a target (reconstruction_rss)", r->path,
                         scry_kspace_format_name(r->info.format));
    if (SCRY_MISSING(err, target)) return SCRY_EINVAL;
    return r->ops->target(r, slice, target, err);
}

/* ---- writing ---- */

static scry_status check_info(const scry_kspace_info *info, const char *path, scry_error *err)
{
    scry_status st = kspace_check_size(info, path, err);
    if (st != SCRY_OK) return st;
    if (info->readout != 1 && info->readout != 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "readout along axis %d, expected 1 (y) or 2 (x)",
                         info->readout);
    for (int a = 0; a < 3; a++)
        if (info->image_axis[a] && info->format != SCRY_KSPACE_CFL)
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "%s: axis %c is transformed to the image already, which %s cannot say",
                             path, "zyx"[a], scry_kspace_format_name(info->format));
    return SCRY_OK;
}

static scry_status create_format(scry_kspace_writer *w, scry_error *err)
{
    switch (w->info.format) {
    case SCRY_KSPACE_FASTMRI:
        return scryi_fastmri_create(w, err);
    case SCRY_KSPACE_ISMRMRD:
        return scryi_ismrmrd_create(w, err);
    case SCRY_KSPACE_CFL:
        return scryi_cfl_create(w, err);
    case SCRY_KSPACE_NPY:
        return scryi_npy_kspace_create(w, err);
    default:
        break;
    }
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "%s: %s is not written, expected fastMRI, ISMRMRD, cfl or npy", w->path,
                     scry_kspace_format_name(w->info.format));
}

scry_status scry_kspace_create(scry_kspace_writer **out, const char *path,
                               const scry_kspace_info *info, scry_error *err)
{
    *out = NULL;
    scry_status st = check_info(info, path, err);
    if (st != SCRY_OK) return st;
    scry_kspace_writer *w = scry_alloc(1, sizeof *w);
    if (!w) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer", path);
    w->info = *info;
    if ((size_t)snprintf(w->path, sizeof w->path, "%s", path) >= sizeof w->path) {
        st = SCRY_FAIL(err, SCRY_EINVAL, "a path of %zu characters, at most %zu", strlen(path),
                       sizeof w->path - 1);
        goto done;
    }
    w->written = scry_alloc(info->frames, info->slices);
    w->mask = scry_alloc(plane_count(info), 1);
    if (!w->written || !w->mask) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer of %zu frames of %zu slices", path,
                       info->frames, info->slices);
        goto done;
    }
    memset(w->mask, 1, plane_count(info));
    if ((st = create_format(w, err)) != SCRY_OK) goto done;
    *out = w;
    w = NULL;
done:
    scry_kspace_finish(w, false, NULL);
    return st;
}

static scry_status write_checked(scry_kspace_writer *w, size_t frame, size_t slice,
                                 const float complex *data, const unsigned char *mask,
                                 scry_error *err)
{
    char what[64];
    const scry_kspace_info *info = &w->info;
    const size_t n = plane_count(info);
    scry_status st = check_place(info, w->path, frame, slice, err);
    if (st != SCRY_OK) return st;
    unsigned char *written = &w->written[frame * info->slices + slice];
    if (*written)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: frame %zu, slice %zu is given twice", w->path,
                         frame, slice);
    snprintf(what, sizeof what, "frame %zu, slice %zu", frame, slice);
    if ((st = kspace_check_finite(info, w->path, what, data, err)) != SCRY_OK) return st;
    for (size_t i = 0; i < n; i++)
        if (!mask[i] && kspace_sampled(info, data, i))
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "%s: %s: the sample at z %zu, y %zu, x %zu is not 0 although the mask "
                             "is",
                             w->path, what, i / (info->ny * info->nx), i / info->nx % info->ny,
                             i % info->nx);
    st = w->ops->write(w, frame, slice, data, mask, err);
    if (st == SCRY_OK) *written = 1;
    return st;
}

scry_status scry_kspace_write(scry_kspace_writer *w, size_t frame, size_t slice,
                              const float complex *data, const unsigned char *mask, scry_error *err)
{
    const scry_status st = write_checked(w, frame, slice, data, mask ? mask : w->mask, err);
    if (w->failed == SCRY_OK) w->failed = st;
    return st;
}

scry_status scry_kspace_write_target(scry_kspace_writer *w, size_t slice, const float *target,
                                     scry_error *err)
{
    scry_status st = check_place(&w->info, w->path, 0, slice, err);
    if (st == SCRY_OK && !w->ops->target)
        st = SCRY_FAIL(err, SCRY_EUNSUP, "%s: %s has no place for a target", w->path,
                       scry_kspace_format_name(w->info.format));
    if (st == SCRY_OK) st = w->ops->target(w, slice, target, err);
    if (w->failed == SCRY_OK) w->failed = st;
    return st;
}

scry_status scry_kspace_write_calibration(scry_kspace_writer *w, size_t slice,
                                          const float complex *data, const unsigned char *mask,
                                          scry_error *err)
{
    scry_status st = check_place(&w->info, w->path, 0, slice, err);
    if (st == SCRY_OK && !w->ops->calibration)
        st = SCRY_FAIL(err, SCRY_EUNSUP, "%s: %s has no place for lines for calibration only",
                       w->path, scry_kspace_format_name(w->info.format));
    if (st == SCRY_OK) st = kspace_check_finite(&w->info, w->path, "calibration", data, err);
    if (st == SCRY_OK) st = w->ops->calibration(w, slice, data, mask, err);
    if (w->failed == SCRY_OK) w->failed = st;
    return st;
}

scry_status scry_kspace_write_noise(scry_kspace_writer *w, const float complex *noise,
                                    scry_error *err)
{
    scry_status st = SCRY_OK;
    if (!w->info.noise_samples || !w->ops->noise)
        st = SCRY_FAIL(err, SCRY_EUNSUP, "%s: %s has no place for %zu noise samples", w->path,
                       scry_kspace_format_name(w->info.format), w->info.noise_samples);
    if (st == SCRY_OK) st = w->ops->noise(w, noise, err);
    if (w->failed == SCRY_OK) w->failed = st;
    return st;
}

/* An incomplete volume is no volume: the first slice that is missing, if any. */
static scry_status kspace_check_complete(const scry_kspace_writer *w, scry_error *err)
{
    if (w->failed != SCRY_OK)
        return SCRY_FAIL(err, w->failed, "%s: not written, since a slice of it failed", w->path);
    for (size_t i = 0; i < w->info.frames * w->info.slices; i++)
        if (!w->written[i])
            return SCRY_FAIL(err, SCRY_EINVAL, "%s: frame %zu, slice %zu was never given", w->path,
                             i / w->info.slices, i % w->info.slices);
    return SCRY_OK;
}

scry_status scry_kspace_finish(scry_kspace_writer *w, bool commit, scry_error *err)
{
    if (!w) return SCRY_OK;
    scry_status st = commit ? kspace_check_complete(w, err) : SCRY_OK;
    if (w->ops && w->ops->finish) {
        const scry_status end = w->ops->finish(w, commit && st == SCRY_OK, err);
        if (st == SCRY_OK) st = end;
    }
    scry_free(w->written);
    scry_free(w->mask);
    scry_free(w);
    return st;
}
