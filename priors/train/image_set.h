#ifndef SCRY_PRIORS_TRAIN_IMAGE_SET_H
#define SCRY_PRIORS_TRAIN_IMAGE_SET_H

#include "priors/train/trainer.h"

/* Images to train on and images held out, in classes. An image v is kept as (v - lo) / (hi - lo),
 * lo and hi its .5 and 99.9 percentiles, clipped to [0, 1], in 16 bits. A crop of it is a random
 * square, crop / zoom pixels wide and averaged down to crop, turned and mirrored, and
 * x = 2 gain u - 1: zoom and gain are uniform. Classes are drawn in proportion to the root of their
 * area, and so are images within a class. */
typedef struct scry_image_set scry_image_set;

typedef struct scry_image_set_opts {
    size_t crop;                /* default 64 */
    double zoom_low, zoom_high; /* default .45, 1 */
    double gain_low, gain_high; /* default .5, 1 */
    bool clean; /* whether noisy and blurred images are made smaller. Default true */
    uint64_t seed;
} scry_image_set_opts;
void scry_image_set_opts_init(scry_image_set_opts *opts);

/* EINVAL: an option out of range. */
scry_status scry_image_set_create(scry_image_set **out, const scry_image_set_opts *opts,
                                  scry_error *err);
void scry_image_set_free(scry_image_set *s); /* accepts NULL */

/* Findings about an image that was added. */
typedef struct scry_image_report {
    size_t factor;        /* pixels along a side that were averaged into one */
    double noise, detail; /* of the range, after that; below */
    double weight;        /* of the image beside others of its area */
} scry_image_report;

/* A copy of an image, ny x nx. With `clean`, an image is averaged down by 2, 3 or 4 while 128
 * pixels a side are left and either
 *   its noise (lib/stats/noise.h) is above .012 of its range and falls as white noise does, or
 *   its detail, the loss of averaging by 2 in its busiest tenth, without noise, is below .006;
 * an image that stays noisier than .03 weighs less, as .03 / noise. `class` is copied.
 * errors  ESHAPE: a side below 32; ENUMERIC: NaN or infinite; EINVAL: constant; ENOMEM */
scry_status scry_image_set_add(scry_image_set *s, scry_image_report *report, const float *pixels,
                               size_t ny, size_t nx, const char *class, bool held_out,
                               scry_error *err);

/* Call it after the last image: fixes how often each one is drawn. Images with a side below the
 * crop are not drawn. EINVAL: none is left. If no image is held out, every tenth of each class is;
 * none of a class of fewer than four. A single image serves both purposes: *borrowed is true. */
scry_status scry_image_set_seal(scry_image_set *s, bool *borrowed, scry_error *err);

size_t scry_image_set_count(const scry_image_set *s, bool held_out);
size_t scry_image_set_pixels(const scry_image_set *s, bool held_out);
/* Classes by name; images and pixels of one. */
size_t scry_image_set_classes(const scry_image_set *s);
const char *scry_image_set_class(const scry_image_set *s, size_t c);
size_t scry_image_set_class_count(const scry_image_set *s, size_t c, bool held_out);
size_t scry_image_set_class_pixels(const scry_image_set *s, size_t c, bool held_out);

/* Mean and sd of x as it is drawn, at the mean gain: training standardises by them. */
void scry_image_set_moments(const scry_image_set *s, double *mean, double *std);

/* A scry_crop_fn; context: the sealed set. */
scry_status scry_image_set_crop(void *context, float *x, size_t step, size_t index,
                                scry_error *err);

/* The class of that crop: a scry_label_fn. */
size_t scry_image_set_label(void *context, size_t step, size_t index);

/* The middle of held-out images as x at the mean gain, side x side each, at most `per_class` of
 * every class, classes in turn: fills side (at most `side_max`, the size that all of them have, a
 * multiple of 8), x (count of them; scry_free), and class_of[count] (scry_free). */
typedef struct scry_held_out {
    size_t count, side;
    float *x;
    size_t *class_of;
} scry_held_out;
scry_status scry_image_set_held_out(scry_held_out *out, const scry_image_set *s, size_t per_class,
                                    size_t side_max, scry_error *err);
void scry_held_out_clear(scry_held_out *h);

/* PSNR (range 2) of D at x + sigma n for each level: psnr[level][image], noise fixed. */
scry_status scry_held_out_psnr(double *psnr, const scry_held_out *h, const scry_network *net,
                               const double *sigma, size_t levels, int threads, scry_error *err);
/* The same by block matching (priors/block_matching.h) for the first `per_class` images of each
 * class, with the same noise; NAN for the others. */
scry_status scry_held_out_classical(double *psnr, const scry_held_out *h, size_t per_class,
                                    const double *sigma, size_t levels, int threads,
                                    scry_error *err);
/* The mean over classes of the means over their images. */
double scry_held_out_mean(const scry_held_out *h, const double *psnr);

#endif
