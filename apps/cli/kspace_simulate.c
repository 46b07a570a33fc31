#include "apps/cli/outputs.h"
#include "apps/cli/image.h"
#include "apps/cli/choices.h"
#include "apps/cli/kspace.h"
#include "apps/cli/kspace_sampling.h"
#include "datasets/cine.h"
#include "datasets/scanner.h"
#include "lib/cancel.h"
#include "lib/io/cfl.h"
#include "lib/io/kspace/kspace_write.h"
#include "lib/memory.h"
#include "lib/io/recon_file.h"
#include "operators/fourier.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct settings {
    kspace_pattern pattern;
    const char *size, *image, *maps, *truth, *format;
    int64_t coils, slices, frames, seed;
    double noise, phase;
    bool force, quiet;
};

/* Everything of a run; scene (planes, ny, nx) is NULL for the head. */
struct run_state {
    scry_kspace_info info;
    float complex *scene, *maps, *clean, *data;
    double complex *coefficients;
    unsigned char *mask;
    float *target, *truth; /* truth: the targets of all planes; NULL: not asked for */
    double sigma;
    size_t taken, places;
};

static void kspace_simulate_release(struct run_state *r)
{
    scry_free(r->scene);
    scry_free(r->maps);
    scry_free(r->clean);
    scry_free(r->data);
    scry_free(r->coefficients);
    scry_free(r->mask);
    scry_free(r->target);
    scry_free(r->truth);
}

static size_t simulated_planes(const struct run_state *r)
{
    return r->info.frames * r->info.slices;
}

/* ---- the object ---- */

static scry_status keep_scene(struct run_state *r, const char *path, const float *values, bool cplx,
                              size_t planes, size_t ny, size_t nx, scry_error *err)
{
    const size_t n = planes * ny * nx;
    bool something = false;
    r->scene = scry_alloc(n, sizeof *r->scene);
    if (!r->scene) return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu pixels", path, n);
    for (size_t i = 0; i < n; i++) {
        const float re = cplx ? values[2 * i] : values[i], im = cplx ? values[2 * i + 1] : 0;
        if (!isfinite(re) || !isfinite(im))
            return SCRY_FAIL(err, SCRY_ENUMERIC, "%s: pixel %zu is not a finite number", path, i);
        memcpy(&r->scene[i], (float[2]){re, im}, sizeof *r->scene);
        something = something || re != 0 || im != 0;
    }
    if (!something)
        return SCRY_FAIL(err, SCRY_EINVAL, "%s: all pixels are 0, expected an image", path);
    r->info.slices = planes;
    r->info.ny = ny;
    r->info.nx = nx;
    return SCRY_OK;
}

/* Every plane of the file is a slice: TIFF and PNG by their ending, else the formats that
 * reconstructions are written in. */
static scry_status load_scene(struct run_state *r, const char *path, scry_error *err)
{
    const char *dot = strrchr(path, '.');
    const char *const of_volumes[] = {".h5", ".hdf5", ".cfl", ".hdr", ".nii", ".gz"};
    bool volume = false;
    for (size_t i = 0; dot && i < sizeof of_volumes / sizeof *of_volumes; i++)
        volume = volume || !strcmp(dot, of_volumes[i]);
    if (volume) {
        scry_recon v = {0};
        scry_status st = scry_recon_read(&v, path, NULL, err);
        if (st == SCRY_OK)
            st = keep_scene(r, path, v.values, v.cplx, v.frames * v.slices * v.nz, v.ny, v.nx, err);
        scry_recon_clear(&v);
        return st;
    }
    image im = {0};
    scry_status st = image_load(&im, path, err);
    if (st == SCRY_OK)
        st = keep_scene(r, path, im.pixels, false, im.info.c * im.info.t * im.info.z, im.info.y,
                        im.info.x, err);
    image_free(&im);
    return st;
}

/* The frames of a beat. */
static scry_status draw_heart(struct run_state *r, const struct settings *s, scry_error *err)
{
    const size_t n = r->info.ny * r->info.nx;
    scry_status st = SCRY_OK;
    r->info.frames = (size_t)s->frames;
    r->info.slices = 1;
    r->scene = scry_alloc(r->info.frames * n, sizeof *r->scene);
    if (!r->scene) return SCRY_FAIL(err, SCRY_ENOMEM, "%zu frames", r->info.frames);
    for (size_t t = 0; t < r->info.frames && st == SCRY_OK; t++)
        st = scry_cine_frame(r->scene + t * n, r->info.ny, r->info.nx,
                             (double)t / (double)r->info.frames, (uint64_t)s->seed, err);
    return st;
}

