#include "apps/cli/report.h"

#include "apps/recon/options_report.h"
#include "apps/recon/report/image_page.h"
#include "lib/instructions.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/progress.h"
#include "priors/network/network.h"

#include <math.h>
#include <stdlib.h>
#include <math.h>
#include <string.h>

scry_status report_begin(report *r, const char *command, const restore_settings *s,
                         const scry_restore_request *request, const scry_restorer *restorer,
                         scry_error *err)
{
    const bool deblur = request->psf.model || request->psf.pixels;
    const struct scry_method *method = request->options ? request->options->method : NULL;
    const scry_network *network = scry_restorer_network(restorer);
    *r = (report){.began = scry_clock()};
    scry_status st = scry_json_create(&r->doc, err);
    if (st != SCRY_OK) return st;
    scry_json *d = r->doc;
    scry_json_node *root = scry_json_root(d);
    scry_json_put_string(d, root, "program", "scry");
    scry_json_put_string(d, root, "version", SCRY_VERSION);
    scry_json_put_string(d, root, "instructions", scry_instructions());
    scry_json_put_string(d, root, "command", command);
    scry_json_node *arguments = scry_json_put_array(d, root, "arguments");
    for (int i = 0; i < s->argument_count; i++)
        scry_json_put_string(d, arguments, NULL, s->arguments[i]);
    scry_json_put_string(d, root, "method", method ? method->name : "auto");
    if (method) scry_json_put_string(d, root, "method_is", method->exact);
    scry_json_put_integer(d, root, "seed", s->seed);
    scry_json_put_unsigned(d, root, "samples",
                           !method || method->kind == SCRY_POSTERIOR ? request->samples : 1);
    if (deblur) scry_json_put_string(d, root, "psf", s->psf);
    if (deblur)
        scry_json_put_string(d, root, "boundary",
                             s->boundary ? s->boundary : "open; joined for volumes");
    if (network) {
        scry_json_node *p = scry_json_put_object(d, root, "prior");
        scry_json_put_string(d, p, "name", s->prior);
        scry_json_put_string(d, p, "weights_sha256", scry_network_sha256(network));
    }
    if (method) scry_options_report(d, root, request->options);
    r->files = scry_json_put_array(d, root, "files");
    return SCRY_OK;
}

void report_file_begin(report *r, const char *in, const char *out)
{
    r->file = scry_json_put_object(r->doc, r->files, NULL);
    scry_json_put_string(r->doc, r->file, "in", in);
    scry_json_put_string(r->doc, r->file, "out", out);
    r->images = scry_json_put_array(r->doc, r->file, "images");
    r->file_began = scry_clock();
}

/* Findings of the estimate (lib/stats/noise_identify.h). */
static void put_noise_model(scry_json *d, scry_json_node *to, const scry_noise_model *m)
{
    static const char *const ways[] = {"along_y", "diagonal", "along_x"};
    scry_json_node *o = scry_json_put_object(d, to, "estimate");
    scry_json_put_string(d, o, "line", m->line);
    scry_json_node *list = scry_json_put_array(d, o, "findings");
    for (size_t k = 0; scry_noise_finding_name(k); k++)
        if (m->findings >> k & 1) scry_json_put_string(d, list, NULL, scry_noise_finding_name(k));
    if (m->treatment.name) scry_json_put_string(d, o, "treatment", m->treatment.name);
    scry_json_put_number(d, o, "treatment_size", m->treatment.size);
    scry_json_put_number(d, o, "evidence", m->evidence);
    scry_json_put_number(d, o, "correlation_px", m->correlation);
    scry_json_put_number(d, o, "pixel_sigma", m->pixel_sigma);
    scry_json_put_number(d, o, "inband_over_variance", m->inflation);
    scry_json_put_number(d, o, "variance_slope", m->slope);
    scry_json_put_number(d, o, "variance_at_0", m->intercept);
    scry_json_put_number(d, o, "step", m->step);
    scry_json_put_unsigned(d, o, "pixels_used", m->good);
    scry_json_node *rings = scry_json_put_object(d, o, "rings_beyond_passband");
    for (size_t way = 0; way < 3; way++) {
        scry_json_node *ring = scry_json_put_array(d, rings, ways[way]);
        for (size_t k = 0; k < 3; k++)
            if (isfinite(m->ring[k][way])) scry_json_put_number(d, ring, NULL, m->ring[k][way]);
    }
}

