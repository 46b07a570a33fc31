#include "lib/io/recon_file_impl.h"

#include "lib/io/cfl.h"
#include "lib/io/hdf5.h"
#include "lib/io/npy.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/space.h"
#include "lib/text.h"

#include <stdio.h>
#include <string.h>

void scry_recon_clear(scry_recon *r)
{
    scry_free(r->values);
    *r = (scry_recon){0};
}

scry_status scry_recon_format_of(scry_recon_format *out, const char *path, scry_error *err)
{
    static const struct {
        const char *ending;
        scry_recon_format format;
    } known[] = {{".h5", SCRY_RECON_HDF5},      {".hdf5", SCRY_RECON_HDF5},
                 {".cfl", SCRY_RECON_CFL},      {".nii", SCRY_RECON_NIFTI},
                 {".nii.gz", SCRY_RECON_NIFTI}, {".npy", SCRY_RECON_NPY}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (scry_text_ends_with(path, known[i].ending)) {
            *out = known[i].format;
            return SCRY_OK;
        }
    return SCRY_FAIL(err, SCRY_EINVAL,
                     "%s: images are files that end in .h5, .hdf5, .cfl, .nii, .nii.gz or .npy",
                     path);
}

/* Values in all, complex ones once; 0 where a size is 0 or memory cannot hold them. */
static size_t recon_file_count_of(const scry_recon *r)
{
    const size_t dims[] = {r->frames, r->slices, r->nz, r->ny, r->nx};
    size_t count = 1, bytes;
    for (int i = 0; i < 5; i++)
        if (!scry_mul(&count, count, dims[i])) return 0;
    return scry_mul(&bytes, count, 2 * sizeof(float)) ? count : 0;
}

/* Memory for the values; the size in a header must fit in this machine. */
static scry_status recon_file_allocate(scry_recon *r, const char *path, scry_error *err)
{
    const size_t count = recon_file_count_of(r), size = (r->cplx ? 2 : 1) * sizeof(float);
    const size_t max = scry_memory_total() ? scry_memory_total() : SIZE_MAX / 2;
    if (count && count <= max / size) r->values = scry_alloc(count, size);
    if (r->values) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu frames of %zu slices of %zu x %zu x %zu", path,
                     r->frames, r->slices, r->nz, r->ny, r->nx);
}

/* ---- HDF5 ---- */

static const char main_name[] = "reconstruction";

/* The axes that are there: (frame,) (slice,) (z,) y, x with one of slice and z at least. The words
 * stand in an attribute, since four axes can be either. */
static int axes_of(const scry_recon *r, size_t *dims, char *words, size_t size)
{
    int rank = 0;
    const bool frame = r->frames > 1, z = r->nz > 1, slice = r->slices > 1 || !z || frame;
    if (frame) dims[rank++] = r->frames;
    if (slice) dims[rank++] = r->slices;
    if (z) dims[rank++] = r->nz;
    dims[rank++] = r->ny;
    dims[rank++] = r->nx;
    snprintf(words, size, "%s%s%sy x", frame ? "frame " : "", slice ? "slice " : "", z ? "z " : "");
    return rank;
}

static scry_status recon_file_write_hdf5(const char *path, const scry_recon *r, scry_error *err)
{
    size_t dims[5];
    char words[32];
    scry_hdf5 *f;
    const int rank = axes_of(r, dims, words, sizeof words);
    scry_status st = scry_hdf5_create(&f, path, err);
    if (st != SCRY_OK) return st;
    const scry_hdf5_type type = r->cplx ? SCRY_HDF5_C64 : SCRY_HDF5_F32;
    if ((st = scry_hdf5_add(f, main_name, type, rank, dims, err)) != SCRY_OK) goto done;
    st = r->cplx ? scry_hdf5_write_complex(f, main_name, NULL, NULL,
                                           (const float complex *)r->values, err)
                 : scry_hdf5_write_float(f, main_name, NULL, NULL, r->values, err);
    if (st != SCRY_OK) goto done;
    if ((st = scry_hdf5_put_text(f, main_name, "axes", words, err)) != SCRY_OK) goto done;
    if (r->description[0])
        st = scry_hdf5_put_text(f, main_name, "description", r->description, err);
    if (st == SCRY_OK && r->tr > 0) st = scry_hdf5_put_number(f, main_name, "tr", r->tr, err);
    if (st == SCRY_OK && r->chi2 > 0) st = scry_hdf5_put_number(f, main_name, "chi2", r->chi2, err);
    if (st == SCRY_OK && r->draws)
        st = scry_hdf5_put_number(f, main_name, "draws", (double)r->draws, err);
done:;
    const scry_status end = scry_hdf5_finish(f, st == SCRY_OK, err);
    return st != SCRY_OK ? st : end;
}

