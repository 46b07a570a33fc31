#ifndef SCRY_LIB_IO_KSPACE_ISMRMRD_IMPL_H
#define SCRY_LIB_IO_KSPACE_ISMRMRD_IMPL_H

/* Declarations that the sources of the ISMRMRD reader and writer share. */

#include "lib/io/hdf5_impl.h"
#include "lib/io/kspace/kspace_impl.h"
#include "lib/io/kspace/mrd_header_impl.h"

#define SCRYI_MRD_XML "dataset/xml"
#define SCRYI_MRD_DATA "dataset/data"

/* Flag n of the format is bit n - 1. */
#define SCRYI_MRD_FLAG(n) (UINT64_C(1) << ((n)-1))
enum {
    SCRYI_MRD_FIRST_IN_SLICE = 7,
    SCRYI_MRD_LAST_IN_SLICE = 8,
    SCRYI_MRD_FIRST_IN_REPETITION = 13,
    SCRYI_MRD_LAST_IN_REPETITION = 14,
    SCRYI_MRD_NOISE = 19,
    SCRYI_MRD_CALIBRATION = 20, /* and nothing else */
    SCRYI_MRD_CALIBRATION_AND_IMAGING = 21,
    SCRYI_MRD_REVERSE = 22,
    SCRYI_MRD_NAVIGATION = 23,
    SCRYI_MRD_PHASE_CORRECTION = 24,
    SCRYI_MRD_LAST_IN_MEASUREMENT = 25,
    SCRYI_MRD_HP_FEEDBACK = 26,
    SCRYI_MRD_DUMMY = 27,
    SCRYI_MRD_RT_FEEDBACK = 28,
    SCRYI_MRD_SURFACE_COIL_CORRECTION = 29
};

/* Members of the head of an acquisition that are read or written; the others stay 0. */
typedef struct scryi_mrd_head {
    uint64_t flags;
    uint32_t scan_counter;
    uint16_t version, number_of_samples, available_channels, active_channels;
    uint16_t discard_pre, discard_post, center_sample, encoding_space_ref;
    float sample_time_us;
    float position[3], read_dir[3], phase_dir[3], slice_dir[3]; /* mm and unit vectors, LPS */
    struct {
        uint16_t step_1, step_2, average, slice, contrast, phase, repetition, set;
    } idx;
} scryi_mrd_head;

typedef struct scryi_mrd_acquisition {
    scryi_mrd_head head;
    hvl_t traj, data; /* float; data: [coil][sample](re, im) */
} scryi_mrd_acquisition;

typedef enum scryi_mrd_members {
    SCRYI_MRD_HEADS,   /* scryi_mrd_head, from member head */
    SCRYI_MRD_SAMPLES, /* hvl_t, from member data */
    SCRYI_MRD_BOTH     /* scryi_mrd_acquisition */
} scryi_mrd_members;

/* Types of HDF5 for memory: members are matched by name, so that offsets in files, which differ
 * from writer to writer, do not matter. Negative when refused; H5Tclose. */
hid_t scryi_mrd_memory_type(scryi_mrd_members which);
/* With the offsets that libismrmrd uses (376 bytes), for new files. */
hid_t scryi_mrd_file_type(void);

/* The type of a file's acquisitions has every member that is read, of a kind that converts.
 * EFORMAT: which is missing or has another type. */
scry_status scryi_mrd_check_type(const scry_hdf5 *f, const char *dataset, hid_t type,
                                 scry_error *err);

/* One acquisition and where it belongs. */
typedef enum scryi_mrd_kind {
    SCRYI_MRD_IMAGING = 0,
    SCRYI_MRD_CALIBRATING,
    SCRYI_MRD_NOISY,
    SCRYI_MRD_SKIPPED
} scryi_mrd_kind;

typedef struct scryi_mrd_line {
    scryi_mrd_kind kind;
    size_t acquisition, frame, slice, z, y;
    size_t x;              /* of the first sample that is kept, after reversal */
    size_t samples;        /* of the acquisition */
    size_t skipped, count; /* samples that are discarded in front; that are kept */
    size_t average;
    bool reversed;
} scryi_mrd_line;

typedef struct scryi_mrd_state {
    scryi_mrd_header header;
    char group[200];       /* of the measurement: "dataset" */
    char xml[208];         /* its header: "dataset/xml"; r->dataset names its samples */
    size_t encoding;       /* of the image */
    hid_t data;            /* the dataset */
    scryi_mrd_line *lines; /* by kind, frame, slice, acquisition; n of each kind from first on */
    size_t first[SCRYI_MRD_SKIPPED], n[SCRYI_MRD_SKIPPED];
} scryi_mrd_state;

/* Lines [*from, *from + result) of s->lines that belong to a frame and a slice. */
size_t scryi_mrd_find(const scryi_mrd_state *s, scryi_mrd_kind kind, size_t frame, size_t slice,
                      size_t *from);

/* Sorts the heads of a file into s->lines and fills in, of r->info: frames, slices,
 * coils, averages, noise, calibration, geometry. The matrix, readout and FOV in info and
 * s->encoding are set already. */
scry_status scryi_mrd_sort(scry_kspace_reader *r, const scryi_mrd_head *heads, size_t count,
                           scry_error *err);
scryi_mrd_kind scryi_mrd_kind_of(const scryi_mrd_head *head);

/* Calibration-only lines of a scan whose header says that calibration is embedded are lines of the
 * image: their heads are marked as calibration and imaging where they have the image's channels,
 * samples and centre. Warns how many there were, in this mode or another. */
void scryi_mrd_embed(scry_kspace_reader *r, scryi_mrd_head *heads, size_t count);

#endif
