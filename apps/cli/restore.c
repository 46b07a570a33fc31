#include "apps/cli/restore.h"

#include "apps/cli/batch.h"
#include "apps/cli/choices.h"
#include "apps/cli/image.h"
#include "apps/cli/monitor.h"
#include "apps/cli/program.h"
#include "apps/cli/report.h"
#include "apps/cli/restore_output.h"
#include "apps/cli/restore_page.h"
#include "apps/recon/image/blank.h"
#include "apps/recon/image/residual.h"
#include "apps/recon/image/stack.h"
#include "apps/recon/tile.h"
#include "lib/cancel.h"
#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/parallel.h"
#include "solvers/roles.h"

#include <math.h>
#include <string.h>

struct run {
    const restore_settings *settings;
    restore_task task;
    bool has_mask;
    scry_options options;
    scry_output_maps maps;
    map_files map_files;
    image psf, mask; /* from --psf and --mask */
    scry_restore_request request;
    scry_restorer *restorer;
    unsigned char *known; /* of one image, by the mask */
    batch files;
    report report;
    restore_page page;
    scry_diagnosis_summary summary; /* of one file */
    const char *command;
    char command_line[1024];
};

static scry_status read_image(const image_file *f, const scry_stack_image *at, float *y,
                              scry_error *err)
{
    const size_t plane = scry_space_count(&at->image.space) / at->planes;
    scry_status st = SCRY_OK;
    for (size_t z = 0; st == SCRY_OK && z < at->planes; z++)
        st = image_file_read(f, scry_stack_channel(at, z), scry_stack_slice(at, z), at->t,
                             y + z * plane, err);
    return st;
}

/* All of a file is read once before the first image is worked on: an error in the last page
 * shows now and not after hours. EINVAL: those of scry_image_survey_check; or an image that is
 * returned unchanged has NaNs and goes to integers. */
static scry_status check_file(const struct run *run, const image_file *f,
                              const scry_image_stack *stack, float *y, scry_error *err)
{
    const char *type = run->settings->type;
    const scry_tiff_type to = type ? scry_tiff_type_parse(type) : f->info.type;
    const bool integer = to != SCRY_TIFF_F32 && to != SCRY_TIFF_F64;
    scry_image_survey survey = {0};
    double low, high;
    uint64_t at_low = 0, at_high = 0, count = 0;
    scry_tiff_type_range(to, &low, &high);
    for (size_t k = 0; k < scry_image_stack_count(stack); k++) {
        const scry_stack_image at = scry_image_stack_at(stack, k);
        scry_status st = read_image(f, &at, y, err);
        if (st != SCRY_OK) return st;
        const size_t n = scry_space_count(&at.image.space);
        for (size_t i = 0; i < n && !scry_tiff_is_alpha(stack->info, at.c); i++, count++) {
            at_low += (double)y[i] <= low;
            at_high += (double)y[i] >= high;
        }
        if (scry_image_survey_add(&survey, y, n) && survey.last_missing && integer && f->tiff)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "%s, channel %zu, slice %zu, frame %zu: nothing but one value and %zu "
                             "NaN or infinite pixels, which cannot be handed on as %s; --type "
                             "float32 can",
                             stack->name, at.c, at.z, at.t, survey.last_missing,
                             scry_tiff_type_name(to));
    }
    /* the deconvolution of a constant is itself */
    if (run->task == RESTORE_DEBLUR && survey.finite && survey.constant == survey.images)
        return SCRY_OK;
    if (!type) result_file_expect(stack->name, to, at_low, at_high, count, &run->request.log);
    return scry_image_survey_check(&survey, stack->name,
                                   run->task == RESTORE_INPAINT && !run->has_mask, err);
}

/* Known pixels that count as exact have no noise to judge by. */
static void log_diagnosis(const struct run *run, const char *path)
{
    const restore_settings *s = run->settings;
    const bool exact = run->task == RESTORE_INPAINT && isnan(s->sigma) && isnan(s->gain) &&
                       (!s->noise || strcmp(s->noise, "auto") != 0);
    const scry_diagnosis_texts words = {
        .file = path,
        .noise = exact ? NULL : "--sigma, or --gain and --read-noise",
        .model = run->task == RESTORE_DEBLUR ? "the psf or --background is wrong"
                                             : "--background is wrong",
        .rhat = s->maps.rhat != NULL,
        .ess = s->maps.ess != NULL,
        .multi_draw = scry_method_draws(&run->options) > 1};
    scry_diagnosis_log(&run->summary, &words, &run->request.log);
}

