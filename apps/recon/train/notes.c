#include "apps/recon/train/notes.h"

#include "lib/io/json.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"
#include "priors/network/network.h"
#include "priors/power.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define CROPS 128     /* whose spectrum is taken */
#define GAP_CROPS 16  /* on which D and the Gaussian are compared */
#define GAP_LEVELS 12 /* from .25 to 32 */

/* A number to so many digits: further ones are noise of the estimate. */
static double notes_rounded(double value, int digits)
{
    char text[32];
    snprintf(text, sizeof text, "%.*g", digits, value);
    return strtod(text, NULL);
}

static void put_held_out(scry_json *doc, scry_json_node *root, const scry_image_set *images,
                         const scry_held_out *h, const double *psnr)
{
    scry_json_node *table = scry_json_put_object(doc, root, "held_out");
    scry_json_node *sigma = scry_json_put_array(doc, table, "sigma");
    scry_json_node *classes = scry_json_put_object(doc, table, "psnr");
    scry_json_node *mean = scry_json_put_array(doc, table, "mean");
    for (size_t k = 0; k < SCRY_TRAINING_LEVELS; k++) {
        scry_json_put_number(doc, sigma, NULL, scry_training_levels[k]);
        scry_json_put_number(doc, mean, NULL,
                             notes_rounded(scry_held_out_mean(h, psnr + k * h->count), 4));
    }
    for (size_t i = 0, j; i < h->count; i = j) {
        scry_json_node *row =
            scry_json_put_array(doc, classes, scry_image_set_class(images, h->class_of[i]));
        for (j = i; j < h->count && h->class_of[j] == h->class_of[i]; j++) {
        }
        for (size_t k = 0; k < SCRY_TRAINING_LEVELS; k++) {
            double sum = 0;
            for (size_t n = i; n < j; n++)
                sum += psnr[k * h->count + n];
            scry_json_put_number(doc, row, NULL, notes_rounded(sum / (double)(j - i), 4));
        }
    }
}

/* Crops as the training draws them, CROPS of them, one after the other. */
static scry_status draw_crops(float **out, const scry_training_request *r, scry_error *err)
{
    const size_t n = r->opts.crop * r->opts.crop;
    scry_status st = SCRY_OK;
    if (!(*out = scry_alloc(CROPS * n, sizeof **out)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%d crops", CROPS);
    for (size_t i = 0; i < CROPS && st == SCRY_OK; i++)
        st = scry_image_set_crop((void *)r->images, *out + i * n, 0, i, err);
    return st;
}

static void put_spectrum(scry_json *doc, scry_json_node *root, const scry_radial *radial,
                         const float *crops, size_t n)
{
    double variance = 0;
    for (size_t i = 0; i < n; i++)
        variance += pow((double)crops[i] - radial->mean, 2) / (double)n;
    scry_json_put_number(doc, root, "mean", notes_rounded(radial->mean, 6));
    scry_json_put_number(doc, root, "variance", notes_rounded(variance, 6));
    scry_json_node *power = scry_json_put_array(doc, root, "radial_power");
    for (size_t i = 0; i < radial->count; i++)
        scry_json_put_number(doc, power, NULL, notes_rounded(radial->power[i], 5));
}

/* Sums of squared errors of two denoisers of the held-out images at one level. */
static scry_status gap_at(double *gap, const scry_held_out *h, const scry_prior *D,
                          const scry_prior *G, double sigma, float *scratch, void *work,
                          scry_error *err)
{
    const size_t n = h->side * h->side, step = (h->count + GAP_CROPS - 1) / GAP_CROPS;
    double errors[2] = {0, 0};
    for (size_t i = 0; i < h->count; i += step) {
        const scry_prior *const priors[] = {D, G};
        float *noisy = scratch, *x0 = scratch + n;
        scry_rng_normal(noisy, 0, n, 2, (uint32_t)i, 0);
        scry_axpby(noisy, 1, h->x + i * n, (float)sigma, noisy, n);
        for (size_t k = 0; k < 2; k++) {
            const scry_status st =
                scry_prior_denoise(priors[k], x0, noisy, (float)sigma, work, err);
            if (st != SCRY_OK) return st;
            errors[k] += pow(scry_distance(x0, h->x + i * n, n), 2);
        }
    }
    *gap = 1 - errors[0] / errors[1];
    return SCRY_OK;
}

static scry_status put_gap(scry_json *doc, scry_json_node *root, const scry_network *net,
                           const scry_held_out *h, const scry_radial *radial, scry_error *err)
{
    const scry_space space = SCRY_SPACE(h->side, h->side);
    scry_prior *D = NULL, *G = NULL;
    scry_unet_opts opts;
    double low, high;
    void *work = NULL;
    float *scratch = scry_alloc(2 * h->side * h->side, sizeof *scratch);
    scry_unet_opts_init(&opts);
    opts.vjp = false;
    scry_network_sigma_range(net, &low, &high);
    scry_status st = scratch ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "notes of the prior");
    if (st == SCRY_OK) st = scry_unet_create(&D, net, &space, &opts, err);
    if (st == SCRY_OK) st = scry_gaussian_create_radial(&G, &space, 2, radial, err);
    if (st != SCRY_OK) goto done;
    const size_t a = scry_prior_work_bytes(D), b = scry_prior_work_bytes(G);
    if (!(work = scry_alloc(a > b ? a : b, 1))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "notes of the prior");
        goto done;
    }
    scry_json_node *table = scry_json_put_object(doc, root, "gaussian_gap");
    scry_json_node *sigmas = scry_json_put_array(doc, table, "sigma");
    scry_json_node *values = scry_json_put_array(doc, table, "value");
    for (size_t k = 0; k < GAP_LEVELS && st == SCRY_OK; k++) {
        const double sigma = .25 * pow(128, (double)k / (GAP_LEVELS - 1));
        double gap = 0;
        if (sigma > high) break;
        st = gap_at(&gap, h, D, G, sigma, scratch, work, err);
        scry_json_put_number(doc, sigmas, NULL, notes_rounded(sigma, 5));
        scry_json_put_number(doc, values, NULL, notes_rounded(gap, 4));
    }
done:
    scry_free(scratch);
    scry_free(work);
    scry_prior_free(D);
    scry_prior_free(G);
    return st;
}

