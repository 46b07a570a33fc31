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
#include "operators/coils.h"
#include "operators/fourier.h"
#include "operators/scale.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    mri_work work;
    scry_kspace_reader *reader;
    const char *in, *out;
    unsigned char *mask;
    float complex *maps; /* of one slice, kept while the slice stays the same */
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
    j->last = j->work.run.info->slices - 1;
    if (!text) return SCRY_OK;
    const int one = sscanf(text, "%ld%c", &a, &end), two = sscanf(text, "%ld-%ld%c", &a, &b, &end);
    if (two != 2 && one == 1) b = a;
    if ((two != 2 && one != 1) || a < 0 || b < a || (size_t)b >= j->work.run.info->slices)
        return SCRY_FAIL(err, SCRY_EINVAL, "--slices '%s', expected A-B within 0-%zu", text,
                         j->work.run.info->slices - 1);
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
    scry_mri_run *r = &w->run;
    const mri_settings *s = w->settings;
    const scry_output_maps *p = &w->maps;
    scry_status st;
    r->method = scry_method_find(s->method);
    if (!r->method || r->method->kind == SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--method '%s' is not a method that reconstructs; 'scry methods' lists "
                         "them",
                         s->method);
    const bool posterior = r->method->kind == SCRY_POSTERIOR;
    scry_chains_opts_init(&r->chains);
    r->chains.chains = posterior ? (size_t)s->samples : 1;
    if (posterior && !strcmp(s->noise, "none"))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--noise none leaves %s without a noise level; expected auto, scan or "
                         "kspace",
                         r->method->name);
    if ((st = method_options(&r->opts, r->method, &s->methods, err)) != SCRY_OK) return st;
    if ((st = map_options_parse(&w->maps, &w->files, &s->output, s->preview != NULL, &r->opts,
                                r->chains.chains, err)) != SCRY_OK)
        return st;
    for (size_t t = 0; t < p->thresholds; t++)
        if (p->threshold[t] < 0)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "--above %g, expected 0 or more: images are magnitudes",
                             p->threshold[t]);
    /* Without a weight tv would smooth until the residual is that of the noise, which takes more
     * than the eye would: images of one coil and of many are best near this one. */
    r->maps = w->maps;
    if (!strcmp(r->method->name, "tv") && !method_option_given(&s->methods, r->method, "tv-weight"))
        return scry_options_set(&r->opts, "tv-weight", 0.005, err);
    return SCRY_OK;
}

/* ---- what the middle slice tells of all ---- */

/* psi is the covariance of noise that coils can be whitened by. */
static scry_status check_covariance(const scry_mri_run *r, scry_error *err)
{
    float complex *one = scry_alloc(r->info->coils, sizeof *one);
    if (!one) return SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu coils", r->info->coils);
    const scry_status st = scry_whiten(one, r->psi, r->info->coils, 1, err);
    scry_free(one);
    return st;
}

/* The covariance of the coils' noise: from noise scans, else from the outermost samples. Classical
 * methods do without where it cannot be told, unless it was asked for. */
static scry_status measure_noise(struct job *j, const scry_mri_slice *middle, scry_error *err)
{
    scry_mri_run *r = &j->work.run;
    const scry_kspace_info *info = r->info;
    const char *from = j->work.settings->noise;
    scry_status st;
    if (!strcmp(from, "none")) return SCRY_OK;
    if (!strcmp(from, "scan") && !info->noise_samples)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s holds no noise scan, expected one for --noise scan",
                         j->in);
    r->psi = scry_alloc(info->coils * info->coils, sizeof *r->psi);
    if (!r->psi) return SCRY_FAIL(err, SCRY_ENOMEM, "covariance of %zu coils", info->coils);
    if (strcmp(from, "kspace") != 0 && info->noise_samples > info->coils) {
        float complex *noise = scry_alloc(info->coils * info->noise_samples, sizeof *noise);
        if (!noise) return SCRY_FAIL(err, SCRY_ENOMEM, "noise scan");
        st = scry_kspace_read_noise(j->reader, noise, err);
        if (st == SCRY_OK)
            st = scry_noise_covariance(r->psi, noise, info->coils, info->noise_samples,
                                       info->noise_ratio, err);
        scry_free(noise);
        from = "noise scans";
    } else {
        st = scry_mri_noise_from_slice(r->psi, middle, info, err);
        from = "the outermost samples";
    }
    if (st == SCRY_OK) st = check_covariance(r, err);
    if (st != SCRY_OK && st != SCRY_ENOMEM && !strcmp(j->work.settings->noise, "auto") &&
        r->method->kind == SCRY_CLASSICAL) {
        scry_log_warn(&j->work.request.log, "%s: coils are left as they are: %s", j->in, err->text);
        *err = (scry_error){0};
        scry_free(r->psi);
        r->psi = NULL;
        return SCRY_OK;
    }
    if (st != SCRY_OK) return st;
    double trace = 0;
    for (size_t c = 0; c < info->coils; c++)
        trace += creal(r->psi[c * info->coils + c]);
    scry_log_note(&j->work.request.log,
                  "noise: sd %.4g a sample and coil, from %s; coils are whitened",
                  sqrt(trace / (double)info->coils), from);
    return SCRY_OK;
}

