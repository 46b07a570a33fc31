/* Of nifticlib: the layout of the header, its swapping, quaternions, and streams that are
 * compressed or not. Its functions for whole images are not used: nifti_image_write cannot fail
 * (it returns nothing), and nifti_image_read believes the sizes in a header. */

#include "lib/io/nifti.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/atomic_file_impl.h"
#include "lib/space.h"
#include "lib/text.h"

#include <complex.h>
#include <errno.h>
#include <math.h>
#include <nifti1_io.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(nifti_1_header) == SCRY_NIFTI_HEADER, "layout of the header");

enum { DATA_OFFSET = 352, CHUNK = 1 << 14 }; /* CHUNK: values converted at a time */

/* ---- writing ---- */

static bool right_angles(const double affine[3][4])
{
    for (int a = 0; a < 3; a++)
        for (int b = a + 1; b < 3; b++) {
            double dot = 0, aa = 0, bb = 0;
            for (int r = 0; r < 3; r++) {
                dot += affine[r][a] * affine[r][b];
                aa += affine[r][a] * affine[r][a];
                bb += affine[r][b] * affine[r][b];
            }
            if (!(fabs(dot) <= 1e-3 * sqrt(aa * bb))) return false;
        }
    return true;
}

static void nifti_place(nifti_1_header *h, const scry_nifti *n)
{
    mat44 m = {{{0}}};
    float dx, dy, dz, qfac;
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++)
            m.m[r][c] = (float)n->affine[r][c];
    m.m[3][3] = 1;
    memcpy(h->srow_x, m.m[0], sizeof h->srow_x);
    memcpy(h->srow_y, m.m[1], sizeof h->srow_y);
    memcpy(h->srow_z, m.m[2], sizeof h->srow_z);
    h->sform_code = NIFTI_XFORM_SCANNER_ANAT;
    if (!right_angles(n->affine)) return;
    nifti_mat44_to_quatern(m, &h->quatern_b, &h->quatern_c, &h->quatern_d, &h->qoffset_x,
                           &h->qoffset_y, &h->qoffset_z, &dx, &dy, &dz, &qfac);
    h->pixdim[0] = qfac;
    h->qform_code = NIFTI_XFORM_SCANNER_ANAT;
}

static scry_status check_written(const char *path, const scry_nifti *n, scry_error *err)
{
    const size_t dims[4] = {n->nx, n->ny, n->nz, n->nt};
    for (int a = 0; a < 4; a++)
        if (!dims[a] || dims[a] > INT16_MAX)
            return SCRY_FAIL(err, SCRY_ESHAPE,
                             "%s: %zu x %zu x %zu x %zu voxels (t, z, y, x), "
                             "expected 1 to %d along each axis of a NIfTI-1 file",
                             path, n->nt, n->nz, n->ny, n->nx, INT16_MAX);
    for (int a = 0; a < 3; a++) {
        bool good = isfinite(n->step[a]) && n->step[a] >= 0;
        for (int c = 0; c < 4; c++)
            good = good && isfinite(n->affine[a][c]);
        if (!good)
            return SCRY_FAIL(err, SCRY_EINVAL, "%s: the position of axis %d is not finite", path,
                             a);
    }
    return SCRY_OK;
}

static void fill_header(nifti_1_header *h, const scry_nifti *n)
{
    const bool many = n->nt > 1;
    memset(h, 0, sizeof *h);
    h->sizeof_hdr = SCRY_NIFTI_HEADER;
    h->dim[0] = many ? 4 : 3;
    h->dim[1] = (short)n->nx;
    h->dim[2] = (short)n->ny;
    h->dim[3] = (short)n->nz;
    h->dim[4] = (short)n->nt;
    for (int a = 5; a < 8; a++)
        h->dim[a] = 1;
    h->datatype = n->cplx ? DT_COMPLEX64 : DT_FLOAT32;
    h->bitpix = n->cplx ? 64 : 32;
    h->pixdim[0] = 1;
    for (int a = 0; a < 3; a++)
        h->pixdim[a + 1] = n->step[a] > 0 ? (float)n->step[a] : 1;
    h->pixdim[4] = n->tr > 0 ? (float)n->tr : 0;
    h->vox_offset = DATA_OFFSET;
    h->scl_slope = 1;
    h->xyzt_units = SPACE_TIME_TO_XYZT(NIFTI_UNITS_MM, NIFTI_UNITS_SEC);
    snprintf(h->descrip, sizeof h->descrip, "%s", n->description);
    memcpy(h->magic, "n+1", 4);
    if (n->placed) nifti_place(h, n);
}

