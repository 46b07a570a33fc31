#include "apps/cli/restore.h"

#include "apps/cli/batch.h"
#include "apps/cli/choices.h"
#include "apps/cli/image.h"
#include "apps/cli/monitor.h"
#include "apps/cli/report.h"
#include "apps/recon/run.h"
#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/vector.h"
#include "solvers/roles.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The TIFFs of one input: the mean and the maps, NULL for one that only the preview shows. They
 * are finished together or not at all. */
struct outputs {
    scry_tiff_writer *mean, *map[SCRY_OUTPUT_MAX];
    char *preview_path;
    size_t maps;
};

static void outputs_free(struct outputs *o)
{
    scry_tiff_abort(o->mean);
    for (size_t k = 0; k < o->maps; k++)
        scry_tiff_abort(o->map[k]);
    free(o->preview_path);
}

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
    unsigned char *known; /* of one image: what the mask says */
    batch files;
    report report;
    scry_diagnosis_summary tally; /* of one file */
    const char *command;
    char command_line[1024];
};

/* An image of a file, and where it goes. */
struct item {
    scry_image image;
    const scry_tiff_info *info;
    size_t c, z, t; /* first plane; z is 0 for volumes */
    uint64_t seed;
};

/* A map is written as float32: a spread below one grey value must not become 0. */
static scry_status open_map(scry_tiff_writer **out, const struct run *run, size_t i,
                            const char *name, const scry_tiff_info *info, scry_tiff_options options,
                            scry_error *err)
{
    char *path;
    scry_status st = batch_side(&path, &run->files, i, name, "tif", options.force, err);
    options.type = SCRY_TIFF_F32;
    if (st == SCRY_OK) st = scry_tiff_create(out, path, info, &options, err);
    free(path);
    return st;
}

static scry_status outputs_open(struct outputs *o, const struct run *run, size_t i,
                                const scry_tiff_info *info, scry_error *err)
{
    const restore_settings *s = run->settings;
    const scry_output_maps *p = &run->maps;
    scry_tiff_options options = {.force = s->force, .provenance = run->command_line};
    scry_status st = SCRY_OK;
    o->maps = p->count;
    if (s->preview)
        st = batch_side(&o->preview_path, &run->files, i, s->preview, "png", s->force, err);
    if (s->bigtiff) options.size = SCRY_TIFF_SIZE_BIG;
    if (s->compress && !strcmp(s->compress, "deflate")) options.packing = SCRY_TIFF_DEFLATE;
    if (s->compress && !strcmp(s->compress, "lzw")) options.packing = SCRY_TIFF_LZW;
    for (size_t k = 0; st == SCRY_OK && k < p->count; k++)
        if (run->map_files.name[k][0])
            st = open_map(&o->map[k], run, i, run->map_files.name[k], info, options, err);
    if (s->type) options.type = scry_tiff_type_parse(s->type);
    if (st == SCRY_OK)
        st = scry_tiff_create(&o->mean, run->files.files[i].out, info, &options, err);
    return st;
}

static scry_status write_volume(scry_tiff_writer *w, const struct item *item, const float *pixels,
                                scry_error *err)
{
    const size_t plane = item->info->y * item->info->x;
    const size_t planes = scry_space_count(&item->image.space) / plane;
    scry_status st = SCRY_OK;
    for (size_t z = 0; w && pixels && st == SCRY_OK && z < planes; z++)
        st = scry_tiff_write_plane(w, item->c, item->z + z, item->t, pixels + z * plane, err);
    return st;
}

static scry_status write_item(struct outputs *o, const struct item *item,
                              const scry_restore_result *r, scry_error *err)
{
    const size_t n = scry_space_count(&item->image.space);
    scry_status st = write_volume(o->mean, item, r->mean, err);
    for (size_t k = 0; st == SCRY_OK && k < o->maps; k++)
        st = write_volume(o->map[k], item, r->maps + k * n, err);
    return st;
}

static scry_status outputs_finish(struct outputs *o, scry_tiff_written *written, scry_error *err)
{
    scry_status st = SCRY_OK;
    scry_tiff_writer *w;
    /* the mean appears last, when all else is in place */
    for (size_t k = 0; st == SCRY_OK && k < o->maps; k++) {
        w = o->map[k];
        o->map[k] = NULL;
        if (w) st = scry_tiff_finish(w, NULL, err);
    }
    if (st != SCRY_OK) return st;
    w = o->mean;
    o->mean = NULL;
    return scry_tiff_finish(w, written, err);
}