/* The part of --mask that belongs to an image. */
static scry_status mask_image(struct run *run, const scry_image_stack *stack, scry_stack_image *at,
                              scry_error *err)
{
    const size_t n = scry_space_count(&at->image.space);
    if (!run->has_mask) return SCRY_OK;
    scry_free(run->known);
    at->image.known = run->known = scry_alloc(n, 1);
    if (!run->known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    return scry_image_stack_mask(run->known, stack, at, run->settings->mask, &run->mask.info,
                                 run->mask.pixels, err);
}

static scry_status solve_image(scry_restore_result *out, struct run *run,
                               const scry_image_stack *stack, scry_stack_image *at, scry_error *err)
{
    monitor m;
    const bool alpha = scry_tiff_is_alpha(stack->info, at->c);
    scry_status st;
    if (alpha || scry_image_is_constant(at->image.pixels, scry_space_count(&at->image.space))) {
        st = scry_restore_unchanged(out, &at->image, &run->maps, err);
        if (st == SCRY_OK)
            scry_log_warn(
                &run->request.log, "%s, channel %zu, slice %zu, frame %zu %s and is handed on",
                at->image.name, at->c, at->z, at->t, alpha ? "is transparency" : "is constant");
        return st;
    }
    if ((st = mask_image(run, stack, at, err)) != SCRY_OK) return st;
    monitor_begin(&m, run->settings->quiet ? NULL : stderr, run->settings->method);
    st = scry_restorer_run(out, run->restorer, &at->image, at->seed, monitor_chains, &m, err);
    monitor_end(&m, st);
    return st;
}

/* The residual of an image, in the place of its prediction. */
static float *take_residual(scry_restore_result *r, const float *pixels, size_t n)
{
    if (r->predicted) scry_residual_map(r->predicted, pixels, r->predicted, &r->noise, n);
    return r->predicted;
}

/* Image k of the stack, from file to file; y: room for its pixels. */
static scry_status restore_image(struct run *run, const image_file *file, restore_output *out,
                                 const scry_image_stack *stack, size_t k, float *y, scry_error *err)
{
    char place[96];
    scry_restore_result result = {0};
    scry_stack_image at = scry_image_stack_at(stack, k);
    const scry_output_maps *maps = &run->maps;
    const size_t n = scry_space_count(&at.image.space);
    scry_status st = read_image(file, &at, y, err);
    at.image.pixels = y;
    if (st == SCRY_OK) st = solve_image(&result, run, stack, &at, err);
    if (st == SCRY_OK && k == 0 && out->preview_path)
        st = report_preview(out->preview_path, run->settings->force, &at.image, result.mean,
                            scry_output_maps_sd(maps, result.maps, n), err);
    if (st == SCRY_OK && run->task != RESTORE_INPAINT)
        scry_restore_keep_missing(&result, &at.image, maps->count, restore_output_has_nan(out));
    const float *residual = st == SCRY_OK ? take_residual(&result, y, n) : NULL;
    if (st == SCRY_OK) st = restore_output_write(out, &at, &result, residual, err);
    if (st == SCRY_OK) st = restore_page_image(&run->page, &at, &result, residual, maps, err);
    if (st == SCRY_OK) report_image(&run->report, at.c, at.z, at.t, &result);
    if (st == SCRY_OK)
        scry_diagnosis_add(&run->summary, &result.diagnosis,
                           scry_image_stack_place(stack, &at, place, sizeof place));
    scry_restore_result_free(&result);
    return st;
}

static void note_file(const struct run *run, const image_file *file, const char *path)
{
    const scry_tiff_info *info = &file->info;
    image_file_warn(file, path);
    scry_log_note(
        &run->request.log, "%s: %zu x %zu, %zu slice%s, %zu channel%s, %zu frame%s, %s, %s", path,
        info->y, info->x, info->z, info->z == 1 ? "" : "s", info->c, info->c == 1 ? "" : "s",
        info->t, info->t == 1 ? "" : "s", scry_tiff_type_name(info->type), image_file_kind(file));
}

static scry_status restore_file(struct run *run, size_t i, scry_error *err)
{
    const char *path = run->files.files[i].in, *to = run->files.files[i].out;
    const restore_output_request outputs = {run->settings, &run->maps, &run->map_files, &run->files,
                                            run->command_line};
    image_file file;
    restore_output out = {0};
    scry_tiff_written written = {0};
    double flux_change = 0;
    scry_status st = image_file_open_series(&file, path, (size_t)run->settings->series, err);
    if (st != SCRY_OK) return st;
    const scry_tiff_info *info = &file.info;
    const scry_image_stack stack = {.name = path,
                                    .info = info,
                                    .rank = scry_restorer_rank(run->restorer, info->z),
                                    .colour = scry_restorer_is_colour(run->restorer),
                                    .seed = (uint64_t)run->settings->seed};
    const scry_stack_image first = scry_image_stack_at(&stack, 0);
    const size_t n = scry_space_count(&first.image.space);
    float *y = NULL;
    note_file(run, &file, path);
    if (stack.colour && (!info->rgb || info->c < 3)) {
        st = SCRY_FAIL(err, SCRY_ESHAPE,
                       "%zu channels that are no colours, expected RGB for prior %s", info->c,
                       run->settings->prior);
        goto done;
    }
    const double memory =
        run->settings->memory > 0 ? 1e9 * run->settings->memory : (double)scry_memory_total();
    st = scry_tile_check(&first.image.space, memory, err);
    if (st != SCRY_OK) goto done;
    if (!(y = scry_alloc(n, sizeof *y))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "an image of %zu pixels", n);
        goto done;
    }
    if ((st = check_file(run, &file, &stack, y, err)) != SCRY_OK) goto done;
    if ((st = restore_output_open(&out, &outputs, i, info, err)) != SCRY_OK) goto done;
    report_file_begin(&run->report, path, to);
    if ((st = restore_page_file_begin(&run->page, path, to, &stack, err)) != SCRY_OK) goto done;
    run->summary = (scry_diagnosis_summary){0};
    for (size_t k = 0; k < scry_image_stack_count(&stack); k++)
        if ((st = restore_image(run, &file, &out, &stack, k, y, err)) != SCRY_OK) goto done;
    program_hold(); /* all files of an input appear, or none */
    st = restore_output_finish(&out, &written, &flux_change, &run->request.log, err);
    program_release();
    if (st != SCRY_OK) goto done;
    report_file_end(&run->report, &written, flux_change);
    if ((st = restore_page_file_end(&run->page, &written, err)) != SCRY_OK) goto done;
    log_diagnosis(run, path);
done:
    if (st != SCRY_OK) scry_error_name(err, path);
    restore_output_abort(&out);
    scry_free(y);
    image_file_close(&file);
    return st;
}

