#include "apps/cli/cli.h"

#include "apps/cli/outputs.h"
#include "apps/cli/image.h"
#include "apps/cli/image_writer.h"
#include "apps/cli/monitor.h"
#include "apps/recon/image/stack.h"
#include "datasets/datasets.h"
#include "lib/memory.h"
#include "operators/blur.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct settings {
    const char *psf, *phantom, *size, *boundary;
    double photons, gain, offset, read_noise, background, full_well;
    int64_t seed, bits;
    bool force, quiet;
};

/* ---- a phantom ---- */

static bool simulate_parse_size(const char *text, scry_space *s)
{
    size_t a, b, c;
    char end;
    if (sscanf(text, "%zux%zux%zu%c", &a, &b, &c, &end) == 3)
        *s = SCRY_SPACE(a, b, c);
    else if (sscanf(text, "%zux%zu%c", &a, &b, &end) == 2)
        *s = SCRY_SPACE(a, b);
    else
        return false;
    for (int i = 0; i < s->rank; i++)
        if (s->dims[i] < 1 || s->dims[i] > 1u << 20) return false;
    return scry_space_check(s, NULL) == SCRY_OK;
}

static scry_status simulate_phantom(const struct settings *s, const char *path, scry_error *err)
{
    scry_space space;
    scry_tiff_info info;
    image_writer *w = NULL;
    char provenance[128];
    if (!simulate_parse_size(s->size, &space))
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "--size '%s', expected 256x256 (rows x columns) or 32x256x256", s->size);
    const bool head = s->phantom[0] == 's';
    if (head && space.rank != 2)
        return SCRY_FAIL(err, SCRY_EINVAL, "--size '%s', expected two axes for shepp-logan",
                         s->size);
    scry_status st = output_check(path, s->force, err);
    if (st != SCRY_OK) return st;
    const size_t n = scry_space_count(&space), nx = space.dims[space.rank - 1];
    const size_t ny = space.dims[space.rank - 2], nz = n / (ny * nx);
    float *x = scry_alloc(n, sizeof *x);
    if (!x) return SCRY_FAIL(err, SCRY_ENOMEM, "phantom of %zu pixels", n);
    st = head ? scry_phantom_shepp_logan(x, ny, nx, err)
              : scry_phantom_cells(x, &space, 0, (uint64_t)s->seed, err);
    scry_tiff_info_init(&info, SCRY_TIFF_OME, SCRY_TIFF_F32,
                        &(scry_tiff_axes){.z = nz, .y = ny, .x = nx});
    snprintf(provenance, sizeof provenance, "phantom %s, seed %lld", s->phantom,
             (long long)s->seed);
    const image_writer_options options = {{.force = s->force, .provenance = provenance}, 0};
    if (st == SCRY_OK) st = image_writer_create(&w, path, &info, &options, err);
    for (size_t z = 0; st == SCRY_OK && z < nz; z++)
        st = image_writer_plane(w, 0, z, 0, x + z * ny * nx, err);
    if (st == SCRY_OK)
        st = image_writer_finish(w, NULL, err);
    else
        image_writer_abort(w);
    scry_free(x);
    return st;
}

/* ---- an acquisition ---- */

/* mean electrons of one image or volume: photons h * x / peak + background. The open boundary sees
 * the image continued by its nearest pixels. */
static scry_status simulate_expose(float *adu, const float *x, double peak,
                                   const scry_psf_source *source, const scry_image *scan,
                                   uint32_t number, const struct settings *s, scry_error *err)
{
    const scry_space *space = &scan->space;
    const size_t n = scry_space_count(space);
    const scry_log log = monitor_log(s->quiet);
    const scry_camera camera = {.gain = s->gain,
                                .offset = s->offset,
                                .read_noise = s->read_noise,
                                .full_well = s->full_well,
                                .bits = (int)s->bits};
    scry_space ps;
    scry_window window;
    float *psf = NULL, *scene = NULL;
    scry_op *A = NULL;
    void *work = NULL;
    const bool open = !s->boundary || strcmp(s->boundary, "periodic") != 0;
    const scry_boundary boundary = open ? SCRY_OPEN : SCRY_PERIODIC;
    scry_status st = scry_psf_source_make(
        &psf, &ps, source, &(scry_psf_setting){.image = scan, .boundary = boundary, .log = &log},
        err);
    if (st != SCRY_OK) goto done;
    if ((st = scry_blur_domain(&window, space, &ps, boundary, 1, err)) != SCRY_OK) goto done;
    if ((st = scry_blur_create(
             &A, space, &(scry_blur_params){.psf = psf, .psf_space = ps, .boundary = boundary},
             err)) != SCRY_OK)
        goto done;
    scene = scry_alloc(scry_space_count(&window.outer), sizeof *scene);
    work = scry_alloc(1, scry_op_work_bytes(A));
    if (!scene || !work) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "scene of %zu pixels", scry_space_count(&window.outer));
        goto done;
    }
    scry_window_extend(&window, scene, x);
    if ((st = scry_op_forward(A, adu, scene, work, err)) != SCRY_OK) goto done;
    for (size_t i = 0; i < n; i++)
        adu[i] = (float)fmax(s->photons / peak * (double)adu[i] + s->background, 0);
    st = scry_camera_expose(adu, adu, n, &camera, (uint64_t)s->seed, number, err);
