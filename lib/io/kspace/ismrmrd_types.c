/* The compound types of ISMRMRD acquisitions. Offsets of libismrmrd 1.8; other writers align
 * members as their language does, so nothing here relies on a file's offsets. */

#include "lib/io/kspace/ismrmrd_impl.h"

#include <stddef.h>
#include <stdio.h>

enum { HEAD_BYTES = 340, IDX_AT = 242, IDX_BYTES = 34, TRAJ_AT = 344, DATA_AT = 360, BYTES = 376 };

typedef enum kind { U16, U32, U64, I32, F32 } kind;

typedef struct member {
    const char *name;
    kind kind;
    hsize_t count;
    size_t file, memory; /* offsets; UNUSED in memory */
} member;

#define UNUSED SIZE_MAX
#define AT(name) offsetof(scryi_mrd_head, name)
#define IDX(name) (offsetof(scryi_mrd_head, idx.name) - offsetof(scryi_mrd_head, idx))
#define COUNT(table) (sizeof(table) / sizeof(table)[0])

static const member head_members[] = {
    {"version", U16, 1, 0, AT(version)},
    {"flags", U64, 1, 2, AT(flags)},
    {"measurement_uid", U32, 1, 10, UNUSED},
    {"scan_counter", U32, 1, 14, AT(scan_counter)},
    {"acquisition_time_stamp", U32, 1, 18, UNUSED},
    {"physiology_time_stamp", U32, 3, 22, UNUSED},
    {"number_of_samples", U16, 1, 34, AT(number_of_samples)},
    {"available_channels", U16, 1, 36, AT(available_channels)},
    {"active_channels", U16, 1, 38, AT(active_channels)},
    {"channel_mask", U64, 16, 40, UNUSED},
    {"discard_pre", U16, 1, 168, AT(discard_pre)},
    {"discard_post", U16, 1, 170, AT(discard_post)},
    {"center_sample", U16, 1, 172, AT(center_sample)},
    {"encoding_space_ref", U16, 1, 174, AT(encoding_space_ref)},
    {"trajectory_dimensions", U16, 1, 176, AT(trajectory_dimensions)},
    {"sample_time_us", F32, 1, 178, AT(sample_time_us)},
    {"position", F32, 3, 182, AT(position)},
    {"read_dir", F32, 3, 194, AT(read_dir)},
    {"phase_dir", F32, 3, 206, AT(phase_dir)},
    {"slice_dir", F32, 3, 218, AT(slice_dir)},
    {"patient_table_position", F32, 3, 230, UNUSED},
    {"user_int", I32, 8, 276, UNUSED},
    {"user_float", F32, 8, 308, UNUSED},
};

static const member idx_members[] = {
    {"kspace_encode_step_1", U16, 1, 0, IDX(step_1)},
    {"kspace_encode_step_2", U16, 1, 2, IDX(step_2)},
    {"average", U16, 1, 4, IDX(average)},
    {"slice", U16, 1, 6, IDX(slice)},
    {"contrast", U16, 1, 8, IDX(contrast)},
    {"phase", U16, 1, 10, IDX(phase)},
    {"repetition", U16, 1, 12, IDX(repetition)},
    {"set", U16, 1, 14, IDX(set)},
    {"segment", U16, 1, 16, UNUSED},
    {"user", U16, 8, 18, UNUSED},
};

/* ---- building ---- */

static hid_t base_type(kind k, bool memory)
{
    switch (k) {
    case U16:
        return memory ? H5T_NATIVE_UINT16 : H5T_STD_U16LE;
    case U32:
        return memory ? H5T_NATIVE_UINT32 : H5T_STD_U32LE;
    case U64:
        return memory ? H5T_NATIVE_UINT64 : H5T_STD_U64LE;
    case I32:
        return memory ? H5T_NATIVE_INT32 : H5T_STD_I32LE;
    default:
        return memory ? H5T_NATIVE_FLOAT : H5T_IEEE_F32LE;
    }
}

/* Inserts a type that is then no longer ours. A compound with a member that failed is closed. */
static void mrd_types_insert(hid_t *to, const char *name, size_t at, hid_t type)
{
    if (*to >= 0 && (type < 0 || H5Tinsert(*to, name, at, type) < 0)) {
        H5Tclose(*to);
        *to = H5I_INVALID_HID;
    }
    if (type >= 0) H5Tclose(type);
}

static void insert_members(hid_t *to, const member *m, size_t n, bool memory)
{
    for (size_t i = 0; i < n; i++, m++) {
        if (memory && m->memory == UNUSED) continue;
        const hid_t base = base_type(m->kind, memory);
        mrd_types_insert(to, m->name, memory ? m->memory : m->file,
                         m->count > 1 ? H5Tarray_create2(base, 1, &m->count) : H5Tcopy(base));
    }
}

static hid_t head_type(bool memory)
{
    const size_t idx_bytes = memory ? sizeof((scryi_mrd_head *)NULL)->idx : IDX_BYTES;
    hid_t head = H5Tcreate(H5T_COMPOUND, memory ? sizeof(scryi_mrd_head) : HEAD_BYTES);
    hid_t idx = H5Tcreate(H5T_COMPOUND, idx_bytes);
    insert_members(&idx, idx_members, COUNT(idx_members), memory);
    insert_members(&head, head_members, COUNT(head_members), memory);
    mrd_types_insert(&head, "idx", memory ? AT(idx) : IDX_AT, idx);
    return head;
}

static hid_t samples_type(bool memory)
{
    return H5Tvlen_create(base_type(F32, memory));
}

