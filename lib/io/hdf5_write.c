#include "lib/io/hdf5_impl.h"
#include "lib/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

scry_status scry_hdf5_create(scry_hdf5 **out, const char *path, scry_error *err)
{
    *out = NULL;
    scry_hdf5 *f = scryi_hdf5_new(path);
    if (!f) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: HDF5 file", path);
    scry_status st = scryi_atomic_file_create(&f->file, path, "", err);
    if (st != SCRY_OK) goto done;
    H5E_BEGIN_TRY
    f->id = H5Fcreate(f->file.temp, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    H5E_END_TRY
    if (f->id < 0) {
        st = scryi_hdf5_fail(f, err, SCRY_EIO, "cannot be created");
        goto done;
    }
    *out = f;
    f = NULL;
done:
    scry_hdf5_close(f);
    return st;
}

/* The stored type; closed by the caller. */
static hid_t stored_type(scry_hdf5_type type)
{
    if (type == SCRY_HDF5_C64) return scryi_hdf5_complex_type("r", "i");
    if (type == SCRY_HDF5_F32) return H5Tcopy(H5T_NATIVE_FLOAT);
    const hid_t boolean = H5Tenum_create(H5T_NATIVE_INT8);
    if (boolean >= 0) {
        const signed char no = 0, yes = 1;
        H5Tenum_insert(boolean, "FALSE", &no);
        H5Tenum_insert(boolean, "TRUE", &yes);
    }
    return boolean;
}

hid_t scryi_hdf5_creation(void)
{
    const hid_t how = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(how, false);
    return how;
}

scry_status scry_hdf5_add(scry_hdf5 *f, const char *name, scry_hdf5_type type, int rank,
                          const size_t *dims, scry_error *err)
{
    scry_status st = SCRY_OK;
    hsize_t size[SCRY_HDF5_RANK];
    if (rank < 1 || rank > SCRY_HDF5_RANK)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s of %d axes, expected 1 to %d", f->path, name,
                         rank, SCRY_HDF5_RANK);
    for (int i = 0; i < rank; i++)
        size[i] = dims[i];
    H5E_BEGIN_TRY
    const hid_t stored = stored_type(type), space = H5Screate_simple(rank, size, NULL);
    const hid_t links = H5Pcreate(H5P_LINK_CREATE), how = scryi_hdf5_creation();
    H5Pset_create_intermediate_group(links, 1);
    const hid_t set = H5Dcreate2(f->id, name, stored, space, links, how, H5P_DEFAULT);
    if (set < 0) st = scryi_hdf5_fail(f, err, SCRY_EIO, "dataset %s cannot be added", name);
    H5Dclose(set);
    H5Pclose(how);
    H5Pclose(links);
    H5Sclose(space);
    H5Tclose(stored);
    H5E_END_TRY
    return st;
}

static scry_status write_box(scry_hdf5 *f, const char *name, scry_hdf5_class kind,
                             const size_t *start, const size_t *count, hid_t type, const void *in,
                             scry_error *err)
{
    struct scryi_hdf5_box box = SCRYI_HDF5_BOX;
    scry_hdf5_info info;
    scry_status st = scry_hdf5_describe(&info, f, name, err);
    if (st != SCRY_OK) return st;
    if (info.kind != kind)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s was added as %s, and is given another type",
                         f->path, name, info.type);
    H5E_BEGIN_TRY
    st = scryi_hdf5_box_open(&box, f, &info, start, count, err);
    if (st == SCRY_OK && H5Dwrite(box.set, type, box.in_memory, box.in_file, H5P_DEFAULT, in) < 0)
        st = scryi_hdf5_fail(f, err, SCRY_EIO, "writing %s", name);
    scryi_hdf5_box_close(&box);
    H5E_END_TRY
    return st;
}

scry_status scry_hdf5_write_float(scry_hdf5 *f, const char *name, const size_t *start,
                                  const size_t *count, const float *in, scry_error *err)
{
    return write_box(f, name, SCRY_HDF5_NUMBER, start, count, H5T_NATIVE_FLOAT, in, err);
}

