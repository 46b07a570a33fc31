/* libfinufft (Barnett, Magland & af Klinteberg 2019, SIAM J. Sci. Comput. 41:C479) in place of our
 * own gridding, where $SCRY_FINUFFT names it. It is loaded when it is first wanted and never
 * linked: Debian 12 has no package of it. Only the interface that its documentation gives for C,
 * single precision, is used. */

#include "operators/nufft_impl.h"

#include "lib/memory.h"
#include "lib/numbers.h"

#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The beginning of finufft_opts, the same in all versions 2.x, and room for its end. */
struct finufft_opts {
    int modeord, unused[3], showwarn, nthreads, settings[4];
    double upsampfac;
    char rest[1024];
};

enum { FIRST_ERROR = 2 /* 1 is a warning: the tolerance is below what single precision gives */ };

/* Beyond this it gets no more accurate in single precision. */
static const float TOLERANCE = 1e-6F;
static const double FINER = 2;

static struct {
    const char *name; /* NULL: not wanted */
    char reason[200]; /* why it cannot be used; "" : it can */
    void (*default_opts)(struct finufft_opts *opts);
    int (*makeplan)(int type, int dim, const int64_t *modes, int sign, int transforms, float tol,
                    void **plan, struct finufft_opts *opts);
    int (*setpts)(void *plan, int64_t count, float *x, float *y, float *z, int64_t targets,
                  float *s, float *t, float *u);
    int (*execute)(void *plan, float complex *points, float complex *modes);
    int (*destroy)(void *plan);
} library;
static pthread_once_t library_once = PTHREAD_ONCE_INIT;

/* ISO C has no conversion from a pointer to data to one to a function. */
static void library_symbol(void *function, void *handle, const char *name)
{
    void *symbol = dlsym(handle, name);
    memcpy(function, &symbol, sizeof symbol);
    if (!symbol) snprintf(library.reason, sizeof library.reason, "it has no function %s", name);
}

static void library_load(void)
{
    const char *name = getenv("SCRY_FINUFFT");
    if (!name || !*name) return;
    library.name = name;
    void *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        snprintf(library.reason, sizeof library.reason, "%s", why ? why : "it cannot be loaded");
        return;
    }
    library_symbol(&library.default_opts, handle, "finufftf_default_opts");
    library_symbol(&library.makeplan, handle, "finufftf_makeplan");
    library_symbol(&library.setpts, handle, "finufftf_setpts");
    library_symbol(&library.execute, handle, "finufftf_execute");
    library_symbol(&library.destroy, handle, "finufftf_destroy");
    if (*library.reason) return;
    struct finufft_opts opts = {.modeord = -1, .showwarn = -1, .nthreads = -1};
    library.default_opts(&opts);
    if (opts.modeord || opts.showwarn != 1 || opts.nthreads || opts.settings[0] < 0)
        snprintf(library.reason, sizeof library.reason, "its options are not those of version 2");
}

const char *scry_nufft_engine(void)
{
    pthread_once(&library_once, library_load);
    return library.name;
}

struct scryi_nufft_library {
    pthread_mutex_t lock; /* a plan has scratch of its own */
    void *to_samples, *to_image;
    float *ky, *kx; /* borrowed by the plans */
    float scale;
    size_t samples, pixels;
};

void scryi_nufft_library_free(scryi_nufft_library *L)
{
    if (!L) return;
    if (L->to_samples) library.destroy(L->to_samples);
    if (L->to_image) library.destroy(L->to_image);
    pthread_mutex_destroy(&L->lock);
    scry_free(L->ky);
    scry_free(L->kx);
    scry_free(L);
}

/* One thread: sums of several have no fixed order. */
static int library_plan(void **plan, int type, int sign, const scryi_nufft_library *L, size_t ny,
                        size_t nx)
{
    struct finufft_opts opts;
    const int64_t modes[2] = {(int64_t)nx, (int64_t)ny};
    library.default_opts(&opts);
    opts.nthreads = 1;
    opts.showwarn = 0;
    opts.upsampfac = FINER;
    int code = library.makeplan(type, 2, modes, sign, 1, TOLERANCE, plan, &opts);
    if (code >= FIRST_ERROR) {
        *plan = NULL;
        return code;
    }
    code = library.setpts(*plan, (int64_t)L->samples, L->kx, L->ky, NULL, 0, NULL, NULL, NULL);
    return code < FIRST_ERROR ? 0 : code;
}

scry_status scryi_nufft_library_create(scryi_nufft_library **out, const scry_nufft_params *p,
                                       scry_error *err)
{
    *out = NULL;
    if (!scry_nufft_engine()) return SCRY_OK;
    if (*library.reason)
        return SCRY_FAIL(err, SCRY_EIO, "SCRY_FINUFFT=%s: %s", library.name, library.reason);
    scryi_nufft_library *L = scry_alloc(1, sizeof *L);
    if (!L) return SCRY_FAIL(err, SCRY_ENOMEM, "plans of %zu samples", p->samples);
    pthread_mutex_init(&L->lock, NULL);
    L->samples = p->samples;
    L->pixels = p->ny * p->nx;
    L->scale = (float)(1 / sqrt((double)L->pixels));
    L->ky = scry_alloc(p->samples, sizeof *L->ky);
    L->kx = scry_alloc(p->samples, sizeof *L->kx);
    if (!L->ky || !L->kx) {
        scryi_nufft_library_free(L);
        return SCRY_FAIL(err, SCRY_ENOMEM, "plans of %zu samples", p->samples);
    }
    for (size_t s = 0; s < p->samples; s++) {
        const double ky = (double)p->trajectory[2 * s], kx = (double)p->trajectory[2 * s + 1];
        L->ky[s] = (float)(2 * SCRY_PI * (ky - rint(ky)));
        L->kx[s] = (float)(2 * SCRY_PI * (kx - rint(kx)));
    }
    int code = library_plan(&L->to_samples, 2, -1, L, p->ny, p->nx);
    if (!code) code = library_plan(&L->to_image, 1, 1, L, p->ny, p->nx);
    if (!code) {
        *out = L;
        return SCRY_OK;
    }
    scryi_nufft_library_free(L);
    return SCRY_FAIL(err, SCRY_EIO, "%s refuses %zu samples of %zu x %zu: code %d", library.name,
                     p->samples, p->ny, p->nx, code);
}

static scry_status library_execute(scryi_nufft_library *L, void *plan, float complex *samples,
                                   float complex *image, scry_error *err)
{
    pthread_mutex_lock(&L->lock);
    const int code = library.execute(plan, samples, image);
    pthread_mutex_unlock(&L->lock);
    return code < FIRST_ERROR
               ? SCRY_OK
               : SCRY_FAIL(err, SCRY_EIO, "%s: a transform of %zu samples failed: code %d",
                           library.name, L->samples, code);
}

/* Its inputs are not const in its interface, but unchanged. */
scry_status scryi_nufft_library_forward(scryi_nufft_library *L, float complex *samples,
                                        const float complex *image, scry_error *err)
{
    const scry_status st = library_execute(L, L->to_samples, samples, (float complex *)image, err);
    for (size_t s = 0; s < L->samples; s++)
        samples[s] *= L->scale;
    return st;
}

scry_status scryi_nufft_library_adjoint(scryi_nufft_library *L, float complex *image,
                                        const float complex *samples, scry_error *err)
{
    const scry_status st = library_execute(L, L->to_image, (float complex *)samples, image, err);
    for (size_t i = 0; i < L->pixels; i++)
        image[i] *= L->scale;
    return st;
}
