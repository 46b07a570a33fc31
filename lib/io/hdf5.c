#include "lib/io/hdf5.h"

#include "lib/io/hdf5_impl.h"
#include "lib/memory.h"
#include "lib/space.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Deflate makes at best 1 byte of 1032; nothing that HDF5 brings along packs better. */
enum { MAX_PACKING = 1032 };

hid_t scryi_hdf5_id(const scry_hdf5 *f)
{
    return f->id;
}

const char *scry_hdf5_path(const scry_hdf5 *f)
{
    return f->path;
}

/* ---- failure ---- */

struct reason {
    char text[200];
};

/* Upward, the innermost function comes first: it knows the error. */
static herr_t first_reason(unsigned n, const H5E_error2_t *e, void *ctx)
{
    struct reason *r = ctx;
    if (n == 0 && e->desc) snprintf(r->text, sizeof r->text, "%s", e->desc);
    return 0;
}

scry_status scryi_hdf5_fail(const scry_hdf5 *f, scry_error *err, scry_status code, const char *fmt,
                            ...)
{
    char text[384];
    struct reason r = {""};
    va_list args;
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_reason, &r);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return scry_fail(err, code, "hdf5", "%s: %s%s%s%s", f->path, text, r.text[0] ? " (" : "",
                     r.text, r.text[0] ? ")" : "");
}

/* ---- open ---- */

bool scry_hdf5_recognise(const char *path)
{
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char bytes[8];
    bool found = false;
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    /* After a user block the signature lies at 512, 1024, 2048, ... */
    for (long at = 0; !found && at < 1L << 30; at = at ? at * 2 : 512) {
        if (fseek(file, at, SEEK_SET) || fread(bytes, 1, sizeof bytes, file) != sizeof bytes) break;
        found = !memcmp(bytes, signature, sizeof bytes);
    }
    fclose(file);
    return found;
}

scry_hdf5 *scryi_hdf5_new(const char *path)
{
    scry_hdf5 *f = scry_alloc(1, sizeof *f);
    if (!f) return NULL;
    f->id = H5I_INVALID_HID;
    if ((f->path = scry_copy(path, strlen(path) + 1))) return f;
    scry_free(f);
    return NULL;
}

scry_status scry_hdf5_open(scry_hdf5 **out, const char *path, scry_error *err)
{
    struct stat about;
    *out = NULL;
    if (stat(path, &about) || access(path, R_OK))
        return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    if (!scry_hdf5_recognise(path))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: not an HDF5 file (no HDF5 signature in it)", path);
    scry_hdf5 *f = scryi_hdf5_new(path);
    if (!f) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: HDF5 file", path);
    f->bytes = (size_t)about.st_size;
    scry_status st = SCRY_OK;
    H5E_BEGIN_TRY
    /* strong: objects of damaged files that the library leaves open are closed with the file */
    const hid_t strong = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(strong, H5F_CLOSE_STRONG);
    f->id = H5Fopen(path, H5F_ACC_RDONLY, strong);
    if (f->id < 0)
        st = scryi_hdf5_fail(f, err, SCRY_EFORMAT, "begins as HDF5, but is truncated or damaged");
    H5Pclose(strong);
    H5E_END_TRY
    if (st == SCRY_OK)
        *out = f;
    else
        scry_hdf5_close(f);
    return st;
}

void scry_hdf5_close(scry_hdf5 *f)
{
    if (!f) return;
    H5E_BEGIN_TRY
    if (f->id >= 0) H5Fclose(f->id);
    H5E_END_TRY
    scryi_atomic_file_abandon(&f->file);
    scry_free(f->path);
    scry_free(f);
}

/* Opening, unlike asking for a link, also says that every group on the way is there. */
static H5I_type_t object_type(const scry_hdf5 *f, const char *name)
{
    H5I_type_t type = H5I_BADID;
    H5E_BEGIN_TRY
    const hid_t id = H5Oopen(f->id, name, H5P_DEFAULT);
    if (id >= 0) {
        type = H5Iget_type(id);
        H5Oclose(id);
    }
    H5E_END_TRY
    return type;
}

