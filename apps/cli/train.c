#include "apps/cli/cli.h"

#include "apps/cli/monitor.h"
#include "apps/cli/processes.h"
#include "apps/cli/program.h"
#include "apps/cli/train_files.h"
#include "apps/recon/prior_lookup.h"
#include "apps/recon/train/training.h"
#include "datasets/structure.h"
#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/parallel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SYNTHETIC_SIDE = 256 };

struct train_settings {
    const char *init, *channels, *objective, *name, *description, *licence;
    double minutes, rate, rate_adam;
    int64_t synthetic, steps, layers, unshuffle, crop, batch, threads, seed;
    bool classes, hold, resume, force, quiet, as_is;
};

static bool parse_widths(const char *text, scry_train_opts *o)
{
    char *end;
    o->levels = 0;
    for (;; text = end + 1) {
        const unsigned long width = strtoul(text, &end, 10);
        if (end == text || o->levels == SCRY_TRAIN_LEVELS) return false;
        o->width[o->levels++] = width;
        if (*end != ',') return !*end;
    }
}

static void train_print_found(const train_found *found, const scry_image_set *set, bool borrowed)
{
    fprintf(stderr, "%zu images of %zu files, %.2f megapixels; %zu held out\n",
            scry_image_set_count(set, false) + scry_image_set_count(set, true), found->files,
            (double)(scry_image_set_pixels(set, false) + scry_image_set_pixels(set, true)) / 1e6,
            scry_image_set_count(set, true));
    for (size_t c = 0; c < scry_image_set_classes(set) && scry_image_set_classes(set) > 1; c++)
        fprintf(stderr, "  %-16s %5zu images %8.2f megapixels, %zu held out\n",
                scry_image_set_class(set, c), scry_image_set_class_count(set, c, false),
                (double)scry_image_set_class_pixels(set, c, false) / 1e6,
                scry_image_set_class_count(set, c, true));
    if (found->images)
        fprintf(
            stderr,
            "noise of the images themselves: sd %.2g %% of their range, at most %.2g %%; finest "
            "detail %.2g %%\n",
            100 * found->noise, 100 * found->noisiest, 100 * found->detail);
    if (found->coloured)
        fprintf(stderr, "%zu files in colours: the mean of red, green and blue is trained on\n",
                found->coloured);
    if (found->smaller)
        fprintf(stderr, "%zu images noisy or blurred at the scale of a pixel: averaged down\n",
                found->smaller);
    if (found->weak)
        fprintf(stderr, "%zu images noisy all the same: they weigh less\n", found->weak);
    if (borrowed)
        fprintf(stderr, "scry: warning: too few images to hold any out: held-out figures are of "
                        "images that are trained on\n");
}

/* Drawn structure as one more class, each kind in turn. */
static scry_status train_draw(scry_image_set *set, size_t count, uint64_t seed, scry_error *err)
{
    scry_image_report report;
    scry_status st = SCRY_OK;
    float *pixels = scry_alloc((size_t)SYNTHETIC_SIDE * SYNTHETIC_SIDE, sizeof *pixels);
    if (!pixels) return SCRY_FAIL(err, SCRY_ENOMEM, "drawn images");
    for (size_t k = 0; k < count && st == SCRY_OK; k++) {
        st = scry_structure_draw(pixels, (scry_structure)(k % SCRY_STRUCTURES), SYNTHETIC_SIDE,
                                 SYNTHETIC_SIDE, seed + k, err);
        if (st == SCRY_OK)
            st = scry_image_set_add(set, &report, pixels, SYNTHETIC_SIDE, SYNTHETIC_SIDE,
                                    "synthetic", false, err);
    }
    scry_free(pixels);
    return st;
}

static scry_status train_check(const struct train_settings *s, const char *folder, scry_error *err)
{
    char path[4096];
    if (!(s->minutes >= 0 && s->minutes <= 1e6) || s->steps < 0 || s->steps > 1000000000)
        return SCRY_FAIL(err, SCRY_EINVAL, "--minutes %g --steps %lld, expected 0 to 1e6 and 1e9",
                         s->minutes, (long long)s->steps);
    if (!(s->minutes > 0) && !s->steps)
        return SCRY_FAIL(err, SCRY_EINVAL, "--minutes 0 without --steps would never end");
    if (s->layers < 1 || s->unshuffle < 1 || s->crop < 8 || s->crop > 400 || s->batch < 1 ||
        s->batch > 65536 || s->threads < 0 || s->threads > 1024 || s->seed < 0)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--layers %lld --unshuffle %lld --crop %lld --batch %lld --threads %lld "
                         "--seed %lld, expected >= 1, >= 1, 8 to 400, 1 to 65536, 0 to 1024, >= 0",
                         (long long)s->layers, (long long)s->unshuffle, (long long)s->crop,
                         (long long)s->batch, (long long)s->threads, (long long)s->seed);
    if (s->synthetic < 0 || s->synthetic > 100000)
        return SCRY_FAIL(err, SCRY_EINVAL, "--synthetic %lld, expected 0 to 100000",
                         (long long)s->synthetic);
    snprintf(path, sizeof path, "%s/config.json", folder);
    if (!access(path, F_OK) && !s->force && !s->resume)
        return SCRY_FAIL(err, SCRY_EIO, "%s exists: --force replaces it, --resume goes on", path);
    return SCRY_OK;
}

