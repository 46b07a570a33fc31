#ifndef SCRY_APPS_RECON_REPORT_PLOT_H
#define SCRY_APPS_RECON_REPORT_PLOT_H

#include "lib/io/html.h"

#include <stdbool.h>

/* Line plots of a report, as SVG. */

typedef struct scry_plot_curve {
    const char *name;
    const char *colour; /* "#17548f" */
    bool dashed;
    const double *y; /* points; not finite, or not above 0 on a logarithmic axis: a gap */
} scry_plot_curve;

typedef struct scry_plot {
    const char *title, *x_label, *y_label;
    const double *x; /* points */
    size_t points;
    double x_high; /* the axis runs from 0 */
    bool log_y;    /* decades of the curves; linear: from 0 to y_high */
    double y_high;
    const scry_plot_curve *curves;
    size_t count;
} scry_plot;

/* <figure> with an <svg>; nothing where no curve has a point. */
void scry_plot_write(scry_html *page, const scry_plot *plot);

/* The power spectrum of a plane, averaged over rings of equal frequency: power[k] belongs to
 * (k + 1/2) / (2 rings) cycles per pixel. The mean is taken off and a Hann window applied, of which
 * the power is divided out: white noise of variance v has the power v. NaN pixels count as the
 * mean, a ring without a frequency is NaN. ENOMEM, ESHAPE */
scry_status scry_plot_spectrum(double *power, size_t rings, const float *plane, size_t ny,
                               size_t nx, scry_error *err);

#endif
