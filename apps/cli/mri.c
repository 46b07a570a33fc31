#include "apps/cli/mri.h"

#include "apps/cli/batch.h"
#include "apps/cli/choices.h"
#include "apps/cli/monitor.h"
#include "apps/cli/mri_journal.h"
#include "apps/cli/mri_output.h"
#include "apps/cli/processes.h"
#include "apps/cli/program.h"
#include "apps/recon/mri/journal.h"
#include "lib/cancel.h"
#include "apps/cli/restore_page.h"
#include "lib/fft.h"
#include "lib/io/recon_file.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "operators/nufft.h"
#include "solvers/roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mri_run {
    mri_work work;
    scry_mri_volume_request request;
    const char *in, *out;
    scry_mri_volume volume;
    monitor meter;
    char *words;  /* of the run, for its journal */
    bool written; /* all outputs are in place, or none can be: the journal has served */
    bool reading; /* errors are now due to files, no longer to the command line */
};

/* ---- checks of the command line ---- */

static scry_status parse_slices(struct mri_run *run, scry_error *err)
{
    const char *text = run->work.settings->slices;
    const size_t slices = scry_scan_file_info(run->work.file)->slices;
    char end;
    long a, b;
    run->request.first = 0;
    run->request.last = slices - 1;
    if (!text) return SCRY_OK;
    const int one = sscanf(text, "%ld%c", &a, &end), two = sscanf(text, "%ld-%ld%c", &a, &b, &end);
    if (two != 2 && one == 1) b = a;
    if ((two != 2 && one != 1) || a < 0 || b < a || (size_t)b >= slices)
        return SCRY_FAIL(err, SCRY_EINVAL, "--slices '%s', expected A-B within 0-%zu", text,
                         slices - 1);
    run->request.first = (size_t)a;
    run->request.last = (size_t)b;
    return SCRY_OK;
}

static scry_status check_outputs(const struct mri_run *run, scry_error *err)
{
    const mri_settings *s = run->work.settings;
    const scry_output_maps *p = &run->work.maps;
    const char *const outputs[] = {run->out, s->report, s->preview};
    const char *const inputs[] = {run->in, s->mask, s->trajectory,
                                  mri_maps_from_file(s) ? s->maps : NULL, mri_noise_file(s)};
    const output_names names = {outputs, inputs, 3, 5};
    scry_recon_format format;
    const bool left = mri_journal_exists(run->out);
    if (left && !s->resume && !s->force)
        return SCRY_FAIL(err, SCRY_EIO,
                         "%s.journal is there, of a run that was stopped; --resume continues it, "
                         "--force begins anew",
                         run->out);
    const bool replace = s->force || (s->resume && left);
    scry_status st = map_files_check(p, &run->work.files, &names, false, replace, err);
    if (st == SCRY_OK) st = scry_recon_format_of(&format, run->out, err);
    for (size_t k = 0; st == SCRY_OK && k < p->count; k++)
        if (run->work.files.name[k][0])
            st = scry_recon_format_of(&format, run->work.files.name[k], err);
    return st;
}

static scry_status mri_choose_method(struct mri_run *run, scry_error *err)
{
    mri_work *w = &run->work;
    const mri_settings *s = w->settings;
    const bool automatic = !strcmp(s->method, "auto");
    const map_options *asked = &s->output;
    const bool draws = asked->sd || asked->quantiles || asked->above || asked->rhat || asked->ess;
    const struct scry_method *method =
        automatic ? scry_role_method(draws ? SCRY_ROLE_SCAN_DRAWS : SCRY_ROLE_SCAN)
                  : scry_method_find(s->method);
    if (!method || method->kind == SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--method '%s' is not a method that reconstructs; 'scry methods' lists "
                         "them",
                         s->method);
    const size_t chains = method->kind == SCRY_POSTERIOR ? (size_t)s->samples : 1;
    scry_scan_options(&w->options, method);
    scry_status st = method_options_read(&w->options, &s->methods, err);
    if (st == SCRY_OK)
        st = map_options_parse(&w->maps, &w->files, &s->output,
                               s->preview || report_is_page(s->report), &w->options, chains, err);
    w->request.options = &w->options;
    w->request.automatic = automatic && !draws && strcmp(s->noise, "none") != 0;
    w->request.tune = !mri_gives_weight(s);
    w->request.maps = &w->maps;
    return st == SCRY_OK ? scry_mri_request_check(&w->request, err) : st;
}