bool scry_hdf5_has_dataset(const scry_hdf5 *f, const char *name)
{
    return object_type(f, name) == H5I_DATASET;
}

bool scry_hdf5_has_group(const scry_hdf5 *f, const char *name)
{
    return object_type(f, name) == H5I_GROUP;
}

/* ---- describe ---- */

static bool member_name(char *name, size_t size, hid_t type, unsigned i)
{
    char *text = H5Tget_member_name(type, i);
    if (!text) return false;
    snprintf(name, size, "%s", text);
    H5free_memory(text);
    return true;
}

/* IEEE 754 binary16, 32 or 64, or an integer without padding. HDF5 describes others bit by bit, and
 * its conversion of those that a damaged file describes takes gigabytes. */
static bool is_ordinary(hid_t type)
{
    const size_t bytes = H5Tget_size(type), bits = 8 * bytes;
    size_t sign, exponent_at, exponent, mantissa_at, mantissa;
    if (H5Tget_precision(type) != bits || H5Tget_offset(type) != 0) return false;
    if (H5Tget_class(type) == H5T_INTEGER) return bytes <= 8;
    if (H5Tget_fields(type, &sign, &exponent_at, &exponent, &mantissa_at, &mantissa) < 0)
        return false;
    return ((bytes == 2 && exponent == 5) || (bytes == 4 && exponent == 8) ||
            (bytes == 8 && exponent == 11)) &&
           sign == bits - 1 && mantissa_at == 0 && exponent_at == mantissa &&
           mantissa + exponent + 1 == bits &&
           H5Tget_ebias(type) == ((size_t)1 << (exponent - 1)) - 1;
}

/* 0: not a float of an ordinary kind. */
static size_t member_bytes(hid_t type, unsigned i)
{
    const hid_t member = H5Tget_member_type(type, i);
    const bool real = H5Tget_class(member) == H5T_FLOAT && is_ordinary(member);
    const size_t bytes = real ? H5Tget_size(member) : 0;
    H5Tclose(member);
    return bytes;
}

/* Two floats named as h5py (r, i) or as ISMRMRD's library (real, imag) does, in either order: the
 * words for them, else NULL. */
static const char *complex_members(hid_t type)
{
    const int r = H5Tget_member_index(type, "r"), i = H5Tget_member_index(type, "i");
    const int real = H5Tget_member_index(type, "real"), imag = H5Tget_member_index(type, "imag");
    if (H5Tget_nmembers(type) != 2 || !member_bytes(type, 0) || !member_bytes(type, 1)) return NULL;
    return r >= 0 && i >= 0 ? "{r, i}" : real >= 0 && imag >= 0 ? "{real, imag}" : NULL;
}

static void describe_enum(scry_hdf5_info *out, hid_t type)
{
    char first[16], second[16];
    const hid_t base = H5Tget_super(type);
    if (is_ordinary(base)) out->kind = SCRY_HDF5_NUMBER;
    H5Tclose(base);
    if (H5Tget_nmembers(type) == 2 && member_name(first, sizeof first, type, 0) &&
        member_name(second, sizeof second, type, 1) && !strcmp(first, "FALSE") &&
        !strcmp(second, "TRUE"))
        snprintf(out->type, sizeof out->type, "bool");
    else
        snprintf(out->type, sizeof out->type, "enumeration of %d", H5Tget_nmembers(type));
}