static scry_status compress_coils(struct job *j, const scry_mri_slice *middle, scry_error *err)
{
    scry_mri_run *r = &j->work.run;
    const size_t keep = (size_t)j->work.settings->coils, coils = r->info->coils;
    const size_t n = middle->dims[0] * middle->dims[1] * middle->dims[2];
    r->coils = coils;
    if (!keep || keep >= coils) return SCRY_OK;
    double *energy = scry_alloc(coils, sizeof *energy);
    float complex *data = scry_copy(middle->data, coils * n * sizeof *data);
    r->virtual = scry_alloc(keep * coils, sizeof *r->virtual);
    scry_status st = SCRY_OK;
    if (!energy || !data || !r->virtual)
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%zu virtual coils", keep);
    if (st == SCRY_OK && r->psi) st = scry_whiten(data, r->psi, coils, n, err);
    if (st == SCRY_OK) st = scry_compression(r->virtual, energy, keep, data, coils, n, err);
    if (st == SCRY_OK)
        scry_log_note(&j->work.request.log,
                      "coils: %zu virtual ones of %zu hold %.2f %% of the energy", keep, coils,
                      100 * energy[keep - 1]);
    if (st == SCRY_OK) r->coils = keep;
    scry_free(energy);
    scry_free(data);
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
    return scry_maps_read(&j->maps, &j->maps_sets, settings->maps, slice, j->work.run.info->slices,
                          j->work.run.info->coils, s->dims[1], s->dims[2], err);
}

static scry_status forecast(struct job *j, const scry_mri_plane *plane, size_t workers,
                            scry_error *err)
{
    const scry_kspace_info *i = j->work.run.info;
    const size_t total = scry_memory_total();
    size_t bytes;
    scry_status st = scry_mri_forecast(&bytes, plane, &j->work.run, err);
    if (st != SCRY_OK) return st;
    bytes += 3 * i->coils * i->nz * i->ny * i->nx * sizeof(float complex);
    bytes = bytes * workers + j->volume.count * sizeof(float) * (2 + j->work.run.maps.count);
    bytes += j->resident;
    scry_log_note(&j->work.request.log, "memory: %.3g GB for %zu slice%s at a time",
                  (double)bytes * 1e-9, workers, workers == 1 ? "" : "s");
    if (total && bytes > total)
        return SCRY_FAIL(err, SCRY_ENOMEM, "%.3g GB needed, the machine has %.3g: fewer --threads",
                         (double)bytes * 1e-9, (double)total * 1e-9);
    return SCRY_OK;
}

