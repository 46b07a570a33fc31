#ifndef SCRY_PRIORS_TRAIN_IMAGE_SET_IMPL_H
#define SCRY_PRIORS_TRAIN_IMAGE_SET_IMPL_H

#include "priors/train/image_set.h"

#define SCRYI_CLASS_NAME 64

typedef struct scryi_picture {
    uint16_t *pixels; /* 65535 is 1 */
    size_t ny, nx, class;
    bool held_out, drawn;
    double weight, share; /* share: the sum of the probabilities up to this one, when drawn */
} scryi_picture;

struct scry_image_set {
    scry_image_set_opts opts;
    scryi_picture *pictures;
    size_t count, capacity;
    char (*classes)[SCRYI_CLASS_NAME]; /* in the order of their names once sealed */
    size_t class_count, class_capacity;
    double mean, std;
};

/* examine.c: [0, 1] in place; then its properties, and averaged down in place. */
scry_status scryi_picture_scale(float *pixels, size_t n, scry_error *err);
scry_status scryi_picture_examine(scry_image_report *report, float *pixels, size_t *ny, size_t *nx,
                                  bool clean, scry_error *err);

#endif
