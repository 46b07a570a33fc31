#ifndef SCRY_APPS_RECON_REPORT_IMAGE_PAGE_H
#define SCRY_APPS_RECON_REPORT_IMAGE_PAGE_H

#include "apps/recon/image/restore.h"
#include "lib/io/html.h"

/* The figures of one restored image or volume in a report: the image, the result, its sd and the
 * part that it leaves unexplained; a detail of large ones; spectra; light and noise; the PSF; how
 * the method was chosen. */
typedef struct scry_image_page {
    const char *heading; /* "channel 1"; "" for an only image */
    const scry_image *image;
    const scry_restore_result *result;
    const float *residual;        /* NULL: not known */
    const scry_output_maps *maps; /* of the result; NULL: none */
    size_t side;                  /* pixels that a figure shows along a side, at most */
} scry_image_page;

/* Figures that scry_image_page_write needs, without their details: to share out the allowed size of
 * a page weigh. */
enum { SCRY_IMAGE_PAGE_FIGURES = 4 };

/* ENOMEM */
scry_status scry_image_page_write(scry_html *to, const scry_image_page *page, scry_error *err);

/* Names for reports. */
const char *scry_noise_kind_name(scry_noise_kind kind);        /* "poisson-gaussian" */
const char *scry_noise_finding_name(size_t bit);               /* "correlated"; NULL: no such */
const char *scry_improvement_name(scry_improvement_verdict v); /* "only noise" */

#endif
