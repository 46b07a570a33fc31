#include "apps/cli/mri.h"

#include "apps/cli/batch.h"
#include "apps/cli/choices.h"
#include "apps/cli/monitor.h"
#include "apps/cli/mri_output.h"
#include "apps/cli/ranks.h"
#include "lib/fft.h"
#include "lib/io/kspace/maps.h"
#include "lib/io/recon_file.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/parallel.h"
#include "apps/recon/run.h"
#include "solvers/roles.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    mri_work work;
    scry_kspace_reader *reader;
    const char *in, *out;
    unsigned char *mask;
    float complex *noise; /* the noise scan; NULL: none */
    float complex *maps;  /* of one slice, kept while the slice stays the same */
    size_t maps_slice, maps_sets;
    size_t first, last; /* slices to do */
    mri_volume volume;
    monitor meter;
    size_t threads;  /* slices or chains at a time */
    size_t resident; /* bytes that the program and the network's weights take before any slice */
    size_t total;    /* problems of this rank */
    bool reading;    /* what fails now is due to files, no longer to the command line */
};

/* ---- what to do ---- */

static scry_status parse_slices(struct job *j, scry_error *err)
{
    const char *text = j->work.settings->slices;
    char end;
    long a, b;
    j->first = 0;
    j->last = j->work.info->slices - 1;
    if (!text) return SCRY_OK;
    const int one = sscanf(text, "%ld%c", &a, &end), two = sscanf(text, "%ld-%ld%c", &a, &b, &end);
    if (two != 2 && one == 1) b = a;
    if ((two != 2 && one != 1) || a < 0 || b < a || (size_t)b >= j->work.info->slices)
        return SCRY_FAIL(err, SCRY_EINVAL, "--slices '%s', expected A-B within 0-%zu", text,
                         j->work.info->slices - 1);
    j->first = (size_t)a;
    j->last = (size_t)b;
    return SCRY_OK;
}

static scry_status check_output(const struct job *j, const char *path, bool image, scry_error *err)
{
    scry_recon_format format;
    if (!strcmp(path, j->in))
        return SCRY_FAIL(err, SCRY_EINVAL, "%s is the input, expected another name", path);
    const scry_status st = image ? scry_recon_format_of(&format, path, err) : SCRY_OK;
    return st == SCRY_OK ? output_check(path, j->work.settings->force, err) : st;
}

static scry_status check_outputs(const struct job *j, scry_error *err)
{
    const mri_settings *s = j->work.settings;
    const scry_output_maps *p = &j->work.maps;
    const char *const names[] = {j->out, s->report, s->preview};
    scry_status st = SCRY_OK;
    for (size_t i = 0; st == SCRY_OK && i < 3; i++)
        if (names[i]) st = check_output(j, names[i], i == 0, err);
    for (size_t k = 0; st == SCRY_OK && k < p->count; k++)
        if (j->work.files.name[k][0]) st = check_output(j, j->work.files.name[k], true, err);
    return st == SCRY_OK ? map_files_distinct(p, &j->work.files, names, 3, err) : st;
}

static scry_status choose_method(struct job *j, scry_error *err)
{
    mri_work *w = &j->work;
    const mri_settings *s = w->settings;
    const struct scry_method *method = scry_method_find(s->method);
    if (!method || method->kind == SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--method '%s' is not a method that reconstructs; 'scry methods' lists "
                         "them",
                         s->method);
    const size_t chains = method->kind == SCRY_POSTERIOR ? (size_t)s->samples : 1;
    scry_scan_options(&w->options, method);
    scry_status st = method_options_read(&w->options, &s->methods, err);
    if (st == SCRY_OK)
        st = map_options_parse(&w->maps, &w->files, &s->output, s->preview != NULL, &w->options,
                               chains, err);
    w->request.options = &w->options;
    w->request.maps = &w->maps;
    return st == SCRY_OK ? scry_mri_request_check(&w->request, err) : st;
}

/* ---- reading ---- */

/* What the file says of all slices, for the library. */
static scry_status describe_scan(struct job *j, scry_error *err)
{
    const scry_kspace_info *i = j->work.info;
    const mri_settings *s = j->work.settings;
    scry_scan *scan = &j->work.scan;
    *scan = (scry_scan){.name = j->in,
                        .coils = i->coils,
                        .dims = {i->nz, i->ny, i->nx},
                        .readout = i->readout,
                        .noise_ratio = i->noise_ratio};
    memcpy(scan->image_axis, i->image_axis, sizeof scan->image_axis);
    memcpy(scan->image, i->recon, sizeof scan->image);
    if (!i->noise_samples || !strcmp(s->noise, "kspace") || !strcmp(s->noise, "none"))
        return SCRY_OK;
    j->noise = scry_alloc(i->coils * i->noise_samples, sizeof *j->noise);
    if (!j->noise) return SCRY_FAIL(err, SCRY_ENOMEM, "noise scan");
    scan->noise = j->noise;
    scan->noise_samples = i->noise_samples;
    return scry_kspace_read_noise(j->reader, j->noise, err);
}

