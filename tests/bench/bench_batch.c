#include "lib/call_batcher.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/sort.h"
#include "priors/network/unet.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* The saving of chains that go through the network together: processor time of D, and of D with its
 * VJP, for each of 1, 2, 4 and 8 images at a time, on one thread; the sizes take turns.
 *
 *   bench_batch FOLDER [SIDE [ROUNDS]] */

enum { MAX_BATCH = 8, CALLS = 4, SIZES = 4, LIMIT = 200 };

typedef struct bench {
    scry_prior *P;
    size_t n;
    float *x, *v, *g, *x0;
    void *work[MAX_BATCH];
} bench;

static void call(const bench *b, size_t slot, bool vjp)
{
    scry_error err = {0};
    const float sigma = .2f + .1f * (float)slot, *x = b->x + slot * b->n, *v = b->v + slot * b->n;
    float *x0 = b->x0 + slot * b->n, *g = b->g + slot * b->n;
    const scry_status st = vjp ? scry_prior_vjp(b->P, g, x0, x, v, sigma, b->work[slot], &err)
                               : scry_prior_denoise(b->P, x0, x, sigma, b->work[slot], &err);
    if (st == SCRY_OK) return;
    fprintf(stderr, "%s: %s\n", err.where, err.text);
    exit(1);
}

/* Milliseconds of the processor for each of MAX_BATCH x CALLS images, `slots` at a time. */
static double once(const bench *b, size_t slots, bool vjp)
{
    scry_error err = {0};
    scry_call_batcher *m;
    if (scry_call_batcher_create(&m, 1, &err) != SCRY_OK) exit(1);
    const clock_t start = clock();
#pragma omp parallel for num_threads((int)slots) schedule(static, 1)
    for (size_t slot = 0; slot < slots; slot++) {
        scry_call_batcher_join(m);
        for (size_t i = 0; i < CALLS * MAX_BATCH / slots; i++)
            call(b, slot, vjp);
        scry_call_batcher_leave(m);
    }
    const clock_t end = clock();
    scry_call_batcher_free(m);
    return 1e3 * (double)(end - start) / CLOCKS_PER_SEC / (CALLS * MAX_BATCH);
}

static void report(const bench *b, bool vjp, size_t rounds)
{
    static const size_t sizes[SIZES] = {1, 2, 4, 8};
    double times[SIZES][LIMIT];
    once(b, MAX_BATCH, vjp);
    for (size_t r = 0; r < rounds; r++)
        for (size_t k = 0; k < SIZES; k++)
            times[k][r] = once(b, sizes[k], vjp);
    printf("%-12s", vjp ? "D with VJP" : "D");
    for (size_t k = 0; k < SIZES; k++) {
        scry_sort_double(times[k], rounds);
        printf("  %zu: %8.2f ms", sizes[k], times[k][rounds / 2]);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    scry_error err = {0};
    bench b;
    if (argc < 2 || argc > 4) {
        fprintf(stderr, "usage: %s FOLDER [SIDE [ROUNDS]]\n", argv[0]);
        return 2;
    }
    const size_t side = argc > 2 ? strtoul(argv[2], NULL, 10) : 64;
    size_t rounds = argc > 3 ? strtoul(argv[3], NULL, 10) : 5;
    rounds = rounds < 1 ? 1 : rounds > LIMIT ? LIMIT : rounds;
    const scry_space space = SCRY_SPACE(side, side);
    if (scry_unet_load(&b.P, argv[1], &space, NULL, &err) != SCRY_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        return 1;
    }
    b.n = side * side;
    float **arrays[] = {&b.x, &b.v, &b.g, &b.x0};
    for (size_t i = 0; i < 4; i++)
        if (!(*arrays[i] = scry_alloc(MAX_BATCH * b.n, sizeof(float)))) return 1;
    for (size_t i = 0; i < MAX_BATCH; i++)
        if (!(b.work[i] = scry_alloc(1, scry_prior_work_bytes(b.P)))) return 1;
    scry_rng_normal(b.x, 0, MAX_BATCH * b.n, 1, 0, 0);
    scry_rng_normal(b.v, 0, MAX_BATCH * b.n, 1, 0, 1);
    printf("%s, %zu x %zu, for each image, median of %zu, with a batch of\n", argv[1], side, side,
           rounds);
    report(&b, false, rounds);
    report(&b, true, rounds);
    for (size_t i = 0; i < 4; i++)
        scry_free(*arrays[i]);
    for (size_t i = 0; i < MAX_BATCH; i++)
        scry_free(b.work[i]);
    scry_prior_free(b.P);
    return 0;
}