/* zlib counts bytes of a call in an unsigned int: pieces of a few megabytes. */
static bool nifti_put(znzFile f, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        const size_t piece = n < 1 << 22 ? n : 1 << 22;
        if (znzwrite(at, 1, piece, f) != piece) return false;
        at += piece;
        n -= piece;
    }
    return true;
}

scry_status scry_nifti_write(const char *path, const scry_nifti *n, scry_error *err)
{
    static const char no_extension[DATA_OFFSET - SCRY_NIFTI_HEADER];
    const bool packed = scry_text_ends_with(path, ".gz");
    scryi_atomic_file p;
    nifti_1_header h;
    scry_status st = check_written(path, n, err);
    if (st != SCRY_OK) return st;
    fill_header(&h, n);
    st = scryi_atomic_file_create(&p, path, packed ? ".nii.gz" : ".nii", err);
    if (st != SCRY_OK) return st;
    const size_t bytes = n->nt * n->nz * n->ny * n->nx * (n->cplx ? 8 : 4);
    errno = 0;
    znzFile f = znzopen(p.temp, "wb", packed);
    bool good = !znz_isnull(f);
    if (good) {
        good = nifti_put(f, &h, sizeof h) && nifti_put(f, no_extension, sizeof no_extension) &&
               nifti_put(f, n->values, bytes);
        good = Xznzclose(&f) == 0 && good; /* flushes: the last place where a full disk shows */
    }
    if (!good)
        st = SCRY_FAIL(err, SCRY_EIO, "%s: could not write %zu bytes: %s", path, bytes,
                       errno ? strerror(errno) : "the stream refused");
    if (st == SCRY_OK) st = scryi_atomic_file_commit(&p, err);
    scryi_atomic_file_abandon(&p);
    return st;
}

/* ---- reading ---- */

static size_t type_bytes(int type)
{
    switch (type) {
    case DT_UINT8:
    case DT_INT8:
        return 1;
    case DT_INT16:
    case DT_UINT16:
        return 2;
    case DT_INT32:
    case DT_UINT32:
    case DT_FLOAT32:
        return 4;
    case DT_INT64:
    case DT_UINT64:
    case DT_FLOAT64:
    case DT_COMPLEX64:
        return 8;
    default:
        return 0;
    }
}

static double nifti_value_of(const unsigned char *p, int type)
{
    union {
        uint8_t u1;
        int8_t i1;
        uint16_t u2;
        int16_t i2;
        uint32_t u4;
        int32_t i4;
        uint64_t u8;
        int64_t i8;
        float f4;
        double f8;
    } v;
    memcpy(&v, p, type_bytes(type));
    switch (type) {
    case DT_UINT8:
        return v.u1;
    case DT_INT8:
        return v.i1;
    case DT_UINT16:
        return v.u2;
    case DT_INT16:
        return v.i2;
    case DT_UINT32:
        return v.u4;
    case DT_INT32:
        return v.i4;
    case DT_UINT64:
        return (double)v.u8;
    case DT_INT64:
        return (double)v.i8;
    case DT_FLOAT32:
        return (double)v.f4;
    default:
        return v.f8;
    }
}

/* The affine of sform, else of qform. */
static scry_status parse_place(scry_nifti *n, const nifti_1_header *h, const char *name,
                               scry_error *err)
{
    mat44 m;
    for (int a = 0; a < 3; a++)
        n->step[a] = h->pixdim[a + 1] > 0 ? h->pixdim[a + 1] : 1;
    n->placed = h->sform_code > 0 || h->qform_code > 0;
    if (!n->placed) return SCRY_OK;
    if (h->sform_code > 0) {
        memcpy(m.m[0], h->srow_x, sizeof h->srow_x);
        memcpy(m.m[1], h->srow_y, sizeof h->srow_y);
        memcpy(m.m[2], h->srow_z, sizeof h->srow_z);
    } else {
        m = nifti_quatern_to_mat44(h->quatern_b, h->quatern_c, h->quatern_d, h->qoffset_x,
                                   h->qoffset_y, h->qoffset_z, (float)n->step[0], (float)n->step[1],
                                   (float)n->step[2], h->pixdim[0]);
    }
    for (int r = 0; r < 3; r++)
        for (int c = 0; c < 4; c++) {
            n->affine[r][c] = (double)m.m[r][c];
            if (!isfinite(n->affine[r][c]))
                return SCRY_FAIL(err, SCRY_EFORMAT, "%s: its position (%s) is not finite", name,
                                 h->sform_code > 0 ? "sform" : "qform");
        }
    return SCRY_OK;
}