static scry_status recon_file_find_dataset(const char **name, const scry_hdf5 *f, const char *asked,
                                           scry_error *err)
{
    static const char *const known[] = {main_name, "reconstruction_rss", "reconstruction_esc"};
    *name = asked;
    if (asked) return SCRY_OK;
    for (int i = 0; i < 3; i++)
        if (scry_hdf5_has_dataset(f, known[i])) {
            *name = known[i];
            return SCRY_OK;
        }
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: none of the datasets %s, %s, %s is there, expected "
                     "one, or --dataset",
                     scry_hdf5_path(f), known[0], known[1], known[2]);
}

/* By the words of the attribute; without it (slice,) y, x or frame, slice, y, x. */
static scry_status place_axes(scry_recon *r, int rank, const size_t *dims, const char *words)
{
    static const char *const plain[] = {"y x", "slice y x", "frame slice y x", "frame slice z y x"};
    static const char *const known[] = {"z y x", "slice z y x"};
    if (rank < 2 || rank > 5) return SCRY_EFORMAT;
    const bool z = rank > 2 && rank < 5 && !strcmp(words, known[rank - 3]);
    const char *names = z ? known[rank - 3] : plain[rank - 2];
    r->frames = r->slices = r->nz = 1;
    r->ny = dims[rank - 2];
    r->nx = dims[rank - 1];
    for (int a = 0; a < rank - 2; a++) {
        if (names[0] == 'f') r->frames = dims[a];
        if (names[0] == 's') r->slices = dims[a];
        if (names[0] == 'z') r->nz = dims[a];
        names = strchr(names, ' ') + 1;
    }
    return SCRY_OK;
}

static scry_status recon_file_read_hdf5(scry_recon *r, const char *path, const char *dataset,
                                        scry_error *err)
{
    scry_hdf5 *f;
    scry_hdf5_info i;
    const char *name;
    char words[32] = "";
    scry_status st = scry_hdf5_open(&f, path, err);
    if (st != SCRY_OK) return st;
    if ((st = recon_file_find_dataset(&name, f, dataset, err)) != SCRY_OK) goto done;
    if ((st = scry_hdf5_describe(&i, f, name, err)) != SCRY_OK) goto done;
    if (i.kind != SCRY_HDF5_NUMBER && i.kind != SCRY_HDF5_COMPLEX) {
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s is %s, expected numbers", path, name, i.type);
        goto done;
    }
    r->cplx = i.kind == SCRY_HDF5_COMPLEX;
    scry_hdf5_attribute_text(f, name, "axes", words, sizeof words);
    if (place_axes(r, i.rank, i.dims, words) != SCRY_OK) {
        st = SCRY_FAIL(err, SCRY_EFORMAT,
                       "%s: %s is %s, expected 2 to 5 axes: (frame,) (slice,) (z,) y, x", path,
                       i.name, i.shape);
        goto done;
    }
    if ((st = recon_file_allocate(r, path, err)) != SCRY_OK) goto done;
    scry_hdf5_attribute_text(f, name, "description", r->description, sizeof r->description);
    scry_hdf5_attribute_number(f, name, "tr", &r->tr);
    st = r->cplx ? scry_hdf5_read_complex(f, name, NULL, NULL, (float complex *)r->values, err)
                 : scry_hdf5_read_float(f, name, NULL, NULL, r->values, err);
done:
    scry_hdf5_close(f);
    return st;
}

/* ---- cfl ---- */

