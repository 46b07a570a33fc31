#include "apps/cli/mri_output.h"

#include "apps/cli/mri_page.h"
#include "apps/cli/processes.h"
#include "apps/recon/options_report.h"
#include "lib/cancel.h"
#include "lib/instructions.h"
#include "lib/io/png.h"
#include "lib/io/recon_file.h"
#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/vector.h"
#include "operators/nufft.h"
#include "priors/network/network.h"
#include "solvers/calibration_labels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void mri_output_gather(scry_mri_volume *v)
{
    processes_sum(v->mean, v->count * (v->cplx ? 2 : 1));
    if (v->maps) processes_sum(v->maps, v->asked->count * v->count);
    if (v->zero_filled) processes_sum(v->zero_filled, v->dims[0] * v->dims[1] * v->dims[2]);
    processes_merge(v->entries, scry_mri_volume_entries(v) * sizeof *v->entries);
}

size_t mri_output_failures(const scry_mri_volume *v, const char *path)
{
    size_t failures = 0;
    for (size_t i = 0; i < scry_mri_volume_entries(v); i++) {
        const scry_mri_entry *e = &v->entries[i];
        char place[96];
        scry_mri_volume_place(v, i, place, sizeof place);
        if (e->failed_chains)
            fprintf(stderr, "scry mri: warning: %s, %s: %zu chains diverged and are left out\n",
                    path, place, e->failed_chains);
        if (!e->failure[0]) continue;
        failures++;
        if (i % v->problems && !strcmp(e->failure, e[-1].failure)) continue; /* once a slice */
        if (strstr(e->failure, path))
            fprintf(stderr, "scry mri: %s\n", e->failure);
        else
            fprintf(stderr, "scry mri: %s, %s: %s\n", path, place, e->failure);
    }
    return failures;
}

void mri_output_log(const scry_mri_volume *v, const mri_work *work, const char *path)
{
    const scry_diagnosis_summary t = scry_mri_volume_summary(v);
    const map_options *asked = &work->settings->output;
    const scry_diagnosis_texts words = {.file = path,
                                        .noise = "--noise",
                                        .model = "the coil maps are wrong (--maps)",
                                        .rhat = asked->rhat != NULL,
                                        .ess = asked->ess != NULL,
                                        .multi_draw = scry_method_draws(&work->options) > 1};
    scry_diagnosis_log(&t, &words, &work->request.log);
}

/* ---- files ---- */

static scry_status write_one(const scry_mri_volume *v, const mri_work *work, const char *path,
                             float *values, bool cplx, const char *what, scry_error *err)
{
    const scry_diagnosis_summary t = scry_mri_volume_summary(v);
    scry_recon r = {.frames = v->frames,
                    .slices = v->slices,
                    .nz = v->dims[0],
                    .ny = v->dims[1],
                    .nx = v->dims[2],
                    .cplx = cplx,
                    .values = values,
                    .geometry = scry_scan_file_info(work->file)->geometry};
    for (int a = 0; a < 3; a++) /* the geometry is that of the file's first slice */
        r.geometry.position[a] += (double)v->first * r.geometry.slice_gap[a];
    if (v->frames > 1) r.tr = scry_scan_file_info(work->file)->tr * 1e-3;
    r.draws = t.images ? t.draws / t.images : 0;
    r.chi2 = t.judged ? scry_diagnosis_chi2(&t) : 0;
    snprintf(r.description, sizeof r.description, "scry %s, %s", work->options.method->name, what);
    return scry_recon_write(path, &r, err);
}

/* What was measured of the intervals of a method, beside the name of a file that makes some. */
static void note_coverage(const mri_work *work, const char *path)
{
    char settings[512] = "";
    const scry_log *log = &work->request.log;
    const struct scry_method *method = work->options.method;
    if (scry_options_text(&work->options, settings, sizeof settings, NULL) != SCRY_OK) return;
    const scry_calibration_band b = scry_calibration_summary(method, "gaussian", settings);
    if (b.problems)
        scry_log_note(log,
                      "%s: where the posterior is known, 90 %% intervals of %s%s%s hold %.0f to "
                      "%.0f %% of it, and its sd is %.2f to %.2f of the exact one (scry verify "
                      "gaussian); on %s",
                      path, method->name, settings[0] ? " " : "", settings, 100 * b.cover_low,
                      100 * b.cover_high, b.sd_low, b.sd_high,
                      method == scry_method_find("dds") ? "scans whose truth is known 74 to 85 %"
                                                        : "images less");
    else
        scry_log_note(log,
                      "%s: the intervals of %s %s were not measured (scry verify gaussian does it)",
                      path, method->name, settings);
}

