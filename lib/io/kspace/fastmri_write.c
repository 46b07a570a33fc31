/* Writes files that lib/io/kspace/fastmri.c reads: kspace (slice, coil, y, x), of one coil (slice,
 * y, x), ismrmrd_header, attributes acquisition, max and norm, mask and target. */

#include "lib/io/kspace/kspace_impl.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/io/kspace/mrd_header_impl.h"
#include "lib/memory.h"

#include <math.h>
#include <string.h>

struct volume {
    scry_hdf5 *file;
    size_t h, w, image_h, image_w; /* as written: rows along the readout */
    float complex *plane;          /* turned, all coils of a slice; NULL where it need not be */
    float *image;                  /* turned target */
    unsigned char *columns;        /* acquired columns, those of the first slice */
    bool whole_columns;            /* in all slices so far, and the same ones */
    unsigned char *has_target;     /* by slice */
    size_t targets;
    double max, energy; /* of the targets */
};

static bool fastmri_write_turned(const scry_kspace_writer *w)
{
    return w->info.readout == 2;
}

static const char *target_name(const scry_kspace_writer *w)
{
    return w->info.coils == 1 ? "reconstruction_esc" : "reconstruction_rss";
}

static scry_status write_column_mask(const scry_kspace_writer *w, scry_error *err)
{
    const struct volume *v = w->state;
    if (!v->whole_columns || !memchr(v->columns, 0, v->w)) return SCRY_OK;
    const scry_status st = scry_hdf5_add(v->file, "mask", SCRY_HDF5_BOOL, 1, &v->w, err);
    return st == SCRY_OK ? scry_hdf5_write_bool(v->file, "mask", v->columns, err) : st;
}

static scry_status write_attributes(const scry_kspace_writer *w, scry_error *err)
{
    const struct volume *v = w->state;
    scry_status st = SCRY_OK;
    if (w->info.acquisition[0])
        st = scry_hdf5_put_text(v->file, "", "acquisition", w->info.acquisition, err);
    if (st != SCRY_OK || !v->targets) return st;
    if (v->targets < w->info.slices)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %zu of %zu slices of %s were given", w->path,
                         v->targets, w->info.slices, target_name(w));
    if ((st = scry_hdf5_put_number(v->file, "", "max", v->max, err)) != SCRY_OK) return st;
    return scry_hdf5_put_number(v->file, "", "norm", sqrt(v->energy), err);
}

static scry_status volume_finish(scry_kspace_writer *w, bool commit, scry_error *err)
{
    struct volume *v = w->state;
    if (!v) return SCRY_OK;
    scry_status st = commit ? write_column_mask(w, err) : SCRY_OK;
    if (commit && st == SCRY_OK) st = write_attributes(w, err);
    const scry_status end = scry_hdf5_finish(v->file, commit && st == SCRY_OK, err);
    if (st == SCRY_OK) st = end;
    scry_free(v->plane);
    scry_free(v->image);
    scry_free(v->columns);
    scry_free(v->has_target);
    scry_free(v);
    w->state = NULL;
    return st;
}

/* Columns are those of the file: along the readout. */
static void note_mask(const scry_kspace_writer *w, struct volume *v, const unsigned char *mask,
                      bool first)
{
    for (size_t y = 0; y < v->h; y++)
        for (size_t x = 0; x < v->w; x++) {
            const unsigned char m =
                mask[fastmri_write_turned(w) ? x * v->h + y : y * v->w + x] != 0;
            if (first && y == 0) v->columns[x] = m;
            if (v->columns[x] != m) v->whole_columns = false;
        }
}

static scry_status volume_write(scry_kspace_writer *w, size_t frame, size_t slice,
                                const float complex *data, const unsigned char *mask,
                                scry_error *err)
{
    struct volume *v = w->state;
    const scry_kspace_info *info = &w->info;
    const size_t n = v->h * v->w;
    const bool first = !memchr(w->written, 1, info->slices);
    (void)frame;
    note_mask(w, v, mask, first);
    if (fastmri_write_turned(w)) {
        for (size_t c = 0; c < info->coils; c++)
            for (size_t y = 0; y < v->h; y++)
                for (size_t x = 0; x < v->w; x++)
                    v->plane[c * n + y * v->w + x] = data[c * n + x * v->h + y];
        data = v->plane;
    }
    const size_t single = info->coils == 1;
    const size_t start[4] = {slice, 0, 0, 0},
                 count[4] = {1, single ? v->h : info->coils, single ? v->w : v->h, v->w};
    return scry_hdf5_write_complex(v->file, "kspace", start, count, data, err);
}

