#include "lib/io/kspace/maps.h"

#include "lib/io/cfl.h"
#include "lib/io/hdf5.h"
#include "lib/io/kspace/kspace_impl.h"
#include "lib/io/npy.h"
#include "lib/memory.h"
#include "lib/space.h"
#include "lib/text.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char maps_name[] = "maps";

static scry_status maps_neither(const char *path, const char *what, scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: neither HDF5 nor a BART pair of .hdr and .cfl, "
                     "expected %s in one of them",
                     path, what);
}

/* The dims of y and x in a .cfl: 1 and 0, or 2 and 1 where the readout was transformed. */
static int dim_of_x(const size_t *dims)
{
    return dims[SCRY_CFL_READ] == 1 && dims[SCRY_CFL_PH2] > 1 ? SCRY_CFL_PH1 : SCRY_CFL_READ;
}

/* ---- maps ---- */

/* The contents of a file, and the maps that are wanted. */
struct shape {
    size_t slices, coils, sets, ny, nx;
};

static scry_status check_shape(const struct shape *found, const struct shape *wanted,
                               const char *path, scry_error *err)
{
    if (found->coils != wanted->coils)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s: maps of %zu coils, expected %zu", path,
                         found->coils, wanted->coils);
    if (found->ny != wanted->ny || found->nx != wanted->nx)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s: maps of %zu x %zu (y, x), expected %zu x %zu", path,
                         found->ny, found->nx, wanted->ny, wanted->nx);
    if (found->slices != 1 && found->slices != wanted->slices)
        return SCRY_FAIL(err, SCRY_ESHAPE, "%s: maps of %zu slices, expected %zu, or 1 for all",
                         path, found->slices, wanted->slices);
    return SCRY_OK;
}

static scry_status check_maps(const float complex *maps, size_t n, const char *path,
                              scry_error *err)
{
    bool any = false;
    for (size_t i = 0; i < n; i++) {
        const float re = crealf(maps[i]), im = cimagf(maps[i]);
        if (!isfinite(re) || !isfinite(im))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: entry %zu of the maps is (%g, %g)", path, i,
                             (double)re, (double)im);
        any = any || re != 0 || im != 0;
    }
    if (any) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: all %zu entries of the maps are 0", path, n);
}

static float complex *maps_allocate(const struct shape *s, const char *path, scry_error *err)
{
    float complex *maps = scry_alloc(s->coils * s->sets * s->ny * s->nx, sizeof *maps);
    if (!maps)
        SCRY_FAIL(err, SCRY_ENOMEM, "%s: maps of %zu coils x %zu sets x %zu x %zu", path, s->coils,
                  s->sets, s->ny, s->nx);
    return maps;
}

/* One set of one coil at a time: the file has the sets outside of the coils. */
static scry_status read_planes(float complex *maps, scry_cfl *f, const struct shape *s,
                               size_t slice, scry_error *err)
{
    const size_t *dims = scry_cfl_dims(f);
    size_t start[SCRY_CFL_RANK] = {0}, count[SCRY_CFL_RANK];
    scry_status st = SCRY_OK;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        count[d] = d < SCRY_CFL_COIL ? dims[d] : 1;
    start[SCRY_CFL_SLICE] = s->slices > 1 ? slice : 0;
    for (size_t k = 0; k < s->coils * s->sets && st == SCRY_OK; k++) {
        start[SCRY_CFL_COIL] = k / s->sets;
        start[SCRY_CFL_MAPS] = k % s->sets;
        st = scry_cfl_read(f, start, count, maps + k * s->ny * s->nx, err);
    }
    return st;
}

static scry_status maps_read_cfl(float complex **maps, size_t *sets, const char *path, size_t slice,
                                 const struct shape *wanted, scry_error *err)
{
    char text[400];
    scry_cfl *f;
    scry_status st = scry_cfl_open(&f, path, err);
    if (st != SCRY_OK) return st;
    const size_t *dims = scry_cfl_dims(f);
    const int x = dim_of_x(dims);
    const struct shape s = {.slices = dims[SCRY_CFL_SLICE],
                            .coils = dims[SCRY_CFL_COIL],
                            .sets = dims[SCRY_CFL_MAPS],
                            .ny = dims[x + 1],
                            .nx = dims[x]};
    for (int d = SCRY_CFL_PH2; d < SCRY_CFL_RANK && st == SCRY_OK; d++)
        if (dims[d] > 1 && d != x + 1 && d != SCRY_CFL_COIL && d != SCRY_CFL_MAPS &&
            d != SCRY_CFL_SLICE)
            st = SCRY_FAIL(err, SCRY_ESHAPE,
                           "%s: dimensions %s, expected those of maps: dimension "
                           "%d is %zu",
                           scry_cfl_path(f), scry_cfl_print(dims, text, sizeof text), d, dims[d]);
    if (st == SCRY_OK) st = check_shape(&s, wanted, scry_cfl_path(f), err);
    if (st != SCRY_OK) goto done;
    *sets = s.sets;
    *maps = maps_allocate(&s, path, err);
    st = *maps ? read_planes(*maps, f, &s, slice, err) : SCRY_ENOMEM;
done:
    scry_cfl_close(f);
    return st;
}

