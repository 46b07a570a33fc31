/* fastMRI HDF5 (Zbontar et al. 2018, arXiv:1811.08839, appendix) and other HDF5 files with one
 * complex dataset of k-space. A volume is read slice by slice.
 *
 *   kspace           (slice, coil, y, x) or, of a single or emulated coil, (slice, y, x); the
 *                    readout along y, oversampled twofold
 *   mask             optional; over x, or (y, x), or (slice, y, x)
 *   ismrmrd_header   optional; its x is the readout, and so our y
 *   reconstruction_rss, reconstruction_esc (single coil)     optional: (slice, y, x) */

#include "lib/io/kspace/kspace_impl.h"
#include "lib/io/kspace/mrd_header_impl.h"
#include "lib/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum mask_kind { NO_MASK, MASK_OVER_X, MASK_OVER_Y, MASK_PLANE, MASK_STACK };

struct volume {
    scry_hdf5_info set, mask, target;
    bool by_slice; /* the first axis of set counts slices */
    enum mask_kind mask_kind;
    float *mask_values;
    size_t first, past; /* columns from first to past were acquired: outside is padding */
};

static void volume_close(scry_kspace_reader *r)
{
    struct volume *v = r->state;
    if (v) scry_free(v->mask_values);
    scry_free(v);
    r->state = NULL;
}

/* ---- the samples ---- */

void scryi_plain_axes(scry_kspace_info *info, const size_t *dims, int rank, bool coils_first)
{
    info->frames = info->slices = info->coils = info->nz = 1;
    info->ny = dims[rank - 2];
    info->nx = dims[rank - 1];
    if (rank == 3) *(coils_first ? &info->coils : &info->slices) = dims[0];
    if (rank >= 4) {
        info->slices = dims[0];
        info->coils = dims[1];
    }
    if (rank == 5) info->nz = dims[2];
    info->averages = 1;
    info->readout = 1;
    info->recon[0] = info->nz;
    info->recon[1] = info->ny;
    info->recon[2] = info->nx;
}

static scry_status volume_read_samples(const scry_kspace_reader *r, size_t slice,
                                       float complex *data, scry_error *err)
{
    const struct volume *v = r->state;
    size_t start[SCRY_HDF5_RANK] = {0}, count[SCRY_HDF5_RANK];
    memcpy(count, v->set.dims, sizeof count);
    if (v->by_slice) {
        start[0] = slice;
        count[0] = 1;
    }
    return scry_hdf5_read_complex(r->file, v->set.name, start, count, data, err);
}

/* ---- the mask ---- */

/* The meaning of the mask's axes, except those of length 1. */
static enum mask_kind mask_kind_of(const scry_hdf5_info *mask, const scry_kspace_info *info)
{
    size_t dims[SCRY_HDF5_RANK] = {0};
    int rank = 0;
    for (int i = 0; i < mask->rank; i++)
        if (mask->dims[i] != 1) dims[rank++] = mask->dims[i];
    if (rank == 1 && dims[0] == info->nx) return MASK_OVER_X;
    if (rank == 1 && dims[0] == info->ny && info->format == SCRY_KSPACE_PLAIN) return MASK_OVER_Y;
    if (rank == 2 && dims[0] == info->ny && dims[1] == info->nx) return MASK_PLANE;
    if (rank == 3 && mask->rank == 3 && dims[0] == info->slices && dims[1] == info->ny &&
        dims[2] == info->nx)
        return MASK_STACK;
    return NO_MASK;
}

static scry_status read_mask_values(const scry_kspace_reader *r, size_t slice, scry_error *err)
{
    const struct volume *v = r->state;
    const size_t start[3] = {slice, 0, 0}, count[3] = {1, r->info.ny, r->info.nx};
    const bool stack = v->mask_kind == MASK_STACK;
    const size_t n = stack ? count[1] * count[2] : v->mask.count;
    const scry_status st = scry_hdf5_read_float(r->file, "mask", stack ? start : NULL,
                                                stack ? count : NULL, v->mask_values, err);
    if (st != SCRY_OK) return st;
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(v->mask_values[i]))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: entry %zu of mask is %g, expected 0 or 1",
                             r->path, i, (double)v->mask_values[i]);
        kept += v->mask_values[i] != 0;
    }
    if (kept) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: all %zu entries of mask are 0: nothing was acquired",
                     r->path, n);
}