static void put_noise(scry_json *d, scry_json_node *to, const scry_noise *n,
                      const scry_noise_model *m)
{
    scry_json_node *o = scry_json_put_object(d, to, "noise");
    scry_json_put_string(d, o, "kind", scry_noise_kind_name(n->kind));
    if (n->kind == SCRY_NOISE_GAUSSIAN) {
        scry_json_put_number(d, o, "sigma", n->sigma);
    } else {
        scry_json_put_number(d, o, "gain_e_per_adu", n->gain);
        scry_json_put_number(d, o, "offset_adu", n->offset);
        scry_json_put_number(d, o, "read_noise_e", n->read_noise);
    }
    scry_json_put_number(d, o, "background", n->background);
    if (m->line[0]) put_noise_model(d, o, m);
}

/* The method that was chosen, and how far behind it the others predict. */
static void put_judgement(scry_json *d, scry_json_node *to, const scry_restore_result *result)
{
    const scry_judgement *j = &result->judgement;
    scry_json_put_string(d, to, "method", result->options.method->name);
    scry_options_report(d, to, &result->options);
    scry_json_node *o = scry_json_put_object(d, to, "held_out");
    scry_json_put_number(d, o, "share_of_light", j->share);
    scry_json_put_number(d, o, "noise_excess", j->excess);
    scry_json_put_unsigned(d, o, "splits", j->splits);
    scry_json_put_unsigned(d, o, "pixels", j->pixels);
    scry_json_put_string(d, o, "best", j->of[j->best].name);
    scry_json_node *list = scry_json_put_array(d, o, "methods");
    for (size_t k = 0; k < j->count; k++) {
        const scry_judged *m = &j->of[k];
        scry_json_node *n = scry_json_put_object(d, list, NULL);
        scry_json_put_string(d, n, "name", m->name);
        scry_json_put_number(d, n, "seconds", m->seconds);
        if (m->failure[0]) {
            scry_json_put_string(d, n, "failed", m->failure);
            continue;
        }
        scry_json_put_number(d, n, "weight", m->weight);
        scry_json_put_number(d, n, "misfit", m->misfit);
        scry_json_put_number(d, n, "behind_nats_per_pixel", m->behind.mean);
        if (m->weight < 1) scry_json_put_number(d, n, "behind_error", m->behind.error);
        if (m->iterations) scry_json_put_unsigned(d, n, "iterations", m->iterations);
    }
    scry_json_node *time = scry_json_put_object(d, to, "time");
    scry_json_put_number(d, time, "forecast_seconds", j->forecast);
    scry_json_put_number(d, time, "allowed_seconds", j->allowed);
    if (j->kept[0]) scry_json_put_string(d, time, "kept", j->kept);
}

/* How the holes were filled where no method was named. */
static void put_filling(scry_json *d, scry_json_node *to, const scry_filling *f)
{
    scry_json_node *o = scry_json_put_object(d, to, "holes");
    scry_json_put_string(d, o, "draws", f->draws->name);
    scry_json_put_string(d, o, "smooth", f->smooth->name);
    scry_json_put_number(d, o, "weight_of_draws", f->weight);
    scry_json_put_unsigned(d, o, "copies", f->copies);
    scry_json_put_unsigned(d, o, "pixels", f->pixels);
    scry_json_put_number(d, o, "rms_error", f->error);
    scry_json_put_number(d, o, "rms_error_of_draws", f->draws_error);
    scry_json_put_number(d, o, "rms_error_of_smooth", f->smooth_error);
    scry_json_put_number(d, o, "sd_over_that_of_draws", f->spread);
}

/* Whether anything could be gained, as the default asks. */
static void put_improvement(scry_json *d, scry_json_node *to, const scry_improvement *i)
{
    scry_json_node *o = scry_json_put_object(d, to, "improvement");
    scry_json_put_string(d, o, "verdict", scry_improvement_name(i->verdict));
    if (i->verdict) scry_json_put_string(d, o, "returned", "unchanged");
    if (i->line[0]) scry_json_put_string(d, o, "line", i->line);
    scry_json_put_number(d, o, "detail_standard_errors", i->detail);
    scry_json_put_number(d, o, "detail_width_px", i->detail_width);
    if (isnan(i->misfit.mean)) return;
    scry_json_put_number(d, o, "misfit_variances", i->misfit.mean);
    scry_json_put_number(d, o, "misfit_error", i->misfit.error);
    scry_json_put_number(d, o, "own_misfit_variances", i->own_misfit);
}