static scry_status hdf5_shape(struct shape *s, const scry_hdf5 *f, const scry_hdf5_info *i,
                              scry_error *err)
{
    if (i->kind != SCRY_HDF5_COMPLEX || i->rank < 3 || i->rank > 5)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %s is %s of %s, expected complex numbers of "
                         "(coil, y, x), (coil, set, y, x) or (slice, coil, set, y, x)",
                         scry_hdf5_path(f), maps_name, i->type, i->shape);
    const size_t *inner = i->dims + i->rank - 2;
    *s = (struct shape){.slices = i->rank == 5 ? i->dims[0] : 1,
                        .coils = i->dims[i->rank == 5],
                        .sets = i->rank > 3 ? inner[-1] : 1,
                        .ny = inner[0],
                        .nx = inner[1]};
    return SCRY_OK;
}

static scry_status maps_read_hdf5(float complex **maps, size_t *sets, const char *path,
                                  size_t slice, const struct shape *wanted, scry_error *err)
{
    struct shape s;
    scry_hdf5 *f;
    scry_hdf5_info i;
    scry_status st = scry_hdf5_open(&f, path, err);
    if (st != SCRY_OK) return st;
    if ((st = scry_hdf5_describe(&i, f, maps_name, err)) != SCRY_OK) goto done;
    if ((st = hdf5_shape(&s, f, &i, err)) != SCRY_OK) goto done;
    if ((st = check_shape(&s, wanted, path, err)) != SCRY_OK) goto done;
    if (!(*maps = maps_allocate(&s, path, err))) {
        st = SCRY_ENOMEM;
        goto done;
    }
    *sets = s.sets;
    const size_t start[5] = {s.slices > 1 ? slice : 0};
    size_t count[5];
    memcpy(count, i.dims, sizeof count);
    if (i.rank == 5) count[0] = 1;
    st = scry_hdf5_read_complex(f, maps_name, start, count, *maps, err);
done:
    scry_hdf5_close(f);
    return st;
}

scry_status scry_maps_read(float complex **maps, size_t *sets, const char *path, size_t slice,
                           size_t slices, size_t coils, size_t ny, size_t nx, scry_error *err)
{
    const struct shape wanted = {.slices = slices, .coils = coils, .ny = ny, .nx = nx};
    scry_status st;
    *maps = NULL;
    *sets = 0;
    if (slice >= slices)
        return SCRY_FAIL(err, SCRY_EINVAL, "maps of slice %zu of %zu", slice, slices);
    if (scry_cfl_recognise(path))
        st = maps_read_cfl(maps, sets, path, slice, &wanted, err);
    else if (scry_hdf5_recognise(path))
        st = maps_read_hdf5(maps, sets, path, slice, &wanted, err);
    else
        st = maps_neither(path, "coil maps", err);
    if (st == SCRY_OK) st = check_maps(*maps, coils * *sets * ny * nx, path, err);
    if (st == SCRY_OK) return SCRY_OK;
    scry_free(*maps);
    *maps = NULL;
    return st;
}

static scry_status maps_write_cfl(const char *path, const float complex *maps,
                                  const struct shape *s, scry_error *err)
{
    size_t dims[SCRY_CFL_RANK], count[SCRY_CFL_RANK], start[SCRY_CFL_RANK] = {0};
    scry_cfl_writer *w;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        dims[d] = 1;
    dims[SCRY_CFL_READ] = s->nx;
    dims[SCRY_CFL_PH1] = s->ny;
    memcpy(count, dims, sizeof count);
    dims[SCRY_CFL_COIL] = s->coils;
    dims[SCRY_CFL_MAPS] = s->sets;
    dims[SCRY_CFL_SLICE] = s->slices;
    scry_status st = scry_cfl_create(&w, path, dims, err);
    for (size_t k = 0; k < s->slices * s->coils * s->sets && st == SCRY_OK; k++) {
        start[SCRY_CFL_MAPS] = k % s->sets;
        start[SCRY_CFL_COIL] = k / s->sets % s->coils;
        start[SCRY_CFL_SLICE] = k / s->sets / s->coils;
        st = scry_cfl_write(w, start, count, maps + k * s->ny * s->nx, err);
    }
    const scry_status end = scry_cfl_finish(w, st == SCRY_OK, err);
    return st != SCRY_OK ? st : end;
}