static scry_status recon_file_write_cfl(const char *path, const scry_recon *r, scry_error *err)
{
    size_t dims[SCRY_CFL_RANK], count[SCRY_CFL_RANK], start[SCRY_CFL_RANK] = {0};
    const size_t n = r->nz * r->ny * r->nx;
    scry_cfl_writer *w = NULL;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        dims[d] = 1;
    dims[SCRY_CFL_READ] = r->nx;
    dims[SCRY_CFL_PH1] = r->ny;
    dims[SCRY_CFL_PH2] = r->nz;
    memcpy(count, dims, sizeof count);
    dims[SCRY_CFL_TIME] = r->frames;
    dims[SCRY_CFL_SLICE] = r->slices;
    float complex *one = scry_alloc(n, sizeof *one);
    if (!one) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: one slice", path);
    scry_status st = scry_cfl_create(&w, path, dims, err);
    for (size_t k = 0; k < r->frames * r->slices && st == SCRY_OK; k++) {
        start[SCRY_CFL_TIME] = k / r->slices;
        start[SCRY_CFL_SLICE] = k % r->slices;
        const float *in = r->values + k * n * (r->cplx ? 2 : 1);
        if (r->cplx) memcpy(one, in, n * sizeof *one);
        for (size_t i = 0; i < n && !r->cplx; i++)
            one[i] = in[i];
        st = scry_cfl_write(w, start, count, one, err);
    }
    const scry_status end = scry_cfl_finish(w, st == SCRY_OK, err);
    scry_free(one);
    return st != SCRY_OK ? st : end;
}

/* Dims other than the image's and the slice's are frames, whatever they mean, the last slowest. */
static scry_status recon_file_read_cfl(scry_recon *r, const char *path, scry_error *err)
{
    size_t count[SCRY_CFL_RANK], start[SCRY_CFL_RANK];
    scry_cfl *f;
    scry_status st = scry_cfl_open(&f, path, err);
    if (st != SCRY_OK) return st;
    const size_t *dims = scry_cfl_dims(f);
    const bool plane = dims[SCRY_CFL_READ] == 1 && dims[SCRY_CFL_PH2] > 1; /* as in k-space */
    r->cplx = true;
    r->nx = dims[plane ? SCRY_CFL_PH1 : SCRY_CFL_READ];
    r->ny = dims[plane ? SCRY_CFL_PH2 : SCRY_CFL_PH1];
    r->nz = plane ? 1 : dims[SCRY_CFL_PH2];
    r->slices = dims[SCRY_CFL_SLICE];
    r->frames = 1;
    for (int d = SCRY_CFL_COIL; d < SCRY_CFL_RANK; d++)
        if (d != SCRY_CFL_SLICE) r->frames *= dims[d];
    st = recon_file_allocate(r, path, err);
    const size_t n = r->nz * r->ny * r->nx;
    for (size_t k = 0; k < r->frames * r->slices && st == SCRY_OK; k++) {
        size_t frame = k / r->slices;
        for (int d = 0; d < SCRY_CFL_RANK; d++) {
            const bool counted = d >= SCRY_CFL_COIL && d != SCRY_CFL_SLICE;
            count[d] = d < SCRY_CFL_COIL ? dims[d] : 1;
            start[d] = counted ? frame % dims[d] : 0;
            if (counted) frame /= dims[d];
        }
        start[SCRY_CFL_SLICE] = k % r->slices;
        st = scry_cfl_read(f, start, count, (float complex *)r->values + k * n, err);
    }
    scry_cfl_close(f);
    return st;
}

/* ---- NumPy ---- */

static scry_status recon_file_write_npy(const char *path, const scry_recon *r, scry_error *err)
{
    size_t dims[SCRY_HDF5_RANK];
    char words[32];
    scry_npy_writer *w;
    int rank = axes_of(r, dims, words, sizeof words);
    if (r->frames == 1 && r->slices > 1 && r->nz > 1) { /* four axes begin with the frame */
        memmove(dims + 1, dims, 4 * sizeof *dims);
        dims[0] = 1;
        rank++;
    }
    scry_status st = scry_npy_create(&w, path, rank, dims, r->cplx, err);
    if (st != SCRY_OK) return st;
    st = scry_npy_write(w, 0, r->frames * r->slices * r->nz * r->ny * r->nx, r->values, err);
    const scry_status end = scry_npy_finish(w, st == SCRY_OK, err);
    return st != SCRY_OK ? st : end;
}