static void describe_type(scry_hdf5_info *out, hid_t type)
{
    const size_t size = sizeof out->type, bits = 8 * H5Tget_size(type);
    const H5T_class_t class = H5Tget_class(type);
    const char *members = class == H5T_COMPOUND ? complex_members(type) : NULL;
    out->kind = SCRY_HDF5_OTHER;
    if ((class == H5T_INTEGER || class == H5T_FLOAT) && !is_ordinary(type)) {
        snprintf(out->type, size, "numbers of %zu bits in an unusual layout", bits);
    } else if (class == H5T_INTEGER) {
        out->kind = SCRY_HDF5_NUMBER;
        snprintf(out->type, size, "%sint%zu", H5Tget_sign(type) == H5T_SGN_NONE ? "u" : "", bits);
    } else if (class == H5T_FLOAT) {
        out->kind = SCRY_HDF5_NUMBER;
        snprintf(out->type, size, "float%zu", bits);
    } else if (class == H5T_ENUM) {
        describe_enum(out, type);
    } else if (class == H5T_STRING) {
        out->kind = SCRY_HDF5_TEXT;
        snprintf(out->type, size, "text");
    } else if (members) {
        const size_t width = 8 * (member_bytes(type, 0) + member_bytes(type, 1)); /* no gaps */
        out->kind = SCRY_HDF5_COMPLEX;
        snprintf(out->type, size, "complex%zu %s", width, members);
    } else if (class == H5T_COMPOUND) {
        snprintf(out->type, size, "compound of %d", H5Tget_nmembers(type));
    } else {
        snprintf(out->type, size, class == H5T_VLEN ? "rows of varying length" : "another type");
    }
}

/* The words of a shape that has too many axes too. */
static void describe_shape(scry_hdf5_info *out, const hsize_t *dims, int rank)
{
    size_t used = 0;
    snprintf(out->shape, sizeof out->shape, "%s", rank ? "" : "scalar");
    for (int i = 0; i < rank && used < sizeof out->shape; i++)
        used += (size_t)snprintf(out->shape + used, sizeof out->shape - used, "%s%llu",
                                 i ? " x " : "", (unsigned long long)dims[i]);
}

/* A few bytes of header can promise any amount of data, which nobody should allocate. */
static scry_status hdf5_check_extent(scry_hdf5_info *out, const scry_hdf5 *f, hid_t type,
                                     const hsize_t *dims, scry_error *err)
{
    size_t bytes = H5Tget_size(type);
    out->count = 1;
    for (int i = 0; i < out->rank; i++) {
        out->dims[i] = (size_t)dims[i];
        if (dims[i] > SIZE_MAX || !scry_mul(&bytes, bytes, out->dims[i]))
            return SCRY_FAIL(err, SCRY_EFORMAT, "%s: the shape of %s, %s, overflows", f->path,
                             out->name, out->shape);
        out->count *= out->dims[i];
    }
    if (!f->file.temp && bytes / MAX_PACKING > f->bytes)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %s of %s %s is said to hold %zu MB, more than can be packed in a "
                         "file of %zu bytes",
                         f->path, out->name, out->shape, out->type, bytes >> 20, f->bytes);
    return SCRY_OK;
}

static scry_status describe_open(scry_hdf5_info *out, const scry_hdf5 *f, hid_t set, hid_t type,
                                 hid_t space, scry_error *err)
{
    hsize_t dims[H5S_MAX_RANK];
    if (set < 0 || type < 0 || space < 0)
        return scryi_hdf5_fail(f, err, SCRY_EFORMAT, "dataset %s cannot be opened", out->name);
    describe_type(out, type);
    if (H5Sget_simple_extent_type(space) == H5S_NULL)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: dataset %s is empty", f->path, out->name);
    out->rank = H5Sget_simple_extent_dims(space, dims, NULL);
    if (out->rank < 0)
        return scryi_hdf5_fail(f, err, SCRY_EFORMAT, "dataset %s has no shape", out->name);
    describe_shape(out, dims, out->rank);
    if (out->rank > SCRY_HDF5_RANK)
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s has %d axes (%s), at most %d are read", f->path,
                         out->name, out->rank, out->shape, SCRY_HDF5_RANK);
    return hdf5_check_extent(out, f, type, dims, err);
}

