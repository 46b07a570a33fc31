#include "apps/cli/cli.h"

#include "apps/cli/batch.h"
#include "apps/cli/choices.h"
#include "apps/cli/image_writer.h"
#include "apps/cli/monitor.h"
#include "apps/cli/trajectory.h"
#include "apps/recon/draw.h"
#include "lib/parallel.h"
#include "lib/io/tiff/tiff.h"
#include "solvers/roles.h"

#include <stdio.h>
#include <string.h>

enum { TRAJECTORY_STEPS = 40 };

struct settings {
    const char *prior, *size, *sampler, *trajectory, *class_name;
    double guidance;
    int64_t samples, seed, threads, tile;
    bool force, quiet;
    cli_method_values methods;
};

static scry_status write_samples(const char *path, const scry_chains *c, size_t y, size_t x,
                                 const struct settings *s, scry_error *err)
{
    char provenance[256];
    scry_tiff_info info;
    image_writer *w = NULL;
    const size_t colours = c->n / (y * x);
    snprintf(provenance, sizeof provenance, "sample %s, prior %s, seed %lld", s->sampler, s->prior,
             (long long)s->seed);
    const image_writer_options options = {{.force = s->force, .provenance = provenance}, 0};
    scry_tiff_info_init(&info, SCRY_TIFF_IMAGEJ, SCRY_TIFF_F32,
                        &(scry_tiff_axes){.c = colours, .t = c->done, .y = y, .x = x});
    scry_status st = image_writer_create(&w, path, &info, &options, err);
    for (size_t k = 0; st == SCRY_OK && k < c->done * colours; k++)
        st = image_writer_plane(w, k % colours, 0, k / colours, c->samples + k * y * x, err);
    if (st == SCRY_OK) return image_writer_finish(w, NULL, err);
    image_writer_abort(w);
    return st;
}

static scry_status sample_request(scry_draw_request *out, const struct settings *s, scry_error *err)
{
    *out = (scry_draw_request){.prior = s->prior,
                               .class_name = s->class_name ? s->class_name : "none",
                               .guidance = s->guidance,
                               .tile = (size_t)s->tile,
                               .samples = (size_t)s->samples,
                               .seed = (uint64_t)s->seed,
                               .threads = (size_t)s->threads,
                               .log = monitor_log(s->quiet)};
    size_t size[2];
    if (!choice_size(size, s->size, 8, 65536))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--size '%s', expected rows x columns such as 256x256, each 8 "
                         "to 65536",
                         s->size);
    out->ny = size[0];
    out->nx = size[1];
    if (s->samples < 1 || s->samples > 4096)
        return SCRY_FAIL(err, SCRY_EINVAL, "--samples %lld, expected 1 to 4096",
                         (long long)s->samples);
    if (s->threads < 0 || s->threads > 1024 || s->tile < 64 || s->tile > 65536 || s->seed < 0)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--threads %lld --tile %lld --seed %lld, expected 0 to 1024, 64 "
                         "to 65536, 0 or more",
                         (long long)s->threads, (long long)s->tile, (long long)s->seed);
    return SCRY_OK;
}

/* The figure of one trajectory and its numbers; a few of these to standard output. */
static scry_status sample_trajectory(const struct settings *s, scry_error *err)
{
    char json[4096];
    scry_draw_request draw;
    scry_draw_prior prior = {0};
    scry_trajectory t = {0};
    scry_status st = sample_request(&draw, s, err);
    if (st == SCRY_OK) st = trajectory_json_path(json, sizeof json, s->trajectory, err);
    if (st == SCRY_OK) st = scry_draw_open(&prior, &draw, err);
    const scry_trajectory_request q = {.prior = prior.prior,
                                       .model = prior.model,
                                       .radial = prior.model ? prior.radial : NULL,
                                       .mean = prior.mean,
                                       .std = prior.std,
                                       .steps = TRAJECTORY_STEPS,
                                       .seed = draw.seed};
    if (st == SCRY_OK && prior.channels > 1)
        st = SCRY_FAIL(err, SCRY_EUNSUP, "--trajectory of a prior of %zu channels, expected 1",
                       prior.channels);
    if (st == SCRY_OK) st = scry_trajectory_run(&t, &q, err);
    if (st != SCRY_OK) goto done;
    st = trajectory_write_json(json, &t, &q, s->prior, err);
    if (st == SCRY_OK) st = trajectory_write_figure(s->trajectory, &t, &q, err);
    if (st != SCRY_OK) goto done;
    printf("trajectory: two axes hold %.2f %% of it, a rotation %.2f %%; octaves appear %s\n",
           100 * (t.explained[0] + t.explained[1]), 100 * t.rotation,
           t.coarse_to_fine ? "from coarse to fine" : "in another order than coarse to fine");
    printf("a change of .1 sigma is worth %.2g of itself at sigma %.3g, %.2g at %.3g\n",
           t.push[1].gain, t.push[1].sigma, t.push[t.push_count - 2].gain,
           t.push[t.push_count - 2].sigma);
done:
    scry_trajectory_free(&t);
    scry_draw_close(&prior);
    return st;
}

