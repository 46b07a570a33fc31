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
    uint16_t discard_pre, discard_post, center_sample, encoding_space_ref, trajectory_dimensions;
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
    SCRYI_MRD_PLACES,  /* hvl_t, from member traj */
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
    size_t axes; /* coordinates of a sample; 0: the file has none */
    bool reversed;
} scryi_mrd_line;

typedef struct scryi_mrd_state {
    scryi_mrd_header header;
    char group[200];   /* of the measurement: "dataset" */
    char xml[208];     /* its header: "dataset/xml"; r->dataset names its samples */
    size_t encoding;   /* of the image */
    hid_t data;        /* the dataset */
    bool scattered;    /* lines are readouts off the grid, in the order of acquisition */
    size_t partitions; /* of scattered readouts that are encoded along z on a grid; else 1 */
    struct scryi_mrd_stack *stack; /* the partitions of one frame; NULL: none was read */
    double unit[2];                /* from coordinates ky, kx to cycles per pixel of info.grid */
    scryi_mrd_line *lines; /* by kind, frame, slice, acquisition; n of each kind from first on */
    size_t first[SCRYI_MRD_SKIPPED], n[SCRYI_MRD_SKIPPED];
} scryi_mrd_state;

/* Hands the samples [coil][sample](re, im), or the coordinates [sample][axes], of each line to
 * take; lines by acquisition. EFORMAT: more or fewer numbers than that. */
typedef scry_status scryi_mrd_take(const scry_kspace_reader *r, const scryi_mrd_line *line,
                                   const float *numbers, void *ctx, scry_error *err);
scry_status scryi_mrd_for_lines(const scry_kspace_reader *r, const scryi_mrd_line *const *lines,
                                size_t n, scryi_mrd_members which, scryi_mrd_take *take, void *ctx,
                                scry_error *err);

/* ---- samples off the grid: ismrmrd_scattered.c ---- */

/* The header names a trajectory that is no grid. */
bool scryi_mrd_is_scattered(const scryi_mrd_encoding *e);
/* Fills in, of r->info: nz, nx, recon and grid; and partitions. */
void scryi_mrd_scatter_matrix(scry_kspace_reader *r, const scryi_mrd_head *heads, size_t count);
/* The same for a volume whose readouts off the grid are repeated for each of its partitions, which
 * are encoded along z on a grid (a stack of stars, or of spirals): its slices, by the inverse
 * transform along z, are those of info. ismrmrd_stack.c */
scry_status scryi_mrd_stack_describe(scry_kspace_reader *r, scry_error *err);
scry_status scryi_mrd_stack_read(scry_kspace_reader *r, size_t frame, size_t slice,
                                 float complex *data, unsigned char *mask, scry_error *err);
scry_status scryi_mrd_stack_trajectory(scry_kspace_reader *r, size_t frame, float *k,
                                       scry_error *err);
void scryi_mrd_stack_free(struct scryi_mrd_stack *stack);
/* Imaging lines of a slice, or of all (slice SIZE_MAX), by acquisition, from scry_alloc. EFORMAT,
 * with `places`: a line without coordinates */
scry_status scryi_mrd_scatter_lines(const scryi_mrd_line ***out, size_t *n,
                                    const scry_kspace_reader *r, size_t frame, size_t slice,
                                    bool places, scry_error *err);
/* The coordinates of line l to k[sample][2]: ky, kx in cycles per pixel. */
void scryi_mrd_scatter_place(const scry_kspace_reader *r, const scryi_mrd_line *l,
                             const float *coordinates, float *k);
/* The readout of an acquisition; its place among those of its slice is not known yet. */
scry_status scryi_mrd_scatter_line(const scry_kspace_reader *r, size_t acquisition,
                                   const scryi_mrd_head *h, scryi_mrd_line *line, scry_error *err);
/* Numbers the sorted readouts of each slice and partition; ny becomes the largest count. */
scry_status scryi_mrd_scatter_number(scry_kspace_reader *r, scry_error *err);
/* Reads all coordinates, and settles in which unit they are. EFORMAT: none; ENUMERIC: not finite;
 * EUNSUP: of no known unit, or three-dimensional. */
scry_status scryi_mrd_scatter_units(scry_kspace_reader *r, scry_error *err);
/* k[y][x][2] of one slice: ky, kx, 0 where there is no sample. */
scry_status scryi_mrd_trajectory(scry_kspace_reader *r, size_t frame, size_t slice, float *k,
                                 scry_error *err);

/* Lines [*from, *from + result) of s->lines that belong to a frame and a slice. */
size_t scryi_mrd_find(const scryi_mrd_state *s, scryi_mrd_kind kind, size_t frame, size_t slice,
                      size_t *from);

/* Sorts the heads of a file into s->lines and fills in, of r->info: frames, slices,
 * coils, averages, noise, calibration, geometry. The matrix, readout and FOV in info and
 * s->encoding are set already. */
scry_status scryi_mrd_sort(scry_kspace_reader *r, const scryi_mrd_head *heads, size_t count,
                           scry_error *err);
scryi_mrd_kind scryi_mrd_kind_of(const scryi_mrd_head *head);

/* Calibration-only lines of a scan whose header says that calibration is embedded, or says nothing
 * where they fill the gaps of the image's, are lines of the image: their heads are marked as
 * calibration and imaging where they have the image's channels, samples and centre. Warns how many
 * there were, in this mode or another. ENOMEM */
scry_status scryi_mrd_embed(scry_kspace_reader *r, scryi_mrd_head *heads, size_t count,
                            scry_error *err);

#endif