scry_status scry_hdf5_describe(scry_hdf5_info *out, const scry_hdf5 *f, const char *name,
                               scry_error *err)
{
    scry_status st;
    *out = (scry_hdf5_info){.kind = SCRY_HDF5_OTHER};
    snprintf(out->name, sizeof out->name, "%s", name);
    if (!scry_hdf5_has_dataset(f, name))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: there is no dataset %s", f->path, name);
    H5E_BEGIN_TRY
    const hid_t set = H5Dopen2(f->id, name, H5P_DEFAULT);
    const hid_t type = H5Dget_type(set), space = H5Dget_space(set);
    st = describe_open(out, f, set, type, space, err);
    H5Sclose(space);
    H5Tclose(type);
    H5Dclose(set);
    H5E_END_TRY
    return st;
}

/* ---- list ---- */

/* Links may form cycles and share groups: the walk is bounded in depth and in steps. */
enum { MAX_LISTED = 4096, MAX_DEPTH = 16, MAX_LINKS = 16384 };

struct listing {
    const scry_hdf5 *f;
    scry_hdf5_info *infos;
    size_t count, capacity, links;
    scry_error *err;
};

static scry_status list_one(struct listing *l, const char *name)
{
    scry_error reason = {0};
    if (!scryi_memory_grow(&l->infos, &l->capacity, l->count, sizeof *l->infos))
        return SCRY_FAIL(l->err, SCRY_ENOMEM, "%s: list of %zu datasets", l->f->path, l->count + 1);
    scry_hdf5_info *info = &l->infos[l->count++];
    if (scry_hdf5_describe(info, l->f, name, &reason) != SCRY_OK) {
        info->kind = SCRY_HDF5_OTHER;
        snprintf(info->type, sizeof info->type, "%.47s", reason.text);
    }
    return SCRY_OK;
}

static scry_status list_group(struct listing *l, hid_t group, const char *prefix, int depth)
{
    H5G_info_t about;
    scry_status st = SCRY_OK;
    if (H5Gget_info(group, &about) < 0) return SCRY_OK;
    for (hsize_t i = 0; i < about.nlinks && st == SCRY_OK; i++) {
        char link[256], name[512];
        if (++l->links > MAX_LINKS || l->count == MAX_LISTED) break;
        const ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, link,
                                                  sizeof link, H5P_DEFAULT);
        if (length < 0 || (size_t)length >= sizeof link) continue;
        snprintf(name, sizeof name, "%s%s%s", prefix, *prefix ? "/" : "", link);
        if (strlen(name) >= sizeof l->infos->name) continue;
        const hid_t id = H5Oopen(group, link, H5P_DEFAULT);
        if (id < 0) continue;
        if (H5Iget_type(id) == H5I_DATASET)
            st = list_one(l, name);
        else if (H5Iget_type(id) == H5I_GROUP && depth < MAX_DEPTH)
            st = list_group(l, id, name, depth + 1);
        H5Oclose(id);
    }
    return st;
}

scry_status scry_hdf5_list(scry_hdf5_info **out, size_t *count, const scry_hdf5 *f, scry_error *err)
{
    struct listing l = {.f = f, .err = err};
    scry_status st;
    H5E_BEGIN_TRY
    st = list_group(&l, f->id, "", 0);
    H5E_END_TRY
    if (st != SCRY_OK) {
        scry_free(l.infos);
        l = (struct listing){0};
    }
    *out = l.infos;
    *count = l.count;
    return st;
}

/* ---- read ---- */

void scryi_hdf5_box_close(struct scryi_hdf5_box *box)
{
    if (box->in_memory >= 0) H5Sclose(box->in_memory);
    if (box->in_file >= 0) H5Sclose(box->in_file);
    if (box->set >= 0) H5Dclose(box->set);
    *box = SCRYI_HDF5_BOX;
}

