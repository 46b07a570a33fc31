#ifndef SCRY_LIB_NUMBERS_H
#define SCRY_LIB_NUMBERS_H

/* POSIX has M_PI, ISO C has none. */
#define SCRY_PI 3.14159265358979323846

/* Standard deviation of a Gaussian over its median absolute deviation, 1 / Phi^-1(3/4). */
#define SCRY_MAD_TO_SD 1.4826

#endif