static scry_status nifti_parse_dims(scry_nifti *n, const nifti_1_header *h, const char *name,
                                    scry_error *err)
{
    size_t dims[7];
    if (h->dim[0] < 1 || h->dim[0] > 7)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %d axes, expected 1 to 7", name, h->dim[0]);
    for (int a = 0; a < 7; a++) {
        const int dim = a < h->dim[0] ? h->dim[a + 1] : 1;
        if (dim < 1)
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: axis %d has %d voxels, expected 1 or more",
                             name, a + 1, dim);
        if (a > 3 && dim > 1)
            return SCRY_FAIL(err, SCRY_EUNSUP,
                             "%s: axis %d has %d entries, expected 1 beyond the "
                             "fourth",
                             name, a + 1, dim);
        dims[a] = (size_t)dim;
    }
    n->nx = dims[0];
    n->ny = dims[1];
    n->nz = dims[2];
    n->nt = dims[3];
    return SCRY_OK;
}

static scry_status parse_values(scry_nifti *n, scry_nifti_layout *layout, const nifti_1_header *h,
                                const char *name, scry_error *err)
{
    layout->type = h->datatype;
    layout->bytes = type_bytes(h->datatype);
    if (!layout->bytes)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: values of type %d (%s), expected integers, floats "
                         "or complex64",
                         name, h->datatype, nifti_datatype_string(h->datatype));
    n->cplx = h->datatype == DT_COMPLEX64;
    if (!(h->vox_offset >= DATA_OFFSET && h->vox_offset <= 0x1p30f))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: values from byte %g on, expected %d or more", name,
                         (double)h->vox_offset, DATA_OFFSET);
    layout->offset = (size_t)h->vox_offset;
    layout->slope = h->scl_slope != 0 ? (double)h->scl_slope : 1; /* 0: not scaled */
    layout->intercept = h->scl_slope != 0 ? (double)h->scl_inter : 0;
    if (!isfinite(layout->slope) || !isfinite(layout->intercept))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: slope %g and intercept %g, expected finite ones",
                         name, layout->slope, layout->intercept);
    return SCRY_OK;
}

scry_status scry_nifti_parse(scry_nifti *out, scry_nifti_layout *layout, const void *header,
                             const char *name, scry_error *err)
{
    enum { SWAPPED = 0x5c010000, OF_NIFTI2 = 540 };
    nifti_1_header h;
    memcpy(&h, header, sizeof h);
    *out = (scry_nifti){0};
    *layout = (scry_nifti_layout){.swapped = h.sizeof_hdr == SWAPPED};
    if (layout->swapped) swap_nifti_header(&h, 1);
    if (h.sizeof_hdr == OF_NIFTI2)
        return SCRY_FAIL(err, SCRY_EUNSUP, "%s: is NIfTI-2, expected NIfTI-1", name);
    const bool magic = !memcmp(h.magic, "n+1", 4) || !memcmp(h.magic, "ni1", 4);
    if (h.sizeof_hdr != SCRY_NIFTI_HEADER || !magic)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: does not begin as a NIfTI-1 file", name);
    if (h.magic[1] == 'i')
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "%s: keeps its values in another file (.img), expected "
                         "one file (.nii)",
                         name);
    scry_status st = nifti_parse_dims(out, &h, name, err);
    if (st == SCRY_OK) st = parse_values(out, layout, &h, name, err);
    if (st == SCRY_OK) st = parse_place(out, &h, name, err);
    if (st != SCRY_OK) return st;
    /* Frames in seconds, unless the header says milli- or microseconds. */
    const int unit = XYZT_TO_TIME(h.xyzt_units);
    const double tr = out->nt > 1 && h.pixdim[4] > 0 ? (double)h.pixdim[4] : 0;
    out->tr = unit == NIFTI_UNITS_MSEC ? tr * 1e-3 : unit == NIFTI_UNITS_USEC ? tr * 1e-6 : tr;
    snprintf(out->description, sizeof out->description, "%.79s", h.descrip);
    return SCRY_OK;
}

