/* The functions of libfinufft that operators/nufft_library.c calls, as sums over all pixels: what
 * they mean (finufft.readthedocs.io, "C and C++ guru interface"), not how fast they are. Modes of n
 * run from -floor(n / 2) on, the first axis fastest. */
#include <complex.h>
#include <stdint.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

struct options {
    int modeord, spreadinterponly, debug, spread_debug, showwarn, nthreads;
};

struct plan {
    int type, sign;
    int64_t nx, ny, count;
    const float *x, *y;
};

EXPORT void finufftf_default_opts(struct options *opts);
EXPORT int finufftf_makeplan(int type, int dim, const int64_t *modes, int sign, int transforms,
                             float tol, struct plan **out, struct options *opts);
EXPORT int finufftf_setpts(struct plan *p, int64_t count, float *x, float *y, float *z,
                           int64_t targets, float *s, float *t, float *u);
EXPORT int finufftf_execute(struct plan *p, float complex *points, float complex *modes);
EXPORT int finufftf_destroy(struct plan *p);

void finufftf_default_opts(struct options *opts)
{
    *opts = (struct options){.showwarn = 1};
}

int finufftf_makeplan(int type, int dim, const int64_t *modes, int sign, int transforms, float tol,
                      struct plan **out, struct options *opts)
{
    if (dim != 2 || transforms != 1 || !(tol > 0) || opts->nthreads != 1) return 2;
    if (modes[0] == 13) return 17; /* for the test of its refusal */
    struct plan *p = malloc(sizeof *p);
    if (!p) return 2;
    *p = (struct plan){.type = type, .sign = sign, .nx = modes[0], .ny = modes[1]};
    *out = p;
    return 1; /* a warning */
}

int finufftf_setpts(struct plan *p, int64_t count, float *x, float *y, float *z, int64_t targets,
                    float *s, float *t, float *u)
{
    (void)z, (void)targets, (void)s, (void)t, (void)u;
    p->count = count;
    p->x = x;
    p->y = y;
    return 0;
}

int finufftf_execute(struct plan *p, float complex *points, float complex *modes)
{
    const int64_t n = p->nx * p->ny;
    for (int64_t j = 0; j < (p->type == 1 ? n : p->count); j++) {
        double complex sum = 0;
        for (int64_t i = 0; i < (p->type == 1 ? p->count : n); i++) {
            const int64_t k = p->type == 1 ? j : i, s = p->type == 1 ? i : j;
            const double kx = (double)(k % p->nx - p->nx / 2), ky = (double)(k / p->nx - p->ny / 2);
            const double phase = kx * (double)p->x[s] + ky * (double)p->y[s];
            sum += (double complex)(p->type == 1 ? points[s] : modes[k]) *
                   cexp(p->sign * phase * (double complex)I);
        }
        *(p->type == 1 ? &modes[j] : &points[j]) = (float complex)sum;
    }
    return 0;
}

int finufftf_destroy(struct plan *p)
{
    free(p);
    return 0;
}