static scry_status read_item(const image_file *f, const struct item *item, float *y,
                             scry_error *err)
{
    const size_t plane = item->info->y * item->info->x;
    const size_t planes = scry_space_count(&item->image.space) / plane;
    scry_status st = SCRY_OK;
    for (size_t z = 0; st == SCRY_OK && z < planes; z++)
        st = image_file_read(f, item->c, item->z + z, item->t, y + z * plane, err);
    return st;
}

/* No two finite values that differ; *finite: how many there are, *value: one of them. Either may be
 * NULL. */
static bool is_constant(const float *y, size_t n, size_t *finite, double *value)
{
    float low = INFINITY, high = -INFINITY;
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(y[i])) continue;
        count++;
        low = fminf(low, y[i]);
        high = fmaxf(high, y[i]);
    }
    if (finite) *finite = count;
    if (value && count) *value = (double)low;
    return !(high > low);
}

/* Item k of a file, in the order of writing: c fastest, then z, then t. */
static struct item item_at(const char *path, const scry_tiff_info *info, int rank, uint64_t seed,
                           size_t k)
{
    const size_t nz = rank == 3 ? 1 : info->z;
    struct item item = {
        .info = info, .c = k % info->c, .z = k / info->c % nz, .t = k / info->c / nz};
    item.image = (scry_image){.name = path, .number = k / info->c};
    image_describe(&item.image, info, item.c);
    item.image.space =
        rank == 3 ? SCRY_SPACE(info->z, info->y, info->x) : SCRY_SPACE(info->y, info->x);
    item.seed = scry_recon_seed(seed, k);
    return item;
}

/* What --mask says of an image: one plane serves all, a stack of as many slices each its own. */
static scry_status mask_item(struct run *run, struct item *item, scry_error *err)
{
    const scry_tiff_info *m = &run->mask.info, *info = item->info;
    const size_t n = scry_space_count(&item->image.space), plane = info->y * info->x;
    size_t known = 0;
    if (!run->has_mask) return SCRY_OK;
    if (m->y != info->y || m->x != info->x)
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s: mask of %zu x %zu pixels, expected %zu x %zu as in %s",
                         run->settings->mask, m->y, m->x, info->y, info->x, item->image.name);
    if (m->c > 1 || m->t > 1 || (m->z > 1 && m->z != info->z))
        return SCRY_FAIL(err, SCRY_ESHAPE,
                         "%s: mask of %zu channels, %zu slices, %zu frames, "
                         "expected 1, 1 (or %zu), 1",
                         run->settings->mask, m->c, m->z, m->t, info->z);
    scry_free(run->known);
    item->image.known = run->known = scry_alloc(n, 1);
    if (!run->known) return SCRY_FAIL(err, SCRY_ENOMEM, "mask of %zu pixels", n);
    for (size_t i = 0; i < n; i++) {
        const size_t z = m->z > 1 ? item->z + i / plane : 0;
        known += run->known[i] = run->mask.pixels[z * plane + i % plane] != 0;
    }
    if (known) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL,
                     "%s: no pixel of %zu is known, expected at least one that is not 0",
                     run->settings->mask, n);
}

/* All of a file is read once before the first image is worked on: what is wrong with the last page
 * shows now and not after hours. EINVAL: nothing in the file varies, nothing in it is missing
 * although holes are to be filled, or what is to be handed on has NaNs and goes to integers. */