/* Not further than the bytes that are there. */
static bool nifti_get(znzFile f, void *bytes, size_t n)
{
    char *at = bytes;
    while (n) {
        const size_t piece = n < 1 << 22 ? n : 1 << 22;
        if (znzread(at, 1, piece, f) != piece) return false;
        at += piece;
        n -= piece;
    }
    return true;
}

static bool skip_bytes(znzFile f, size_t n)
{
    char waste[4096];
    for (size_t piece; n; n -= piece) {
        piece = n < sizeof waste ? n : sizeof waste;
        if (!nifti_get(f, waste, piece)) return false;
    }
    return true;
}

static void nifti_convert(float *out, unsigned char *raw, size_t n, const scry_nifti_layout *l)
{
    const bool pair = l->type == DT_COMPLEX64;
    const size_t size = pair ? 4 : l->bytes, count = pair ? 2 * n : n;
    const int type = pair ? DT_FLOAT32 : l->type;
    if (l->swapped && size > 1) nifti_swap_Nbytes(count, (int)size, raw);
    for (size_t i = 0; i < count; i++) {
        const double shift = pair && i % 2 ? 0 : l->intercept; /* a real offset */
        out[i] = (float)(nifti_value_of(raw + i * size, type) * l->slope + shift);
    }
}

static scry_status nifti_read_values(scry_nifti *n, znzFile f, const scry_nifti_layout *l,
                                     const char *path, scry_error *err)
{
    unsigned char raw[CHUNK * 8];
    const size_t pair = n->cplx ? 2 : 1,
                 max = scry_memory_total() ? scry_memory_total() : SIZE_MAX / 2;
    size_t count = n->nx, bytes;
    const bool fits = scry_mul(&count, count, n->ny) && scry_mul(&count, count, n->nz) &&
                      scry_mul(&count, count, n->nt) &&
                      scry_mul(&bytes, count, pair * sizeof(float)) && bytes <= max;
    n->values = fits ? scry_alloc(count, pair * sizeof *n->values) : NULL;
    if (!n->values)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu x %zu x %zu x %zu voxels (t, z, y, x)", path,
                         n->nt, n->nz, n->ny, n->nx);
    bool good = skip_bytes(f, l->offset - SCRY_NIFTI_HEADER);
    for (size_t i = 0, now; i < count && good; i += now) {
        now = count - i < CHUNK ? count - i : CHUNK;
        if ((good = nifti_get(f, raw, now * l->bytes)))
            nifti_convert(n->values + i * pair, raw, now, l);
    }
    if (good) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: truncated or damaged: %zu x %zu x %zu x %zu values "
                     "(t, z, y, x) of %zu bytes from byte %zu on are not all there",
                     path, n->nt, n->nz, n->ny, n->nx, l->bytes, l->offset);
}

scry_status scry_nifti_read(scry_nifti *out, const char *path, scry_error *err)
{
    unsigned char header[SCRY_NIFTI_HEADER];
    scry_nifti_layout layout;
    *out = (scry_nifti){0};
    errno = 0;
    znzFile f = znzopen(path, "rb", 1); /* reads uncompressed files, too */
    if (znz_isnull(f))
        return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, errno ? strerror(errno) : "cannot be read");
    scry_status st = nifti_get(f, header, sizeof header)
                         ? scry_nifti_parse(out, &layout, header, path, err)
                         : SCRY_FAIL(err, SCRY_EFORMAT,
                                     "%s: truncated: shorter than the %d bytes "
                                     "of a NIfTI-1 header",
                                     path, SCRY_NIFTI_HEADER);
    if (st == SCRY_OK) st = nifti_read_values(out, f, &layout, path, err);
    Xznzclose(&f);
    if (st != SCRY_OK) scry_nifti_clear(out);
    return st;
}

void scry_nifti_clear(scry_nifti *n)
{
    scry_free(n->values);
    *n = (scry_nifti){0};
}
