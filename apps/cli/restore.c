#include "apps/cli/restore.h"

#include "apps/cli/batch.h"
#include "apps/cli/choices.h"
#include "apps/cli/report.h"
#include "lib/fft.h"
#include "lib/memory.h"
#include "lib/parallel.h"
#include "lib/vector.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* The TIFFs of one input: the mean and the products, NULL for one that only the preview shows. They
 * are finished together or not at all. */
struct outputs {
    scry_tiff_writer *mean, *product[OUTPUT_MAPS_MAX];
    char *preview_path;
    size_t products;
};

static void outputs_free(struct outputs *o)
{
    scry_tiff_abort(o->mean);
    for (size_t k = 0; k < o->products; k++)
        scry_tiff_abort(o->product[k]);
    free(o->preview_path);
}

struct run {
    restore_run_state state;
    batch files;
    report report;
    diagnosis_summary tally; /* of one file */
    char command_line[1024];
};

/* A product is written as float32: a spread below one grey value must not become 0. */
static scry_status open_product(scry_tiff_writer **out, const struct run *run, size_t i,
                                const output_map *what, const scry_tiff_info *info,
                                scry_tiff_options options, scry_error *err)
{
    char *path;
    scry_status st = batch_side(&path, &run->files, i, what->name, "tif", options.force, err);
    options.type = SCRY_TIFF_F32;
    if (st == SCRY_OK) st = scry_tiff_create(out, path, info, &options, err);
    free(path);
    return st;
}

static scry_status outputs_open(struct outputs *o, const struct run *run, size_t i,
                                const scry_tiff_info *info, scry_error *err)
{
    const restore_settings *s = run->state.settings;
    const output_maps *p = &run->state.products;
    scry_tiff_options options = {.force = s->force, .provenance = run->command_line};
    scry_status st = SCRY_OK;
    o->products = p->count;
    if (s->preview)
        st = batch_side(&o->preview_path, &run->files, i, s->preview, "png", s->force, err);
    if (s->bigtiff) options.size = SCRY_TIFF_SIZE_BIG;
    if (s->compress && !strcmp(s->compress, "deflate")) options.packing = SCRY_TIFF_DEFLATE;
    if (s->compress && !strcmp(s->compress, "lzw")) options.packing = SCRY_TIFF_LZW;
    for (size_t k = 0; st == SCRY_OK && k < p->count; k++)
        if (p->list[k].name[0])
            st = open_product(&o->product[k], run, i, &p->list[k], info, options, err);
    if (s->type) options.type = scry_tiff_type_parse(s->type);
    if (st == SCRY_OK)
        st = scry_tiff_create(&o->mean, run->files.files[i].out, info, &options, err);
    return st;
}

static scry_status write_volume(scry_tiff_writer *w, const restore_item *item, const float *pixels,
                                scry_error *err)
{
    const size_t plane = item->info->y * item->info->x;
    const size_t planes = scry_space_count(&item->space) / plane;
    scry_status st = SCRY_OK;
    for (size_t z = 0; w && pixels && st == SCRY_OK && z < planes; z++)
        st = scry_tiff_write_plane(w, item->c, item->z + z, item->t, pixels + z * plane, err);
    return st;
}

static scry_status write_item(struct outputs *o, const restore_item *item, const restore_result *r,
                              scry_error *err)
{
    const size_t n = scry_space_count(&item->space);
    scry_status st = write_volume(o->mean, item, r->mean, err);
    for (size_t k = 0; st == SCRY_OK && k < o->products; k++)
        st = write_volume(o->product[k], item, r->products + k * n, err);
    return st;
}

static scry_status outputs_finish(struct outputs *o, scry_tiff_written *written, scry_error *err)
{
    scry_status st = SCRY_OK;
    scry_tiff_writer *w;
    /* the mean appears last, when all else is in place */
    for (size_t k = 0; st == SCRY_OK && k < o->products; k++) {
        w = o->product[k];
        o->product[k] = NULL;
        if (w) st = scry_tiff_finish(w, NULL, err);
    }
    if (st != SCRY_OK) return st;
    w = o->mean;
    o->mean = NULL;
    return scry_tiff_finish(w, written, err);
}

static scry_status read_item(const image_file *f, const restore_item *item, float *y,
                             scry_error *err)
{
    const size_t plane = item->info->y * item->info->x;
    const size_t planes = scry_space_count(&item->space) / plane;
    scry_status st = SCRY_OK;
    for (size_t z = 0; st == SCRY_OK && z < planes; z++)
        st = image_file_read(f, item->c, item->z + z, item->t, y + z * plane, err);
    return st;
}