done:
    scry_op_free(A);
    scry_free(psf);
    scry_free(scene);
    scry_free(work);
    return st;
}

/* The brightest pixel of the truth. EINVAL: a negative pixel, or all are 0. */
static scry_status simulate_peak(double *peak, const image *truth, const char *path,
                                 scry_error *err)
{
    *peak = 0;
    for (size_t k = 0; k < truth->count; k++) {
        if (truth->pixels[k] < 0)
            return SCRY_FAIL(err, SCRY_EINVAL, "%s: pixel %zu is %g, expected an intensity >= 0",
                             path, k, (double)truth->pixels[k]);
        *peak = fmax(*peak, truth->pixels[k]);
    }
    if (*peak > 0) return SCRY_OK;
    return SCRY_FAIL(err, SCRY_EINVAL, "%s: all pixels are 0, expected an image", path);
}

static scry_status simulate_acquire(const struct settings *s, const char *in, const char *out,
                                    scry_error *err)
{
    image truth = {0}, psf_file = {0};
    scry_psf_request request = {0};
    scry_psf_source psf = {0};
    const scry_log log = monitor_log(s->quiet);
    image_writer *w = NULL;
    float *adu = NULL;
    char provenance[256];
    double peak = 0;
    const char *const inputs[] = {in, s->psf};
    scry_status st = outputs_check(&(output_names){&out, inputs, 1, 2}, s->force, err);
    if (st == SCRY_OK) st = image_load(&truth, in, err);
    if (st == SCRY_OK) st = image_load_psf(&request, &psf_file, s->psf, err);
    if (st == SCRY_OK) st = scry_psf_source_init(&psf, &request, &log, err);
    if (st == SCRY_OK && psf.params.find_width)
        st = SCRY_FAIL(err, SCRY_EINVAL, "--psf %s: there is no image yet to estimate sigma from",
                       s->psf);
    if (st != SCRY_OK) goto done;
    const scry_tiff_info *i = &truth.info;
    const int rank = scry_psf_source_rank(&psf, i->z);
    const size_t plane = i->y * i->x, planes = rank == 3 ? i->z : 1;
    const scry_space space = rank == 3 ? SCRY_SPACE(i->z, i->y, i->x) : SCRY_SPACE(i->y, i->x);
    if ((st = simulate_peak(&peak, &truth, in, err)) != SCRY_OK) goto done;
    snprintf(provenance, sizeof provenance, "simulate, psf %s, %g photons, seed %lld", s->psf,
             s->photons, (long long)s->seed);
    const image_writer_options options = {{.force = s->force,
                                           .provenance = provenance,
                                           .type = s->bits ? SCRY_TIFF_U16 : SCRY_TIFF_F32},
                                          0};
    adu = scry_alloc(plane * planes, sizeof *adu);
    if (!adu) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "image of %zu pixels", plane * planes);
        goto done;
    }
    st = image_writer_create(&w, out, i, &options, err);
    uint32_t number = 0;
    for (size_t c = 0; st == SCRY_OK && c < i->c; c++)
        for (size_t t = 0; st == SCRY_OK && t < i->t; t++)
            for (size_t z = 0; st == SCRY_OK && z < i->z; z += planes, number++) {
                const float *x = truth.pixels + ((c * i->t + t) * i->z + z) * plane;
                scry_image scene = {.name = in, .space = space, .pixels = x};
                scry_image_describe(&scene, i, c);
                st = simulate_expose(adu, x, peak, &psf, &scene, number, s, err);
                for (size_t p = 0; st == SCRY_OK && p < planes; p++)
                    st = image_writer_plane(w, c, z + p, t, adu + p * plane, err);
            }
    if (st == SCRY_OK)
        st = image_writer_finish(w, NULL, err);
    else
        image_writer_abort(w);