/* ---- the run ---- */

static void show_steps(size_t more, size_t total, void *ctx)
{
    monitor_count(ctx, more, total, NULL);
}

static void mri_warn(const struct mri_run *run)
{
    for (const char *text; (text = scry_scan_file_warning(run->work.file));)
        scry_log_warn(&run->work.request.log, "%s: %s", run->in, text);
}

static void note_scan(const struct mri_run *run)
{
    const scry_kspace_info *i = scry_scan_file_info(run->work.file);
    scry_log_note(&run->work.request.log,
                  "%s: %s, %zu frame%s, %zu slice%s, %zu coil%s, %zu x %zu x %zu", run->in,
                  scry_kspace_format_name(i->format), i->frames, i->frames == 1 ? "" : "s",
                  i->slices, i->slices == 1 ? "" : "s", i->coils, i->coils == 1 ? "" : "s", i->nz,
                  i->ny, i->nx);
    const scry_scan *scan = scry_scan_file_scan(run->work.file);
    if (scan->trajectory)
        scry_log_note(&run->work.request.log,
                      "off the grid: %zu samples in readouts of %zu, gridding by %s", scan->samples,
                      scan->line, scry_nufft_engine() ? scry_nufft_engine() : "scry itself");
}

static scry_status open_scan(struct mri_run *run, scry_error *err)
{
    const mri_settings *s = run->work.settings;
    const bool noise = !strcmp(s->noise, "auto") || !strcmp(s->noise, "scan");
    scry_scan_file_request request = {.path = run->in,
                                      .choice = {.dataset = s->dataset,
                                                 .transformed = s->transformed != NULL,
                                                 .oversampling = s->oversampling,
                                                 .scattered = s->trajectory != NULL},
                                      .mask = s->mask,
                                      .maps = mri_maps_from_file(s) ? s->maps : NULL,
                                      .trajectory = s->trajectory,
                                      .noise = noise,
                                      .noise_file = mri_noise_file(s)};
    if (s->size && !choice_size(request.size, s->size, 2, 8192))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--size '%s', expected rows x columns such as 256x256, each 2 to 8192",
                         s->size);
    if (s->size && !s->trajectory)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--size %s without --trajectory: the size of the image is that of the "
                         "k-space",
                         s->size);
    scry_status st = scry_scan_file_open(&run->work.file, &request, err);
    if (st != SCRY_OK) return st;
    mri_warn(run);
    if ((st = parse_slices(run, err)) != SCRY_OK) return st;
    note_scan(run);
    const scry_kspace_info *i = scry_scan_file_info(run->work.file);
    run->work.request.planes =
        (run->request.last - run->request.first + 1) * i->frames * (i->nz > 1 ? i->nx : 1);
    return scry_recon_placeable(run->out, &scry_scan_file_info(run->work.file)->geometry,
                                run->request.last - run->request.first + 1, err);
}

static scry_status mri_run_open(struct mri_run *run, const mri_settings *s, const cli_parse *words,
                                scry_error *err)
{
    mri_work *w = &run->work;
    scry_status st;
    w->settings = s;
    if (!run->words) return SCRY_FAIL(err, SCRY_ENOMEM, "words of the command line");
    if ((st = mri_settings_check(s, err)) != SCRY_OK) return st;
    mri_settings_request(&w->request, s);
    if (!processes_rank()) w->request.log = monitor_log(s->quiet);
    if (report_is_page(s->report)) {
        if ((st = scry_page_create(&w->page, err)) != SCRY_OK) return st;
        w->request.log = scry_page_log(w->page, w->request.log);
    }
    if (words->count != 2)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%d files named, expected two: the k-space and the "
                         "image to write",
                         words->count);
    run->in = words->args[0];
    run->out = words->args[1];
    if ((st = mri_choose_method(run, err)) != SCRY_OK) return st;
    if ((st = check_outputs(run, err)) != SCRY_OK) return st;
    run->reading = true;
    if ((st = open_scan(run, err)) != SCRY_OK) return st;
    const scry_scan *scan = scry_scan_file_scan(w->file);
    if ((st = scry_reconstructor_create(&w->rec, &w->request, scan, err)) != SCRY_OK) return st;
    st = scry_mri_volume_prepare(&run->volume, w->rec, w->file, &run->request, err);
    if (st != SCRY_OK) return st;
    w->options = *scry_reconstructor_options(w->rec);
    return mri_journal_begin(&run->volume, &run->request, run->out, run->words, s->resume,
                             &w->request.log, err);
}