/* Noise-free k-space of one slice, into r->clean. */
static scry_status kspace_simulate_acquire(struct run_state *r, const struct settings *s,
                                           size_t slice, scry_error *err)
{
    const scry_kspace_info *i = &r->info;
    const size_t n = i->ny * i->nx;
    if (!r->scene && s->phase == 0)
        return scry_scanner_shepp_logan(r->clean, r->coefficients, i->coils, i->ny, i->nx, err);
    float complex *x = scry_alloc(n, sizeof *x);
    scry_status st = SCRY_OK;
    if (!x) return SCRY_FAIL(err, SCRY_ENOMEM, "image of %zu pixels", n);
    if (r->scene) {
        memcpy(x, r->scene + slice * n, n * sizeof *x);
    } else {
        st = scry_scanner_shepp_logan(x, NULL, 1, i->ny, i->nx, err);
        if (st == SCRY_OK)
            st = scry_fourier_transform(x, 1, i->ny, i->nx, SCRY_FOURIER_YX, true, err);
    }
    if (s->phase != 0) scry_scanner_phase(x, i->ny, i->nx, s->phase, (uint64_t)s->seed);
    if (st == SCRY_OK) st = scry_scanner_image(r->clean, x, r->maps, i->coils, i->ny, i->nx, err);
    scry_free(x);
    return st;
}

/* The image to compare with; r->data is scratch. */
static scry_status draw_target(struct run_state *r, scry_error *err)
{
    memcpy(r->data, r->clean, r->info.coils * r->info.ny * r->info.nx * sizeof *r->data);
    return kspace_target(r->target, r->data, &r->info, err);
}

/* ---- a run ---- */