static scry_status check_file(const struct run *run, const image_file *f, const char *path,
                              int rank, size_t items, float *y, scry_error *err)
{
    const char *type = run->settings->type;
    const scry_tiff_type to = type ? scry_tiff_type_parse(type) : f->info.type;
    const bool integer = to != SCRY_TIFF_F32 && to != SCRY_TIFF_F64;
    size_t constant = 0, holes = 0, values = 0, finite;
    double value = 0;
    for (size_t k = 0; k < items; k++) {
        const struct item item = item_at(path, &f->info, rank, 0, k);
        const size_t n = scry_space_count(&item.image.space);
        scry_status st = read_item(f, &item, y, err);
        if (st != SCRY_OK) return st;
        const bool same = is_constant(y, n, &finite, &value);
        constant += same;
        values += finite;
        holes += n - finite;
        if (same && finite < n && integer && f->tiff)
            return SCRY_FAIL(err, SCRY_EINVAL,
                             "%s, channel %zu, slice %zu, frame %zu: nothing but one value and %zu "
                             "NaN or infinite pixels, which cannot be handed on as %s; --type "
                             "float32 can",
                             path, item.c, item.z, item.t, n - finite, scry_tiff_type_name(to));
    }
    if (!values)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: no finite value: all %zu pixels are NaN or infinite", path, holes);
    if (constant == items)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s (%g), expected an image that varies", path,
                         items > 1 ? "each plane is constant" : "all pixels are equal", value);
    if (run->task == RESTORE_INPAINT && !run->has_mask && !holes)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: nothing to fill: --mask is missing (a TIFF, nonzero where the image "
                         "is known), and no pixel is NaN",
                         path);
    return SCRY_OK;
}

/* A plane without content among others that have some (a dropped frame, an empty slice): it is its
 * own restoration, without spread. No chain was followed: R-hat and ESS are not numbers. */
static scry_status pass_on(scry_restore_result *r, const struct item *item,
                           const scry_output_maps *p, scry_error *err)
{
    const size_t n = scry_space_count(&item->image.space);
    r->mean = scry_alloc(n, sizeof *r->mean);
    if (p->count) r->maps = scry_alloc(n * p->count, sizeof *r->maps);
    if (!r->mean || (p->count && !r->maps))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + p->count, n);
    memcpy(r->mean, item->image.pixels, n * sizeof *r->mean);
    r->diagnosis =
        (scry_diagnosis){.chi2 = NAN, .draws_chi2 = NAN, .worst_rhat = NAN, .least_ess = NAN};
    for (size_t k = 0; k < p->count; k++) {
        const scry_output_map *what = &p->list[k];
        const float value = what->kind == SCRY_OUTPUT_SD         ? 0
                            : what->kind == SCRY_OUTPUT_QUANTILE ? item->image.pixels[0]
                            : what->kind == SCRY_OUTPUT_ABOVE
                                ? (float)(item->image.pixels[0] > what->at)
                                : NAN;
        for (size_t i = 0; i < n; i++)
            r->maps[k * n + i] = value;
    }
    fprintf(stderr, "scry: warning: %s, channel %zu, slice %zu, frame %zu %s and is handed on\n",
            item->image.name, item->c, item->z, item->t,
            scry_tiff_is_alpha(item->info, item->c) ? "is transparency" : "is constant");
    return SCRY_OK;
}

static void tally(struct run *run, const struct item *item, const scry_diagnosis *d)
{
    const scry_tiff_info *info = item->info;
    const size_t nz = item->image.space.rank == 3 ? 1 : info->z;
    char where[96] = "";
    const size_t index[] = {item->c, item->z, item->t}, of[] = {info->c, nz, info->t};
    static const char *const words[] = {"channel", "slice", "frame"};
    for (size_t a = 0, used = 0; a < 3; a++)
        if (of[a] > 1)
            used += (size_t)snprintf(where + used, sizeof where - used, "%s%s %zu",
                                     used ? ", " : "", words[a], index[a]);
    scry_diagnosis_add(&run->tally, d, where);
}

/* Known pixels that count as exact have no noise to judge by. */
static void tell(const struct run *run, const char *path)
{
    const restore_settings *s = run->settings;
    const bool exact = run->task == RESTORE_INPAINT && isnan(s->sigma) && isnan(s->gain) &&
                       (!s->noise || strcmp(s->noise, "auto") != 0);
    const scry_diagnosis_words words = {
        .file = path,
        .noise = exact ? NULL : "--sigma, or --gain and --read-noise",
        .model = run->task == RESTORE_DEBLUR ? "the psf or --background is wrong"
                                             : "--background is wrong",
        .rhat = s->maps.rhat != NULL,
        .ess = s->maps.ess != NULL,
        .multi_draw = scry_method_draws(&run->options) > 1};
    scry_diagnosis_log(&run->tally, &words, &run->request.log);
}