scry_status scryi_hdf5_box_open(struct scryi_hdf5_box *box, const scry_hdf5 *f,
                                const scry_hdf5_info *info, const size_t *start,
                                const size_t *count, scry_error *err)
{
    hsize_t from[SCRY_HDF5_RANK], size[SCRY_HDF5_RANK];
    box->count = 1;
    for (int i = 0; i < info->rank; i++) {
        from[i] = start ? start[i] : 0;
        size[i] = count ? count[i] : info->dims[i];
        if (from[i] > info->dims[i] || size[i] > info->dims[i] - from[i])
            return SCRY_FAIL(err, SCRY_EINVAL, "%s: axis %d of %s: %llu entries from %llu, of %zu",
                             f->path, i, info->name, (unsigned long long)size[i],
                             (unsigned long long)from[i], info->dims[i]);
        box->count *= (size_t)size[i];
    }
    const hsize_t values = box->count;
    box->set = H5Dopen2(f->id, info->name, H5P_DEFAULT);
    if (box->set >= 0) box->in_file = H5Dget_space(box->set);
    if (box->in_file >= 0) box->in_memory = H5Screate_simple(1, &values, NULL);
    if (box->in_memory >= 0 && (!info->rank || H5Sselect_hyperslab(box->in_file, H5S_SELECT_SET,
                                                                   from, NULL, size, NULL) >= 0))
        return SCRY_OK;
    return scryi_hdf5_fail(f, err, SCRY_EFORMAT, "dataset %s cannot be opened", info->name);
}

hid_t scryi_hdf5_complex_type(const char *re, const char *im)
{
    const hid_t type = H5Tcreate(H5T_COMPOUND, sizeof(float complex));
    if (type >= 0) {
        H5Tinsert(type, re, 0, H5T_NATIVE_FLOAT);
        H5Tinsert(type, im, sizeof(float), H5T_NATIVE_FLOAT);
    }
    return type;
}

static scry_status read_box(const scry_hdf5 *f, const scry_hdf5_info *info, const size_t *start,
                            const size_t *count, hid_t type, void *out, scry_error *err)
{
    struct scryi_hdf5_box box = SCRYI_HDF5_BOX;
    scry_status st;
    H5E_BEGIN_TRY
    st = scryi_hdf5_box_open(&box, f, info, start, count, err);
    if (st == SCRY_OK && H5Dread(box.set, type, box.in_memory, box.in_file, H5P_DEFAULT, out) < 0)
        st = scryi_hdf5_fail(f, err, SCRY_EFORMAT,
                             "dataset %s (%s %s) cannot be read: damaged, or packed in a way "
                             "that this HDF5 library lacks",
                             info->name, info->shape, info->type);
    scryi_hdf5_box_close(&box);
    H5E_END_TRY
    return st;
}

static scry_status wrong_type(const scry_hdf5 *f, const scry_hdf5_info *info, const char *expected,
                              scry_error *err)
{
    return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s holds %s (%s), expected %s", f->path, info->name,
                     info->type, info->shape, expected);
}

scry_status scry_hdf5_read_float(const scry_hdf5 *f, const char *name, const size_t *start,
                                 const size_t *count, float *out, scry_error *err)
{
    scry_hdf5_info info;
    const scry_status st = scry_hdf5_describe(&info, f, name, err);
    if (st != SCRY_OK) return st;
    if (info.kind != SCRY_HDF5_NUMBER) return wrong_type(f, &info, "numbers", err);
    return read_box(f, &info, start, count, H5T_NATIVE_FLOAT, out, err);
}

scry_status scry_hdf5_read_complex(const scry_hdf5 *f, const char *name, const size_t *start,
                                   const size_t *count, float complex *out, scry_error *err)
{
    scry_hdf5_info info;
    scry_status st = scry_hdf5_describe(&info, f, name, err);
    if (st != SCRY_OK) return st;
    if (info.kind != SCRY_HDF5_COMPLEX)
        return wrong_type(f, &info, "complex numbers: a compound {r, i} or {real, imag}", err);
    /* HDF5 matches the members by name, wherever the file has them. */
    const bool short_names = strstr(info.type, "{r, i}") != NULL;
    const hid_t type =
        scryi_hdf5_complex_type(short_names ? "r" : "real", short_names ? "i" : "imag");
    if (type < 0) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: type of %s", f->path, name);
    st = read_box(f, &info, start, count, type, out, err);
    H5Tclose(type);
    return st;
}

/* ---- text ---- */