static scry_status kspace_simulate_prepare(struct run_state *r, const struct settings *s,
                                           const char *out, scry_error *err)
{
    scry_kspace_info *i = &r->info;
    size_t size[2];
    *i = (scry_kspace_info){.frames = 1,
                            .slices = (size_t)s->slices,
                            .coils = (size_t)s->coils,
                            .nz = 1,
                            .averages = 1,
                            .noise_ratio = 1,
                            .trajectory = "cartesian",
                            .system = "scry kspace simulate"};
    scry_status st = kspace_output_format(&i->format, out, s->format, err);
    if (st != SCRY_OK) return st;
    if (s->image)
        st = load_scene(r, s->image, err);
    else if (!choice_size(size, s->size, 2, 8192))
        st = SCRY_FAIL(err, SCRY_EINVAL,
                       "--size '%s', expected 256x256 (rows x columns), each 2 "
                       "to 8192",
                       s->size);
    else
        i->ny = size[0], i->nx = size[1];
    if (st == SCRY_OK && s->frames) st = draw_heart(r, s, err);
    if (st != SCRY_OK) return st;
    /* as the formats have it: fastMRI reads out rows of its arrays, the others columns */
    i->readout = i->format == SCRY_KSPACE_FASTMRI ? 1 : 2;
    i->recon[0] = 1;
    i->recon[1] = i->ny;
    i->recon[2] = i->nx;
    const size_t n = i->ny * i->nx, all = i->coils * n;
    r->maps = scry_alloc(all, sizeof *r->maps);
    r->clean = scry_alloc(all, sizeof *r->clean);
    r->data = scry_alloc(all, sizeof *r->data);
    r->mask = scry_alloc(n, 1);
    r->target = scry_alloc(n, sizeof *r->target);
    if (s->truth && !(r->truth = scry_alloc(simulated_planes(r) * n, sizeof *r->truth)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "truth of %zu planes", simulated_planes(r));
    r->coefficients = scry_alloc(i->coils * SCRY_SCANNER_TERMS, sizeof *r->coefficients);
    if (!r->maps || !r->clean || !r->data || !r->mask || !r->target || !r->coefficients)
        return SCRY_FAIL(err, SCRY_ENOMEM, "a slice of %zu coils x %zu x %zu samples", i->coils,
                         i->ny, i->nx);
    if (i->coils > 1) {
        st = scry_scanner_coils(r->maps, r->coefficients, i->coils, i->ny, i->nx, (uint64_t)s->seed,
                                err);
    } else { /* one coil is homogeneous: only the term 0, 0 */
        for (size_t k = 0; k < n; k++)
            r->maps[k] = 1;
        r->coefficients[SCRY_SCANNER_TERMS / 2] = 1;
    }
    memset(r->mask, 1, n);
    if (st == SCRY_OK && s->pattern.name)
        st = kspace_pattern_mask(r->mask, &r->taken, &r->places, &s->pattern, i, (uint64_t)s->seed,
                                 NULL, err);
    return st;
}

/* sigma from the brightest pixel of all slices. Slices of the head are one. */
static scry_status set_noise(struct run_state *r, const struct settings *s, scry_error *err)
{
    double top = 0;
    for (size_t k = 0; k < (r->scene ? simulated_planes(r) : 1); k++) {
        scry_status st = kspace_simulate_acquire(r, s, k, err);
        if (st == SCRY_OK) st = draw_target(r, err);
        if (st != SCRY_OK) return st;
        for (size_t i = 0; i < r->info.ny * r->info.nx; i++)
            top = fmax(top, r->target[i]);
    }
    r->sigma = s->noise * top;
    return SCRY_OK;
}

static scry_status write_slices(struct run_state *r, const struct settings *s,
                                scry_kspace_writer *w, scry_error *err)
{
    const size_t n = r->info.ny * r->info.nx, all = r->info.coils * n;
    scry_status st = SCRY_OK;
    for (size_t k = 0; st == SCRY_OK && k < simulated_planes(r); k++) {
        const size_t frame = k / r->info.slices, slice = k % r->info.slices;
        if (scry_cancelled()) return scry_cancel_check(err);
        if (frame && s->pattern.name) /* each frame takes samples of its own */
            st = kspace_pattern_mask(r->mask, &r->taken, &r->places, &s->pattern, &r->info,
                                     (uint64_t)s->seed + frame, NULL, err);
        if (st != SCRY_OK) return st;
        if (r->scene) st = kspace_simulate_acquire(r, s, k, err); /* that of the head is there */
        if (st == SCRY_OK) st = draw_target(r, err);
        if (st != SCRY_OK) return st;
        memcpy(r->data, r->clean, all * sizeof *r->data);
        scry_scanner_noise(r->data, all, r->sigma, (uint64_t)s->seed, k * all);
        for (size_t i = 0; i < all; i++)
            if (!r->mask[i % n]) r->data[i] = 0;
        if (r->truth) memcpy(r->truth + k * n, r->target, n * sizeof *r->truth);
        st = scry_kspace_write(w, frame, slice, r->data, r->mask, err);
        if (st == SCRY_OK && r->info.format == SCRY_KSPACE_FASTMRI)
            st = scry_kspace_write_target(w, slice, r->target, err);
    }
    return st;
}

/* In BART's order: x, y, 1, coil */
static scry_status write_maps(const struct run_state *r, const char *path, scry_error *err)
{
    size_t dims[SCRY_CFL_RANK], start[SCRY_CFL_RANK] = {0};
    scry_cfl_writer *w = NULL;
    for (int d = 0; d < SCRY_CFL_RANK; d++)
        dims[d] = 1;
    dims[SCRY_CFL_READ] = r->info.nx;
    dims[SCRY_CFL_PH1] = r->info.ny;
    dims[SCRY_CFL_COIL] = r->info.coils;
    scry_status st = scry_cfl_create(&w, path, dims, err);
    if (st == SCRY_OK) st = scry_cfl_write(w, start, dims, r->maps, err);
    const scry_status end = scry_cfl_finish(w, st == SCRY_OK, err);
    return st == SCRY_OK ? end : st;
}

static scry_status kspace_simulate_scan(const struct settings *s, const char *out, scry_error *err)
{
    struct run_state r = {.info.frames = 1};
    scry_kspace_writer *w = NULL;
    const char *const outputs[] = {out, s->maps, s->truth};
    scry_recon_format format;
    scry_status st = outputs_check(&(output_names){outputs, &s->image, 3, 1}, s->force, err);
    if (st == SCRY_OK && s->truth) st = scry_recon_format_of(&format, s->truth, err);
    if (st == SCRY_OK) st = kspace_simulate_prepare(&r, s, out, err);
    if (st == SCRY_OK) st = set_noise(&r, s, err);
    if (st == SCRY_OK) st = kspace_output(&w, out, &r.info, s->format, s->force, err);
    if (st == SCRY_OK) st = write_slices(&r, s, w, err);
    if (st == SCRY_OK && s->maps) st = write_maps(&r, s->maps, err);
    if (st == SCRY_OK && s->truth)
        st = scry_recon_write(s->truth,
                              &(scry_recon){.frames = r.info.frames,
                                            .slices = r.info.slices,
                                            .nz = 1,
                                            .ny = r.info.ny,
                                            .nx = r.info.nx,
                                            .values = r.truth,
                                            .description = "scry kspace simulate"},
                              err);
    const scry_status end = scry_kspace_finish(w, st == SCRY_OK, err);
    if (st == SCRY_OK) st = end;
    if (st == SCRY_OK && !s->quiet) {
        if (s->frames) printf("%zu frames, ", r.info.frames);
        printf("%zu slice%s of %zu x %zu, %zu coil%s, noise %.6g\n", r.info.slices,
               r.info.slices > 1 ? "s" : "", r.info.ny, r.info.nx, r.info.coils,
               r.info.coils > 1 ? "s" : "", r.sigma);
        if (s->pattern.name) kspace_pattern_log(&s->pattern, r.taken, r.places);
    }
    kspace_simulate_release(&r);
    return st;
}

static scry_status kspace_simulate_check(const struct settings *s, scry_error *err)
{
    const struct {
        const char *name;
        double value, low, high;
    } range[] = {{"coils", (double)s->coils, 1, 64},
                 {"slices", (double)s->slices, 1, 10000},
                 {"frames", (double)s->frames, 0, 10000},
                 {"noise", s->noise, 0, 1e3},
                 {"phase", s->phase, 0, 100},
                 {"seed", (double)s->seed, 0, 9e15}};
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (!(range[i].value >= range[i].low && range[i].value <= range[i].high))
            return SCRY_FAIL(err, SCRY_EINVAL, "--%s %g, expected %g to %g", range[i].name,
                             range[i].value, range[i].low, range[i].high);
    return SCRY_OK;
}

static int kspace_simulate_run(const cli_command *self, int argc, char **argv)
{
    struct settings s = {.coils = 8, .slices = 0, .noise = .01};
    kspace_pattern_init(&s.pattern);
    const cli_option own[] = {
        {"size", CLI_TEXT, &s.size, "YxX", "rows x columns of the head [256x256]"},
        {"slices", CLI_INTEGER, &s.slices, "N", "of the same head, each with noise of its own [1]"},
        {"frames", CLI_INTEGER, &s.frames, "N",
         "of a beating heart, in place of the head; the pattern has another seed in each (.cfl or "
         "ISMRMRD)"},
        {"truth", CLI_TEXT, &s.truth, "FILE",
         "write the noise-free images: the root sum of squares over coils"},
        {"image", CLI_TEXT, &s.image, "FILE",
         "scan this instead: TIFF, PNG, .nii, .cfl or .h5, each plane a slice"},
        {"coils", CLI_INTEGER, &s.coils, "N", "receive coils; 1: a homogeneous one [8]"},
        {"noise", CLI_REAL, &s.noise, "S",
         "sd of the complex noise of a sample, sqrt(E|n|^2), as a share of the maximum of the "
         "noise-free root sum of squares [0.01]"},
        {"phase", CLI_REAL, &s.phase, "RAD",
         "a smooth phase of the object, this large at most [0]"},
        {"maps", CLI_TEXT, &s.maps, "FILE", "write the coils' sensitivities, .cfl"},
        {"seed", CLI_INTEGER, &s.seed, "N", "of coils, phase, pattern and noise [0]"},
        {"format", CLI_TEXT, &s.format, KSPACE_FORMAT_WORDS, KSPACE_FORMAT_HELP},
        {"force", CLI_FLAG, &s.force, NULL, "replace existing outputs"},
        {"quiet", CLI_FLAG, &s.quiet, NULL, "errors only"},
    };
    cli_option options[KSPACE_PATTERN_OPTIONS + sizeof own / sizeof *own + 1] = {{0}};
    memcpy(options, own, sizeof own);
    kspace_pattern_options(options + sizeof own / sizeof *own, &s.pattern);
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    const bool both = s.image && (s.size || s.slices || s.frames);
    const bool stack = s.frames && s.slices;
    if (!s.size) s.size = "256x256";
    if (!s.slices) s.slices = 1;
    if (p.count != 1)
        status = cli_usage(self, "%d files named, expected the k-space to write", p.count);
    else if (both)
        status = cli_usage(self,
                           "--size, --slices and --frames are those of --image, when there is one");
    else if (stack)
        status = cli_usage(self, "--frames are of one slice, --slices is not for them");
    else if (kspace_simulate_check(&s, &err) != SCRY_OK)
        status = cli_usage(self, "%s", err.text);
    else if (kspace_simulate_scan(&s, p.args[0], &err) != SCRY_OK)
        status = cli_failed(self, &err);
    cli_end(&p);
    return status;
}

const cli_command kspace_simulate = {
    "kspace simulate",
    "[options] out",
    "scan Shepp and Logan's head, or an image, with coils and noise",
    "The head's k-space is exact: the Fourier transforms of its ellipses through coils whose "
    "sensitivities are trigonometric polynomials, without a pixel grid before it. With --phase or "
    "--image it is that of an image on the grid. fastMRI outputs hold the truth as "
    "reconstruction_rss (one coil: reconstruction_esc), the root sum of squares over coils of the "
    "noise-free images.",
    kspace_simulate_run,
};
