/* k-space as a NumPy array: complex, (y, x), (coil, y, x), (slice, coil, y, x) or (slice, coil, z,
 * y, x). Samples that were not acquired are exact zeros, and the readout is the axis along which
 * lines are whole. */

#include "lib/io/kspace/kspace_impl.h"

#include "lib/io/npy.h"

#include <stdio.h>
#include <string.h>

bool scryi_npy_recognise(const char *path)
{
    char magic[6];
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    const bool is = fread(magic, 1, sizeof magic, f) == sizeof magic &&
                    !memcmp(magic, "\x93NUMPY", sizeof magic);
    fclose(f);
    return is;
}

static void npy_kspace_close(scry_kspace_reader *r)
{
    scry_npy_close(r->state);
}

static scry_status npy_kspace_read(scry_kspace_reader *r, size_t frame, size_t slice,
                                   float complex *data, unsigned char *mask, scry_error *err)
{
    const scry_kspace_info *i = &r->info;
    const size_t n = i->coils * i->nz * i->ny * i->nx;
    (void)frame;
    const scry_status st = scry_npy_read_complex(r->state, slice * n, n, data, err);
    if (st == SCRY_OK) scryi_kspace_mask_from_zeros(i, data, mask);
    return st;
}

static const struct scryi_kspace_reader_ops npy_ops = {.read = npy_kspace_read,
                                                       .close = npy_kspace_close};

static const char *npy_kspace_shape(char *text, size_t size, const scry_npy_info *a)
{
    size_t used = 0;
    text[0] = '\0';
    for (int k = 0; k < a->rank && used < size; k++)
        used += (size_t)snprintf(text + used, size - used, "%s%zu", k ? " x " : "", a->dims[k]);
    return text;
}

scry_status scryi_npy_kspace_open(scry_kspace_reader *r, scry_error *err)
{
    scry_npy *f;
    char shape[256];
    r->ops = &npy_ops;
    scry_status st = scry_npy_open(&f, r->path, err);
    if (st != SCRY_OK) return st;
    r->state = f;
    const scry_npy_info *a = scry_npy_get(f, 0);
    if (!a->cplx || a->rank < 2 || a->rank > 5 || !a->count)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: an array of '%s', %s: expected complex numbers of (y, x), (coil, y, "
                         "x), (slice, coil, y, x) or (slice, coil, z, y, x)",
                         r->path, a->type, npy_kspace_shape(shape, sizeof shape, a));
    scryi_plain_axes(&r->info, a->dims, a->rank, true);
    r->info.noise_ratio = 1;
    snprintf(r->info.trajectory, sizeof r->info.trajectory, "cartesian");
    snprintf(r->dataset, sizeof r->dataset, "array");
    return scryi_plain_find_readout(r, err);
}

/* ---- writing ---- */

static scry_status npy_kspace_write(scry_kspace_writer *w, size_t frame, size_t slice,
                                    const float complex *data, const unsigned char *mask,
                                    scry_error *err)
{
    const scry_kspace_info *i = &w->info;
    const size_t n = i->coils * i->nz * i->ny * i->nx;
    (void)frame;
    (void)mask; /* zeros in the data say it */
    return scry_npy_write(w->state, slice * n, n, (const float *)data, err);
}

static scry_status npy_kspace_finish(scry_kspace_writer *w, bool commit, scry_error *err)
{
    return scry_npy_finish(w->state, commit, err);
}

static const struct scryi_kspace_writer_ops npy_writer_ops = {.write = npy_kspace_write,
                                                              .finish = npy_kspace_finish};

scry_status scryi_npy_kspace_create(scry_kspace_writer *w, scry_error *err)
{
    const scry_kspace_info *i = &w->info;
    const size_t volume[] = {i->slices, i->coils, i->nz, i->ny, i->nx};
    const size_t plane[] = {i->slices, i->coils, i->ny, i->nx};
    scry_npy_writer *file = NULL;
    w->ops = &npy_writer_ops;
    if (i->frames > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: %zu frames, of which a NumPy array of k-space has one: write .cfl or "
                         "ISMRMRD instead",
                         w->path, i->frames);
    const scry_status st = i->nz > 1 ? scry_npy_create(&file, w->path, 5, volume, true, err)
                                     : scry_npy_create(&file, w->path, 4, plane, true, err);
    w->state = file;
    return st;
}