static scry_status open_mask(scry_kspace_reader *r, scry_error *err)
{
    struct volume *v = r->state;
    scry_kspace_info *info = &r->info;
    if (!scry_hdf5_has_dataset(r->file, "mask")) return SCRY_OK;
    scry_status st = scry_hdf5_describe(&v->mask, r->file, "mask", err);
    if (st != SCRY_OK) return st;
    if (v->mask.kind != SCRY_HDF5_NUMBER)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: mask holds %s, expected bool, integers or floats",
                         r->path, v->mask.type);
    if ((v->mask_kind = mask_kind_of(&v->mask, info)) == NO_MASK)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: mask is %s, expected %zu, the columns of %s (%s)",
                         r->path, v->mask.shape, info->nx, v->set.name, v->set.shape);
    v->mask_values = scry_alloc(info->ny * info->nx, sizeof *v->mask_values);
    if (!v->mask_values)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: mask of %zu x %zu", r->path, info->ny, info->nx);
    info->has_mask = true;
    return read_mask_values(r, 0, err);
}

static void spread_mask(const scry_kspace_reader *r, unsigned char *mask)
{
    const struct volume *v = r->state;
    const size_t ny = r->info.ny, nx = r->info.nx;
    for (size_t z = 0; z < r->info.nz; z++)
        for (size_t y = 0; y < ny; y++)
            for (size_t x = 0; x < nx; x++) {
                const size_t i = v->mask_kind == MASK_OVER_X   ? x
                                 : v->mask_kind == MASK_OVER_Y ? y
                                                               : y * nx + x;
                mask[(z * ny + y) * nx + x] = v->mask_values[i] != 0;
            }
}

static scry_status volume_read(scry_kspace_reader *r, size_t frame, size_t slice,
                               float complex *data, unsigned char *mask, scry_error *err)
{
    const struct volume *v = r->state;
    const size_t nx = r->info.nx, rows = r->info.nz * r->info.ny;
    (void)frame;
    scry_status st = volume_read_samples(r, slice, data, err);
    if (st != SCRY_OK) return st;
    if (v->mask_kind == MASK_STACK && (st = read_mask_values(r, slice, err)) != SCRY_OK) return st;
    if (v->mask_kind == NO_MASK)
        scryi_kspace_mask_from_zeros(&r->info, data, mask);
    else
        spread_mask(r, mask);
    for (size_t y = 0; y < rows; y++) {
        memset(mask + y * nx, 0, v->first);
        memset(mask + y * nx + v->past, 0, nx - v->past);
    }
    return SCRY_OK;
}

/* ---- the header ---- */

/* The image never exceeds the encoded matrix. A few volumes (FLAIR with 203 columns) have fewer
 * columns than the header's image: fastMRI crops both axes of those to the columns that there
 * are. */
static void take_recon_size(scry_kspace_reader *r, const scryi_mrd_encoding *e)
{
    scry_kspace_info *info = &r->info;
    size_t h = e->recon[2], w = e->recon[1];
    if (info->nx < w) h = w = info->nx;
    if (info->ny < h) h = info->ny;
    if (h != e->recon[2] || w != e->recon[1])
        scryi_kspace_warn(r,
                          "the header's image of %zu x %zu is cropped to %zu x %zu: kspace has "
                          "%zu x %zu",
                          e->recon[2], e->recon[1], h, w, info->ny, info->nx);
    info->recon[1] = h;
    info->recon[2] = w;
    info->recon_fov[1] = e->recon_fov[2] * (double)h / (double)e->recon[2];
    info->recon_fov[2] = e->recon_fov[1] * (double)w / (double)e->recon[1];
    for (int a = 0; a < 3; a++)
        info->geometry.fov[a] = info->recon_fov[2 - a];
}

/* Columns that were never acquired, only padded to the encoded size. */
static scry_status take_limits(scry_kspace_reader *r, const scryi_mrd_encoding *e, scry_error *err)
{
    struct volume *v = r->state;
    const scryi_mrd_limit *l = &e->limits[SCRYI_MRD_STEP_1];
    const size_t n = e->encoded[1];
    if (n != r->info.nx || e->encoded[2] != r->info.ny)
        scryi_kspace_warn(r,
                          "the header's encoded size %zu x %zu is not that of kspace, %zu x "
                          "%zu",
                          e->encoded[2], n, r->info.ny, r->info.nx);
    if (!l->stated || n != r->info.nx) return SCRY_OK;
    if (l->center > n / 2 || l->minimum > l->maximum || l->maximum >= n ||
        n / 2 - l->center + l->maximum >= n)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: ismrmrd_header: kspace_encoding_step_1 from %zu to %zu with centre "
                         "%zu points outside the %zu encoded columns",
                         r->path, l->minimum, l->maximum, l->center, n);
    v->first = n / 2 - l->center;
    v->past = v->first + l->maximum + 1;
    return SCRY_OK;
}

