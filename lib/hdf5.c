#include "lib/hdf5.h"

#include "lib/hdf5_impl.h"
#include "lib/memory.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct scry_hdf5 {
    hid_t id;
    char *path, *temp; /* temp: being written, not yet renamed to path */
};

hid_t scryi_hdf5_id(const scry_hdf5 *f)
{
    return f->id;
}

const char *scry_hdf5_path(const scry_hdf5 *f)
{
    return f->path;
}

struct reason {
    char text[200];
};

/* Upward, the innermost function comes first: it knows what was wrong. */
static herr_t first_reason(unsigned n, const H5E_error2_t *e, void *ctx)
{
    struct reason *r = ctx;
    if (n == 0 && e->desc) snprintf(r->text, sizeof r->text, "%s", e->desc);
    return 0;
}

static struct reason reason_of_failure(void)
{
    struct reason r = { "" };
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, first_reason, &r);
    return r;
}

scry_status scryi_hdf5_fail(const scry_hdf5 *f, scry_error *err, scry_status code, const char *fmt,
                            ...)
{
    char text[384];
    const struct reason r = reason_of_failure();
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return scry_fail(err, code, "hdf5", "%s: %s%s%s%s", f->path, text, r.text[0] ? " (" : "",
                     r.text, r.text[0] ? ")" : "");
}

bool scry_hdf5_recognise(const char *path)
{
    static const unsigned char signature[8] = { 0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n' };
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

static scry_hdf5 *hdf5_new(const char *path)
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
    scry_status st = SCRY_OK;
    *out = NULL;
    if (access(path, R_OK)) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    if (!scry_hdf5_recognise(path))
        return SCRY_FAIL(err, SCRY_EFORMAT, "%s: not an HDF5 file (its first bytes say so)", path);
    scry_hdf5 *f = hdf5_new(path);
    if (!f) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: HDF5 file", path);
    H5E_BEGIN_TRY
        f->id = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    H5E_END_TRY
    if (f->id < 0) {
        st = scryi_hdf5_fail(f, err, SCRY_EFORMAT, "begins as HDF5, but is truncated or damaged");
        goto done;
    }
    *out = f;
    f = NULL;
done:
    scry_hdf5_close(f);
    return st;
}

void scry_hdf5_close(scry_hdf5 *f)
{
    if (!f) return;
    H5E_BEGIN_TRY
        if (f->id >= 0) H5Fclose(f->id);
    H5E_END_TRY
    if (f->temp) unlink(f->temp);
    scry_free(f->temp);
    scry_free(f->path);
    scry_free(f);
}

/* Of a path: H5Lexists wants every group on the way to be there. */
static H5O_type_t object_type(const scry_hdf5 *f, const char *name)
{
    H5O_info_t info = { .type = H5O_TYPE_UNKNOWN };
    herr_t failed;
    H5E_BEGIN_TRY
        failed = H5Oget_info_by_name(f->id, name, &info, H5P_DEFAULT);
    H5E_END_TRY
    return failed < 0 ? H5O_TYPE_UNKNOWN : info.type;
}

bool scry_hdf5_has_dataset(const scry_hdf5 *f, const char *name)
{
    return object_type(f, name) == H5O_TYPE_DATASET;
}

bool scry_hdf5_has_group(const scry_hdf5 *f, const char *name)
{
    return object_type(f, name) == H5O_TYPE_GROUP;
}
