#ifndef SCRY_LIB_NUMBERS_H
#define SCRY_LIB_NUMBERS_H

/* POSIX has M_PI, ISO C has none. */
#define SCRY_PI 3.14159265358979323846

#endif