/* Leaves out what --mask does. */
static scry_status apply_mask(const struct job *j, unsigned char *mask, size_t n, scry_error *err)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        kept += mask[i] = mask[i] && (!j->mask || j->mask[i]);
    if (kept) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s keeps none of the samples that %s holds, expected some",
                     j->work.settings->mask ? j->work.settings->mask : "the mask",
                     j->work.info->dataset);
}

static scry_status read_slice(scry_mri_slice *out, struct job *j, size_t frame, size_t slice,
                              scry_error *err)
{
    const scry_scan *scan = &j->work.scan;
    const size_t n = scan->dims[0] * scan->dims[1] * scan->dims[2];
    const bool own = j->work.info->has_calibration;
    float complex *data = scry_alloc(scan->coils * n, sizeof *data), *calibration = NULL;
    unsigned char *mask = scry_alloc(n, 1), *calibration_mask = NULL;
    scry_status st = SCRY_OK;
    if (own) {
        calibration = scry_alloc(scan->coils * n, sizeof *calibration);
        calibration_mask = scry_alloc(n, 1);
    }
    if (!data || !mask || (own && (!calibration || !calibration_mask)))
        st = SCRY_FAIL(err, SCRY_ENOMEM, "k-space of %zu coils x %zu samples", scan->coils, n);
    if (st == SCRY_OK) st = scry_kspace_read(j->reader, frame, slice, data, mask, err);
    if (st == SCRY_OK && own)
        st = scry_kspace_read_calibration(j->reader, slice, calibration, calibration_mask, err);
    if (st == SCRY_OK) st = apply_mask(j, mask, n, err);
    if (st == SCRY_OK)
        return scry_mri_slice_take(out, scan, data, mask, calibration, calibration_mask, err);
    scry_free(data);
    scry_free(mask);
    scry_free(calibration);
    scry_free(calibration_mask);
    return st;
}

static scry_status load_maps(struct job *j, const scry_mri_slice *s, size_t slice, scry_error *err)
{
    const mri_settings *settings = j->work.settings;
    if (!mri_maps_from_file(settings) || (j->maps && j->maps_slice == slice)) return SCRY_OK;
    if (s->dims[0] > 1)
        return SCRY_FAIL(err, SCRY_EUNSUP,
                         "--maps %s for a volume encoded along z; expected espirit, lowres or "
                         "none",
                         settings->maps);
    scry_free(j->maps);
    j->maps = NULL;
    j->maps_slice = slice;
    return scry_maps_read(&j->maps, &j->maps_sets, settings->maps, slice, j->work.info->slices,
                          j->work.info->coils, s->dims[1], s->dims[2], err);
}

/* The memory of a run: `bytes` a problem beside its slice. */
static scry_status afford(const struct job *j, size_t bytes, size_t workers, scry_error *err)
{
    const scry_kspace_info *i = j->work.info;
    char what[48];
    bytes += 3 * i->coils * i->nz * i->ny * i->nx * sizeof(float complex);
    bytes = bytes * workers + j->volume.count * sizeof(float) * (2 + j->work.maps.count);
    bytes += j->resident;
    snprintf(what, sizeof what, "%zu slice%s at a time", workers, workers == 1 ? "" : "s");
    return scry_recon_afford(bytes, what, "fewer --threads", &j->work.request.log, err);
}

/* As many slices at a time as there are threads, if there are as many slices. */
static size_t slice_workers(const struct job *j)
{
    const size_t threads = j->threads, ranks = (size_t)ranks_size();
    const size_t slices = (j->last - j->first + 1) * j->work.info->frames;
    const size_t mine = (slices + ranks - 1) / ranks;
    return mine >= threads ? threads : 1;
}

/* The middle slice, or the nearest to it that can be read: a slice of NaN or zeros does not spoil
 * the others. */
