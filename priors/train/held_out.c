#include "priors/block_matching.h"
#include "priors/network/network.h"
#include "priors/train/image_set_impl.h"

#include "lib/cancel.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/vector.h"

#include <math.h>
#include <omp.h>

#define SIDE_MIN 32

/* Held out, or all where there is none. */
static bool held_out_takes_part(const scryi_picture *p, bool any)
{
    return (p->held_out || any) && p->ny >= SIDE_MIN && p->nx >= SIDE_MIN;
}

/* The middle of a picture, x = 2 gain u - 1. */
static void held_out_middle(float *to, const scryi_picture *p, size_t side, float gain)
{
    const uint16_t *from = p->pixels + (p->ny - side) / 2 * p->nx + (p->nx - side) / 2;
    for (size_t k = 0; k < side * side; k++)
        to[k] = 2 * gain * (float)from[k / side * p->nx + k % side] / 65535 - 1;
}

/* Counts the images and finds the side that all of them have; then, with out->x there, copies. */
static void held_out_collect(scry_held_out *out, const scry_image_set *s, size_t per_class)
{
    const bool any = !scry_image_set_count(s, true);
    const float gain = (float)((s->opts.gain_low + s->opts.gain_high) / 2);
    size_t count = 0;
    for (size_t c = 0; c < s->class_count; c++) {
        size_t taken = 0;
        for (size_t i = 0; i < s->count && taken < per_class; i++) {
            const scryi_picture *p = &s->pictures[i];
            if (p->class != c || !held_out_takes_part(p, any)) continue;
            const size_t min = (p->ny < p->nx ? p->ny : p->nx) / 8 * 8;
            taken++;
            if (!out->x) {
                if (out->side > min) out->side = min;
            } else {
                out->class_of[count] = c;
                held_out_middle(out->x + count * out->side * out->side, p, out->side, gain);
            }
            count++;
        }
    }
    out->count = count;
}

scry_status scry_image_set_held_out(scry_held_out *out, const scry_image_set *s, size_t per_class,
                                    size_t side_max, scry_error *err)
{
    *out = (scry_held_out){.side = side_max / 8 * 8};
    held_out_collect(out, s, per_class);
    float *x = scry_alloc(out->count * out->side * out->side, sizeof *x);
    out->class_of = scry_alloc(out->count, sizeof *out->class_of);
    if (!x || !out->class_of) {
        scry_free(x);
        scry_held_out_clear(out);
        return SCRY_FAIL(err, SCRY_ENOMEM, "%zu images held out", out->count);
    }
    out->x = x;
    held_out_collect(out, s, per_class);
    return SCRY_OK;
}

void scry_held_out_clear(scry_held_out *h)
{
    scry_free(h->x);
    scry_free(h->class_of);
    *h = (scry_held_out){0};
}

static double held_out_decibel(const float *D, const float *x, size_t n)
{
    const double d = scry_distance(D, x, n);
    return 10 * log10(4 * (double)n / fmax(d * d, 1e-12));
}

/* Image i at every level, with the same noise. work: of the prior, then two images. */
static scry_status held_out_score(double *psnr, const scry_held_out *h, const scry_prior *P,
                                  const double *sigma, size_t levels, size_t i, char *work,
                                  scry_error *err)
{
    const size_t n = h->side * h->side;
    const float *x = h->x + i * n;
    float *noise = (float *)(void *)(work + scry_align_up(scry_prior_work_bytes(P)));
    float *D = noise + n;
    scry_rng_normal(noise, 0, n, 1, (uint32_t)i, 0);
    for (size_t k = 0; k < levels; k++) {
        scry_axpby(D, 1, x, (float)sigma[k], noise, n);
        const scry_status st = scry_prior_denoise(P, D, D, (float)sigma[k], work, err);
        if (st != SCRY_OK) return st;
        psnr[k * h->count + i] = held_out_decibel(D, x, n);
    }
    return SCRY_OK;
}

scry_status scry_held_out_psnr(double *psnr, const scry_held_out *h, const scry_network *net,
                               const double *sigma, size_t levels, int threads, scry_error *err)
{
    scry_prior *P = NULL;
    scry_unet_opts opts;
    const scry_space space = SCRY_SPACE(h->side, h->side);
    const size_t workers = (size_t)threads;
    scry_unet_opts_init(&opts);
    opts.vjp = false;
    scry_status st = scry_unet_create(&P, net, &space, &opts, err);
    if (st != SCRY_OK) return st;
    const size_t bytes = scry_align_up(scry_prior_work_bytes(P)) +
                         scry_align_up(2 * h->side * h->side * sizeof(float));
    char *work = scry_alloc(workers, bytes);
    if (!work) st = SCRY_FAIL(err, SCRY_ENOMEM, "scores of %zu images", h->count);
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < h->count; i++) {
        scry_error own = {0};
        if (!work) continue;
        const scry_status s = held_out_score(psnr, h, P, sigma, levels, i,
                                             work + (size_t)omp_get_thread_num() * bytes, &own);
        if (s == SCRY_OK) continue;
#pragma omp critical
        {
            st = s;
            if (err) *err = own;
        }
    }
    scry_free(work);
    scry_prior_free(P);
    return st;
}

scry_status scry_held_out_classical(double *psnr, const scry_held_out *h, size_t per_class,
                                    const double *sigma, size_t levels, int threads,
                                    scry_error *err)
{
    const size_t n = h->side * h->side;
    scry_status st = SCRY_OK;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (size_t i = 0; i < h->count; i++) {
        size_t before = 0;
        while (before < i && h->class_of[i - 1 - before] == h->class_of[i])
            before++;
        scry_error own = {0};
        scry_status s = scry_cancel_check(&own);
        float *noise = scry_alloc(2 * n, sizeof *noise), *D = noise + n;
        if (s == SCRY_OK && !noise) s = SCRY_FAIL(&own, SCRY_ENOMEM, "scores of an image");
        if (s == SCRY_OK) scry_rng_normal(noise, 0, n, 1, (uint32_t)i, 0);
        for (size_t k = 0; k < levels && s == SCRY_OK; k++) {
            const float *x = h->x + i * n;
            psnr[k * h->count + i] = NAN;
            if (before >= per_class) continue;
            scry_axpby(D, 1, x, (float)sigma[k], noise, n);
            s = scry_block_matching(D, D, h->side, h->side, sigma[k], &own);
            psnr[k * h->count + i] = held_out_decibel(D, x, n);
        }
        scry_free(noise);
        if (s == SCRY_OK) continue;
#pragma omp critical
        {
            st = s;
            if (err) *err = own;
        }
    }
    return st;
}

double scry_held_out_mean(const scry_held_out *h, const double *psnr)
{
    double total = 0;
    size_t classes = 0;
    for (size_t i = 0, j; i < h->count; i = j) { /* classes follow each other */
        double sum = 0;
        for (j = i; j < h->count && h->class_of[j] == h->class_of[i]; j++)
            sum += psnr[j];
        total += sum / (double)(j - i);
        classes++;
    }
    return classes ? total / (double)classes : 0;
}