static scry_status open_header(scry_kspace_reader *r, scry_error *err)
{
    static const char name[] = "ismrmrd_header";
    char *text = NULL, where[sizeof r->path + 32];
    if (!scry_hdf5_has_dataset(r->file, name)) return SCRY_OK;
    scryi_mrd_header *h = scry_alloc(1, sizeof *h);
    if (!h) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: header", r->path);
    snprintf(where, sizeof where, "%s: %s", r->path, name);
    scry_status st = scry_hdf5_read_text(&text, r->file, name, err);
    if (st == SCRY_OK) st = scryi_mrd_parse(h, text, strlen(text), where, err);
    if (st == SCRY_OK) {
        scryi_mrd_describe(&r->info, h, 0);
        take_recon_size(r, &h->encoding[0]);
        st = take_limits(r, &h->encoding[0], err);
    }
    scry_free(text);
    scry_free(h);
    return st;
}

/* ---- the target ---- */

static scry_status open_target(scry_kspace_reader *r, bool stated_size, scry_error *err)
{
    struct volume *v = r->state;
    scry_kspace_info *info = &r->info;
    const char *names[2] = {"reconstruction_rss", "reconstruction_esc"};
    const size_t single = info->coils == 1; /* of an emulated coil, both may be there */
    const char *name = names[single];
    if (!scry_hdf5_has_dataset(r->file, name)) name = names[!single];
    if (!scry_hdf5_has_dataset(r->file, name)) return SCRY_OK;
    const scry_status st = scry_hdf5_describe(&v->target, r->file, name, err);
    if (st != SCRY_OK) return st;
    const size_t *dims = v->target.dims;
    if (v->target.kind != SCRY_HDF5_NUMBER || v->target.rank != 3 || dims[0] != info->slices ||
        !dims[1] || !dims[2])
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %s is %s of %s, expected numbers of (slice, y, x) with the %zu "
                         "slices of kspace (%s)",
                         r->path, name, v->target.type, v->target.shape, info->slices,
                         v->set.shape);
    for (int a = 1; a < 3; a++) {
        if (dims[a] >= info->recon[a]) continue;
        if (stated_size)
            scryi_kspace_warn(r, "%s has %zu %s, the header's image %zu: cropped to that", name,
                              dims[a], a == 1 ? "rows" : "columns", info->recon[a]);
        info->recon[a] = dims[a];
    }
    info->has_target = true;
    return SCRY_OK;
}

static scry_status fastmri_volume_target(scry_kspace_reader *r, size_t slice, float *target,
                                         scry_error *err)
{
    const struct volume *v = r->state;
    const size_t *recon = r->info.recon;
    const size_t start[3] = {slice, (v->target.dims[1] - recon[1]) / 2,
                             (v->target.dims[2] - recon[2]) / 2};
    const size_t count[3] = {1, recon[1], recon[2]};
    return scry_hdf5_read_float(r->file, v->target.name, start, count, target, err);
}

static const struct scryi_kspace_reader_ops volume_ops = {
    .read = volume_read,
    .target = fastmri_volume_target,
    .close = volume_close,
};

/* ---- open ---- */

static scry_status open_volume(scry_kspace_reader *r, const char *name, int min, int max,
                               const char *axes, scry_error *err)
{
    r->ops = &volume_ops;
    struct volume *v = r->state = scry_alloc(1, sizeof *v);
    if (!v) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: reader", r->path);
    const scry_status st = scry_hdf5_describe(&v->set, r->file, name, err);
    if (st != SCRY_OK) return st;
    if (v->set.kind != SCRY_HDF5_COMPLEX || v->set.rank < min || v->set.rank > max)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %s is %s of %s, expected complex numbers (a compound {r, i}) of %s%s",
                         r->path, name, v->set.type, v->set.shape, axes,
                         v->set.kind == SCRY_HDF5_NUMBER && v->set.rank > 2 &&
                                 v->set.dims[v->set.rank - 1] == 2
                             ? "; its last axis looks like (re, im) pairs"
                             : "");
    snprintf(r->dataset, sizeof r->dataset, "%s", name);
    scryi_plain_axes(&r->info, v->set.dims, v->set.rank, r->info.format == SCRY_KSPACE_PLAIN);
    v->by_slice = v->set.rank > 3 || (v->set.rank == 3 && r->info.format == SCRY_KSPACE_FASTMRI);
    v->past = r->info.nx;
    return v->set.count ? SCRY_OK
                        : SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s is %s: there are no samples",
                                    r->path, name, v->set.shape);
}