/* As many slices at a time as there are threads, if there are as many slices. */
static size_t slice_workers(const struct job *j)
{
    const size_t threads = j->threads, ranks = (size_t)ranks_size();
    const size_t slices = (j->last - j->first + 1) * j->work.run.info->frames;
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
        const scry_status st =
            scry_mri_slice_read(out, j->reader, &j->work.run, 0, *slice, j->mask, &one);
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
    scry_mri_run *r = &j->work.run;
    scry_mri_slice middle = {0};
    scry_mri_plane plane = {0};
    size_t planes, slice = j->first;
    int across;
    j->resident = scry_memory_peak();
    scry_status st = read_middle(&middle, &slice, j, err);
    if (st != SCRY_OK) return st;
    const bool rss = !strcmp(j->work.settings->maps, "none") && r->info->coils > 1;
    r->coils = r->info->coils;
    if (rss && strcmp(r->method->name, "zero-filled") != 0) {
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "--maps none combines %zu coils by their root sum of squares, which %s "
                       "cannot; expected --method zero-filled, or maps",
                       r->info->coils, r->method->name);
        goto done;
    }
    if (!rss && (st = measure_noise(j, &middle, err)) != SCRY_OK) goto done;
    if (!rss && (st = compress_coils(j, &middle, err)) != SCRY_OK) goto done;
    if ((st = load_maps(j, &middle, slice, err)) != SCRY_OK) goto done;
    if ((st = scry_mri_slice_planes(&planes, &across, &middle, err)) != SCRY_OK) goto done;
    if ((st = scry_mri_plane_make(&plane, &middle, r, planes / 2, j->maps, err)) != SCRY_OK)
        goto done;
    st = scry_kspace_scale(&r->unit, plane.data, plane.coils, plane.ny, plane.nx, plane.axes, err);
    if (st != SCRY_OK) goto done;
    scry_log_note(&j->work.request.log,
                  "unit: %.6g (intensity that counts as 1: lambda refers to it)", r->unit);
    st = mri_volume_create(&j->volume, &j->work, j->first, j->last, planes, across, err);
    if (st != SCRY_OK) goto done;
    r->chains.threads = slice_workers(j) > 1 ? 1 : j->threads;
    st = forecast(j, &plane, slice_workers(j), err);
done:
    scry_mri_plane_free(&plane);
    scry_mri_slice_free(&middle);
    return st;
}

/* ---- doing it ---- */

/* The image of the samples as they are, for the preview. */
static scry_status keep_zero_filled(struct job *j, const scry_mri_plane *plane, size_t index,
                                    scry_error *err)
{
    scry_mri_request plain = j->work.request;
    scry_mri_run run = j->work.run;
    scry_mri_result r = {0};
    plain.holdout = 0;
    run.request = &plain;
    run.monitor = NULL;
    run.method = scry_method_find("zero-filled");
    scry_options_init(&run.opts, run.method);
    scry_chains_opts_init(&run.chains);
    run.maps = (scry_output_maps){0};
    scry_status st = scry_mri_solve(&r, plane, &run, 0, 1, err);
    if (st == SCRY_OK) st = mri_volume_put_zero_filled(&j->volume, index, plane, &r, err);
    scry_mri_result_free(&r);
    return st;
}

static scry_status do_plane(struct job *j, const scry_mri_slice *s, const float complex *maps,
                            size_t frame, size_t slice, size_t index, size_t threads,
                            scry_error *err)
{
    scry_mri_plane plane = {0};
    scry_mri_result r = {0};
    const uint64_t item = (frame * j->work.run.info->slices + slice) * j->volume.problems + index;
    /* slices do not share their noise */
    const uint64_t seed = (uint64_t)j->work.settings->seed + 0x9e3779b97f4a7c15u * item;
    scry_status st = scry_mri_plane_make(&plane, s, &j->work.run, index, maps, err);
    if (st == SCRY_OK) st = scry_mri_solve(&r, &plane, &j->work.run, seed, threads, err);
    if (st == SCRY_OK) st = mri_volume_put(&j->volume, frame, slice, index, &plane, &r, err);
    if (st == SCRY_OK && j->volume.zero_filled && !frame &&
        slice == j->first + j->volume.slices / 2)
        st = keep_zero_filled(j, &plane, index, err);
    scry_mri_plane_free(&plane);
    scry_mri_result_free(&r);
    return st;
}

/* ctx: the monitor where one problem is all there is; else NULL */
static bool still_wanted(const scry_chains_progress *p, void *ctx)
{
    return ctx ? monitor_chains(p, ctx) : !cli_interrupted;
}

static void tell_progress(struct job *j, size_t problems)
{
    if (j->work.run.ctx) return; /* the chains do */
#pragma omp critical(mri_meter)
    monitor_count(&j->meter, problems, j->total, NULL);
}