scry_status mri_output_write(const scry_mri_volume *v, const mri_work *work, const char *out,
                             scry_error *err)
{
    const bool draws = scry_reconstructor_chains(work->rec) * scry_method_draws(&work->options) > 1;
    scry_status st = SCRY_OK;
    for (size_t k = 0; st == SCRY_OK && k < v->asked->count; k++) {
        const scry_output_map *p = &v->asked->list[k];
        char title[64];
        if (work->files.name[k][0] && p->kind <= SCRY_OUTPUT_QUANTILE)
            note_coverage(work, work->files.name[k]);
        if (work->files.name[k][0] && (st = scry_cancel_check(err)) == SCRY_OK)
            st = write_one(v, work, work->files.name[k], v->maps + k * v->count, false,
                           scry_output_maps_title(p, title, sizeof title), err);
    }
    if (st == SCRY_OK) st = scry_cancel_check(err);
    if (st == SCRY_OK)
        st = write_one(v, work, out, v->mean, v->cplx, draws ? "mean" : "image", err);
    return st;
}

/* ---- report ---- */

static void put_entry(scry_json *d, scry_json_node *list, const scry_mri_volume *v, size_t i)
{
    const scry_mri_entry *e = &v->entries[i];
    const size_t slice = i / v->problems;
    scry_json_node *o = scry_json_put_object(d, list, NULL);
    scry_json_put_unsigned(d, o, "frame", slice / v->slices);
    scry_json_put_unsigned(d, o, "slice", v->first + slice % v->slices);
    if (v->problems > 1) scry_json_put_unsigned(d, o, "plane", i % v->problems);
    if (e->failure[0]) {
        scry_json_put_string(d, o, "error", e->failure);
        return;
    }
    scry_json_put_unsigned(d, o, "coils", e->coils);
    scry_json_put_unsigned(d, o, "samples_measured", e->diagnosis.measured);
    scry_json_put_unsigned(d, o, "chains", e->samples);
    scry_json_put_unsigned(d, o, "chains_diverged", e->failed_chains);
    scry_json_put_number(d, o, "intensity_scale", e->scale);
    scry_json_put_number(d, o, "chi2", e->diagnosis.chi2);
    scry_diagnosis_report(d, o, &e->diagnosis);
    if (e->holdout >= 0) {
        scry_json_put_number(d, o, "holdout_residual", e->holdout);
        scry_json_put_number(d, o, "holdout_chi2", e->holdout_chi2);
    }
    scry_start_put(d, o, &e->start);
    scry_json_node *calls = scry_json_put_object(d, o, "calls");
    scry_json_put_unsigned(d, calls, "denoise", e->counts.denoise);
    scry_json_put_unsigned(d, calls, "vjp", e->counts.vjp);
    scry_json_put_unsigned(d, calls, "forward", e->counts.forward);
    scry_json_put_unsigned(d, calls, "adjoint", e->counts.adjoint);
    scry_json_put_number(d, o, "seconds", e->seconds);
}