static scry_status read_middle(scry_mri_slice *out, size_t *slice, struct job *j, scry_error *err)
{
    const size_t count = j->last - j->first + 1, middle = j->first + (count - 1) / 2;
    scry_status first = SCRY_OK;
    for (size_t k = 0; k < count; k++) {
        scry_error one = {0};
        *slice = k % 2 ? middle + (k + 1) / 2 : middle - k / 2;
        const scry_status st = read_slice(out, j, 0, *slice, &one);
        if (st == SCRY_OK) return SCRY_OK;
        if (!k) {
            first = st;
            *err = one;
        }
        if (st != SCRY_ENUMERIC) break;
    }
    return first;
}

static scry_status mri_prepare(struct job *j, scry_error *err)
{
    mri_work *w = &j->work;
    scry_mri_slice middle = {0};
    const size_t workers = slice_workers(j);
    size_t planes, bytes, slice = j->first;
    int across;
    j->resident = scry_memory_peak();
    scry_status st = read_middle(&middle, &slice, j, err);
    if (st == SCRY_OK) st = load_maps(j, &middle, slice, err);
    if (st == SCRY_OK)
        st = scry_reconstructor_calibrate(w->rec, &middle, j->maps, workers > 1 ? 1 : j->threads,
                                          &bytes, err);
    if (st == SCRY_OK) st = scry_mri_slice_planes(&planes, &across, &middle, err);
    if (st == SCRY_OK)
        st = mri_volume_create(&j->volume, w, j->first, j->last, planes, across, err);
    if (st == SCRY_OK) st = afford(j, bytes, workers, err);
    scry_mri_slice_free(&middle);
    return st;
}

/* ---- doing it ---- */

/* ctx: the monitor where one problem is all there is; else NULL */
static bool still_wanted(const scry_chains_progress *p, void *ctx)
{
    return ctx ? monitor_chains(p, ctx) : !cli_interrupted;
}

/* One slice of the work list. */
struct task {
    size_t frame, slice, threads;
    scry_mri_slice samples;
    float complex *maps;
};

/* The image of the samples as they are, for the preview. */
static scry_status keep_zero_filled(struct job *j, const struct task *t, size_t index,
                                    scry_error *err)
{
    scry_mri_result r = {0};
    scry_status st = scry_reconstructor_adjoint(&r, j->work.rec, &t->samples, index, t->maps, err);
    if (st == SCRY_OK) st = mri_volume_put_zero_filled(&j->volume, index, &r, err);
    scry_mri_result_free(&r);
    return st;
}

static scry_status do_plane(struct job *j, const struct task *t, size_t index, scry_error *err)
{
    scry_mri_result r = {0};
    const uint64_t item = (t->frame * j->work.info->slices + t->slice) * j->volume.problems + index;
    const uint64_t seed = scry_recon_seed((uint64_t)j->work.settings->seed, item);
    scry_status st =
        scry_reconstructor_run(&r, j->work.rec, &t->samples, index, t->maps, seed, t->threads,
                               still_wanted, j->total == 1 ? &j->meter : NULL, err);
    if (st == SCRY_OK) st = mri_volume_put(&j->volume, t->frame, t->slice, index, &r, err);
    if (st == SCRY_OK && j->volume.zero_filled && !t->frame &&
        t->slice == j->first + j->volume.slices / 2)
        st = keep_zero_filled(j, t, index, err);
    scry_mri_result_free(&r);
    return st;
}

static void tell_progress(struct job *j, size_t problems)
{
    if (j->total == 1) return; /* the chains do */
#pragma omp critical(mri_meter)
    monitor_count(&j->meter, problems, j->total, NULL);
}

/* Files are read by one thread at a time. */
static scry_status read_task(struct task *t, struct job *j, scry_error *err)
{
    scry_status st;
#pragma omp critical(mri_read)
    {
        st = read_slice(&t->samples, j, t->frame, t->slice, err);
        if (st == SCRY_OK) st = load_maps(j, &t->samples, t->slice, err);
        if (st == SCRY_OK && j->maps) {
            const scry_mri_slice *s = &t->samples;
            const size_t n = s->coils * j->maps_sets * s->dims[1] * s->dims[2];
            t->maps = scry_copy(j->maps, n * sizeof *t->maps);
            if (!t->maps) st = SCRY_FAIL(err, SCRY_ENOMEM, "maps");
        }
    }
    return st;
}

