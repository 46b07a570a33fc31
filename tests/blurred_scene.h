#ifndef SCRY_TESTS_BLURRED_SCENE_H
#define SCRY_TESTS_BLURRED_SCENE_H

/* Images of lines, points or soft nuclei whose blur and light are known. */

#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/rng_gsl.h"

#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

enum { N = 96 }; /* pixels of a side */

enum content { LINES, POINTS, NUCLEI };

static inline void draw_line(float *scene, gsl_rng *r)
{
    double y = gsl_ran_flat(r, 0, N), x = gsl_ran_flat(r, 0, N), way = gsl_ran_flat(r, 0, 6.2832);
    for (size_t k = 0; k < 3 * N; k++) {
        way += gsl_ran_gaussian(r, 0.03);
        y += 0.5 * sin(way);
        x += 0.5 * cos(way);
        if (y >= 0 && y < N && x >= 0 && x < N) scene[(size_t)y * N + (size_t)x] += 0.5f;
    }
}

/* Edges that are soft over 3 px, whatever the PSF. */
static inline void draw_nucleus(float *scene, gsl_rng *r)
{
    const double cy = gsl_ran_flat(r, 15, N - 15), cx = gsl_ran_flat(r, 15, N - 15);
    const double radius = gsl_ran_flat(r, 7, 14);
    for (size_t i = 0; i < N * N; i++) {
        const double d = hypot((double)(i / N) - cy, (double)(i % N) - cx);
        scene[i] += (float)(0.5 - 0.5 * tanh((d - radius) / 3));
    }
}

static inline void draw(float *scene, enum content what, gsl_rng *r)
{
    memset(scene, 0, N * N * sizeof *scene);
    for (size_t k = 0; k < (what == NUCLEI ? 6u : what == LINES ? 20u : 50u); k++)
        if (what == LINES)
            draw_line(scene, r);
        else if (what == NUCLEI)
            draw_nucleus(scene, r);
        else
            scene[gsl_rng_uniform_int(r, N * N)] += (float)gsl_ran_flat(r, 0.3, 1);
}

/* Rows, then columns, reflected at the borders. */
static inline void blur_axis(float *out, const float *in, double sigma, size_t along, size_t across)
{
    const long reach = lround(4 * sigma) + 1;
    for (size_t line = 0; line < N; line++)
        for (long i = 0; i < N; i++) {
            double sum = 0, weight = 0;
            for (long k = -reach; k <= reach; k++) {
                const double w = exp(-(double)(k * k) / (2 * sigma * sigma));
                const long at = i + k < 0 ? -1 - i - k : i + k >= N ? 2 * N - 1 - i - k : i + k;
                sum += w * in[line * across + (size_t)at * along];
                weight += w;
            }
            out[line * across + (size_t)i * along] = (float)(sum / weight);
        }
}

/* y: electrons, `peak` at the brightest; returns the variance of its noise, nearly white. */
static inline double blurred_image(float *y, enum content what, double sigma, double peak,
                                   uint64_t seed)
{
    gsl_rng *r = gsl_rng_alloc(scry_rng_gsl());
    float *scene = scry_alloc(2 * N * N, sizeof *scene), *half = scene + N * N;
    double max = 0, mean = 0;
    scry_rng_gsl_seek(r, seed, 0, 0, 0);
    draw(scene, what, r);
    blur_axis(half, scene, sigma, 1, N);
    blur_axis(scene, half, sigma, N, 1);
    for (size_t i = 0; i < N * N; i++)
        max = fmax(max, (double)scene[i]);
    for (size_t i = 0; i < N * N; i++) {
        const double light = peak * (scene[i] / max + 0.02);
        mean += light / (N * N);
        y[i] = (float)(gsl_ran_poisson(r, light) + gsl_ran_gaussian(r, 1.5));
    }
    scry_free(scene);
    gsl_rng_free(r);
    return mean + 1.5 * 1.5;
}

#endif