static scry_status maps_write_hdf5(const char *path, const float complex *maps,
                                   const struct shape *s, scry_error *err)
{
    const size_t dims[5] = {s->slices, s->coils, s->sets, s->ny, s->nx};
    const int skip = s->slices == 1;
    scry_hdf5 *f;
    scry_status st = scry_hdf5_create(&f, path, err);
    if (st != SCRY_OK) return st;
    st = scry_hdf5_add(f, maps_name, SCRY_HDF5_C64, 5 - skip, dims + skip, err);
    if (st == SCRY_OK) st = scry_hdf5_write_complex(f, maps_name, NULL, NULL, maps, err);
    const scry_status end = scry_hdf5_finish(f, st == SCRY_OK, err);
    return st != SCRY_OK ? st : end;
}

scry_status scry_maps_write(const char *path, const float complex *maps, size_t slices,
                            size_t coils, size_t sets, size_t ny, size_t nx, scry_error *err)
{
    const struct shape s = {slices, coils, sets, ny, nx};
    if (!slices || !coils || !sets || !ny || !nx)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s: maps of %zu slices, %zu coils, %zu sets, %zu x "
                         "%zu: expected none of them to be 0",
                         path, slices, coils, sets, ny, nx);
    if (scry_text_ends_with(path, ".cfl")) return maps_write_cfl(path, maps, &s, err);
    if (scry_text_ends_with(path, ".h5") || scry_text_ends_with(path, ".hdf5"))
        return maps_write_hdf5(path, maps, &s, err);
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: maps are files that end in .cfl, .h5 or .hdf5", path);
}

/* ---- masks ---- */

/* Rows and columns of the maps; a line of HDF5 has no direction of its own: both 0. */
struct pattern {
    float complex *values;
    size_t n, ny, nx;
};