static bool is_constant(const float *y, size_t n)
{
    size_t i = 1;
    while (i < n && !(y[i] < y[0] || y[i] > y[0]))
        i++;
    return i >= n;
}

/* Item k of a file, in the order of writing: c fastest, then z, then t. */
static restore_item item_at(const char *path, const scry_tiff_info *info, int rank, uint64_t seed,
                            size_t k)
{
    const size_t nz = rank == 3 ? 1 : info->z;
    restore_item item = {
        .path = path, .info = info, .c = k % info->c, .z = k / info->c % nz, .t = k / info->c / nz};
    item.space = rank == 3 ? SCRY_SPACE(info->z, info->y, info->x) : SCRY_SPACE(info->y, info->x);
    item.seed = seed + 0x9e3779b97f4a7c15u * k; /* planes do not share their noise */
    return item;
}

/* All of a file is read once before the first image is worked on: what is wrong with the last page
 * shows now and not after hours. ENUMERIC: NaN or infinite pixels, with their place; EINVAL:
 * nothing in the file varies. */
static scry_status check_file(const image_file *f, const char *path, int rank, size_t items,
                              float *y, scry_error *err)
{
    size_t constant = 0;
    float value = 0;
    for (size_t k = 0; k < items; k++) {
        const restore_item item = item_at(path, &f->info, rank, 0, k);
        const size_t n = scry_space_count(&item.space);
        scry_status st = read_item(f, &item, y, err);
        if (st != SCRY_OK) return st;
        if (!scry_finite(y, n)) {
            size_t bad = 0;
            for (size_t i = 0; i < n; i++)
                bad += isfinite(y[i]) ? 0 : 1;
            return SCRY_FAIL(err, SCRY_ENUMERIC,
                             "%s, channel %zu, slice %zu, frame %zu: %zu of %zu "
                             "pixels are NaN or infinite, expected none",
                             path, item.c, item.z, item.t, bad, n);
        }
        value = y[0];
        constant += is_constant(y, n);
    }
    if (constant < items) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: %s (%g), expected an image that varies", path,
                     items > 1 ? "each plane is constant" : "all pixels are equal", (double)value);
}

/* A plane without content among others that have some (a dropped frame, an empty slice): it is its
 * own restoration, without spread. No chain was followed: R-hat and ESS are not numbers. */
static scry_status pass_on(restore_result *r, const restore_item *item, const output_maps *p,
                           scry_error *err)
{
    const size_t n = scry_space_count(&item->space);
    r->mean = scry_alloc(n, sizeof *r->mean);
    if (p->count) r->products = scry_alloc(n * p->count, sizeof *r->products);
    if (!r->mean || (p->count && !r->products))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu results of %zu pixels", 1 + p->count, n);
    memcpy(r->mean, item->y, n * sizeof *r->mean);
    r->diagnosis = (diagnosis){.chi2 = NAN, .draws_chi2 = NAN, .worst_rhat = NAN, .least_ess = NAN};
    for (size_t k = 0; k < p->count; k++) {
        const output_map *what = &p->list[k];
        const float value = what->kind == OUTPUT_MAP_SD         ? 0
                            : what->kind == OUTPUT_MAP_QUANTILE ? item->y[0]
                            : what->kind == OUTPUT_MAP_ABOVE    ? (float)(item->y[0] > what->at)
                                                                : NAN;
        for (size_t i = 0; i < n; i++)
            r->products[k * n + i] = value;
    }
    fprintf(stderr,
            "scry: warning: %s, channel %zu, slice %zu, frame %zu is constant and is handed on\n",
            item->path, item->c, item->z, item->t);
    return SCRY_OK;
}

static void tally(struct run *run, const restore_item *item, const diagnosis *d)
{
    const scry_tiff_info *info = item->info;
    const size_t nz = item->space.rank == 3 ? 1 : info->z;
    char where[96] = "";
    const size_t index[] = {item->c, item->z, item->t}, of[] = {info->c, nz, info->t};
    static const char *const words[] = {"channel", "slice", "frame"};
    for (size_t a = 0, used = 0; a < 3; a++)
        if (of[a] > 1)
            used += (size_t)snprintf(where + used, sizeof where - used, "%s%s %zu",
                                     used ? ", " : "", words[a], index[a]);
    diagnosis_add(&run->tally, d, where);
}

