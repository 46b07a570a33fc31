#include "apps/cli/kspace.h"
#include "apps/cli/outputs.h"
#include "lib/cancel.h"
#include "lib/io/kspace/kspace_write.h"

#include "lib/memory.h"

#include <stdio.h>
#include <string.h>

struct settings {
    const char *format;
    scry_kspace_choice choice;
    bool force;
};

/* Parts of the input that have no place in the output are named, not dropped in silence. */
static void kspace_convert_print_losses(const cli_command *self, const scry_kspace_info *in,
                                        scry_kspace_format format)
{
    const char *to = scry_kspace_format_name(format);
    const bool fastmri = format == SCRY_KSPACE_FASTMRI, mrd = format == SCRY_KSPACE_ISMRMRD;
    const bool cfl = format == SCRY_KSPACE_CFL || format == SCRY_KSPACE_NPY;
    if (in->noise_samples && !mrd)
        fprintf(stderr, "scry %s: warning: the noise scans are left out\n", self->name);
    if (in->has_calibration && !mrd)
        fprintf(stderr, "scry %s: warning: lines for calibration only are left out\n", self->name);
    if (in->has_target && !fastmri)
        fprintf(stderr, "scry %s: warning: %s has no place for the reference reconstruction\n",
                self->name, to);
    if (cfl && (in->recon[0] != in->nz || in->recon[1] != in->ny || in->recon[2] != in->nx))
        fprintf(stderr,
                "scry %s: warning: %s cannot say that the image is %zu x %zu of %zu x %zu "
                "(y, x)\n",
                self->name, to, in->recon[1], in->recon[2], in->ny, in->nx);
    if (cfl && in->geometry.known)
        fprintf(stderr, "scry %s: warning: %s cannot say where the image lies in the patient\n",
                self->name, to);
}

static scry_status copy_slices(scry_kspace_writer *w, scry_kspace_reader *r, scry_error *err)
{
    const scry_kspace_info *i = scry_kspace_describe(r);
    const size_t n = i->nz * i->ny * i->nx;
    scry_status st = SCRY_OK;
    float complex *data = scry_alloc(i->coils * n, sizeof *data);
    unsigned char *mask = scry_alloc(n, 1);
    if (!data || !mask) st = SCRY_FAIL(err, SCRY_ENOMEM, "a slice of %zu coils", i->coils);
    for (size_t k = 0; k < i->frames * i->slices && st == SCRY_OK; k++) {
        const size_t frame = k / i->slices, slice = k % i->slices;
        if (st == SCRY_OK) st = scry_cancel_check(err);
        if (st == SCRY_OK) st = scry_kspace_read(r, frame, slice, data, mask, err);
        if (st == SCRY_OK) st = scry_kspace_write(w, frame, slice, data, mask, err);
    }
    scry_free(data);
    scry_free(mask);
    return st;
}

/* Leaves out the lines that are imaging lines too. */
static void drop_imaging_lines(const scry_kspace_info *i, float complex *data, unsigned char *mask,
                               const float complex *image)
{
    const size_t n = i->nz * i->ny * i->nx, lines = n / (i->readout == 2 ? i->nx : i->ny);
    const size_t step = i->readout == 2 ? 1 : i->nx, length = n / lines;
    for (size_t l = 0; l < lines; l++) {
        const size_t first = i->readout == 2 ? l * i->nx : l / i->nx * i->ny * i->nx + l % i->nx;
        bool same = true;
        for (size_t k = 0; same && k < i->coils * length; k++) {
            const size_t at = k / length * n + first + k % length * step;
            same = !memcmp(&data[at], &image[at], sizeof *data);
        }
        for (size_t k = 0; same && k < i->coils * length; k++) {
            data[k / length * n + first + k % length * step] = 0;
            mask[first + k % length * step] = 0;
        }
    }
}