static herr_t read_stored(hid_t id, bool attribute, hid_t stored, void *out)
{
    /* HDF5 does not convert between character sets: the type in memory is a copy of the file's */
    const hid_t type = H5Tcopy(stored);
    const herr_t failed =
        attribute ? H5Aread(id, type, out) : H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, out);
    H5Tclose(type);
    return failed;
}

/* One string of a dataset or an attribute, without words: EFORMAT when it cannot be read. */
static scry_status read_string(char **out, hid_t id, bool attribute, hid_t stored)
{
    char *text = NULL;
    *out = NULL;
    if (H5Tis_variable_str(stored) > 0) {
        /* HDF5 gives NULL for a string that was never written */
        if (read_stored(id, attribute, stored, &text) < 0) return SCRY_EFORMAT;
        *out = text ? scry_copy(text, strlen(text) + 1) : scry_alloc(1, 1);
        H5free_memory(text);
        return *out ? SCRY_OK : SCRY_ENOMEM;
    }
    if (!(*out = scry_alloc(H5Tget_size(stored) + 1, 1))) return SCRY_ENOMEM;
    if (read_stored(id, attribute, stored, *out) < 0) {
        scry_free(*out);
        *out = NULL;
        return SCRY_EFORMAT;
    }
    for (size_t n = strlen(*out); n && (*out)[n - 1] == ' '; n--)
        (*out)[n - 1] = '\0';
    return SCRY_OK;
}

scry_status scry_hdf5_read_text(char **out, const scry_hdf5 *f, const char *name, scry_error *err)
{
    scry_hdf5_info info;
    *out = NULL;
    scry_status st = scry_hdf5_describe(&info, f, name, err);
    if (st != SCRY_OK) return st;
    if (info.kind != SCRY_HDF5_TEXT || info.count != 1)
        return wrong_type(f, &info, "one text", err);
    H5E_BEGIN_TRY
    const hid_t set = H5Dopen2(f->id, info.name, H5P_DEFAULT), type = H5Dget_type(set);
    st = read_string(out, set, false, type);
    if (st == SCRY_ENOMEM) SCRY_FAIL(err, st, "%s: the text of %s", f->path, info.name);
    if (st == SCRY_EFORMAT)
        SCRY_FAIL(err, st, "%s: the text of %s cannot be read", f->path, info.name);
    H5Tclose(type);
    H5Dclose(set);
    H5E_END_TRY
    return st;
}

/* Opens an attribute that holds one value. */
static hid_t one_attribute(const scry_hdf5 *f, const char *object, const char *name)
{
    const char *at = *object ? object : "/";
    if (H5Aexists_by_name(f->id, at, name, H5P_DEFAULT) <= 0) return H5I_INVALID_HID;
    const hid_t id = H5Aopen_by_name(f->id, at, name, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t space = H5Aget_space(id);
    const bool one = H5Sget_simple_extent_npoints(space) == 1;
    H5Sclose(space);
    if (one) return id;
    H5Aclose(id);
    return H5I_INVALID_HID;
}

bool scry_hdf5_attribute_text(const scry_hdf5 *f, const char *object, const char *name, char *out,
                              size_t size)
{
    char *text = NULL;
    H5E_BEGIN_TRY
    const hid_t id = one_attribute(f, object, name), type = H5Aget_type(id);
    if (type >= 0 && H5Tget_class(type) == H5T_STRING) read_string(&text, id, true, type);
    H5Tclose(type);
    H5Aclose(id);
    H5E_END_TRY
    if (text) snprintf(out, size, "%s", text);
    scry_free(text);
    return text != NULL;
}

bool scry_hdf5_attribute_number(const scry_hdf5 *f, const char *object, const char *name,
                                double *out)
{
    bool found = false;
    H5E_BEGIN_TRY
    const hid_t id = one_attribute(f, object, name), type = H5Aget_type(id);
    const H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    if (class == H5T_INTEGER || class == H5T_FLOAT)
        found = H5Aread(id, H5T_NATIVE_DOUBLE, out) >= 0;
    H5Tclose(type);
    H5Aclose(id);
    H5E_END_TRY
    return found;
}
