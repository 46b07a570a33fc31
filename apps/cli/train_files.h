#ifndef SCRY_APPS_CLI_TRAIN_FILES_H
#define SCRY_APPS_CLI_TRAIN_FILES_H

#include "priors/train/image_set.h"

#include <stdio.h>

/* Images for `scry train`, from files, folders and patterns. */

/* The outcome for each file, for the user. */
typedef struct train_found {
    size_t files, images, skipped, smaller, weak; /* smaller: averaged down; weak: noisy still */
    size_t coloured;                              /* files whose colours were averaged */
    double noise, noisiest; /* mean and largest sd of the images' own noise, of their range */
    double detail;          /* mean of their finest detail, see scry_image_report */
    FILE *to;               /* prints the names of files left out; NULL: silent */
} train_found;

/* Adds every image of the words: TIFF and PNG (each channel, slice and frame is an image; colours
 * are averaged), .npy and .npz, HDF5 (datasets of numbers whose last two axes are an image) and
 * NIfTI (slices), folders with all below them in the order of their names. At most 16 evenly spaced
 * planes of one array, since neighbours say the same. The class of an image is the second of three
 * parts of its name in a .npz ("train/nuclei/a17"; a first part of "test" holds it out), otherwise
 * the folder in the folder named, or "all". A file that is no image, or none to train on, is named
 * and left out. errors  EINVAL: a word that matches nothing; ENOMEM */
scry_status train_files_add(train_found *found, scry_image_set *set, const char *const *paths,
                            size_t count, scry_error *err);

#endif