static scry_status solve_item(scry_restore_result *out, struct run *run, struct item *item,
                              scry_error *err)
{
    monitor m;
    scry_status st = mask_item(run, item, err);
    if (st != SCRY_OK) return st;
    monitor_begin(&m, run->settings->quiet ? NULL : stderr, run->settings->method);
    st = scry_restorer_run(out, run->restorer, &item->image, item->seed, monitor_chains, &m, err);
    monitor_end(&m, st);
    return st;
}

/* What was not measured stays so, in files whose type can say it: to deblur is not to invent a
 * field of view. scry inpaint fills it. */
static void keep_holes(scry_restore_result *r, const struct outputs *o, const struct item *item,
                       const scry_output_maps *p)
{
    const size_t n = scry_space_count(&item->image.space);
    const scry_tiff_type type = scry_tiff_planned(o->mean)->type;
    const bool mean = type == SCRY_TIFF_F32 || type == SCRY_TIFF_F64;
    for (size_t i = 0; i < n; i++) {
        if (isfinite(item->image.pixels[i])) continue;
        if (mean) r->mean[i] = NAN;
        for (size_t k = 0; k < p->count; k++)
            r->maps[k * n + i] = NAN;
    }
}

static scry_status restore_item_k(struct run *run, const image_file *file, struct outputs *out,
                                  struct item *item, float *y, bool preview, scry_error *err)
{
    scry_restore_result result = {0};
    const scry_output_maps *p = &run->maps;
    const size_t n = scry_space_count(&item->image.space);
    scry_status st = read_item(file, item, y, err);
    item->image.pixels = y;
    const bool handed_on =
        st == SCRY_OK && (scry_tiff_is_alpha(item->info, item->c) || is_constant(y, n, NULL, NULL));
    if (st == SCRY_OK)
        st = handed_on ? pass_on(&result, item, p, err) : solve_item(&result, run, item, err);
    if (st == SCRY_OK && preview && out->preview_path)
        st = report_preview(out->preview_path, run->settings->force, &item->image, result.mean,
                            scry_output_maps_sd(p, result.maps, n), err);
    if (st == SCRY_OK && run->task != RESTORE_INPAINT) keep_holes(&result, out, item, p);
    if (st == SCRY_OK) st = write_item(out, item, &result, err);
    if (st == SCRY_OK) report_item(&run->report, item->c, item->z, item->t, &result);
    if (st == SCRY_OK) tally(run, item, &result.diagnosis);
    scry_restore_result_free(&result);
    return st;
}

static scry_status restore_file(struct run *run, size_t i, scry_error *err)
{
    const char *path = run->files.files[i].in;
    image_file file;
    struct outputs out = {0};
    float *y = NULL;
    scry_tiff_written written = {0};
    scry_status st = image_file_open_series(&file, path, (size_t)run->settings->series, err);
    if (st != SCRY_OK) return st;
    const scry_tiff_info *info = &file.info;
    const int rank = scry_restorer_rank(run->restorer, info->z);
    const size_t items = info->c * info->t * (rank == 3 ? 1 : info->z);
    const struct item first = item_at(path, info, rank, 0, 0);
    image_file_warn(&file, path);
    scry_log_note(&run->request.log,
                  "%s: %zu x %zu, %zu slice%s, %zu channel%s, %zu frame%s, %s, %s", path, info->y,
                  info->x, info->z, info->z == 1 ? "" : "s", info->c, info->c == 1 ? "" : "s",
                  info->t, info->t == 1 ? "" : "s", scry_tiff_type_name(info->type),
                  file.tiff ? scry_tiff_flavour_name(info->flavour) : "PNG");
    y = scry_alloc(scry_space_count(&first.image.space), sizeof *y);
    if (!y) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "an image of %zu pixels",
                       scry_space_count(&first.image.space));
        goto done;
    }
    if ((st = check_file(run, &file, path, rank, items, y, err)) != SCRY_OK) goto done;
    if ((st = outputs_open(&out, run, i, info, err)) != SCRY_OK) goto done;
    report_file_begin(&run->report, path, run->files.files[i].out);
    run->tally = (scry_diagnosis_summary){0};
    for (size_t k = 0; k < items; k++) {
        struct item item = item_at(path, info, rank, (uint64_t)run->settings->seed, k);
        if ((st = restore_item_k(run, &file, &out, &item, y, k == 0, err)) != SCRY_OK) goto done;
    }
    st = outputs_finish(&out, &written, err);
    if (st == SCRY_OK) report_file_end(&run->report, &written);
    if (st == SCRY_OK) tell(run, path);
    if (st == SCRY_OK && written.clipped)
        fprintf(stderr,
                "scry: warning: %s: %.2g %% of the pixels are clipped to the range of %s; --type "
                "float32 keeps them\n",
                run->files.files[i].out, 100 * (double)written.clipped / (double)written.pixels,
                scry_tiff_type_name(written.type));