/* A failure stays with its slice: the others are done. */
static void do_slice(struct job *j, size_t frame, size_t slice, size_t threads)
{
    scry_error err = {0};
    struct task t = {.frame = frame, .slice = slice, .threads = threads};
    const scry_status st = read_task(&t, j, &err);
    for (size_t k = 0; st == SCRY_OK && k < j->volume.problems && !cli_interrupted; k++) {
        scry_error one = {0};
        if (do_plane(j, &t, k, &one) != SCRY_OK)
            mri_volume_fail(&j->volume, frame, slice, k, one.text);
        tell_progress(j, 1);
    }
    for (size_t k = 0; st != SCRY_OK && k < j->volume.problems; k++)
        mri_volume_fail(&j->volume, frame, slice, k, err.text);
    if (st != SCRY_OK) tell_progress(j, j->volume.problems);
    scry_free(t.maps);
    scry_mri_slice_free(&t.samples);
}

static void do_all(struct job *j)
{
    const size_t workers = slice_workers(j), slices = j->last - j->first + 1;
    const size_t items = slices * j->work.info->frames;
    const size_t rank = (size_t)ranks_rank(), ranks = (size_t)ranks_size();
    const size_t inside = workers > 1 ? 1 : j->threads;
    j->total = (items + ranks - 1 - rank) / ranks * j->volume.problems;
    monitor_begin(&j->meter, j->work.settings->quiet || rank ? NULL : stderr,
                  j->work.options.method->name);
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)workers) if (workers > 1)
    for (size_t i = rank; i < items; i += ranks)
        if (!cli_interrupted) do_slice(j, i / slices, j->first + i % slices, inside);
    monitor_end(&j->meter, SCRY_OK);
}

static void warn(const struct job *j)
{
    for (const char *text; (text = scry_kspace_warning(j->reader));)
        scry_log_warn(&j->work.request.log, "%s: %s", j->in, text);
}

static scry_status read_mask(struct job *j, scry_error *err)
{
    const scry_kspace_info *i = j->work.info;
    const char *path = j->work.settings->mask;
    if (!path) return SCRY_OK;
    if (!(j->mask = scry_alloc(i->nz * i->ny * i->nx, 1)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "mask");
    return scry_mask_read(j->mask, path, NULL, i->nz * i->ny, i->nx, i->readout, err);
}

static void note_scan(const struct job *j)
{
    const scry_kspace_info *i = j->work.info;
    scry_log_note(
        &j->work.request.log, "%s: %s, %zu frame%s, %zu slice%s, %zu coil%s, %zu x %zu x %zu",
        j->in, scry_kspace_format_name(i->format), i->frames, i->frames == 1 ? "" : "s", i->slices,
        i->slices == 1 ? "" : "s", i->coils, i->coils == 1 ? "" : "s", i->nz, i->ny, i->nx);
}

static scry_status job_open(struct job *j, const mri_settings *s, const cli_parse *words,
                            scry_error *err)
{
    mri_work *w = &j->work;
    const scry_kspace_choice choice = {.dataset = s->dataset,
                                       .transformed = s->transformed != NULL,
                                       .oversampling = s->oversampling};
    scry_status st;
    w->settings = s;
    if ((st = mri_settings_check(s, err)) != SCRY_OK) return st;
    mri_settings_request(&w->request, s);
    if (!ranks_rank()) w->request.log = monitor_log(s->quiet);
    if (words->count != 2)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%d files named, expected two: the k-space and the "
                         "image to write",
                         words->count);
    j->in = words->args[0];
    j->out = words->args[1];
    if ((st = choose_method(j, err)) != SCRY_OK) return st;
    if ((st = check_outputs(j, err)) != SCRY_OK) return st;
    j->reading = true;
    if ((st = scry_kspace_open(&j->reader, j->in, &choice, err)) != SCRY_OK) return st;
    w->info = scry_kspace_describe(j->reader);
    warn(j);
    if ((st = parse_slices(j, err)) != SCRY_OK) return st;
    note_scan(j);
    if ((st = read_mask(j, err)) != SCRY_OK) return st;
    if ((st = describe_scan(j, err)) != SCRY_OK) return st;
    st = scry_reconstructor_create(&w->rec, &w->request, &w->scan, err);
    return st == SCRY_OK ? mri_prepare(j, err) : st;
}

static void job_close(struct job *j)
{
    mri_volume_free(&j->volume);
    scry_reconstructor_free(j->work.rec);
    scry_kspace_close(j->reader);
    scry_free(j->noise);
    scry_free(j->mask);
    scry_free(j->maps);
}