/* Both files of a trajectory may be written, and are not the samples. */
static scry_status check_trajectory(const struct settings *s, const char *path, scry_error *err)
{
    char json[4096];
    if (!s->trajectory) return SCRY_OK;
    scry_status st = trajectory_json_path(json, sizeof json, s->trajectory, err);
    const char *const outputs[] = {path, s->trajectory, json};
    return st == SCRY_OK ? outputs_check(&(output_names){outputs, NULL, 3, 0}, s->force, err) : st;
}

static scry_status sample_draw(const struct settings *s, const struct scry_method *method,
                               const char *path, scry_error *err)
{
    scry_draw_request request;
    scry_recon_result result = {0};
    scry_options options;
    monitor m;
    scry_status st = sample_request(&request, s, err);
    if (st == SCRY_OK) st = output_check(path, s->force, err);
    if (st == SCRY_OK) st = check_trajectory(s, path, err);
    if (st == SCRY_OK) st = method_options(&options, method, &s->methods, err);
    if (st != SCRY_OK) return st;
    request.options = &options;
    scry_threads_set((int)s->threads);
    monitor_begin(&m, s->quiet ? NULL : stderr, method->name);
    st = scry_draw(&result, &request, monitor_chains, &m, err);
    monitor_end(&m, st);
    if (st == SCRY_OK) st = write_samples(path, &result.chains, request.ny, request.nx, s, err);
    scry_recon_result_free(&result);
    if (st == SCRY_OK && s->trajectory) st = sample_trajectory(s, err);
    return st;
}

static int sample_run(const cli_command *self, int argc, char **argv)
{
    struct settings s = {.prior = "microscopy",
                         .guidance = 1,
                         .size = "256x256",
                         .sampler = scry_role_method(SCRY_ROLE_DRAW)->name,
                         .samples = 4,
                         .tile = 512};
    const cli_option options[] = {
        {"prior", CLI_TEXT, &s.prior, "PRIOR",
         "pretrained network: a name or a folder [microscopy]"},
        {"class", CLI_TEXT, &s.class_name, "NAME", "of a prior that knows classes [none]"},
        {"guidance", CLI_REAL, &s.guidance, "W", "weight of the class [1]"},
        {"size", CLI_TEXT, &s.size, "YxX", "rows and columns [256x256]"},
        {"samples", CLI_INTEGER, &s.samples, "K", "how many [4]"},
        {"sampler", CLI_TEXT, &s.sampler, "METHOD", "ddpm, ddim, euler or heun [heun]"},
        {"trajectory", CLI_TEXT, &s.trajectory, "FILE",
         "draw the geometry of one trajectory into FILE.png, numbers into FILE.json"},
        {"seed", CLI_INTEGER, &s.seed, "N", "of the random numbers [0]"},
        {"threads", CLI_INTEGER, &s.threads, "N", "samples at a time [all processors]"},
        {"tile", CLI_INTEGER, &s.tile, "PX", "window of the network on larger images [512]"},
        {"force", CLI_FLAG, &s.force, NULL, "replace an existing output"},
        {"quiet", CLI_FLAG, &s.quiet, NULL, "errors only"},
        {0},
    };
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, &s.methods, 1u << SCRY_UNCONDITIONAL);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    const struct scry_method *method = scry_method_find(s.sampler);
    if (p.count != 1)
        status = cli_usage(self, "%d outputs named, expected 1", p.count);
    else if (!method || method->kind != SCRY_UNCONDITIONAL)
        status = cli_usage(self, "--sampler '%s' is not an unconditional sampler", s.sampler);
    else if (sample_draw(&s, method, p.args[0], &err) != SCRY_OK)
        status = cli_failed(self, &err) + (err.code == SCRY_EINVAL ? 1 : 0);
    cli_end(&p);
    return status;
}

const cli_command cli_sample = {
    "sample",
    "[options] out.tif",
    "draw images from a prior, to see the images that it has learnt",
    "Writes float32 frames in the prior's own intensity unit: background near -1, brightest "
    "structures between 0 and 1.",
    sample_run,
};
