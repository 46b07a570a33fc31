#include "apps/recon/image/noise.h"

#include <math.h>
#include <string.h>

double scry_noise_to_physical(const scry_noise *n, double value)
{
    return n->kind == SCRY_NOISE_GAUSSIAN ? value - n->background
                                          : (value - n->offset) * n->gain - n->background;
}

double scry_noise_scale_to_file(const scry_noise *n)
{
    return n->kind == SCRY_NOISE_GAUSSIAN ? 1 : 1 / n->gain;
}

double scry_noise_to_file(const scry_noise *n, double value)
{
    return n->kind == SCRY_NOISE_GAUSSIAN ? value + n->background
                                          : (value + n->background) / n->gain + n->offset;
}

scry_noise_request scry_noise_seen(const scry_noise *n, double share)
{
    const double keep = 1 - share;
    if (n->kind == SCRY_NOISE_GAUSSIAN)
        return (scry_noise_request){.sigma = n->sigma / sqrt(keep), .background = n->background};
    return (scry_noise_request){.gain = n->gain * keep,
                                .offset = n->offset,
                                .read_noise = n->read_noise * sqrt(keep),
                                .background = n->background * keep};
}

enum { FEW_PIXELS = 16 }; /* whose range says nothing about their noise */

/* The camera that the user described, as far as it goes. */
static scry_noise given_camera(const scry_noise_request *r)
{
    return (scry_noise){.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                        .gain = r->gain,
                        .offset = r->offset,
                        .read_noise = r->read_noise,
                        .background = r->background};
}

/* Known pixels are exact: a standard deviation of a thousandth of their range, far below the errors
 * that shows, keeps the arithmetic in single precision. */
/* sd of pixels with hardly any noise, as a share of their range: likelihoods need one. */
static const double EXACT_SHARE = 1e-3;

static scry_noise exact_pixels(const float *y, const unsigned char *known, size_t n)
{
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < n; i++) {
        if (known && !known[i]) continue;
        low = fminf(low, y[i]);
        high = fmaxf(high, y[i]);
    }
    return (scry_noise){.kind = SCRY_NOISE_GAUSSIAN, .sigma = EXACT_SHARE * ((double)high - low)};
}

/* Noise of `excess` times the variance: of counts, those of a camera of fewer electrons. */
static void add_excess(scry_noise *n, double excess)
{
    n->sigma *= sqrt(excess);
    n->gain /= excess;
    n->read_noise /= sqrt(excess);
}

static scry_status image_noise_estimated(scry_noise *out, scry_noise_model *model,
                                         const scry_noise_request *r, const scry_image *image,
                                         const unsigned char *known, const scry_transfer *transfer,
                                         const scry_log *log, scry_error *err)
{
    const scry_space *space = &image->space;
    const size_t ny = space->dims[space->rank - 2], nx = space->dims[space->rank - 1];
    scry_noise_context context;
    if (ny < 3 || nx < 3)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%zu x %zu pixels are too few to estimate the noise from, "
                         "expected 3 x 3 or more: give --sigma or --gain",
                         ny, nx);
    scry_noise_context_init(&context);
    if (transfer) {
        context.transfer = scry_transfer_at;
        context.ctx = (void *)transfer;
    }
    context.integer = image->saturation > 0;
    context.treatment = r->treatment;
    if (image->saturation > 0) context.saturation = image->saturation;
    context.known =
        (scry_camera_known){r->gain > 0 ? r->gain : NAN, r->offset_known ? r->offset : NAN,
                            r->read_noise_known ? r->read_noise : NAN};
    scry_status st = scry_noise_identify(
        model, image->pixels, known, scry_space_count(space) / (ny * nx), ny, nx, &context, err);
    if (st == SCRY_EINVAL && err) /* the library does not know the names of the options */
        strncat(err->text, ": give --sigma or --gain", sizeof err->text - strlen(err->text) - 1);
    if (st != SCRY_OK) return st;
    *out = (scry_noise){
        .kind = SCRY_NOISE_GAUSSIAN, .sigma = model->sigma, .background = r->background};
    if (model->counts)
        *out = (scry_noise){.kind = SCRY_NOISE_POISSON_GAUSSIAN,
                            .gain = model->gain,
                            .offset = model->offset,
                            .read_noise = model->read_noise,
                            .background = r->background};
    scry_log_note(log, "noise: %s", model->line);
    if (r->excess > 1) add_excess(out, r->excess);
    return SCRY_OK;
}