/* On the first rank, when all slices are there. */
static int finish(struct job *j, const cli_command *command, double began)
{
    scry_error err = {0};
    const mri_settings *s = j->work.settings;
    const size_t failures = mri_volume_failures(&j->volume, j->in);
    const size_t all = (j->last - j->first + 1) * j->work.info->frames * j->volume.problems;
    if (failures >= all) {
        SCRY_FAIL(&err, SCRY_ENUMERIC,
                  "%s: no slice of %zu could be reconstructed; nothing was "
                  "written",
                  j->in, all);
        return cli_failed(command, &err);
    }
    scry_status st = SCRY_OK;
    if (s->preview) st = mri_preview(&j->volume, &j->work, &err);
    if (st == SCRY_OK && s->report)
        st = mri_report(&j->volume, &j->work, j->in, j->out, scry_clock() - began, &err);
    if (st == SCRY_OK) st = mri_volume_write(&j->volume, &j->work, j->out, &err);
    if (st != SCRY_OK) return cli_failed(command, &err);
    mri_volume_log(&j->volume, &j->work, j->in);
    if (failures)
        fprintf(stderr, "scry mri: %zu of %zu slices failed and are NaN in %s\n", failures, all,
                j->out);
    return failures ? CLI_FAILED : CLI_OK;
}

static int run_all(const cli_command *command, const mri_settings *s, const cli_parse *words)
{
    scry_error err = {0};
    const double began = scry_clock();
    int status = CLI_OK;
    struct job *j = scry_alloc(1, sizeof *j);
    if (!j) {
        SCRY_FAIL(&err, SCRY_ENOMEM, "no memory to start");
        return cli_failed(command, &err);
    }
    scry_threads_set((int)s->threads);
    if (!s->threads && ranks_size() > 1) {
        const int each = scry_threads() / ranks_size();
        scry_threads_set(each > 1 ? each : 1);
    }
    j->threads = (size_t)scry_threads();
    if (scry_machine_busy()) scry_threads_set(1);
    if (s->fft && !strcmp(s->fft, "measure")) scry_fft_set_effort(SCRY_FFT_MEASURE);
    const scry_status st = job_open(j, s, words, &err);
    const scry_status worst = ranks_worst(st);
    if (worst != SCRY_OK) {
        status = worst == SCRY_EINVAL && !j->reading ? CLI_USAGE : CLI_FAILED;
        if (j->reading) scry_error_name(&err, j->in);
        if (st != SCRY_OK && (ranks_rank() == 0 || ranks_size() == 1)) cli_failed(command, &err);
        goto done;
    }
    do_all(j);
    if (ranks_worst(cli_interrupted ? SCRY_EIO : SCRY_OK) != SCRY_OK) {
        fprintf(stderr, "scry mri: interrupted, nothing was written\n");
        status = CLI_FAILED;
        goto done;
    }
    mri_volume_gather(&j->volume);
    warn(j);
    if (!ranks_rank()) status = finish(j, command, began);
    status = ranks_worst(status ? SCRY_EIO : SCRY_OK) == SCRY_OK ? CLI_OK : CLI_FAILED;
done:
    job_close(j);
    scry_free(j);
    return status;
}

/* Options that say nothing to some methods. */
static const method_use mri_uses[] = {
    {"prior", ANY_KIND, SCRY_NEEDS_DENOISER},     {"samples", 1u << SCRY_POSTERIOR, 0},
    {"gain", ANY_KIND, SCRY_NEEDS_DENOISER},      {"phase-width", ANY_KIND, SCRY_NEEDS_DENOISER},
    {"imaginary", ANY_KIND, SCRY_NEEDS_DENOISER}, {0},
};

static int mri_command(const cli_command *self, int argc, char **argv)
{
    mri_settings s;
    cli_option options[MRI_OPTIONS];
    cli_parse words;
    ranks_begin(&argc, &argv);
    mri_settings_init(&s);
    mri_options(options, &s);
    int status = cli_begin(&words, self, argc, argv, options, &s.methods, ANY_KIND);
    if (status == CLI_OK) {
        if (!ranks_rank()) method_warn_unused(&words, mri_uses, s.method);
        status = run_all(self, &s, &words);
        cli_end(&words);
    }
    ranks_end();
    return status < 0 ? CLI_OK : status;
}

const cli_command cli_mri = {
    "mri",
    "[options] kspace out",
    "reconstruct MR images from undersampled k-space",
    "kspace is a fastMRI or ISMRMRD file, a .cfl, or a plain complex HDF5 dataset, told apart by "
    "content; out ends in .h5, .cfl, .nii or .nii.gz. Each slice is reconstructed by itself. The "
    "readout is transformed and cut to the image where it is complete, coils are whitened, and "
    "images have the intensity of a root-sum-of-squares reconstruction of the file. Started by "
    "mpirun, processes share the slices.",
    mri_command,
};