/* Crops go through the network in groups, which the threads share. */
static size_t group_of(size_t batch)
{
    size_t group = 8;
    while (batch % group)
        group--;
    return group;
}

static scry_status train_options(scry_train_opts *o, const struct train_settings *s,
                                 scry_error *err)
{
    scry_train_opts_init(o);
    if (!parse_widths(s->channels, o))
        return SCRY_FAIL(err, SCRY_EINVAL, "--channels '%s', expected numbers such as 64,96,128",
                         s->channels);
    if (!strcmp(s->objective, "flow"))
        o->objective = SCRY_OBJECTIVE_FLOW;
    else if (strcmp(s->objective, "v"))
        return SCRY_FAIL(err, SCRY_EINVAL, "--objective '%s', expected v or flow", s->objective);
    scry_threads_set((int)s->threads);
    o->layers = (size_t)s->layers;
    o->unshuffle = (size_t)s->unshuffle;
    o->crop = (size_t)s->crop;
    o->batch = (size_t)s->batch;
    o->group = group_of(o->batch);
    o->rate_muon = s->rate;
    o->rate_adam = s->rate_adam;
    o->seed = (uint64_t)s->seed;
    const size_t groups = o->batch / o->group, threads = (size_t)scry_threads();
    o->threads = (int)(threads < groups ? threads : groups);
    return SCRY_OK;
}

static void train_print_end(const scry_training_result *out, const char *folder)
{
    const bool scored = out->psnr[0] > 0;
    printf("%s after %zu steps, %.0f crops, %.1f minutes%s", out->stopped ? "stopped" : "done",
           out->steps, out->crops, out->minutes,
           scored ? "; held-out PSNR at sigma" : "; no held-out PSNR yet\n");
    for (int k = 0; scored && k < SCRY_TRAINING_LEVELS; k++)
        printf(" %g: %.2f%s", scry_training_levels[k], out->psnr[k],
               k + 1 < SCRY_TRAINING_LEVELS ? "," : " dB\n");
    if (out->compared[0][1] > 0) {
        printf("denoising of held-out images    sigma");
        for (int k = 0; k < SCRY_TRAINING_LEVELS; k++)
            printf(" %7g", scry_training_levels[k]);
        const char *const rows[] = {"this network", "block matching (BM3D)"};
        for (int row = 0; row < 2; row++) {
            printf("\n  %-27s PSNR/dB", rows[row]);
            for (int k = 0; k < SCRY_TRAINING_LEVELS; k++)
                printf(" %7.2f", out->compared[k][row]);
        }
        printf("\n");
    }
    printf("%s is a prior: --prior %s%s\n", folder, strchr(folder, '/') ? "" : "./", folder);
}

static scry_status train_start(const struct train_settings *s, const char *const *paths,
                               size_t count, const char *folder, scry_error *err)
{
    scry_image_set *set = NULL;
    scry_prior_pool init = {0};
    scry_image_set_opts set_opts;
    scry_training_result result;
    bool borrowed;
    train_found found = {.to = s->quiet ? NULL : stderr};
    scry_training_request r = {.folder = folder,
                               .name = s->name ? s->name : folder,
                               .description = s->description ? s->description : "",
                               .data = "",
                               .licence = s->licence ? s->licence : "",
                               .minutes = s->minutes,
                               .steps = (size_t)s->steps,
                               .hold = s->hold,
                               .resume = s->resume,
                               .log = monitor_log(s->quiet)};
    scry_image_set_opts_init(&set_opts);
    set_opts.crop = (size_t)s->crop;
    set_opts.clean = !s->as_is;
    set_opts.seed = (uint64_t)s->seed;
    scry_status st = train_check(s, folder, err);
    if (st == SCRY_OK) st = train_options(&r.opts, s, err);
    if (st == SCRY_OK) st = scry_image_set_create(&set, &set_opts, err);
    if (st == SCRY_OK) st = train_files_add(&found, set, paths, count, err);
    if (st == SCRY_OK) st = train_draw(set, (size_t)s->synthetic, (uint64_t)s->seed, err);
    if (st == SCRY_OK) st = scry_image_set_seal(set, &borrowed, err);
    if ((st = processes_worst(st)) != SCRY_OK) goto done;
    if (!s->quiet) train_print_found(&found, set, borrowed);
    if (s->init && (st = scry_prior_pool_open(&init, s->init, err)) != SCRY_OK) goto done;
    if (s->classes) {
        r.opts.classes = scry_image_set_classes(set);
        r.opts.label = scry_image_set_label;
    }
    r.images = set;
    r.init = init.network;
    r.opts.team =
        (scry_train_team){(size_t)processes_rank(), (size_t)processes_count(), processes_share};
    if ((st = processes_worst(st)) != SCRY_OK) goto done;
    program_hold(); /* saving at a stop may take longer than the grace */
    st = scry_training_run(&result, &r, err);
    program_release();
    if (st == SCRY_OK && !processes_rank()) train_print_end(&result, folder);
    if (st == SCRY_OK && result.stopped) st = scry_cancel_check(err);
done:
    scry_image_set_free(set);
    scry_prior_pool_close(&init);
    return st;
}