/* Known pixels that count as exact have no noise to judge by. */
static void tell(const struct run *run, const char *path)
{
    const restore_run_state *r = &run->state;
    const restore_settings *s = r->settings;
    const bool exact = !r->deblur && isnan(s->sigma) && isnan(s->gain) &&
                       (!s->noise || strcmp(s->noise, "auto") != 0);
    const diagnosis_words words = {.file = path,
                                   .noise = exact ? NULL : "--sigma, or --gain and --read-noise",
                                   .model = r->deblur ? "the psf or --background is wrong"
                                                      : "--background is wrong",
                                   .rhat = s->products.rhat != NULL,
                                   .ess = s->products.ess != NULL,
                                   .walks = scry_method_draws(&r->opts) > 1};
    diagnosis_log(&run->tally, &words, r->log);
}

static scry_status restore_item_k(struct run *run, const image_file *file, struct outputs *out,
                                  restore_item *item, float *y, bool preview, scry_error *err)
{
    restore_result result = {0};
    const output_maps *p = &run->state.products;
    scry_status st = read_item(file, item, y, err);
    item->y = y;
    if (st == SCRY_OK)
        st = is_constant(y, scry_space_count(&item->space))
                 ? pass_on(&result, item, p, err)
                 : restore_solve(&result, &run->state, item, err);
    if (st == SCRY_OK) st = write_item(out, item, &result, err);
    if (st == SCRY_OK && preview && out->preview_path)
        st =
            report_preview(out->preview_path, run->state.settings->force, item, result.mean,
                           output_maps_sd(p, result.products, scry_space_count(&item->space)), err);
    if (st == SCRY_OK) report_item(&run->report, item, &result);
    if (st == SCRY_OK) tally(run, item, &result.diagnosis);
    restore_result_free(&result);
    return st;
}

static scry_status restore_file(struct run *run, size_t i, scry_error *err)
{
    const char *path = run->files.files[i].in;
    image_file file;
    struct outputs out = {0};
    float *y = NULL;
    scry_tiff_written written = {0};
    scry_status st = image_file_open(&file, path, err);
    if (st != SCRY_OK) return st;
    const scry_tiff_info *info = &file.info;
    const int rank = run->state.deblur ? psf_rank(&run->state.psf, info) : 2;
    const size_t items = info->c * info->t * (rank == 3 ? 1 : info->z);
    const restore_item first = item_at(path, info, rank, 0, 0);
    image_file_warn(&file, path);
    if (run->state.log)
        fprintf(run->state.log, "%s: %zu x %zu, %zu slice%s, %zu channel%s, %zu frame%s, %s, %s\n",
                path, info->y, info->x, info->z, info->z == 1 ? "" : "s", info->c,
                info->c == 1 ? "" : "s", info->t, info->t == 1 ? "" : "s",
                scry_tiff_type_name(info->type),
                file.tiff ? scry_tiff_flavour_name(info->flavour) : "PNG");
    y = scry_alloc(scry_space_count(&first.space), sizeof *y);
    if (!y) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "an image of %zu pixels", scry_space_count(&first.space));
        goto done;
    }
    if ((st = check_file(&file, path, rank, items, y, err)) != SCRY_OK) goto done;
    if ((st = outputs_open(&out, run, i, info, err)) != SCRY_OK) goto done;
    report_file_begin(&run->report, path, run->files.files[i].out);
    run->tally = (diagnosis_summary){0};
    for (size_t k = 0; k < items; k++) {
        restore_item item = item_at(path, info, rank, (uint64_t)run->state.settings->seed, k);
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
    if (st != SCRY_OK) image_name_error(err, path);
    outputs_free(&out);
    scry_free(y);
    image_file_close(&file);
    return st;
}