static scry_status restore_choose_default(struct run *run, scry_error *err)
{
    const restore_settings *s = run->settings;
    const bool automatic = run->task != RESTORE_DENOISE && !strcmp(s->method, "auto");
    const bool fills = automatic && run->task == RESTORE_INPAINT;
    const scry_role draws = fills ? SCRY_ROLE_INPAINT : SCRY_ROLE_DEBLUR;
    /* possible maps are checked against the contender that draws */
    const struct scry_method *method =
        automatic ? scry_role_method(draws) : scry_method_find(s->method);
    if (!method || method->kind == SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--method '%s' is not a method that restores; 'scry methods' "
                         "lists them",
                         s->method);
    const size_t chains = method->kind == SCRY_POSTERIOR ? (size_t)s->samples : 1;
    if (run->task == RESTORE_INPAINT)
        scry_hole_options(&run->options, method);
    else
        scry_options_init(&run->options, method);
    scry_status st = method_options_read(&run->options, &s->methods, err);
    if (st == SCRY_OK)
        st = map_options_parse(&run->maps, &run->map_files, &s->maps,
                               (s->preview || report_is_page(s->report)) && (fills || !automatic),
                               &run->options, chains, err);
    if (automatic)
        run->request.draws = &run->options;
    else
        run->request.options = &run->options;
    run->request.maps = &run->maps;
    return st;
}

static scry_status restore_check_outputs(struct run *run, const char *out, scry_error *err)
{
    static const char beads[] = "beads:";
    const restore_settings *s = run->settings;
    batch *b = &run->files;
    const bool of_beads = s->psf && !strncmp(s->psf, beads, sizeof beads - 1);
    b->also[0] = of_beads ? s->psf + sizeof beads - 1 : s->psf;
    b->also[1] = s->mask;
    const char *const outputs[] = {out, s->report, s->residual,
                                   b->folder ? NULL : s->preview}; /* PNGs among TIFFs */
    const char *const inputs[] = {b->files[0].in, b->also[0], b->also[1]};
    const output_names names = {outputs, inputs, 4, b->folder ? 0 : 3};
    scry_status st = map_files_check(&run->maps, &run->map_files, &names, b->folder, s->force, err);
    for (size_t i = 0; st == SCRY_OK && b->folder && i < b->count; i++) {
        const char *const in[] = {b->files[i].in};
        st = output_no_input(b->files[i].out, b->also, 2, err);
        if (st == SCRY_OK && s->report) st = output_no_input(s->report, in, 1, err);
    }
    return st == SCRY_OK && s->report ? output_check(s->report, s->force, err) : st;
}

