/* The noise of readouts off the grid, from frequencies along them that no signal has. */
#include "apps/recon/mri/mri_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"

#include <math.h>
#include <string.h>

/* A window of W samples has a 4-term Blackman-Harris taper, whose main lobe is LOBE / W cycles a
 * sample wide to either side and whose sidelobes are at -92 dB (Harris 1978, Proc. IEEE 66:51): the
 * middle of k-space is as much above the noise. Narrow ones serve spirals, whose steps grow. */
enum { WIDE = 64, NARROW = 32, LOBE = 4, WINDOWS_MIN = 16 };
static const double TAPER[] = {0.35875, 0.48829, 0.14128, 0.01168};
/* Frequencies above are attenuated by the filters of receivers. */
static const double EDGE = 0.45;
/* Of the largest |k|, where windows begin to count. */
static const double OUTSIDE = 0.1;

struct noise_lines {
    const scry_mri_scattered *s;
    size_t coils;
    double ny, nx;           /* pixels of the field of view */
    size_t width;            /* samples of a window */
    double taper[WIDE];      /* sum of squares 1 */
    double largest;          /* |k|, cycles per pixel */
    double complex *spectra; /* of a window at one frequency, coils */
    double complex *psi;
    size_t windows, count; /* of them; and of frequencies that were summed */
};

static void make_taper(struct noise_lines *l)
{
    double power = 0, *taper = l->taper;
    for (size_t i = 0; i < l->width; i++) {
        const double t = 2 * SCRY_PI * ((double)i + 0.5) / (double)l->width;
        taper[i] = TAPER[0] - TAPER[1] * cos(t) + TAPER[2] * cos(2 * t) - TAPER[3] * cos(3 * t);
        power += taper[i] * taper[i];
    }
    for (size_t i = 0; i < l->width; i++)
        taper[i] /= sqrt(power);
}

static double step_of(const struct noise_lines *l, size_t i)
{
    const float *k = l->s->trajectory + 2 * i;
    return hypot((double)(k[2] - k[0]) * l->ny, (double)(k[3] - k[1]) * l->nx);
}

/* The highest frequency that an object within the field of view (an ellipse) makes in the window
 * from sample i, and the lobe of the taper: cycles a sample. 1: the window is not to be used. */
static double band_of(const struct noise_lines *l, size_t i)
{
    const float *k = l->s->trajectory + 2 * (i + l->width / 2);
    double step = 0;
    if (hypot((double)k[0], (double)k[1]) < OUTSIDE * l->largest) return 1;
    for (size_t j = i; j + 1 < i + l->width; j++)
        step = fmax(step, step_of(l, j));
    return step / 2 + LOBE / (double)l->width;
}

static void add_frequency(struct noise_lines *l, size_t first, int bin)
{
    const size_t C = l->coils;
    double complex wave[WIDE];
    for (size_t i = 0; i < l->width; i++)
        wave[i] = l->taper[i] * cexp(-2 * SCRY_PI * I * bin * (double)i / (double)l->width);
    for (size_t c = 0; c < C; c++) {
        const float complex *y = l->s->data + c * l->s->samples + first;
        l->spectra[c] = 0;
        for (size_t i = 0; i < l->width; i++)
            l->spectra[c] += wave[i] * y[i];
    }
    for (size_t a = 0; a < C; a++)
        for (size_t b = 0; b < C; b++)
            l->psi[a * C + b] += l->spectra[a] * conj(l->spectra[b]);
    l->count++;
}

/* Readouts whose samples were left out are no longer at equal steps: their steps are too long. */
static void add_windows(struct noise_lines *l)
{
    const size_t line = l->s->line;
    const double width = (double)l->width;
    for (size_t at = 0; at + line <= l->s->samples; at += line)
        for (size_t i = at; i + l->width <= at + line; i += l->width / 2) {
            const double band = band_of(l, i);
            const int low = (int)ceil(band * width), high = (int)floor(EDGE * width);
            for (int bin = low; bin <= high; bin++) {
                add_frequency(l, i, bin);
                add_frequency(l, i, -bin);
            }
            l->windows += low <= high;
        }
}

scry_status scryi_noise_along_lines(double complex *psi, bool *found, const scry_mri_scattered *s,
                                    size_t coils, size_t ny, size_t nx, scry_error *err)
{
    struct noise_lines l = {.s = s, .coils = coils, .ny = (double)ny, .nx = (double)nx, .psi = psi};
    *found = false;
    l.spectra = scry_alloc(coils, sizeof *l.spectra);
    if (!l.spectra) return SCRY_FAIL(err, SCRY_ENOMEM, "spectra of %zu coils", coils);
    for (size_t i = 0; i < s->samples; i++)
        l.largest =
            fmax(l.largest, hypot((double)s->trajectory[2 * i], (double)s->trajectory[2 * i + 1]));
    for (l.width = WIDE; l.width >= NARROW && !*found; l.width /= 2) {
        memset(psi, 0, coils * coils * sizeof *psi);
        l.windows = l.count = 0;
        make_taper(&l);
        add_windows(&l);
        *found = l.windows >= WINDOWS_MIN && l.windows > coils;
    }
    for (size_t k = 0; k < coils * coils && l.count; k++)
        psi[k] /= (double)l.count;
    scry_free(l.spectra);
    return SCRY_OK;
}
