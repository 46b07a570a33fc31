#include "apps/cli/outputs.h"
#include "apps/cli/kspace.h"
#include "apps/cli/kspace_sampling.h"
#include "lib/cancel.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"

#include <stdio.h>
#include <string.h>

struct settings {
    kspace_pattern pattern;
    scry_kspace_choice choice;
    const char *format, *readout;
    int64_t seed; /* < 0: not given */
    bool force, quiet;
};

struct undersampling {
    scry_kspace_reader *reader;
    scry_kspace_writer *writer;
    scry_kspace_info info; /* of the output */
    float complex *data;
    unsigned char *mask, *held, *pattern;
    float *target; /* NULL: none is to be written */
    size_t taken, places;
};

/* The samples fill a box of k-space: nothing is missing, or edges are (columns that were
 * padded with zeros, partial Fourier). */
static bool is_box(const scry_kspace_info *i, const unsigned char *mask)
{
    const size_t dims[3] = {i->nz, i->ny, i->nx};
    size_t from[3] = {i->nz, i->ny, i->nx}, to[3] = {0}, count = 0, volume = 1;
    for (size_t k = 0; k < dims[0] * dims[1] * dims[2]; k++) {
        const size_t at[3] = {k / (dims[1] * dims[2]), k / dims[2] % dims[1], k % dims[2]};
        if (!mask[k]) continue;
        count++;
        for (int a = 0; a < 3; a++) {
            if (at[a] < from[a]) from[a] = at[a];
            if (at[a] >= to[a]) to[a] = at[a] + 1;
        }
    }
    for (int a = 0; a < 3; a++)
        volume *= to[a] > from[a] ? to[a] - from[a] : 0;
    return count > 0 && count == volume;
}

/* The mask of this slice is the pattern where the file has samples. */
static scry_status undersample_intersect(struct undersampling *u, const char *in, bool *full,
                                         scry_error *err)
{
    const scry_kspace_info *i = &u->info;
    const size_t n = i->nz * i->ny * i->nx;
    const size_t middle = (i->nz / 2 * i->ny + i->ny / 2) * i->nx + i->nx / 2;
    *full = is_box(i, u->held);
    for (size_t k = 0; k < n; k++)
        u->mask[k] = u->pattern[k] && u->held[k];
    if (!u->mask[middle])
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: the file and the pattern have no sample in common "
                         "at the centre of k-space, expected a file that holds it",
                         in);
    return SCRY_OK;
}

/* Whether every slice is full: then their images are targets. Slices are read once more for it. */
static scry_status want_target(struct undersampling *u, bool *wanted, scry_error *err)
{
    const scry_kspace_info *i = scry_kspace_describe(u->reader);
    *wanted = u->info.format == SCRY_KSPACE_FASTMRI;
    if (!*wanted || i->has_target) return SCRY_OK;
    *wanted = i->recon[1] <= i->ny && i->recon[2] <= i->nx && i->nz == 1 && i->frames == 1;
    for (size_t k = 0; k < i->slices && *wanted; k++) {
        const scry_status st = scry_kspace_read(u->reader, 0, k, u->data, u->held, err);
        if (st != SCRY_OK) return st;
        *wanted = is_box(i, u->held);
    }
    return SCRY_OK;
}

/* From the file where it has one, else of the full data. */
static scry_status write_target(struct undersampling *u, size_t slice, scry_error *err)
{
    const scry_status st = scry_kspace_describe(u->reader)->has_target
                               ? scry_kspace_read_target(u->reader, slice, u->target, err)
                               : kspace_target(u->target, u->data, &u->info, err);
    return st == SCRY_OK ? scry_kspace_write_target(u->writer, slice, u->target, err) : st;
}

static scry_status copy_slice(struct undersampling *u, const char *in, size_t frame, size_t slice,
                              bool *complete, scry_error *err)
{
    const scry_kspace_info *i = &u->info;
    const size_t n = i->nz * i->ny * i->nx;
    bool full = false;
    scry_status st = scry_kspace_read(u->reader, frame, slice, u->data, u->held, err);
    if (st == SCRY_OK) st = undersample_intersect(u, in, &full, err);
    if (st != SCRY_OK) return st;
    float complex *kept = scry_copy(u->data, i->coils * n * sizeof *kept);
    if (!kept) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a slice of %zu coils", in, i->coils);
    for (size_t k = 0; k < i->coils * n; k++)
        if (!u->mask[k % n]) kept[k] = 0;
    st = scry_kspace_write(u->writer, frame, slice, kept, u->mask, err);
    scry_free(kept);
    *complete = *complete && full;
    return st == SCRY_OK && u->target ? write_target(u, slice, err) : st;
}