/* A failure stays with its slice: the others are done. */
static void do_slice(struct job *j, size_t frame, size_t slice, size_t threads)
{
    scry_error err = {0};
    scry_mri_slice s = {0};
    float complex *maps = NULL;
    scry_status st;
#pragma omp critical(mri_read)
    {
        st = scry_mri_slice_read(&s, j->reader, &j->work.run, frame, slice, j->mask, &err);
        if (st == SCRY_OK) st = load_maps(j, &s, slice, &err);
        if (st == SCRY_OK && j->maps) {
            const size_t n = s.coils * j->maps_sets * s.dims[1] * s.dims[2];
            maps = scry_copy(j->maps, n * sizeof *maps);
            if (!maps) st = SCRY_FAIL(&err, SCRY_ENOMEM, "maps");
        }
    }
    for (size_t k = 0; st == SCRY_OK && k < j->volume.problems && !cli_interrupted; k++) {
        scry_error one = {0};
        if (do_plane(j, &s, maps, frame, slice, k, threads, &one) != SCRY_OK)
            mri_volume_fail(&j->volume, frame, slice, k, one.text);
        tell_progress(j, 1);
    }
    for (size_t k = 0; st != SCRY_OK && k < j->volume.problems; k++)
        mri_volume_fail(&j->volume, frame, slice, k, err.text);
    if (st != SCRY_OK) tell_progress(j, j->volume.problems);
    scry_free(maps);
    scry_mri_slice_free(&s);
}

static void do_all(struct job *j)
{
    const size_t workers = slice_workers(j), slices = j->last - j->first + 1;
    const size_t items = slices * j->work.run.info->frames;
    const size_t rank = (size_t)ranks_rank(), ranks = (size_t)ranks_size();
    const size_t inside = workers > 1 ? 1 : j->threads;
    j->total = (items + ranks - 1 - rank) / ranks * j->volume.problems;
    monitor_begin(&j->meter, j->work.settings->quiet || rank ? NULL : stderr,
                  j->work.run.method->name);
    j->work.run.monitor = still_wanted;
    if (j->total == 1) j->work.run.ctx = &j->meter;
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

static scry_status job_open(struct job *j, const mri_settings *s, const cli_parse *words,
                            scry_error *err)
{
    scry_mri_run *r = &j->work.run;
    const scry_kspace_choice choice = {.dataset = s->dataset,
                                       .transformed = s->transformed != NULL,
                                       .oversampling = s->oversampling};
    scry_status st;
    j->work.settings = s;
    if ((st = mri_settings_check(s, err)) != SCRY_OK) return st;
    mri_settings_request(&j->work.request, s);
    if (!ranks_rank()) j->work.request.log = monitor_log(s->quiet);
    r->request = &j->work.request;
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
    r->info = scry_kspace_describe(j->reader);
    warn(j);
    if ((st = parse_slices(j, err)) != SCRY_OK) return st;
    scry_log_note(
        &j->work.request.log, "%s: %s, %zu frame%s, %zu slice%s, %zu coil%s, %zu x %zu x %zu",
        j->in, scry_kspace_format_name(r->info->format), r->info->frames,
        r->info->frames == 1 ? "" : "s", r->info->slices, r->info->slices == 1 ? "" : "s",
        r->info->coils, r->info->coils == 1 ? "" : "s", r->info->nz, r->info->ny, r->info->nx);
    if (s->mask) {
        const size_t n = r->info->nz * r->info->ny * r->info->nx;
        if (!(j->mask = scry_alloc(n, 1))) return SCRY_FAIL(err, SCRY_ENOMEM, "mask");
        st = scry_mask_read(j->mask, s->mask, NULL, r->info->nz * r->info->ny, r->info->nx,
                            r->info->readout, err);
        if (st != SCRY_OK) return st;
    }
    if (r->method->needs & SCRY_NEEDS_DENOISER) {
        if ((st = scry_prior_pool_open(&r->pool, s->prior, err)) != SCRY_OK) return st;
        r->has_pool = true;
    }
    return mri_prepare(j, err);
}

static void job_close(struct job *j)
{
    mri_volume_free(&j->volume);
    scry_prior_pool_close(&j->work.run.pool);
    scry_kspace_close(j->reader);
    scry_free(j->work.run.psi);
    scry_free(j->work.run.virtual);
    scry_free(j->mask);
    scry_free(j->maps);
}

/* On the first rank, when all slices are there. */
static int finish(struct job *j, const cli_command *command, double began)
{
    scry_error err = {0};
    const mri_settings *s = j->work.settings;
    const size_t failures = mri_volume_failures(&j->volume, j->in);
    const size_t all = (j->last - j->first + 1) * j->work.run.info->frames * j->volume.problems;
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