hid_t scryi_mrd_memory_type(scryi_mrd_members which)
{
    hid_t type = H5I_INVALID_HID;
    H5E_BEGIN_TRY
    if (which == SCRYI_MRD_HEADS) {
        type = H5Tcreate(H5T_COMPOUND, sizeof(scryi_mrd_head));
        mrd_types_insert(&type, "head", 0, head_type(true));
    } else if (which != SCRYI_MRD_BOTH) {
        type = H5Tcreate(H5T_COMPOUND, sizeof(hvl_t));
        mrd_types_insert(&type, which == SCRYI_MRD_SAMPLES ? "data" : "traj", 0,
                         samples_type(true));
    } else {
        type = H5Tcreate(H5T_COMPOUND, sizeof(scryi_mrd_acquisition));
        mrd_types_insert(&type, "head", offsetof(scryi_mrd_acquisition, head), head_type(true));
        mrd_types_insert(&type, "traj", offsetof(scryi_mrd_acquisition, traj), samples_type(true));
        mrd_types_insert(&type, "data", offsetof(scryi_mrd_acquisition, data), samples_type(true));
    }
    H5E_END_TRY
    return type;
}

hid_t scryi_mrd_file_type(void)
{
    hid_t type = H5I_INVALID_HID;
    H5E_BEGIN_TRY
    type = H5Tcreate(H5T_COMPOUND, BYTES);
    mrd_types_insert(&type, "head", 0, head_type(false));
    mrd_types_insert(&type, "traj", TRAJ_AT, samples_type(false));
    mrd_types_insert(&type, "data", DATA_AT, samples_type(false));
    H5E_END_TRY
    return type;
}

/* ---- checking ---- */

static const char *class_name(hid_t type)
{
    switch (type < 0 ? H5T_NO_CLASS : H5Tget_class(type)) {
    case H5T_INTEGER:
        return "an integer";
    case H5T_FLOAT:
        return "a floating-point number";
    case H5T_STRING:
        return "a string";
    case H5T_COMPOUND:
        return "a compound";
    case H5T_ENUM:
        return "an enumeration";
    case H5T_VLEN:
        return "of variable length";
    case H5T_ARRAY:
        return "an array";
    case H5T_NO_CLASS:
        return "missing";
    default:
        return "of another type";
    }
}

static hid_t member_type(hid_t compound, const char *name)
{
    hid_t type = H5I_INVALID_HID;
    H5E_BEGIN_TRY
    const int i = H5Tget_class(compound) == H5T_COMPOUND ? H5Tget_member_index(compound, name) : -1;
    if (i >= 0) type = H5Tget_member_type(compound, (unsigned)i);
    H5E_END_TRY
    return type;
}

static bool member_fits(hid_t type, const member *m)
{
    hsize_t count = 1;
    bool fits = type >= 0;
    hid_t base = type;
    if (fits && m->count > 1) {
        fits = H5Tget_class(type) == H5T_ARRAY && H5Tget_array_ndims(type) == 1 &&
               H5Tget_array_dims2(type, &count) == 1 && count == m->count;
        base = fits ? H5Tget_super(type) : H5I_INVALID_HID;
    }
    const H5T_class_t class = base < 0 ? H5T_NO_CLASS : H5Tget_class(base);
    fits = fits && (class == H5T_INTEGER || (class == H5T_FLOAT && m->kind == F32));
    if (base >= 0 && base != type) H5Tclose(base);
    return fits;
}

static scry_status check_members(const char *name, hid_t compound, const char *where,
                                 const member *m, size_t n, scry_error *err)
{
    scry_status st = SCRY_OK;
    if (compound < 0 || H5Tget_class(compound) != H5T_COMPOUND)
        return SCRY_FAIL(err, SCRY_EFORMAT,
                         "%s: %s is %s, expected a compound: these are not "
                         "ISMRMRD acquisitions",
                         name, where, class_name(compound));
    for (size_t i = 0; i < n && st == SCRY_OK; i++, m++) {
        if (m->memory == UNUSED) continue;
        const hid_t type = member_type(compound, m->name);
        char expected[32];
        snprintf(expected, sizeof expected,
                 m->count > 1     ? "an array of %u numbers"
                 : m->kind == F32 ? "a number"
                                  : "an integer",
                 (unsigned)m->count);
        if (!member_fits(type, m))
            st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s.%s is %s, expected %s", name, where, m->name,
                           class_name(type), expected);
        if (type >= 0) H5Tclose(type);
    }
    return st;
}

static scry_status check_samples(const char *name, hid_t type, scry_error *err)
{
    const hid_t data = member_type(type, "data");
    hid_t base = H5I_INVALID_HID;
    if (data >= 0 && H5Tget_class(data) == H5T_VLEN) base = H5Tget_super(data);
    const bool fits = base >= 0 && H5Tget_class(base) == H5T_FLOAT;
    const char *found = class_name(base >= 0 ? base : data);
    if (base >= 0) H5Tclose(base);
    if (data >= 0) H5Tclose(data);
    if (fits) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: data is %s%s, expected floating-point numbers of "
                     "variable length",
                     name, base >= 0 ? "of variable length, each " : "", found);
}

scry_status scryi_mrd_check_type(const scry_hdf5 *f, const char *dataset, hid_t type,
                                 scry_error *err)
{
    char name[4600];
    snprintf(name, sizeof name, "%s: /%s", scry_hdf5_path(f), dataset);
    const hid_t head = member_type(type, "head"), idx = member_type(head, "idx");
    scry_status st = check_members(name, type, "its element", NULL, 0, err);
    if (st == SCRY_OK)
        st = check_members(name, head, "head", head_members, COUNT(head_members), err);
    if (st == SCRY_OK)
        st = check_members(name, idx, "head.idx", idx_members, COUNT(idx_members), err);
    if (st == SCRY_OK) st = check_samples(name, type, err);
    if (idx >= 0) H5Tclose(idx);
    if (head >= 0) H5Tclose(head);
    return st;
}