/* The noise scan, and lines for calibration only. */
static scry_status copy_extras(scry_kspace_writer *w, scry_kspace_reader *r, scry_error *err)
{
    const scry_kspace_info *i = scry_kspace_describe(r);
    const size_t n = i->nz * i->ny * i->nx, most = i->noise_samples > n ? i->noise_samples : n;
    scry_status st = SCRY_OK;
    float complex *data = scry_alloc(i->coils * most, sizeof *data);
    float complex *image = scry_alloc(i->coils * n, sizeof *image);
    unsigned char *mask = scry_alloc(n, 1);
    if (!data || !image || !mask)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "a slice of %zu coils", i->coils);
    if (st == SCRY_OK && i->noise_samples) {
        st = scry_kspace_read_noise(r, data, err);
        if (st == SCRY_OK) st = scry_kspace_write_noise(w, data, err);
    }
    for (size_t s = 0; st == SCRY_OK && i->has_calibration && s < i->slices; s++) {
        if ((st = scry_kspace_read(r, 0, s, image, NULL, err)) != SCRY_OK) break;
        if ((st = scry_kspace_read_calibration(r, s, data, mask, err)) != SCRY_OK) break;
        drop_imaging_lines(i, data, mask, image);
        st = scry_kspace_write_calibration(w, s, data, mask, err);
    }
    scry_free(data);
    scry_free(image);
    scry_free(mask);
    return st;
}

static scry_status copy_targets(scry_kspace_writer *w, scry_kspace_reader *r, scry_error *err)
{
    const scry_kspace_info *i = scry_kspace_describe(r);
    float *target = scry_alloc(i->recon[1] * i->recon[2], sizeof *target);
    if (!target)
        return SCRY_FAIL(err, SCRY_ENOMEM, "a target of %zu x %zu", i->recon[1], i->recon[2]);
    scry_status st = SCRY_OK;
    for (size_t s = 0; s < i->slices && st == SCRY_OK; s++) {
        st = scry_kspace_read_target(r, s, target, err);
        if (st == SCRY_OK) st = scry_kspace_write_target(w, s, target, err);
    }
    scry_free(target);
    return st;
}

static scry_status kspace_convert_convert(const cli_command *self, const struct settings *s,
                                          const char *in, const char *out, scry_error *err)
{
    scry_kspace_reader *r;
    scry_kspace_writer *w = NULL;
    scry_status st = outputs_check(&(output_names){&out, &in, 1, 1}, s->force, err);
    if (st == SCRY_OK) st = scry_kspace_open(&r, in, &s->choice, err);
    if (st != SCRY_OK) return st;
    const scry_kspace_info *described = scry_kspace_describe(r);
    scry_kspace_info info = *described;
    if ((st = kspace_output(&w, out, &info, s->format, s->force, err)) != SCRY_OK) goto done;
    if (info.format == SCRY_KSPACE_ISMRMRD && (st = copy_extras(w, r, err)) != SCRY_OK) goto done;
    if ((st = copy_slices(w, r, err)) != SCRY_OK) goto done;
    if (described->has_target && info.format == SCRY_KSPACE_FASTMRI) st = copy_targets(w, r, err);
done:
    kspace_warnings(self, r);
    const scry_status end = scry_kspace_finish(w, st == SCRY_OK, err);
    if (st == SCRY_OK) st = end;
    if (st == SCRY_OK) kspace_convert_print_losses(self, described, info.format);
    scry_kspace_close(r);
    return st;
}

static int kspace_convert_run(const cli_command *self, int argc, char **argv)
{
    struct settings s = {0};
    const cli_option options[] = {
        {"format", CLI_TEXT, &s.format, KSPACE_FORMAT_WORDS, KSPACE_FORMAT_HELP},
        {"dataset", CLI_TEXT, &s.choice.dataset, "NAME",
         "complex dataset, or measurement, of an HDF5 input that has several"},
        {"force", CLI_FLAG, &s.force, NULL, "replace an existing output"},
        {0},
    };
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    if (p.count != 2)
        status = cli_usage(self, "%d files named, expected an input and an output", p.count);
    else if (kspace_convert_convert(self, &s, p.args[0], p.args[1], &err) != SCRY_OK)
        status = cli_failed(self, &err) + (err.code == SCRY_EINVAL ? 1 : 0);
    cli_end(&p);
    return status;
}

const cli_command kspace_convert = {
    "kspace convert",
    "[options] in out",
    "write k-space in another format",
    "Samples, sampling and the common fields of the headers are kept; each part that the output "
    "has no place "
    "for is named. The readout becomes the axis that the format has it on (dim 0 of cfl, rows of "
    "fastMRI), so that the image may be turned.",
    kspace_convert_run,
};
