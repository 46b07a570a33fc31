#include "lib/io/kspace/trajectory.h"

#include "lib/io/cfl.h"
#include "lib/io/hdf5.h"
#include "lib/memory.h"

#include <math.h>
#include <string.h>

/* A coordinate in cycles per pixel does not exceed this; a little more for rounding. */
static const double HALF_CYCLE = 0.5 + 1e-3;

void scry_kspace_trajectory_free(scry_kspace_trajectory *t)
{
    scry_free(t->k);
    *t = (scry_kspace_trajectory){0};
}

/* One sample of `axes` coordinates (kx, ky, kz) at the place of sample s. */
static scry_status trajectory_put(scry_kspace_trajectory *t, size_t s, const float *k, size_t axes,
                                  const char *path, scry_error *err)
{
    for (size_t a = 0; a < axes; a++)
        if (!isfinite(k[a]))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: k%c of sample %zu is %g, expected a number",
                             path, "xyz"[a], s, (double)k[a]);
    if (axes > 2 && fabsf(k[2]) > 1e-6F)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: kz of sample %zu is %g, expected 0: trajectories of one slice", path,
                         s, (double)k[2]);
    t->k[2 * s] = k[1];
    t->k[2 * s + 1] = k[0];
    t->largest = fmax(t->largest, fmax(fabs((double)k[0]), fabs((double)k[1])));
    return SCRY_OK;
}

static scry_status trajectory_allocate(scry_kspace_trajectory *t, const char *path, scry_error *err)
{
    t->k = scry_alloc(t->samples, 2 * sizeof *t->k);
    if (t->k) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu samples", path, t->samples);
}

static scry_status trajectory_read_cfl(scry_kspace_trajectory *t, const char *path, scry_error *err)
{
    char text[400];
    scry_cfl *f;
    float complex *values = NULL;
    scry_status st = scry_cfl_open(&f, path, err);
    if (st != SCRY_OK) return st;
    const size_t *dims = scry_cfl_dims(f);
    if (dims[0] != 3) {
        st = SCRY_FAIL(err, SCRY_EFORMAT,
                       "%s: dimensions %s, expected 3 coordinates (kx, ky, kz) in dimension 0",
                       scry_cfl_path(f), scry_cfl_print(dims, text, sizeof text));
        goto done;
    }
    t->samples = 1;
    for (int d = 1; d < SCRY_CFL_RANK; d++)
        t->samples *= dims[d];
    t->line = dims[1];
    if ((st = trajectory_allocate(t, path, err)) != SCRY_OK) goto done;
    values = scry_alloc(3 * t->samples, sizeof *values);
    st = values ? scry_cfl_read(f, NULL, NULL, values, err)
                : SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu samples", path, t->samples);
    for (size_t s = 0; s < t->samples && st == SCRY_OK; s++) {
        const float complex *v = values + 3 * s;
        const float k[3] = {crealf(v[0]), crealf(v[1]), crealf(v[2])};
        st = trajectory_put(t, s, k, 3, path, err);
    }
done:
    scry_free(values);
    scry_cfl_close(f);
    return st;
}

/* "trajectory", "traj", or the only dataset of numbers. */
static scry_status trajectory_find(scry_hdf5_info *out, const scry_hdf5 *f, scry_error *err)
{
    const char *const names[] = {"trajectory", "traj"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (scry_hdf5_has_dataset(f, names[i])) return scry_hdf5_describe(out, f, names[i], err);
    scry_hdf5_info *list = NULL;
    size_t count, found = 0;
    const scry_status st = scry_hdf5_list(&list, &count, f, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < count; i++)
        if (list[i].kind == SCRY_HDF5_NUMBER) {
            *out = list[i];
            found++;
        }
    scry_free(list);
    if (found == 1) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: %zu datasets of numbers, expected one, or one called trajectory",
                     scry_hdf5_path(f), found);
}

static scry_status trajectory_read_hdf5(scry_kspace_trajectory *t, const char *path,
                                        scry_error *err)
{
    scry_hdf5 *f;
    scry_hdf5_info i;
    float *values = NULL;
    scry_status st = scry_hdf5_open(&f, path, err);
    if (st != SCRY_OK) return st;
    if ((st = trajectory_find(&i, f, err)) != SCRY_OK) goto done;
    const size_t axes = i.rank ? i.dims[i.rank - 1] : 0;
    if (i.kind != SCRY_HDF5_NUMBER || i.rank < 2 || axes < 2 || axes > 3) {
        st = SCRY_FAIL(err, SCRY_EFORMAT,
                       "%s: %s is %s of %s, expected numbers with a last axis of 2 or 3 "
                       "coordinates (kx, ky, kz)",
                       path, i.name, i.type, i.shape);
        goto done;
    }
    t->samples = i.count / axes;
    t->line = i.dims[i.rank - 2];
    if ((st = trajectory_allocate(t, path, err)) != SCRY_OK) goto done;
    values = scry_alloc(i.count, sizeof *values);
    st = values ? scry_hdf5_read_float(f, i.name, NULL, NULL, values, err)
                : SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu samples", path, t->samples);
    for (size_t s = 0; s < t->samples && st == SCRY_OK; s++)
        st = trajectory_put(t, s, values + axes * s, axes, path, err);
done:
    scry_free(values);
    scry_hdf5_close(f);
    return st;
}

scry_status scry_kspace_trajectory_read(scry_kspace_trajectory *out, const char *path,
                                        scry_error *err)
{
    scry_status st;
    *out = (scry_kspace_trajectory){0};
    if (scry_cfl_recognise(path))
        st = trajectory_read_cfl(out, path, err);
    else if (scry_hdf5_recognise(path))
        st = trajectory_read_hdf5(out, path, err);
    else
        st = SCRY_FAIL(err, SCRY_EFORMAT,
                       "%s: neither HDF5 nor a BART pair of .hdr and .cfl, expected a trajectory "
                       "in one of them",
                       path);
    if (st != SCRY_OK) scry_kspace_trajectory_free(out);
    return st;
}

size_t scry_kspace_trajectory_size(const scry_kspace_trajectory *t)
{
    if (t->largest <= HALF_CYCLE) return 0;
    return 2 * (size_t)ceil(t->largest - 1e-3);
}

void scry_kspace_trajectory_scale(scry_kspace_trajectory *t, size_t ny, size_t nx)
{
    if (t->largest <= HALF_CYCLE) return;
    for (size_t s = 0; s < t->samples; s++) {
        t->k[2 * s] /= (float)ny;
        t->k[2 * s + 1] /= (float)nx;
    }
    t->largest /= (double)(ny < nx ? ny : nx);
}
