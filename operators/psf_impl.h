#ifndef SCRY_OPERATORS_PSF_IMPL_H
#define SCRY_OPERATORS_PSF_IMPL_H

#include "operators/psf.h"

/* Between the sources of the PSF module: the pupil integrals and tables of radial profiles. */

/* Distance from the peak, on each side, at which a line of n values falls to half; 0: it leaves the
 * array first. */
void scryi_half_widths(double width[2], const float *line, size_t n, size_t step, size_t peak);

/* The pupil of a lens, as nodes of a Gauss-Legendre rule over its radius. Lengths in um. */
typedef struct scryi_pupil {
    size_t n;
    double k;                         /* 2 pi / lambda */
    double *s, *weight;               /* NA rho; rho d rho */
    double *base, *axial;             /* phase / k = base - z axial */
    double *slope_base, *slope_axial; /* their derivatives in s: transverse ray aberration */
    double light;                     /* int |h| 2 pi r dr of every plane, by Parseval */
    double depth, focus;              /* z of the point; z of the brightest plane */
} scryi_pupil;

/* For the model of p (gibson-lanni stands for confocal) at lambda nm. reach: the largest r and
 * the largest |z - focus| that will be asked for, in um; they fix the number of nodes. */
scry_status scryi_pupil_create(scryi_pupil *P, const scry_psf_params *p, double lambda_nm,
                               double reach_r, double reach_z, scry_error *err);
void scryi_pupil_free(scryi_pupil *P);
/* Relative to the focus: on-axis intensity, largest ray height. */
double scryi_pupil_on_axis(const scryi_pupil *P, double z);
double scryi_pupil_ray(const scryi_pupil *P, double z);

/* h(r, z) on a uniform grid of radii, for `planes` planes with the focus in planes/2. */
typedef struct scryi_radial {
    size_t planes, n;
    double step;  /* um */
    double *h;    /* planes x n */
    double light; /* int h 2 pi r dr summed over the planes; beyond the table included if known */
    double shift; /* um, focus minus depth */
} scryi_radial;

/* Profiles out to at least r = reach um, planes dz um apart. */
scry_status scryi_radial_create(scryi_radial *t, const scry_psf_params *p, size_t planes, double dz,
                                double reach, scry_error *err);
void scryi_radial_free(scryi_radial *t);
/* Cubic interpolation at r in [0, reach]. */
double scryi_radial_at(const double *h, size_t n, double x); /* x = r / step */
/* The smallest radius (um) within which all planes together have `energy` of t->light; *held is
 * the energy within that radius. The end of the table if that is not enough. */
double scryi_radial_support(const scryi_radial *t, double energy, double *held);

/* Half the axial extent in um: on-axis intensity stays below 1 % of its maximum beyond it, up to
 * cap. */
scry_status scryi_axial_extent(double *extent, const scry_psf_params *p, double cap,
                               scry_error *err);
/* A bound in um for the lateral extent of the light that `energy` asks for, within +- z of
 * focus. */
scry_status scryi_lateral_bound(double *bound, const scry_psf_params *p, double energy, double z,
                                scry_error *err);

#endif
