/* The ISMRMRD reader on arbitrary headers and acquisitions: opens, reads files that are not
 * absurdly large, and copies whole files through the writer. HDF5 1.10 itself does not survive
 * arbitrary bytes (H5HG_read copies from wherever a damaged heap says), so that the input is made
 * into a sound file:
 *
 *   byte 0, 1   length of the XML (high byte first), which follows
 *   then        acquisitions of ROW bytes each, see fill
 *
 * Run with -max_len=4000. */

#include "lib/io/kspace/ismrmrd_impl.h"
#include "lib/io/kspace/kspace_write.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SAMPLES = 1 << 16, MAX_SLICES = 4, ROW = 18, MAX_ROWS = 256, MAX_NUMBERS = 4096 };

/* A failure without words is a bug. */
static scry_status worded(scry_status st, const scry_error *err)
{
    if (st != SCRY_OK && err->text[0] == '\0') abort();
    return st;
}

/* Small numbers, and those next to the largest. */
static uint16_t wide(uint8_t byte)
{
    return byte < 240 ? byte : (uint16_t)(0xff00 | byte);
}

static void fill(scryi_mrd_acquisition *a, const uint8_t *b, float *numbers, float *coordinates)
{
    scryi_mrd_head *h = &a->head;
    *a = (scryi_mrd_acquisition){.head = {.version = 1}};
    for (int i = 0; i < 2; i++)
        if (b[i] % 64) h->flags |= SCRYI_MRD_FLAG(b[i] % 64);
    h->number_of_samples = wide(b[2]);
    h->available_channels = h->active_channels = wide(b[3]);
    h->discard_pre = wide(b[4]);
    h->discard_post = wide(b[5]);
    h->center_sample = wide(b[6]);
    h->encoding_space_ref = wide(b[7]);
    h->idx.step_1 = wide(b[8]);
    h->idx.step_2 = wide(b[9]);
    h->idx.average = wide(b[10]);
    h->idx.slice = wide(b[11]);
    h->idx.contrast = wide(b[12]);
    h->idx.phase = wide(b[13]);
    h->idx.repetition = wide(b[14]);
    h->idx.set = wide(b[15]);
    h->sample_time_us = b[16];
    h->trajectory_dimensions = b[16] / 64;
    const size_t places = (size_t)h->trajectory_dimensions * h->number_of_samples;
    a->traj = (hvl_t){.len = places < MAX_NUMBERS ? places : MAX_NUMBERS, .p = coordinates};
    h->position[2] = b[11];
    h->read_dir[0] = h->phase_dir[1] = h->slice_dir[2] = 1;
    /* the last byte makes the samples too few or too many */
    const long count = 2L * h->number_of_samples * h->active_channels + (int8_t)b[17];
    a->data = (hvl_t){.len = (size_t)(count < 0             ? 0
                                      : count > MAX_NUMBERS ? MAX_NUMBERS
                                                            : count),
                      .p = numbers};
}

static void make_file(const char *path, const uint8_t *data, size_t size)
{
    static float numbers[MAX_NUMBERS], coordinates[MAX_NUMBERS];
    static scryi_mrd_acquisition rows[MAX_ROWS];
    char text[1 << 16] = "";
    const char *xml = text;
    size_t length = size < 2 ? 0 : (size_t)data[0] << 8 | data[1];
    if (size >= 2) data += 2, size -= 2;
    if (length > size) length = size;
    memcpy(text, data, length);
    hsize_t n = 0, one = 1;
    for (size_t i = 0; i < MAX_NUMBERS; i++)
        numbers[i] = (float)(i + 1), coordinates[i] = (float)(i % 101) / 202;
    for (size_t at = length; at + ROW <= size && n < MAX_ROWS; at += ROW)
        fill(&rows[n++], data + at, numbers, coordinates);
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t group = H5Gcreate2(file, "dataset", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    const hid_t string = H5Tcopy(H5T_C_S1), type = scryi_mrd_file_type();
    const hid_t memory = scryi_mrd_memory_type(SCRYI_MRD_BOTH);
    const hid_t scalar = H5Screate_simple(1, &one, NULL), list = H5Screate_simple(1, &n, NULL);
    H5Tset_size(string, H5T_VARIABLE);
    hid_t set = H5Dcreate2(group, "xml", string, scalar, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (H5Dwrite(set, string, H5S_ALL, H5S_ALL, H5P_DEFAULT, &xml) < 0) abort();
    H5Dclose(set);
    set = H5Dcreate2(group, "data", type, list, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (n && H5Dwrite(set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, rows) < 0) abort();
    H5Dclose(set);
    H5Sclose(list);
    H5Sclose(scalar);
    H5Tclose(memory);
    H5Tclose(type);
    H5Tclose(string);
    H5Gclose(group);
    H5Fclose(file);
}

static void copy(const char *path, const scry_kspace_info *info, const float complex *v,
                 const unsigned char *mask)
{
    scry_error err = {0};
    scry_kspace_writer *w;
    scry_kspace_info one = *info;
    one.frames = one.slices = 1;
    if (worded(scry_kspace_create(&w, path, &one, &err), &err) != SCRY_OK) return;
    const scry_status st = worded(scry_kspace_write(w, 0, 0, v, mask, &err), &err);
    scry_kspace_finish(w, st == SCRY_OK, &err);
    unlink(path);
}

static void read_some(scry_kspace_reader *r, const char *copied)
{
    const scry_kspace_info *info = scry_kspace_describe(r);
    const size_t plane = info->nz * info->ny * info->nx;
    const bool noisy = info->noise_samples && info->noise_samples < MAX_SAMPLES / info->coils;
    if (plane > MAX_SAMPLES / info->coils) return;
    float complex *v = malloc(info->coils * (plane + info->noise_samples) * sizeof *v);
    unsigned char *mask = malloc(plane);
    if (!v || !mask) abort();
    for (size_t i = 0; i < info->frames * info->slices && i < MAX_SLICES; i++) {
        scry_error err = {0}, placed = {0};
        if (info->scattered)
            worded(scry_kspace_read_trajectory(r, i / info->slices, i % info->slices, (float *)v,
                                               &placed),
                   &placed);
        if (worded(scry_kspace_read(r, i / info->slices, i % info->slices, v, mask, &err), &err) ==
            SCRY_OK)
            copy(copied, info, v, mask);
    }
    scry_error calibration = {0}, noise = {0};
    worded(scry_kspace_read_calibration(r, 0, v, mask, &calibration), &calibration);
    if (noisy) worded(scry_kspace_read_noise(r, v, &noise), &noise);
    while (scry_kspace_warning(r)) {
    }
    free(mask);
    free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64], copied[64];
    scry_error err = {0};
    scry_kspace_reader *r;
    const scry_kspace_choice any = {.own_trajectory = true};
    /* HDF5 wants a path that can be resolved, which that of a memfd cannot */
    snprintf(path, sizeof path, "/dev/shm/scry-fuzz-%ld.h5", (long)getpid());
    snprintf(copied, sizeof copied, "/dev/shm/scry-fuzz-%ld-copy.h5", (long)getpid());
    make_file(path, data, size);
    if (worded(scry_kspace_open(&r, path, &any, &err), &err) == SCRY_OK) {
        read_some(r, copied);
        scry_kspace_close(r);
    }
    unlink(path);
    return 0;
}
