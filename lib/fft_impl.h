#ifndef SCRY_LIB_FFT_IMPL_H
#define SCRY_LIB_FFT_IMPL_H

#include "lib/fft.h"

#include <complex.h>
#include <fftw3.h>
#include <stdbool.h>

/* What the sources of lib/fft.h have in common. */

/* Lines that are transformed at a time: that many floats fill a cache line. Transforms of at least
 * this many entries use several threads. */
enum { SCRYI_FFT_STRIP = 16, SCRYI_FFT_PARALLEL_FROM = 1 << 18 };

/* Lines of a scratch array start on cache lines, an odd number of them apart: a distance that is a
 * power of two would put all lines into the same cache set. */
size_t scryi_fft_pitch(size_t n);

/* ESHAPE: a rank or lengths that no plan takes. */
scry_status scryi_fft_check(int rank, const size_t *dims, scry_error *err);

/* FFTW's planner is one for the whole process. begin takes the lock (and, where plans are measured,
 * reads the user's cache of them) and returns the flags of FFTW for the effort that was
 * asked; end gives the lock back, and keeps plans that were `planned` there. */
unsigned scryi_fft_planner_begin(void);
void scryi_fft_planner_end(bool planned);

#endif