/* A given noise model against the image: noise that is larger than everything in it, a dark level
 * or a background above its brightest pixel are slips of a unit or a sign. */
static scry_status image_noise_plausible(const scry_noise *n, const float *y,
                                         const unsigned char *known, size_t pixels, scry_error *err)
{
    double sum = 0, low = INFINITY, high = -INFINITY;
    size_t count = 0;
    for (size_t i = 0; i < pixels; i++) {
        if (known && !known[i]) continue;
        count++;
        sum += y[i];
        low = fmin(low, y[i]);
        high = fmax(high, y[i]);
    }
    const bool camera = n->kind != SCRY_NOISE_GAUSSIAN;
    const double mean = sum / (double)count;
    if (camera && n->offset > high)
        return SCRY_FAIL(err, SCRY_EINVAL, "--offset %g ADU is above the brightest pixel, %g",
                         n->offset, high);
    if (scry_noise_to_physical(n, high) < 0)
        return SCRY_FAIL(err, SCRY_EINVAL, "--background %g is above the brightest pixel, %g%s",
                         n->background, scry_noise_to_physical(n, high) + n->background,
                         camera ? " e-" : "");
    const double electrons = camera ? fmax((mean - n->offset) * n->gain, 0) : 0;
    const double sd = camera ? sqrt(electrons + n->read_noise * n->read_noise) / n->gain : n->sigma;
    if (count >= FEW_PIXELS && sd > high - low)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "%s: noise of sd %g, expected less than the range of all pixels, %g to %g",
                         camera ? "--gain and --read-noise" : "--sigma", sd, low, high);
    return SCRY_OK;
}

scry_status scry_noise_request_check(const scry_noise_request *r, scry_error *err)
{
    const struct {
        const char *name;
        double value;
        bool negative;
    } numbers[] = {{"sigma", r->sigma, false},
                   {"gain", r->gain, false},
                   {"offset", r->offset, true},
                   {"read noise", r->read_noise, false},
                   {"background", r->background, true}};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (!isfinite(numbers[i].value) || (numbers[i].value < 0 && !numbers[i].negative))
            return SCRY_FAIL(err, SCRY_EINVAL, "%s %g, expected a number%s", numbers[i].name,
                             numbers[i].value, numbers[i].negative ? "" : " that is not negative");
    if (r->sigma > 0 && r->gain > 0)
        return SCRY_FAIL(err, SCRY_EINVAL,
                         "sigma %g and gain %g are two noise models, expected one", r->sigma,
                         r->gain);
    return SCRY_OK;
}

scry_status scry_noise_choose(scry_noise *out, scry_noise_model *model, const scry_noise_request *r,
                              const scry_image *image, const unsigned char *known,
                              const scry_transfer *transfer, const scry_log *log, scry_error *err)
{
    const bool automatic = r->choice == SCRY_NOISE_ESTIMATED;
    const size_t n = scry_space_count(&image->space);
    scry_noise_model found;
    if (!model) model = &found;
    *model = (scry_noise_model){0};
    if (r->sigma > 0) {
        *out = (scry_noise){
            .kind = SCRY_NOISE_GAUSSIAN, .sigma = r->sigma, .background = r->background};
        return image_noise_plausible(out, image->pixels, known, n, err);
    }
    if (r->gain > 0 && !automatic) {
        *out = given_camera(r);
        return image_noise_plausible(out, image->pixels, known, n, err);
    }
    if (automatic || (transfer && r->choice == SCRY_NOISE_AS_GIVEN)) {
        const scry_status st =
            image_noise_estimated(out, model, r, image, known, transfer, log, err);
        return st == SCRY_OK ? image_noise_plausible(out, image->pixels, known, n, err) : st;
    }
    *out = exact_pixels(image->pixels, known, n);
    scry_log_note(log, "noise: known pixels are taken as exact; --noise auto estimates instead");
    return SCRY_OK;
}