static scry_status recon_file_read_npy(scry_recon *r, const char *path, scry_error *err)
{
    scry_npy *f;
    scry_status st = scry_npy_open(&f, path, err);
    if (st != SCRY_OK) return st;
    const scry_npy_info *a = scry_npy_get(f, 0);
    if (place_axes(r, a->rank, a->dims, "") != SCRY_OK || a->name[0]) {
        st = SCRY_FAIL(err, SCRY_EFORMAT,
                       "%s: an array of %d axes, expected 2 to 5: (frame,) (slice,) (z,) y, x",
                       path, a->rank);
        goto done;
    }
    r->cplx = a->cplx;
    if ((st = recon_file_allocate(r, path, err)) != SCRY_OK) goto done;
    st = r->cplx ? scry_npy_read_complex(f, 0, a->count, (float complex *)r->values, err)
                 : scry_npy_read(f, 0, r->values, err);
done:
    scry_npy_close(f);
    return st;
}

/* ---- NIfTI ---- */

scry_status scry_recon_placeable(const char *path, const scry_geometry *g, size_t slices,
                                 scry_error *err)
{
    scry_recon_format format = SCRY_RECON_HDF5;
    const scry_status st = scry_recon_format_of(&format, path, err);
    if (st != SCRY_OK || format != SCRY_RECON_NIFTI || slices < 2 || !g->uneven) return st;
    return SCRY_FAIL(err, SCRY_EUNSUP,
                     "%s: %zu slices that are not equally far apart, of which NIfTI cannot say "
                     "where they lie; expected .h5 or .cfl, or slices of one stack (--slices)",
                     path, slices);
}

/* One of slices and z lies along the third axis of the file; slabs of a volume lie one after
 * another there, and their position is that of no single grid. */
static scry_status write_nifti(const char *path, const scry_recon *r, scry_error *err)
{
    scry_nifti n = {.nt = r->frames,
                    .nz = r->slices * r->nz,
                    .ny = r->ny,
                    .nx = r->nx,
                    .cplx = r->cplx,
                    .values = r->values,
                    .tr = r->tr};
    scry_geometry g = r->geometry;
    const scry_status st = scry_recon_placeable(path, &g, r->slices, err);
    if (st != SCRY_OK) return st;
    if (r->slices > 1 && r->nz > 1) g.known = false;
    scryi_nifti_place(&n, &g, r->slices);
    memcpy(n.description, r->description, sizeof n.description);
    n.description[sizeof n.description - 1] = '\0';
    return scry_nifti_write(path, &n, err);
}

static scry_status read_nifti(scry_recon *r, const char *path, scry_error *err)
{
    scry_nifti n;
    const scry_status st = scry_nifti_read(&n, path, err);
    if (st != SCRY_OK) return st;
    *r = (scry_recon){.frames = n.nt,
                      .slices = n.nz,
                      .nz = 1,
                      .ny = n.ny,
                      .nx = n.nx,
                      .cplx = n.cplx,
                      .values = n.values,
                      .tr = n.tr};
    scryi_nifti_geometry(&r->geometry, &n);
    memcpy(r->description, n.description, sizeof r->description);
    return SCRY_OK;
}

/* ---- any ---- */

scry_status scry_recon_write(const char *path, const scry_recon *r, scry_error *err)
{
    scry_recon_format format = SCRY_RECON_HDF5;
    const scry_status st = scry_recon_format_of(&format, path, err);
    if (st != SCRY_OK) return st;
    if (!recon_file_count_of(r))
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s: %zu frames of %zu slices of %zu x %zu x %zu: "
                         "expected none of them to be 0",
                         path, r->frames, r->slices, r->nz, r->ny, r->nx);
    switch (format) {
    case SCRY_RECON_CFL:
        return recon_file_write_cfl(path, r, err);
    case SCRY_RECON_NIFTI:
        return write_nifti(path, r, err);
    case SCRY_RECON_NPY:
        return recon_file_write_npy(path, r, err);
    default:
        return recon_file_write_hdf5(path, r, err);
    }
}

scry_status scry_recon_read(scry_recon *out, const char *path, const char *dataset, scry_error *err)
{
    scry_recon_format format = SCRY_RECON_HDF5;
    *out = (scry_recon){0};
    scry_status st = scry_recon_format_of(&format, path, err);
    if (st != SCRY_OK) return st;
    switch (format) {
    case SCRY_RECON_CFL:
        st = recon_file_read_cfl(out, path, err);
        break;
    case SCRY_RECON_NIFTI:
        st = read_nifti(out, path, err);
        break;
    case SCRY_RECON_NPY:
        st = recon_file_read_npy(out, path, err);
        break;
    default:
        st = recon_file_read_hdf5(out, path, dataset, err);
        break;
    }
    if (st != SCRY_OK) scry_recon_clear(out);
    return st;
}