static scry_status open_undersampling(struct undersampling *u, const struct settings *s,
                                      const char *in, const char *out, scry_error *err)
{
    scry_status st = scry_kspace_open(&u->reader, in, &s->choice, err);
    if (st != SCRY_OK) return st;
    const scry_kspace_info *i = scry_kspace_describe(u->reader);
    u->info = *i;
    u->info.noise_samples = 0; /* not carried over */
    u->info.has_calibration = false;
    if (s->readout) u->info.readout = s->readout[0] == 'y' ? 1 : 2;
    st = kspace_output_format(&u->info.format, out, s->format, err);
    if (st != SCRY_OK) return st;
    const size_t n = i->nz * i->ny * i->nx;
    u->data = scry_alloc(i->coils * n, sizeof *u->data);
    u->mask = scry_alloc(n, 1);
    u->held = scry_alloc(n, 1);
    u->pattern = scry_alloc(n, 1);
    if (!u->data || !u->mask || !u->held || !u->pattern)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: a slice of %zu coils x %zu samples", in, i->coils,
                         n);
    bool target;
    if ((st = want_target(u, &target, err)) != SCRY_OK) return st;
    if (target && !(u->target = scry_alloc(i->recon[1] * i->recon[2], sizeof *u->target)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: target of %zu x %zu pixels", in, i->recon[1],
                         i->recon[2]);
    const char *slash = strrchr(in, '/');
    return kspace_pattern_mask(u->pattern, &u->taken, &u->places, &s->pattern, &u->info,
                               s->seed < 0 ? 0 : (uint64_t)s->seed,
                               s->seed < 0 ? slash ? slash + 1 : in : NULL, err);
}

static void kspace_undersample_log(const struct undersampling *u, const struct settings *s,
                                   const char *in, bool complete)
{
    const scry_kspace_info *i = scry_kspace_describe(u->reader);
    const size_t n = i->nz * i->ny * i->nx;
    size_t kept = 0;
    if (!complete) {
        for (size_t k = 0; k < n; k++)
            kept += u->mask[k];
        fprintf(stderr,
                "%s: undersampled already: the output holds the samples that both keep, %zu of %zu "
                "samples of the last slice (acceleration %.4g)\n",
                in, kept, n, (double)n / (double)kept);
    }
    if (i->noise_samples && !s->quiet)
        fprintf(stderr, "%s: noise scans are not carried over\n", in);
    if (!s->quiet) kspace_pattern_log(&s->pattern, u->taken, u->places);
}

static scry_status undersample_file(const cli_command *self, const struct settings *s,
                                    const char *in, const char *out, scry_error *err)
{
    struct undersampling u = {0};
    bool complete = true;
    scry_status st = outputs_check(&(output_names){&out, &in, 1, 1}, s->force, err);
    if (st == SCRY_OK) st = open_undersampling(&u, s, in, out, err);
    if (st == SCRY_OK) st = kspace_output(&u.writer, out, &u.info, s->format, s->force, err);
    for (size_t f = 0; st == SCRY_OK && f < u.info.frames; f++)
        for (size_t k = 0; st == SCRY_OK && k < u.info.slices && !scry_cancelled(); k++)
            st = copy_slice(&u, in, f, k, &complete, err);
    if (st == SCRY_OK) st = scry_cancel_check(err);
    const scry_status end = scry_kspace_finish(u.writer, st == SCRY_OK, err);
    if (st == SCRY_OK) st = end;
    if (u.reader) kspace_warnings(self, u.reader);
    if (st == SCRY_OK) kspace_undersample_log(&u, s, in, complete);
    scry_kspace_close(u.reader);
    scry_free(u.data);
    scry_free(u.mask);
    scry_free(u.held);
    scry_free(u.pattern);
    scry_free(u.target);
    return st;
}

static int kspace_undersample_run(const cli_command *self, int argc, char **argv)
{
    struct settings s = {.seed = -1};
    kspace_pattern_init(&s.pattern);
    cli_option options[KSPACE_PATTERN_OPTIONS + 7] = {{0}};
    const cli_option more[] = {
        {"seed", CLI_INTEGER, &s.seed, "N",
         "of the pattern, as numpy.random.RandomState(N) for those of fastMRI [they: the name of "
         "the input, as fastMRI does; others: 0]"},
        {"readout", CLI_TEXT, &s.readout, "y|x",
         "the axis along which lines are whole [that of the file]"},
        {"dataset", CLI_TEXT, &s.choice.dataset, "NAME",
         "complex dataset of an HDF5 file that has several"},
        {"format", CLI_TEXT, &s.format, KSPACE_FORMAT_WORDS, KSPACE_FORMAT_HELP},
        {"force", CLI_FLAG, &s.force, NULL, "replace an existing output"},
        {"quiet", CLI_FLAG, &s.quiet, NULL, "errors and warnings only"},
    };
    kspace_pattern_options(options, &s.pattern);
    memcpy(options + KSPACE_PATTERN_OPTIONS, more, sizeof more);
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    if (p.count != 2)
        status =
            cli_usage(self, "%d files named, expected a file of k-space and an output", p.count);
    else if (!s.pattern.name)
        status = cli_usage(self, "--pattern is missing, such as --pattern equispaced");
    else if (s.seed < -1)
        status = cli_usage(self, "--seed %lld, expected 0 or more", (long long)s.seed);
    else if (undersample_file(self, &s, p.args[0], p.args[1], &err) != SCRY_OK)
        status = cli_failed(self, &err);
    cli_end(&p);
    return status;
}

const cli_command kspace_undersample = {
    "kspace undersample",
    "[options] --pattern NAME in out",
    "leave out samples of k-space by a pattern",
    "The pattern is the same in all slices and frames. The output is fastMRI HDF5, ISMRMRD HDF5 or "
    "BART .cfl; a fastMRI output of full data also holds their root sum of squares (or the target "
    "that the input has) as the image that reconstructions are compared with. Of a scan that is "
    "undersampled already, samples remain that the pattern keeps, too.",
    kspace_undersample_run,
};
