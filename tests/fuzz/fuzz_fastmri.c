/* The readers of fastMRI and plain HDF5 on files of arbitrary contents. The input is not a file but
 * a recipe: which datasets there are, their types, shapes and values. HDF5 1.10 itself crashes on
 * damaged files (H5HG_read copies from outside a damaged heap, for one), which would hide faults
 * in our code. Run with -max_len=400. */

#include "lib/io/hdf5.h"
#include "lib/io/kspace/kspace.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_SAMPLES = 1 << 18, MAX_SLICES = 4, MAX_VALUES = 4096 };

static void check(scry_status st, const scry_error *err)
{
    if (st != SCRY_OK && !err->text[0]) abort(); /* a failure without words */
}

static void read_some(scry_kspace_reader *r)
{
    const scry_kspace_info *info = scry_kspace_describe(r);
    const size_t sizes[] = {info->coils, info->nz, info->ny, info->nx};
    size_t n = 1, image = info->recon[1];
    for (int i = 0; i < 4; i++) {
        if (sizes[i] > MAX_SAMPLES / n) return;
        n *= sizes[i];
    }
    if (image > MAX_SAMPLES || info->recon[2] > MAX_SAMPLES / image) return;
    image *= info->recon[2];
    float complex *samples = malloc(n * sizeof *samples);
    float *target = malloc(image * sizeof *target);
    if (!samples || !target) abort();
    for (size_t s = 0; s < info->slices && s < MAX_SLICES; s++) {
        scry_error err[3] = {0};
        check(scry_kspace_read(r, 0, s, samples, NULL, &err[0]), &err[0]);
        check(scry_kspace_read_calibration(r, s, samples, NULL, &err[1]), &err[1]);
        if (info->has_target) check(scry_kspace_read_target(r, s, target, &err[2]), &err[2]);
    }
    free(samples);
    free(target);
    while (scry_kspace_warning(r))
        continue;
}

struct recipe {
    const uint8_t *data;
    size_t size, at;
};

static unsigned next(struct recipe *r)
{
    return r->at < r->size ? r->data[r->at++] : 0;
}

/* A dataset, often absent or odd; most values are whole, some 0, few not finite. */
static void add(scry_hdf5 *f, struct recipe *r, const char *name)
{
    static float complex values[MAX_VALUES];
    static unsigned char bits[MAX_VALUES];
    const unsigned what = next(r);
    const scry_hdf5_type type = what % 8 < 5 ? SCRY_HDF5_C64 : (scry_hdf5_type)(what % 8 % 3);
    size_t dims[5], n = 1;
    const int rank = 1 + (int)(next(r) % 5);
    for (int i = 0; i < rank; i++) {
        dims[i] = next(r) % 12;
        if (dims[i] > MAX_VALUES / (n ? n : 1)) dims[i] = 1;
        n *= dims[i];
    }
    if (what > 250) {
        scry_hdf5_add_text(f, name, what % 2, "text", NULL);
        return;
    }
    if (what > 220 || scry_hdf5_add(f, name, type, rank, dims, NULL) != SCRY_OK) return;
    for (size_t i = 0; i < n; i++) {
        const unsigned v = next(r);
        const float part = v == 255 ? 1e38f * 1e38f : (float)(v % 16);
        values[i] = part + (float)(i % 3) * 1.5f;
        bits[i] = v % 3 != 0;
    }
    if (type == SCRY_HDF5_C64) scry_hdf5_write_complex(f, name, NULL, NULL, values, NULL);
    if (type == SCRY_HDF5_F32)
        scry_hdf5_write_float(f, name, NULL, NULL, (const float *)values, NULL);
    if (type == SCRY_HDF5_BOOL) scry_hdf5_write_bool(f, name, bits, NULL);
}

static void add_header(scry_hdf5 *f, struct recipe *r)
{
    char text[1024];
    unsigned v[7];
    if (next(r) % 2) return;
    for (int i = 0; i < 7; i++)
        v[i] = next(r) % 16;
    snprintf(text, sizeof text,
             "<ismrmrdHeader><encoding><encodedSpace><matrixSize><x>%u</x><y>%u</y><z>1</z>"
             "</matrixSize></encodedSpace><reconSpace><matrixSize><x>%u</x><y>%u</y><z>1</z>"
             "</matrixSize></reconSpace><encodingLimits><kspace_encoding_step_1><minimum>%u"
             "</minimum><maximum>%u</maximum><center>%u</center></kspace_encoding_step_1>"
             "</encodingLimits></encoding></ismrmrdHeader>",
             v[0], v[1], v[2], v[3], v[4], v[5], v[6]);
    scry_hdf5_add_text(f, "ismrmrd_header", true, text, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recipe recipe = {data, size, 0};
    char path[64];
    scry_error err = {0};
    scry_hdf5 *f;
    scry_kspace_reader *r;
    const scry_kspace_choice choice = {.dataset = next(&recipe) % 4 ? NULL : "kspace"};
    /* a real name: HDF5 does not open files without one, as memfd_create's */
    snprintf(path, sizeof path, "/dev/shm/scry-fuzz-%ld.h5", (long)getpid());
    if (scry_hdf5_create(&f, path, NULL) != SCRY_OK) abort();
    add_header(f, &recipe);
    add(f, &recipe, next(&recipe) % 4 ? "kspace" : "raw/samples");
    add(f, &recipe, "mask");
    add(f, &recipe, next(&recipe) % 2 ? "reconstruction_rss" : "reconstruction_esc");
    if (scry_hdf5_finish(f, true, NULL) != SCRY_OK) abort();
    const scry_status st = scry_kspace_open(&r, path, &choice, &err);
    check(st, &err);
    if (st == SCRY_OK) read_some(r);
    scry_kspace_close(r);
    unlink(path);
    if (scry_memory_live()) abort();
    return 0;
}