static scry_status check_settings(const restore_settings *s, bool deblur, scry_error *err)
{
    scry_status st;
    if ((st = choice_check("fft", s->fft, (const char *[]){"rows", "measure", NULL}, err)) !=
            SCRY_OK ||
        (st = choice_check("boundary", s->boundary,
                           (const char *[]){"open", "joined", "periodic", NULL}, err)) != SCRY_OK ||
        (st = choice_check("compress", s->compress,
                           (const char *[]){"none", "deflate", "lzw", NULL}, err)) != SCRY_OK ||
        (st = choice_check("noise", s->noise, (const char *[]){"auto", "none", NULL}, err)) !=
            SCRY_OK ||
        (st = choice_check("defects", s->defects,
                           (const char *[]){"none", "saturated", "all", NULL}, err)) != SCRY_OK)
        return st;
    if (s->type && scry_tiff_type_parse(s->type) == SCRY_TIFF_KEEP)
        return SCRY_FAIL(err, SCRY_EINVAL, "--type '%s', expected uint8, uint16, float32, ...",
                         s->type);
    if (deblur && !s->psf)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--psf is missing: a TIFF or a model such as gaussian:sigma=2");
    if (s->sigma <= 0)
        return SCRY_FAIL(err, SCRY_EINVAL, "--sigma %g, expected more than 0; %s", s->sigma,
                         deblur ? "without it the noise is estimated"
                                : "--noise none takes known pixels as exact");
    if (!deblur && !s->mask)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--mask is missing: a TIFF, nonzero where the image is known");
    const struct {
        const char *name;
        double value, low, high;
    } range[] = {{"gain", s->gain, 1e-9, 1e9},
                 {"offset", s->offset, -1e9, 1e9},
                 {"read-noise", s->read_noise, 0, 1e9},
                 {"background", s->background, -1e9, 1e9},
                 {"sigma", s->sigma, 1e-30, 1e30},
                 {"samples", (double)s->samples, 1, 4096},
                 {"threads", (double)s->threads, 0, 1024},
                 {"tile", (double)s->tile, 64, 65536},
                 {"seed", (double)s->seed, 0, 9e15}};
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (range[i].value < range[i].low || range[i].value > range[i].high)
            return SCRY_FAIL(err, SCRY_EINVAL, "--%s %g, expected %g to %g", range[i].name,
                             range[i].value, range[i].low, range[i].high);
    double low, high;
    if (s->range && (st = restore_range(s->range, &low, &high, err)) != SCRY_OK) return st;
    if (!isnan(s->sigma) && !isnan(s->gain))
        return SCRY_FAIL(err, SCRY_EINVAL, "--sigma and --gain are two noise models, expected one");
    return SCRY_OK;
}

static scry_status run_open(struct run *run, const restore_settings *s, const cli_parse *words,
                            scry_error *err)
{
    restore_run_state *r = &run->state;
    scry_status st = check_settings(s, r->deblur, err);
    if (st != SCRY_OK) return st;
    r->settings = s;
    r->log = s->quiet ? NULL : stderr;
    r->method = scry_method_find(s->method);
    if (!r->method || r->method->kind == SCRY_UNCONDITIONAL)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--method '%s' is not a method that restores; 'scry methods' "
                         "lists them",
                         s->method);
    const bool posterior = r->method->kind == SCRY_POSTERIOR;
    scry_chains_opts_init(&r->chains);
    r->chains.chains = posterior ? (size_t)s->samples : 1;
    r->chains.threads = (size_t)s->threads;
    if ((st = method_options(&r->opts, r->method, &s->methods, err)) != SCRY_OK) return st;
    if ((st = output_maps_parse(&r->products, &s->products, s->preview != NULL, &r->opts,
                                r->chains.chains, err)) != SCRY_OK)
        return st;
    if ((st = batch_open(&run->files, words->args, words->count, s->force, err)) != SCRY_OK)
        return st;
    const char *const names[] = {words->args[words->count - 1], s->report,
                                 run->files.folder ? NULL : s->preview}; /* PNGs among TIFFs */
    if ((st = output_maps_distinct(&r->products, names, 3, err)) != SCRY_OK) return st;
    if (s->report && (st = output_check(s->report, s->force, err)) != SCRY_OK) return st;
    if (r->deblur && (st = psf_open(&r->psf, s->psf, err)) != SCRY_OK) return st;
    r->psf.crop = s->crop_psf;
    if (s->mask) {
        if ((st = image_load(&r->mask, s->mask, err)) != SCRY_OK) return st;
        r->has_mask = true;
    }
    if (r->method->needs & SCRY_NEEDS_DENOISER) {
        if ((st = prior_pool_open(&r->pool, s->prior, err)) != SCRY_OK) return st;
        r->has_pool = true;
    }
    return report_begin(&run->report, r, err);
}

static void run_close(struct run *run)
{
    restore_run_state *r = &run->state;
    report_free(&run->report);
    scry_prior_free(r->prior);
    prior_pool_close(&r->pool);
    image_free(&r->mask);
    psf_close(&r->psf);
    batch_free(&run->files);
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
    run->state.deblur = command == &cli_deblur;
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
    const bool deblur = command == &cli_deblur;
    restore_settings s;
    cli_option options[RESTORE_OPTIONS];
    cli_parse words;
    restore_settings_init(&s, deblur);
    restore_options(options, &s, deblur);
    int status = cli_begin(&words, command, argc, argv, options, &s.methods, ANY_KIND);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    method_warn_unused(&words, restore_uses, s.method);
    status = run_all(command, &s, &words);
    cli_end(&words);
    return status;
}