static scry_status run_open(struct run *run, restore_settings *s, const cli_parse *words,
                            scry_error *err)
{
    scry_status st = restore_settings_check(s, run->task, err);
    if (st != SCRY_OK) return st;
    run->settings = s;
    restore_settings_request(&run->request, s);
    run->request.log = monitor_log(s->quiet);
    if ((st = restore_choose_default(run, err)) != SCRY_OK) return st;
    if ((st = batch_open(&run->files, words->args, words->count, s->force, err)) != SCRY_OK)
        return st;
    if ((st = restore_check_outputs(run, words->args[words->count - 1], err)) != SCRY_OK) return st;
    if ((st = restore_page_open(&run->page, s->report, run->files.count, err)) != SCRY_OK)
        return st;
    run->request.log = restore_page_log(&run->page, run->request.log);
    if (run->task == RESTORE_DEBLUR &&
        (st = image_load_psf(&run->request.psf, &run->psf, s->psf, err)) != SCRY_OK)
        return st;
    if (s->mask && (st = image_load(&run->mask, s->mask, err)) != SCRY_OK) return st;
    run->has_mask = s->mask != NULL;
    if ((st = scry_restorer_create(&run->restorer, &run->request, err)) != SCRY_OK) return st;
    return report_begin(&run->report, run->command, s, &run->request, run->restorer, err);
}

static void run_close(struct run *run)
{
    report_free(&run->report);
    restore_page_close(&run->page);
    scry_restorer_free(run->restorer);
    scry_free(run->known);
    image_free(&run->mask);
    image_free(&run->psf);
    batch_free(&run->files);
}

static restore_task task_of(const cli_command *command)
{
    return command == &cli_deblur    ? RESTORE_DEBLUR
           : command == &cli_inpaint ? RESTORE_INPAINT
                                     : RESTORE_DENOISE;
}

static scry_status write_report(struct run *run, const char *path, scry_error *err)
{
    const scry_json_node *root = report_finish(&run->report);
    return run->page.page ? restore_page_write(&run->page, run->command, root, path, err)
                          : report_write(&run->report, path, err);
}

static int restore_run_all(const cli_command *command, restore_settings *s, const cli_parse *words)
{
    scry_error err = {0};
    int status = CLI_OK;
    struct run *run = scry_alloc(1, sizeof *run);
    if (!run) {
        SCRY_FAIL(&err, SCRY_ENOMEM, "no memory to start");
        return cli_failed(command, &err);
    }
    run->task = task_of(command);
    run->command = command->name;
    scry_threads_set((int)s->threads);
    if (s->fft && !strcmp(s->fft, "measure")) scry_fft_set_effort(SCRY_FFT_MEASURE);
    snprintf(run->command_line, sizeof run->command_line, "%s %s, seed %lld", command->name,
             s->method, (long long)s->seed);
    if (run_open(run, s, words, &err) != SCRY_OK) {
        status = err.code == SCRY_EINVAL ? CLI_USAGE : CLI_FAILED;
        cli_failed(command, &err);
        goto done;
    }
    for (size_t i = 0; i < run->files.count && !scry_cancelled(); i++) {
        scry_error one = {0};
        if (restore_file(run, i, &one) == SCRY_OK) continue;
        status = cli_failed(command, &one); /* the other files are still restored */
        report_failure(&run->report, run->files.files[i].in, &one);
    }
    if (scry_cancelled()) status = CLI_FAILED;
    if (s->report && !scry_cancelled() && write_report(run, s->report, &err) != SCRY_OK)
        status = cli_failed(command, &err);
done:
    run_close(run);
    scry_free(run);
    return status;
}

/* Options that say nothing to some methods. */
static const method_use restore_uses[] = {
    {"prior", ANY_KIND, SCRY_NEEDS_DENOISER},  {"samples", 1u << SCRY_POSTERIOR, 0},
    {"range", ANY_KIND, SCRY_NEEDS_DENOISER},  {"tile", ANY_KIND, SCRY_NEEDS_DENOISER},
    {"slices", ANY_KIND, SCRY_NEEDS_DENOISER}, {0},
};

int restore_main(const cli_command *command, int argc, char **argv)
{
    const restore_task task = task_of(command);
    restore_settings s;
    cli_option options[RESTORE_OPTIONS];
    cli_parse words;
    restore_settings_init(&s, task);
    s.arguments = argv;
    s.argument_count = argc;
    restore_options(options, &s, task);
    int status = cli_begin(&words, command, argc, argv, options, &s.methods, ANY_KIND);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    restore_settings_complete(&s, task);
    method_warn_unused(&words, restore_uses, s.method);
    status = restore_run_all(command, &s, &words);
    cli_end(&words);
    return status;
}