scry_status mri_output_report(const scry_mri_volume *v, const mri_work *work, const char *in,
                              const char *out, double seconds, scry_error *err)
{
    scry_json *d;
    scry_status st = scry_json_create(&d, err);
    if (st != SCRY_OK) return st;
    scry_json_node *root = scry_json_root(d);
    const mri_settings *s = work->settings;
    const scry_network *network = scry_reconstructor_network(work->rec);
    scry_json_put_string(d, root, "program", "scry");
    scry_json_put_string(d, root, "version", SCRY_VERSION);
    scry_json_put_string(d, root, "instructions", scry_instructions());
    scry_json_put_string(d, root, "command", "mri");
    scry_json_put_string(d, root, "in", in);
    scry_json_put_string(d, root, "out", out);
    scry_json_put_string(d, root, "format",
                         scry_kspace_format_name(scry_scan_file_info(work->file)->format));
    if (scry_scan_file_scan(work->file)->trajectory)
        scry_json_put_string(d, root, "gridding",
                             scry_nufft_engine() ? scry_nufft_engine() : "own");
    scry_json_put_string(d, root, "method", work->options.method->name);
    scry_json_put_string(d, root, "method_is", work->options.method->exact);
    double sd;
    const char *noise = scry_reconstructor_noise(work->rec, &sd);
    if (scry_reconstructor_choice(work->rec)[0])
        scry_json_put_string(d, root, "method_chosen", scry_reconstructor_choice(work->rec));
    scry_json_put_string(d, root, "maps", s->maps);
    scry_json_put_string(d, root, "maps_from",
                         mri_maps_from_file(s) ? s->maps : scry_reconstructor_maps_from(work->rec));
    scry_json_put_string(d, root, "noise",
                         scry_reconstructor_whitened(work->rec) ? s->noise : "none");
    scry_json_put_string(d, root, "noise_from", noise);
    if (!isnan(sd)) scry_json_put_number(d, root, "noise_sd", sd);
    scry_json_put_integer(d, root, "seed", s->seed);
    scry_json_put_number(d, root, "unit", scry_reconstructor_unit(work->rec));
    if (network) {
        scry_json_node *p = scry_json_put_object(d, root, "prior");
        scry_json_put_string(d, p, "name", s->prior);
        scry_json_put_string(d, p, "weights_sha256", scry_network_sha256(network));
    }
    scry_options_report(d, root, &work->options);
    scry_json_node *list = scry_json_put_array(d, root, "slices");
    for (size_t i = 0; i < scry_mri_volume_entries(v); i++)
        if (v->entries[i].done) put_entry(d, list, v, i);
    scry_json_put_number(d, root, "seconds", seconds);
    scry_json_put_unsigned(d, root, "peak_bytes", scry_memory_peak());
    st = work->page ? mri_page_write(v, work, in, root, err) : scry_json_write(d, s->report, err);
    scry_json_free(d);
    return st;
}

/* ---- preview ---- */

scry_status mri_output_preview(const scry_mri_volume *v, const mri_work *work, scry_error *err)
{
    const size_t plane = v->dims[1] * v->dims[2], z = v->dims[0] / 2;
    const size_t first = (v->slices / 2 * v->dims[0] + z) * plane;
    scry_panel panels[3];
    size_t count = 0;
    double high = 0;
    float *magnitude = scry_alloc(2 * plane, sizeof *magnitude), *scratch;
    if (!magnitude) return SCRY_FAIL(err, SCRY_ENOMEM, "preview of %zu pixels", plane);
    scratch = magnitude + plane;
    for (size_t i = 0; i < plane; i++) {
        const float *m = v->mean + (first + i) * (v->cplx ? 2 : 1);
        magnitude[i] = v->cplx ? hypotf(m[0], m[1]) : m[0];
        high = magnitude[i] > high ? magnitude[i] : high;
    }
    panels[count++] = (scry_panel){.values = v->zero_filled + z * plane,
                                   .ny = v->dims[1],
                                   .nx = v->dims[2],
                                   .high = high,
                                   .label = "zero-filled"};
    panels[count++] = (scry_panel){.values = magnitude,
                                   .ny = v->dims[1],
                                   .nx = v->dims[2],
                                   .high = high,
                                   .label = work->options.method->name};
    const float *sd = scry_output_maps_sd(v->asked, v->maps, v->count);
    char scale[64];
    const double top = sd ? scry_quantile(sd + first, plane, 0.999, scratch) : 0;
    snprintf(scale, sizeof scale, "sd, 0 to %.3g", top);
    if (sd)
        panels[count++] = (scry_panel){.values = sd + first,
                                       .ny = v->dims[1],
                                       .nx = v->dims[2],
                                       .high = top,
                                       .map = SCRY_MAP_HEAT,
                                       .label = scale};
    scry_status st = scry_png_panels(work->settings->preview, panels, count, 0, err);
    scry_free(magnitude);
    return st;
}