/* The width of the PSF by the image: factors on the width that was given; sigma is that width. */
static void put_width(scry_json *d, scry_json_node *to, const scry_restore_result *r)
{
    if (!(r->psf_factor > 0)) return;
    scry_json_node *o = scry_json_put_object(d, to, "psf_width");
    scry_json_put_number(d, o, "used", r->psf_factor);
    if (r->psf_depth > 0) scry_json_put_number(d, o, "used_along_z", r->psf_depth);
    if (!(r->psf_width.sigma > 0)) return; /* not estimated, and narrowed all the same */
    scry_json_put_number(d, o, "sigma", r->psf_width.sigma);
    scry_json_put_number(d, o, "preferred", r->psf_width.factor);
    scry_json_put_number(d, o, "low", r->psf_width.low);
    scry_json_put_number(d, o, "high", r->psf_width.high);
    scry_json_put_bool(d, o, "determined", r->psf_width.determined);
}

void report_image(report *r, size_t channel, size_t slice, size_t frame,
                  const scry_restore_result *result)
{
    scry_json *d = r->doc;
    scry_json_node *o = scry_json_put_object(d, r->images, NULL);
    scry_json_put_unsigned(d, o, "channel", channel);
    scry_json_put_unsigned(d, o, "slice", slice);
    scry_json_put_unsigned(d, o, "frame", frame);
    put_noise(d, o, &result->noise, &result->noise_model);
    if (result->judgement.count) put_judgement(d, o, result);
    if (result->filling.draws) {
        scry_json_put_string(d, o, "method", result->options.method->name);
        scry_options_report(d, o, &result->options);
        put_filling(d, o, &result->filling);
    }
    if (result->improvement.detail_width > 0) put_improvement(d, o, &result->improvement);
    put_width(d, o, result);
    scry_json_node *map = scry_json_put_object(d, o, "intensity_map");
    scry_json_put_number(d, map, "scale", result->map.scale);
    scry_json_put_number(d, map, "shift", result->map.shift);
    scry_start_put(d, o, &result->start);
    scry_json_node *calls = scry_json_put_object(d, o, "calls");
    scry_json_put_unsigned(d, calls, "denoise", result->counts.denoise);
    scry_json_put_unsigned(d, calls, "vjp", result->counts.vjp);
    scry_json_put_unsigned(d, calls, "forward", result->counts.forward);
    scry_json_put_unsigned(d, calls, "adjoint", result->counts.adjoint);
    scry_json_put_unsigned(d, o, "chains", result->samples);
    scry_json_put_unsigned(d, o, "chains_diverged", result->failed);
    scry_json_put_unsigned(d, o, "pixels_measured", result->diagnosis.measured);
    scry_json_put_unsigned(d, o, "pixels_left_out", result->excluded);
    scry_json_put_number(d, o, "chi2_per_pixel", result->diagnosis.chi2);
    scry_diagnosis_report(d, o, &result->diagnosis);
    scry_json_put_number(d, o, "flux_in", result->flux_in);
    scry_json_put_number(d, o, "flux_out", result->flux_out);
    scry_json_put_unsigned(d, o, "forecast_bytes", result->work_bytes);
}

void report_file_end(report *r, const scry_tiff_written *written, double flux_change)
{
    scry_json *d = r->doc;
    scry_json_put_number(d, r->file, "clipped_fraction",
                         written->pixels ? (double)written->clipped / (double)written->pixels : 0);
    scry_json_put_number(d, r->file, "flux_change_by_type", flux_change);
    scry_json_put_string(d, r->file, "type", scry_tiff_type_name(written->type));
    scry_json_put_number(d, r->file, "seconds", scry_clock() - r->file_began);
}

void report_failure(report *r, const char *in, const scry_error *err)
{
    scry_json_node *o = scry_json_put_object(r->doc, r->files, NULL);
    scry_json_put_string(r->doc, o, "in", in);
    scry_json_put_string(r->doc, o, "error", err->text);
}

const scry_json_node *report_finish(report *r)
{
    scry_json_node *root = scry_json_root(r->doc);
    scry_json_put_number(r->doc, root, "seconds", scry_clock() - r->began);
    scry_json_put_unsigned(r->doc, root, "peak_bytes", scry_memory_peak());
    return root;
}

scry_status report_write(const report *r, const char *path, scry_error *err)
{
    return scry_json_write(r->doc, path, err);
}

void report_free(report *r)
{
    scry_json_free(r->doc);
    r->doc = NULL;
}