scry_status scry_hdf5_write_complex(scry_hdf5 *f, const char *name, const size_t *start,
                                    const size_t *count, const float complex *in, scry_error *err)
{
    const hid_t type = stored_type(SCRY_HDF5_C64);
    const scry_status st = write_box(f, name, SCRY_HDF5_COMPLEX, start, count, type, in, err);
    H5Tclose(type);
    return st;
}

scry_status scry_hdf5_write_bool(scry_hdf5 *f, const char *name, const unsigned char *in,
                                 scry_error *err)
{
    scry_hdf5_info info;
    scry_status st = scry_hdf5_describe(&info, f, name, err);
    if (st != SCRY_OK) return st;
    unsigned char *values = scry_alloc(info.count, 1);
    if (!values) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu values", f->path, info.count);
    for (size_t i = 0; i < info.count; i++)
        values[i] = in[i] != 0;
    const hid_t type = stored_type(SCRY_HDF5_BOOL);
    st = write_box(f, name, SCRY_HDF5_NUMBER, NULL, NULL, type, values, err);
    H5Tclose(type);
    scry_free(values);
    return st;
}

/* Variable length, UTF-8: as h5py writes a str. */
static hid_t text_type(void)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

scry_status scry_hdf5_add_text(scry_hdf5 *f, const char *name, bool scalar, const char *text,
                               scry_error *err)
{
    const hsize_t one = 1;
    scry_status st = SCRY_OK;
    H5E_BEGIN_TRY
    const hid_t type = text_type();
    const hid_t space = scalar ? H5Screate(H5S_SCALAR) : H5Screate_simple(1, &one, NULL);
    const hid_t links = H5Pcreate(H5P_LINK_CREATE), how = scryi_hdf5_creation();
    H5Pset_create_intermediate_group(links, 1);
    const hid_t set = H5Dcreate2(f->id, name, type, space, links, how, H5P_DEFAULT);
    if (set < 0 || H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text) < 0)
        st = scryi_hdf5_fail(f, err, SCRY_EIO, "writing %s", name);
    H5Dclose(set);
    H5Pclose(how);
    H5Pclose(links);
    H5Sclose(space);
    H5Tclose(type);
    H5E_END_TRY
    return st;
}

static scry_status hdf5_write_put(scry_hdf5 *f, const char *object, const char *name, hid_t type,
                                  const void *value, scry_error *err)
{
    scry_status st = SCRY_OK;
    H5E_BEGIN_TRY
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t id = H5Acreate_by_name(f->id, *object ? object : "/", name, type, space,
                                       H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (id < 0 || H5Awrite(id, type, value) < 0)
        st = scryi_hdf5_fail(f, err, SCRY_EIO, "writing attribute %s", name);
    H5Aclose(id);
    H5Sclose(space);
    H5E_END_TRY
    return st;
}

scry_status scry_hdf5_put_text(scry_hdf5 *f, const char *object, const char *name, const char *text,
                               scry_error *err)
{
    const hid_t type = text_type();
    const scry_status st = hdf5_write_put(f, object, name, type, &text, err);
    H5Tclose(type);
    return st;
}

scry_status scry_hdf5_put_number(scry_hdf5 *f, const char *object, const char *name, double value,
                                 scry_error *err)
{
    return hdf5_write_put(f, object, name, H5T_NATIVE_DOUBLE, &value, err);
}

scry_status scry_hdf5_finish(scry_hdf5 *f, bool commit, scry_error *err)
{
    scry_status st = SCRY_OK;
    if (!f) return SCRY_OK;
    if (commit) {
        herr_t failed;
        H5E_BEGIN_TRY
        failed = H5Fflush(f->id, H5F_SCOPE_GLOBAL); /* a full disk shows here */
        if (failed < 0) st = scryi_hdf5_fail(f, err, SCRY_EIO, "completing the file");
        failed = H5Fclose(f->id);
        f->id = H5I_INVALID_HID;
        if (failed < 0 && st == SCRY_OK)
            st = scryi_hdf5_fail(f, err, SCRY_EIO, "completing the file");
        H5E_END_TRY
        if (st == SCRY_OK) st = scryi_atomic_file_commit(&f->file, err);
    }
    scry_hdf5_close(f);
    return st;
}