done:
    if (st != SCRY_OK) scry_error_name(err, path);
    outputs_free(&out);
    scry_free(y);
    image_file_close(&file);
    return st;
}

static scry_status choose_method(struct run *run, scry_error *err)
{
    const restore_settings *s = run->settings;
    const bool automatic = run->task == RESTORE_DEBLUR && !strcmp(s->method, "auto");
    /* what maps there can be is checked against the contender that draws */
    const struct scry_method *method =
        automatic ? scry_role_method(SCRY_ROLE_DEBLUR) : scry_method_find(s->method);
    if (!method || method->kind == SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--method '%s' is not a method that restores; 'scry methods' "
                         "lists them",
                         s->method);
    const size_t chains = method->kind == SCRY_POSTERIOR ? (size_t)s->samples : 1;
    scry_status st = method_options(&run->options, method, &s->methods, err);
    if (st == SCRY_OK)
        st = map_options_parse(&run->maps, &run->map_files, &s->maps,
                               s->preview != NULL && !automatic, &run->options, chains, err);
    if (!automatic) run->request.options = &run->options;
    run->request.maps = &run->maps;
    return st;
}

static scry_status run_open(struct run *run, restore_settings *s, const cli_parse *words,
                            scry_error *err)
{
    scry_status st = restore_settings_check(s, run->task, err);
    if (st != SCRY_OK) return st;
    run->settings = s;
    restore_settings_request(&run->request, s);
    run->request.log = monitor_log(s->quiet);
    if ((st = choose_method(run, err)) != SCRY_OK) return st;
    if ((st = batch_open(&run->files, words->args, words->count, s->force, err)) != SCRY_OK)
        return st;
    const char *const names[] = {words->args[words->count - 1], s->report,
                                 run->files.folder ? NULL : s->preview}; /* PNGs among TIFFs */
    if ((st = map_files_distinct(&run->maps, &run->map_files, names, 3, err)) != SCRY_OK) return st;
    if (s->report && (st = output_check(s->report, s->force, err)) != SCRY_OK) return st;
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

static int run_all(const cli_command *command, restore_settings *s, const cli_parse *words)
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
    for (size_t i = 0; i < run->files.count && !cli_interrupted; i++) {
        scry_error one = {0};
        if (restore_file(run, i, &one) == SCRY_OK) continue;
        status = cli_failed(command, &one); /* the other files are still restored */
        report_failure(&run->report, run->files.files[i].in, &one);
    }
    if (cli_interrupted) {
        fprintf(stderr, "scry %s: interrupted; unfinished outputs were not written\n",
                command->name);
        status = CLI_FAILED;
    }
    if (s->report && !cli_interrupted && report_write(&run->report, s->report, &err) != SCRY_OK)
        status = cli_failed(command, &err);
done:
    run_close(run);
    scry_free(run);
    return status;
}

/* Options that say nothing to some methods. */
static const method_use restore_uses[] = {
    {"prior", ANY_KIND, SCRY_NEEDS_DENOISER},
    {"samples", 1u << SCRY_POSTERIOR, 0},
    {"range", ANY_KIND, SCRY_NEEDS_DENOISER},
    {"tile", ANY_KIND, SCRY_NEEDS_DENOISER},
    {0},
};

int restore_main(const cli_command *command, int argc, char **argv)
{
    const restore_task task = task_of(command);
    restore_settings s;
    cli_option options[RESTORE_OPTIONS];
    cli_parse words;
    restore_settings_init(&s, task);
    restore_options(options, &s, task);
    int status = cli_begin(&words, command, argc, argv, options, &s.methods, ANY_KIND);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    restore_settings_complete(&s, task);
    method_warn_unused(&words, restore_uses, s.method);
    status = run_all(command, &s, &words);
    cli_end(&words);
    return status;
}