static scry_status take_cfl(struct pattern *p, const char *path, scry_error *err)
{
    char text[400];
    scry_cfl *f;
    scry_status st = scry_cfl_open(&f, path, err);
    if (st != SCRY_OK) return st;
    const size_t *dims = scry_cfl_dims(f);
    const int x = dim_of_x(dims);
    p->nx = dims[x];
    p->ny = dims[x + 1];
    p->n = p->ny * p->nx;
    size_t count = 1;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        count *= dims[d];
    if (count != p->n)
        st = SCRY_FAIL(err, SCRY_ESHAPE, "%s: dimensions %s, expected a mask of two at most",
                       scry_cfl_path(f), scry_cfl_print(dims, text, sizeof text));
    else if (!(p->values = scry_alloc(count, sizeof *p->values)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: mask of %zu x %zu", path, p->ny, p->nx);
    else
        st = scry_cfl_read(f, NULL, NULL, p->values, err);
    scry_cfl_close(f);
    return st;
}

/* Axes of length 1 are skipped: (1, 1, 368, 1) is a line. */
static scry_status maps_squeeze(struct pattern *p, const scry_hdf5_info *i, const char *path,
                                scry_error *err)
{
    size_t long_axes = 0, dims[2] = {0, 0};
    for (int a = 0; a < i->rank; a++) {
        if (i->dims[a] == 1) continue;
        if (long_axes == 2)
            return SCRY_FAIL(err, SCRY_ESHAPE, "%s: %s is %s, expected (y, x) or one line", path,
                             i->name, i->shape);
        dims[long_axes++] = i->dims[a];
    }
    p->n = i->count;
    if (long_axes == 2 || i->rank == 2) {
        p->ny = long_axes == 2 ? dims[0] : i->dims[0];
        p->nx = long_axes == 2 ? dims[1] : i->dims[1];
    }
    return SCRY_OK;
}

static scry_status maps_read_values(struct pattern *p, const scry_hdf5 *f, const scry_hdf5_info *i,
                                    scry_error *err)
{
    if (i->kind == SCRY_HDF5_COMPLEX)
        return scry_hdf5_read_complex(f, i->name, NULL, NULL, p->values, err);
    float *real = (float *)p->values; /* spread from the end, in place */
    const scry_status st = scry_hdf5_read_float(f, i->name, NULL, NULL, real, err);
    for (size_t k = p->n; k-- > 0 && st == SCRY_OK;) {
        const float value = real[k];
        real[2 * k] = value;
        real[2 * k + 1] = 0;
    }
    return st;
}

static scry_status take_hdf5(struct pattern *p, const char *path, const char *dataset,
                             scry_error *err)
{
    scry_hdf5 *f;
    scry_hdf5_info i;
    scry_status st = scry_hdf5_open(&f, path, err);
    if (st != SCRY_OK) return st;
    if ((st = scry_hdf5_describe(&i, f, dataset ? dataset : "mask", err)) != SCRY_OK) goto done;
    if (i.kind != SCRY_HDF5_NUMBER && i.kind != SCRY_HDF5_COMPLEX) {
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s is %s, expected numbers", path, i.name, i.type);
        goto done;
    }
    if ((st = maps_squeeze(p, &i, path, err)) != SCRY_OK) goto done;
    if (!(p->values = scry_alloc(p->n, sizeof *p->values)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: mask of %s", path, i.shape);
    else
        st = maps_read_values(p, f, &i, err);
done:
    scry_hdf5_close(f);
    return st;
}

/* How far the pattern's index moves with y and with x; both 0: it does not fit. */
static scry_status take_npy(struct pattern *p, const char *path, scry_error *err)
{
    scry_npy *f;
    scry_hdf5_info i = {.name = "array"};
    scry_status st = scry_npy_open(&f, path, err);
    if (st != SCRY_OK) return st;
    const scry_npy_info *a = scry_npy_get(f, 0);
    size_t used = 0;
    i.rank = a->rank < SCRY_HDF5_RANK ? a->rank : SCRY_HDF5_RANK;
    i.count = a->count;
    for (int k = 0; k < i.rank; k++) {
        i.dims[k] = a->dims[k];
        if (used < sizeof i.shape)
            used += (size_t)snprintf(i.shape + used, sizeof i.shape - used, "%s%zu", k ? " x " : "",
                                     a->dims[k]);
    }
    if ((st = maps_squeeze(p, &i, path, err)) != SCRY_OK) goto done;
    if (!(p->values = scry_alloc(a->count, sizeof *p->values)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: mask of %zu", path, a->count);
    else
        st = scry_npy_read_complex(f, 0, a->count, p->values, err);
done:
    scry_npy_close(f);
    return st;
}

static void maps_fit(const struct pattern *p, size_t ny, size_t nx, int readout, size_t *step_y,
                     size_t *step_x)
{
    *step_y = *step_x = 0;
    if (p->ny == ny && p->nx == nx)
        *step_y = nx, *step_x = 1;
    else if (p->ny == ny && p->nx == 1)
        *step_y = 1;
    else if (p->ny == 1 && p->nx == nx)
        *step_x = 1;
    else if (p->ny > 1 && p->nx > 1)
        return;
    else if (p->n == (readout == 1 ? nx : ny))
        *(readout == 1 ? step_x : step_y) = 1;
    else if (p->n == nx)
        *step_x = 1;
    else if (p->n == ny)
        *step_y = 1;
}

scry_status scry_mask_read(unsigned char *mask, const char *path, const char *dataset, size_t ny,
                           size_t nx, int readout, scry_error *err)
{
    struct pattern p = {0};
    size_t step_y, step_x, kept = 0;
    scry_status st;
    if (scry_cfl_recognise(path))
        st = take_cfl(&p, path, err);
    else if (scry_hdf5_recognise(path))
        st = take_hdf5(&p, path, dataset, err);
    else if (scryi_npy_recognise(path))
        st = take_npy(&p, path, err);
    else
        st = maps_neither(path, "a sampling mask", err);
    if (st != SCRY_OK) goto done;
    maps_fit(&p, ny, nx, readout, &step_y, &step_x);
    if (!step_y && !step_x) {
        char found[64];
        snprintf(found, sizeof found, p.ny ? "%zu x %zu" : "%zu", p.ny ? p.ny : p.n, p.nx);
        st = SCRY_FAIL(err, SCRY_ESHAPE,
                       "%s: a mask of %s, expected %zu x %zu (y, x), or a line "
                       "of %zu or %zu",
                       path, found, ny, nx, ny, nx);
        goto done;
    }
    for (size_t y = 0; y < ny; y++)
        for (size_t x = 0; x < nx; x++) {
            const float complex v = p.values[y * step_y + x * step_x];
            kept += mask[y * nx + x] = crealf(v) != 0 || cimagf(v) != 0;
        }
    if (!kept) st = SCRY_FAIL(err, SCRY_EINVAL, "%s: the mask keeps no sample", path);
done:
    scry_free(p.values);
    return st;
}