scry_status scryi_fastmri_open(scry_kspace_reader *r, scry_error *err)
{
    scry_status st = open_volume(r, "kspace", 3, 4, "(slice, y, x) or (slice, coil, y, x)", err);
    if (st != SCRY_OK) return st;
    scry_hdf5_attribute_text(r->file, "", "acquisition", r->info.acquisition,
                             sizeof r->info.acquisition);
    if ((st = open_header(r, err)) != SCRY_OK) return st;
    const bool stated = scry_hdf5_has_dataset(r->file, "ismrmrd_header");
    if ((st = open_target(r, stated, err)) != SCRY_OK) return st;
    const struct volume *v = r->state;
    if (v->set.rank == 3 && r->info.slices > 1 && !stated && !r->info.has_target)
        scryi_kspace_warn(r,
                          "kspace (%s) is read as %zu slices of one coil, as fastMRI's; name "
                          "the dataset to read it as %zu coils",
                          v->set.shape, r->info.slices, r->info.slices);
    return open_mask(r, err);
}

/* The name of the only complex dataset, else an error that lists the datasets. */
static scry_status fastmri_find_dataset(char *name, size_t size, const scry_kspace_reader *r,
                                        scry_error *err)
{
    scry_hdf5_info *all;
    size_t count, found = 0, used = 0;
    char list[256] = "";
    scry_status st = scry_hdf5_list(&all, &count, r->file, err);
    if (st != SCRY_OK) return st;
    bool images = false;
    for (size_t i = 0; i < count; i++) {
        if (!strncmp(all[i].name, "reconstruction", 14)) images = true;
        if (all[i].kind != SCRY_HDF5_COMPLEX || all[i].rank < 2 || all[i].rank > 5) continue;
        if (!found++) snprintf(name, size, "%s", all[i].name);
    }
    for (size_t i = 0; i < count && used < sizeof list; i++)
        if (!found || all[i].kind == SCRY_HDF5_COMPLEX)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s (%s, %s)",
                                     used ? ", " : "", all[i].name, all[i].type, all[i].shape);
    if (!count)
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: an HDF5 file without datasets", r->path);
    else if (!found)
        st = SCRY_FAIL(err, SCRY_EFORMAT,
                       "%s: %s, expected kspace (fastMRI), /dataset (ISMRMRD) or one complex "
                       "dataset of 2 to 5 axes; it has %s",
                       r->path, images ? "holds images, not k-space" : "holds no k-space", list);
    else if (found > 1)
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: %zu complex datasets, name one of: %s", r->path,
                       found, list);
    scry_free(all);
    return st;
}

/* Is the sampled part of the first slice made of whole columns (or rows), not all of them? */
static bool whole_lines(const unsigned char *mask, size_t ny, size_t nx, bool columns)
{
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++)
            if (mask[y * nx + x] != mask[columns ? x : y * nx]) return false;
    return true;
}

/* Lines are complete along the readout. Where all is sampled, or nothing whole, y is assumed as in
 * fastMRI. */
scry_status scryi_plain_find_readout(scry_kspace_reader *r, scry_error *err)
{
    scry_kspace_info *info = &r->info;
    const size_t plane = info->nz * info->ny * info->nx;
    float complex *data = scry_alloc(info->coils * plane, sizeof *data);
    unsigned char *mask = scry_alloc(plane, 1);
    scry_status st = SCRY_OK;
    if (!data || !mask) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: a slice of %zu coils x %zu samples", r->path,
                       info->coils, plane);
        goto done;
    }
    if ((st = r->ops->read(r, 0, 0, data, mask, err)) != SCRY_OK) goto done;
    const bool columns = whole_lines(mask, info->ny, info->nx, true);
    const bool rows = whole_lines(mask, info->ny, info->nx, false);
    info->readout = rows && !columns ? 2 : 1;
    if (rows == columns)
        scryi_kspace_warn(r, "the file does not name the readout, %s: y is assumed",
                          rows ? "and all is sampled" : "nor does its sampling");
done:
    scry_free(data);
    scry_free(mask);
    return st;
}

scry_status scryi_plain_open(scry_kspace_reader *r, const scry_kspace_choice *choice,
                             scry_error *err)
{
    char name[sizeof r->dataset];
    scry_status st = SCRY_OK;
    if (choice->dataset)
        snprintf(name, sizeof name, "%s", choice->dataset);
    else if ((st = fastmri_find_dataset(name, sizeof name, r, err)) != SCRY_OK)
        return st;
    st = open_volume(r, name, 2, 5,
                     "(y, x), (coil, y, x), (slice, coil, y, x) or (slice, coil, z, "
                     "y, x)",
                     err);
    if (st != SCRY_OK || (st = open_mask(r, err)) != SCRY_OK) return st;
    return scryi_plain_find_readout(r, err);
}