done:
    scry_free(adu);
    scry_psf_source_free(&psf);
    image_free(&psf_file);
    image_free(&truth);
    return st;
}

static scry_status simulate_check(const struct settings *s, scry_error *err)
{
    const struct {
        const char *name;
        double value, low, high;
    } range[] = {{"photons", s->photons, 1e-3, 1e9},    {"gain", s->gain, 1e-6, 1e6},
                 {"offset", s->offset, 0, 65535},       {"read-noise", s->read_noise, 0, 1e6},
                 {"background", s->background, 0, 1e9}, {"full-well", s->full_well, 0, 1e12},
                 {"bits", (double)s->bits, 0, 16},      {"seed", (double)s->seed, 0, 9e15}};
    for (size_t i = 0; i < sizeof range / sizeof *range; i++)
        if (!(range[i].value >= range[i].low && range[i].value <= range[i].high))
            return SCRY_FAIL(err, SCRY_EINVAL, "--%s %g, expected %g to %g", range[i].name,
                             range[i].value, range[i].low, range[i].high);
    return SCRY_OK;
}

static int simulate_run(const cli_command *self, int argc, char **argv)
{
    struct settings s = {
        .size = "256x256", .photons = 100, .gain = 1, .offset = 100, .read_noise = 1.5, .bits = 16};
    const cli_option options[] = {
        {"psf", CLI_TEXT, &s.psf, "PSF", "a TIFF or a model, as for 'scry deblur'"},
        {"photons", CLI_REAL, &s.photons, "N",
         "electrons at the brightest pixel of the truth [100]"},
        {"gain", CLI_REAL, &s.gain, "E", "camera gain in e-/ADU [1]"},
        {"offset", CLI_REAL, &s.offset, "ADU", "camera offset [100]"},
        {"read-noise", CLI_REAL, &s.read_noise, "E", "read noise in e- [1.5]"},
        {"background", CLI_REAL, &s.background, "E", "uniform background in e- [0]"},
        {"full-well", CLI_REAL, &s.full_well, "E",
         "e- at which a pixel saturates; 0: no limit [0]"},
        {"bits", CLI_INTEGER, &s.bits, "N", "of the converter, 1 to 16; 0: unrounded float32 [16]"},
        {"boundary", CLI_TEXT, &s.boundary, "open|periodic",
         "open: the scene goes on outside as its nearest pixels; periodic [open]"},
        {"phantom", CLI_TEXT, &s.phantom, "cells|shepp-logan",
         "write a truth instead: cells (nuclei, filaments, puncta) or shepp-logan"},
        {"size", CLI_TEXT, &s.size, "YxX", "of the phantom, or ZxYxX [256x256]"},
        {"seed", CLI_INTEGER, &s.seed, "N", "of the random numbers [0]"},
        {"force", CLI_FLAG, &s.force, NULL, "replace an existing output"},
        {"quiet", CLI_FLAG, &s.quiet, NULL, "errors only"},
        {0},
    };
    cli_parse p;
    scry_error err = {0};
    int status = cli_begin(&p, self, argc, argv, options, NULL, 0);
    if (status != CLI_OK) return status < 0 ? CLI_OK : status;
    const int wanted = s.phantom ? 1 : 2;
    scry_status st = SCRY_OK;
    if (p.count != wanted)
        status = cli_usage(self, "%d files named, expected %s", p.count,
                           s.phantom ? "the truth to write" : "a truth and an output");
    else if (!s.phantom && !s.psf)
        status = cli_usage(self, "--psf is missing: a TIFF or a model such as gaussian:sigma=2");
    else if ((st = simulate_check(&s, &err)) != SCRY_OK)
        status = cli_usage(self, "%s", err.text);
    else
        st = s.phantom ? simulate_phantom(&s, p.args[0], &err)
                       : simulate_acquire(&s, p.args[0], p.args[1], &err);
    if (st != SCRY_OK && status == CLI_OK) status = cli_failed(self, &err);
    cli_end(&p);
    return status;
}

const cli_command cli_simulate = {
    "simulate",
    "[options] --psf PSF truth.tif out.tif",
    "image a known truth with a microscope and a camera",
    "The truth is scaled so that its brightest pixel sends --photons electrons; then blur, "
    "background, Poisson and read noise, gain, offset and 16-bit rounding. 'scry simulate "
    "--phantom cells out.tif' writes a truth to start from.",
    simulate_run,
};