static int train_run(const cli_command *self, int argc, char **argv)
{
    struct train_settings s = {.channels = "64,96,128",
                               .objective = "v",
                               .minutes = 60,
                               .rate = .02,
                               .rate_adam = 1e-3,
                               .layers = 1,
                               .unshuffle = 2,
                               .crop = 64,
                               .batch = 32};
    const cli_option options[] = {
        {"minutes", CLI_REAL, &s.minutes, "N", "how long; the rate falls to 0 in this time [60]"},
        {"steps", CLI_INTEGER, &s.steps, "N", "end after N steps at the latest [no limit]"},
        {"init", CLI_TEXT, &s.init, "PRIOR", "start from the weights of a prior, and its shape"},
        {"resume", CLI_FLAG, &s.resume, NULL, "go on where OUT was left"},
        {"hold", CLI_FLAG, &s.hold, NULL, "keep the rate, for a training to be resumed"},
        {"channels", CLI_TEXT, &s.channels, "LIST", "of the network by level [64,96,128]"},
        {"layers", CLI_INTEGER, &s.layers, "N", "residual blocks a level [1]"},
        {"unshuffle", CLI_INTEGER, &s.unshuffle, "N", "the network sees blocks of NxN pixels [2]"},
        {"crop", CLI_INTEGER, &s.crop, "PX", "side of the crops [64]"},
        {"batch", CLI_INTEGER, &s.batch, "N", "crops a step [32]"},
        {"objective", CLI_TEXT, &s.objective, "WORD",
         "what the network learns: v, or flow (velocity of flow matching) [v]"},
        {"classes", CLI_FLAG, &s.classes, NULL,
         "the network learns the classes (folders) too, for --class and --guidance"},
        {"rate", CLI_REAL, &s.rate, "R", "learning rate of 3x3 kernels (Muon) [0.02]"},
        {"rate-adam", CLI_REAL, &s.rate_adam, "R", "of all other weights (AdamW) [0.001]"},
        {"synthetic", CLI_INTEGER, &s.synthetic, "N",
         "add N drawn images: filaments, puncta, membranes, vesicles, nuclei, dead leaves [0]"},
        {"as-is", CLI_FLAG, &s.as_is, NULL, "do not average noisy or blurred images down"},
        {"name", CLI_TEXT, &s.name, "TEXT", "for prior.json [OUT]"},
        {"description", CLI_TEXT, &s.description, "TEXT", "for prior.json"},
        {"licence", CLI_TEXT, &s.licence, "TEXT", "of the images, for prior.json"},
        {"seed", CLI_INTEGER, &s.seed, "N", "of the random numbers [0]"},
        {"threads", CLI_INTEGER, &s.threads, "N", "[all processors]"},
        {"force", CLI_FLAG, &s.force, NULL, "replace an existing OUT"},
        {"quiet", CLI_FLAG, &s.quiet, NULL, "warnings and errors only"},
        {0},
    };
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    if (processes_rank()) s.quiet = true;
    if (p.count < 2)
        status = cli_usage(self, "%d names given, expected images and OUT", p.count);
    else if (train_start(&s, p.args, (size_t)p.count - 1, p.args[p.count - 1], &err) != SCRY_OK)
        status = cli_failed(self, &err);
    cli_end(&p);
    return status;
}

const cli_command cli_train = {
    "train",
    "[options] images... OUT",
    "make a prior from images",
    "Images are files, folders or patterns of TIFF, OME-Zarr, PNG, .npy, .npz, HDF5 or NIfTI, of "
    "any size, "
    "depth and number of channels, slices and frames. Some of each class (the folder in the "
    "folder) are held out, and their PSNR after denoising is printed during the training; OUT "
    "holds "
    "the best weights so far, also after Ctrl-C, and is a prior for every command.",
    train_run,
};