static void mri_run_close(struct mri_run *run)
{
    scry_mri_journal_close(run->request.journal);
    scry_free(run->words);
    scry_mri_volume_free(&run->volume);
    scry_page_free(run->work.page);
    scry_reconstructor_free(run->work.rec);
    scry_scan_file_close(run->work.file);
}

static void run_slices(struct mri_run *run)
{
    FILE *to = run->work.settings->quiet || processes_rank() ? NULL : stderr;
    monitor_begin(&run->meter, to, run->work.options.method->name);
    scry_mri_volume_run(&run->volume, run->work.rec, run->work.file, &run->request);
    monitor_end(&run->meter, SCRY_OK);
}

/* On the first rank, when all slices are there. */
static int mri_finish(struct mri_run *run, const cli_command *command, double began)
{
    scry_error err = {0};
    const mri_settings *s = run->work.settings;
    const size_t failures = mri_output_failures(&run->volume, run->in);
    const size_t all = scry_mri_volume_entries(&run->volume);
    if (failures >= all) {
        run->written = true;
        SCRY_FAIL(&err, SCRY_ENUMERIC,
                  "%s: no slice of %zu could be reconstructed; nothing was "
                  "written",
                  run->in, all);
        return cli_failed(command, &err);
    }
    scry_status st = SCRY_OK;
    mri_output_log(&run->volume, &run->work, run->in);
    if (s->preview) st = mri_output_preview(&run->volume, &run->work, &err);
    if (st == SCRY_OK && s->report)
        st = mri_output_report(&run->volume, &run->work, run->in, run->out, scry_clock() - began,
                               &err);
    if (st == SCRY_OK) st = mri_output_write(&run->volume, &run->work, run->out, &err);
    if (st != SCRY_OK) return cli_failed(command, &err);
    run->written = true;
    if (failures)
        fprintf(stderr, "scry mri: %zu of %zu slices failed and are NaN in %s\n", failures, all,
                run->out);
    return failures ? CLI_FAILED : CLI_OK;
}

/* A run that was stopped: finished slices are written, the rest is NaN, and the journal stays. */
static int mri_stop(struct mri_run *run, const cli_command *command)
{
    scry_error err = {0};
    const size_t all = scry_mri_volume_entries(&run->volume);
    const size_t done = scry_mri_volume_blank(&run->volume);
    if (!done) mri_journal_end(&run->request, run->out, true);
    if (!done || all < 2) return CLI_FAILED;
    program_hold(); /* the grace is for work that may hang */
    scry_cancel_clear();
    const scry_status st = mri_output_write(&run->volume, &run->work, run->out, &err);
    scry_cancel();
    program_release();
    if (st != SCRY_OK) return cli_failed(command, &err);
    fprintf(stderr,
            "scry mri: stopped: %zu of %zu slices are done and in %s, the others are NaN there; "
            "--resume continues\n",
            done, all, run->out);
    program_kept();
    return CLI_FAILED;
}