static void put_words(scry_json *doc, scry_json_node *root, const scry_training_request *r,
                      const scry_network *net, size_t steps)
{
    const struct {
        const char *key, *text;
    } texts[] = {{"name", r->name},
                 {"description", r->description},
                 {"training_data", r->data},
                 {"licence", r->licence}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        scry_json_put_string(doc, root, texts[i].key, texts[i].text);
    scry_json_put_unsigned(doc, root, "channels", scry_network_channels(net));
    const scry_network_input_info in = scry_network_input(net);
    scry_json_node *input = scry_json_put_object(doc, root, "input");
    scry_json_put_unsigned(doc, input, "unshuffle", in.unshuffle);
    scry_json_put_number(doc, input, "mean", in.mean);
    scry_json_put_number(doc, input, "std", in.std);
    if (scry_network_classes(net)) /* the row after those of the classes */
        scry_json_put_unsigned(doc, input, "unlabelled", scry_network_classes(net));
    scry_json_put_unsigned(doc, root, "images_seen", steps * r->opts.batch);
    scry_json_node *classes = scry_json_put_array(doc, root, "classes");
    for (size_t c = 0; c < scry_image_set_classes(r->images); c++)
        scry_json_put_string(doc, classes, NULL, scry_image_set_class(r->images, c));
    scry_json_node *intensity = scry_json_put_object(doc, root, "intensity");
    scry_json_put_string(doc, intensity, "map", "x = 2 g (v - lo) / (hi - lo) - 1");
    scry_json_put_number(doc, intensity, "low_percentile", .5);
    scry_json_put_number(doc, intensity, "high_percentile", 99.9);
    scry_json_put_number(doc, intensity, "gain_low", .5);
    scry_json_put_number(doc, intensity, "gain_high", 1);
}

scry_status scry_training_notes(const scry_training_request *r, const scry_network *net,
                                const scry_held_out *held_out, const double *psnr, size_t steps,
                                scry_error *err)
{
    char path[4096];
    scry_json *doc = NULL;
    scry_radial radial = {0};
    float *crops = NULL;
    const scry_space space = SCRY_SPACE(CROPS, r->opts.crop, r->opts.crop);
    snprintf(path, sizeof path, "%s/prior.json", r->folder);
    scry_status st = scry_json_create(&doc, err);
    if (st == SCRY_OK) st = draw_crops(&crops, r, err);
    if (st == SCRY_OK) st = scry_power_estimate(&radial, &space, 2, crops, NULL, err);
    if (st != SCRY_OK) goto done;
    scry_json_node *root = scry_json_root(doc);
    put_words(doc, root, r, net, steps);
    put_spectrum(doc, root, &radial, crops, scry_space_count(&space));
    if (held_out && (st = put_gap(doc, root, net, held_out, &radial, err)) != SCRY_OK) goto done;
    if (held_out) put_held_out(doc, root, r->images, held_out, psnr);
    st = scry_json_write(doc, path, err);
done:
    scry_free(crops);
    scry_radial_free(&radial);
    scry_json_free(doc);
    return st;
}