static scry_status fastmri_write_volume_target(scry_kspace_writer *w, size_t slice,
                                               const float *target, scry_error *err)
{
    struct volume *v = w->state;
    const size_t dims[3] = {w->info.slices, v->image_h, v->image_w};
    const size_t start[3] = {slice, 0, 0}, count[3] = {1, v->image_h, v->image_w};
    scry_status st = SCRY_OK;
    if (v->has_target[slice])
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: the target of slice %zu is given twice", w->path,
                         slice);
    for (size_t y = 0; y < v->image_h; y++)
        for (size_t x = 0; x < v->image_w; x++) {
            const float t =
                target[fastmri_write_turned(w) ? x * v->image_h + y : y * v->image_w + x];
            if (!isfinite(t))
                return SCRY_FAIL(err, SCRY_ENUMERIC,
                                 "%s: the target of slice %zu is %g at (%zu, "
                                 "%zu)",
                                 w->path, slice, (double)t, y, x);
            v->image[y * v->image_w + x] = t;
            v->max = fmax(v->max, t);
            v->energy += (double)t * t;
        }
    if (!v->targets) st = scry_hdf5_add(v->file, target_name(w), SCRY_HDF5_F32, 3, dims, err);
    if (st == SCRY_OK)
        st = scry_hdf5_write_float(v->file, target_name(w), start, count, v->image, err);
    if (st == SCRY_OK) {
        v->has_target[slice] = 1;
        v->targets++;
    }
    return st;
}

static const struct scryi_kspace_writer_ops volume_ops = {
    .write = volume_write,
    .target = fastmri_write_volume_target,
    .finish = volume_finish,
};

static scry_status fastmri_write_put_header(const scry_kspace_writer *w, scry_error *err)
{
    const struct volume *v = w->state;
    char *text = NULL;
    scryi_mrd_header *h = scry_alloc(1, sizeof *h);
    if (!h) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: header", w->path);
    scryi_mrd_from_info(h, &w->info);
    scry_status st = scryi_mrd_format(&text, h, err);
    if (st == SCRY_OK) st = scry_hdf5_add_text(v->file, "ismrmrd_header", true, text, err);
    scry_free(text);
    scry_free(h);
    return st;
}

static scry_status fastmri_write_allocate(scry_kspace_writer *w, scry_error *err)
{
    const scry_kspace_info *info = &w->info;
    struct volume *v = w->state = scry_alloc(1, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: writer", w->path);
    const bool turn = fastmri_write_turned(w);
    v->h = turn ? info->nx : info->ny;
    v->w = turn ? info->ny : info->nx;
    v->image_h = info->recon[turn ? 2 : 1];
    v->image_w = info->recon[turn ? 1 : 2];
    v->whole_columns = true;
    v->max = -INFINITY;
    if (turn) v->plane = scry_alloc(info->coils * v->h * v->w, sizeof *v->plane);
    v->image = scry_alloc(v->image_h * v->image_w, sizeof *v->image);
    v->columns = scry_alloc(v->w, 1);
    v->has_target = scry_alloc(info->slices, 1);
    if ((turn && !v->plane) || !v->image || !v->columns || !v->has_target)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a slice of %zu coils x %zu x %zu samples", w->path,
                         info->coils, v->h, v->w);
    return SCRY_OK;
}

scry_status scryi_fastmri_create(scry_kspace_writer *w, scry_error *err)
{
    const scry_kspace_info *info = &w->info;
    w->ops = &volume_ops;
    if (info->frames > 1 || info->nz > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: %zu frames of %zu encoded along z: fastMRI has no place for them, "
                         "cfl and ISMRMRD do",
                         w->path, info->frames, info->nz);
    scry_status st = fastmri_write_allocate(w, err);
    if (st != SCRY_OK) return st;
    struct volume *v = w->state;
    if ((st = scry_hdf5_create(&v->file, w->path, err)) != SCRY_OK) return st;
    const size_t single = info->coils == 1;
    const size_t dims[4] = {info->slices, single ? v->h : info->coils, single ? v->w : v->h, v->w};
    st = scry_hdf5_add(v->file, "kspace", SCRY_HDF5_C64, single ? 3 : 4, dims, err);
    return st == SCRY_OK ? fastmri_write_put_header(w, err) : st;
}