static int mri_run_all(const cli_command *command, const mri_settings *s, const cli_parse *words,
                       char *journal_words)
{
    scry_error err = {0};
    const double began = scry_clock();
    int status = CLI_OK;
    struct mri_run *run = scry_alloc(1, sizeof *run);
    if (!run) {
        SCRY_FAIL(&err, SCRY_ENOMEM, "no memory to start");
        scry_free(journal_words);
        return cli_failed(command, &err);
    }
    run->words = journal_words;
    scry_threads_set((int)s->threads);
    if (!s->threads && processes_count() > 1) {
        const int each = scry_threads() / processes_count();
        scry_threads_set(each > 1 ? each : 1);
    }
    run->request = (scry_mri_volume_request){.cplx = s->cplx,
                                             .zero_filled = s->preview || report_is_page(s->report),
                                             .maps = &run->work.maps,
                                             .seed = (uint64_t)s->seed,
                                             .threads = (size_t)scry_threads(),
                                             .rank = (size_t)processes_rank(),
                                             .ranks = (size_t)processes_count(),
                                             .chains = monitor_chains,
                                             .steps = show_steps,
                                             .ctx = &run->meter};
    if (scry_machine_busy()) scry_threads_set(1);
    if (s->fft && !strcmp(s->fft, "measure")) scry_fft_set_effort(SCRY_FFT_MEASURE);
    const scry_status st = mri_run_open(run, s, words, &err);
    const scry_status worst = processes_worst(st);
    if (worst != SCRY_OK) {
        status = worst == SCRY_EINVAL && !run->reading ? CLI_USAGE : CLI_FAILED;
        if (run->reading) scry_error_name(&err, run->in);
        if (st != SCRY_OK && (processes_rank() == 0 || processes_count() == 1))
            cli_failed(command, &err);
        goto done;
    }
    run_slices(run);
    const bool stopped = processes_worst(scry_cancelled() ? SCRY_EIO : SCRY_OK) != SCRY_OK;
    mri_output_gather(&run->volume);
    if (stopped) {
        status = processes_rank() ? CLI_FAILED : mri_stop(run, command);
        goto done;
    }
    mri_warn(run);
    if (!processes_rank()) status = mri_finish(run, command, began);
    mri_journal_end(&run->request, run->out, run->written);
    status = processes_worst(status ? SCRY_EIO : SCRY_OK) == SCRY_OK ? CLI_OK : CLI_FAILED;
done:
    mri_run_close(run);
    scry_free(run);
    return status;
}

/* Options that say nothing to some methods. */
static const method_use mri_uses[] = {
    {"prior", ANY_KIND, SCRY_NEEDS_DENOISER},     {"samples", 1u << SCRY_POSTERIOR, 0},
    {"gain", ANY_KIND, SCRY_NEEDS_DENOISER},      {"phase-width", ANY_KIND, SCRY_NEEDS_DENOISER},
    {"imaginary", ANY_KIND, SCRY_NEEDS_DENOISER}, {0},
};

static void mri_warn_unused(const cli_parse *words, const mri_settings *s)
{
    if (strcmp(s->method, "auto") != 0) method_warn_unused(words, mri_uses, s->method);
}

static int mri_command(const cli_command *self, int argc, char **argv)
{
    mri_settings s;
    cli_option options[MRI_OPTIONS];
    cli_parse words;
    processes_begin(&argc, &argv);
    char *journal_words = mri_journal_words(argc, argv);
    mri_settings_init(&s);
    mri_options(options, &s);
    int status = cli_begin(&words, self, argc, argv, options, &s.methods, ANY_KIND);
    if (status == CLI_OK) {
        if (!processes_rank()) mri_warn_unused(&words, &s);
        status = mri_run_all(self, &s, &words, journal_words);
        cli_end(&words);
    } else {
        scry_free(journal_words);
    }
    processes_end();
    return status < 0 ? CLI_OK : status;
}

const cli_command cli_mri = {
    "mri",
    "[options] kspace out",
    "reconstruct MR images from undersampled k-space",
    "kspace is a fastMRI or ISMRMRD file, a .cfl, a plain complex HDF5 dataset or .npy, told apart "
    "by "
    "content; out ends in .h5, .cfl, .nii, .nii.gz or .npy. Each slice is reconstructed by itself, "
    "and each frame but by the methods that join frames. "
    "The "
    "readout is transformed and cut to the image where it is complete, coils are whitened, and "
    "images have the intensity of a root-sum-of-squares reconstruction of the file. Started by "
    "mpirun, processes share the slices.",
    mri_command,
};
