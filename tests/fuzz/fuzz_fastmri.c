/* The HDF5 readers of k-space on arbitrary bytes: opens, reads what is not absurdly large. Run with
 * -max_len=12000. */

#define _GNU_SOURCE /* memfd_create */

#include "lib/kspace/kspace.h"
#include "lib/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);

/* Of some damaged files HDF5 1.10 forgets a few hundred bytes ("infinite loop closing library"). */
const char *__lsan_default_suppressions(void)
{
    return "leak:libhdf5";
}

enum { MOST_SAMPLES = 1 << 18, MOST_SLICES = 4, MOST_BYTES = 1 << 16 };

static void check(scry_status st, const scry_error *err)
{
    if (st != SCRY_OK && !err->text[0]) abort(); /* a failure without words */
}

static void read_some(scry_kspace_reader *r)
{
    const scry_kspace_info *info = scry_kspace_describe(r);
    const size_t sizes[] = { info->coils, info->nz, info->ny, info->nx };
    size_t n = 1, image = info->recon[1];
    for (int i = 0; i < 4; i++) {
        if (sizes[i] > MOST_SAMPLES / n) return;
        n *= sizes[i];
    }
    if (image > MOST_SAMPLES || info->recon[2] > MOST_SAMPLES / image) return;
    image *= info->recon[2];
    float complex *samples = malloc(n * sizeof *samples);
    float *target = malloc(image * sizeof *target);
    if (!samples || !target) abort();
    for (size_t s = 0; s < info->slices && s < MOST_SLICES; s++) {
        scry_error err[3] = { 0 };
        check(scry_kspace_read(r, 0, s, samples, NULL, &err[0]), &err[0]);
        check(scry_kspace_read_calibration(r, s, samples, NULL, &err[1]), &err[1]);
        if (info->has_target) check(scry_kspace_read_target(r, s, target, &err[2]), &err[2]);
    }
    free(samples);
    free(target);
    while (scry_kspace_warning(r)) continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    scry_error err = { 0 };
    scry_kspace_reader *r;
    if (size > MOST_BYTES) return 0;
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    const scry_status st = scry_kspace_open(&r, path, NULL, &err);
    check(st, &err);
    if (st == SCRY_OK) read_some(r);
    scry_kspace_close(r);
    close(fd);
    if (scry_memory_live()) abort();
    return 0;
}
