#include "lib/memory.h"
#include "lib/memory_watch.h"
#include "lib/rng.h"
#include "lib/sort.h"
#include "priors/network/unet.h"
#include "priors/network/network.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Time of D and of D with its VJP, GFLOP/s (of the direct sums), and memory.
 *
 *   bench_unet FOLDER [SIDE [THREADS [ROUNDS]]]   best and median of the rounds
 *   bench_unet FOLDER SIDE THREADS -              a line "d" or "v" in, seconds out: how
 *                                                 bench_unet.py takes turns with PyTorch */

typedef struct bench {
    scry_prior *P;
    float *x, *v, *g, *x0;
    void *work;
} bench;

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double once(const bench *b, int what)
{
    scry_error err = {0};
    const double start = seconds();
    const scry_status st = what == 'd'
                               ? scry_prior_denoise(b->P, b->x0, b->x, .7f, b->work, &err)
                               : scry_prior_vjp(b->P, b->g, b->x0, b->x, b->v, .7f, b->work, &err);
    if (st != SCRY_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        exit(1);
    }
    return seconds() - start;
}

static void report(const bench *b, int what, size_t rounds)
{
    double times[1000];
    const scry_unet_cost cost = scry_unet_cost_of(b->P);
    const double flops = cost.flops_denoise + (what == 'v' ? cost.flops_vjp : 0);
    once(b, what);
    for (size_t i = 0; i < rounds; i++)
        times[i] = once(b, what);
    scry_sort_double(times, rounds);
    printf("%-12s best %7.1f ms  median %7.1f ms  %6.1f GFLOP  %6.1f GFLOP/s\n",
           what == 'd' ? "D" : "D with VJP", 1e3 * times[0], 1e3 * times[rounds / 2], flops * 1e-9,
           flops * 1e-9 / times[0]);
}

int main(int argc, char **argv)
{
    scry_error err = {0};
    scry_unet_opts opts;
    bench b;
    char line[16];
    if (argc < 2 || argc > 5) {
        fprintf(stderr, "usage: %s FOLDER [SIDE [THREADS [ROUNDS|-]]]\n", argv[0]);
        return 2;
    }
    const size_t side = argc > 2 ? strtoul(argv[2], NULL, 10) : 256;
    size_t rounds = argc > 4 ? strtoul(argv[4], NULL, 10) : 10;
    scry_unet_opts_init(&opts);
    opts.threads = argc > 3 ? atoi(argv[3]) : 1;
    const scry_space space = SCRY_SPACE(side, side);
    const double start = seconds();
    if (scry_unet_load(&b.P, argv[1], &space, &opts, &err) != SCRY_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        return 1;
    }
    const double loaded = seconds() - start;
    float **arrays[] = {&b.x, &b.v, &b.g, &b.x0};
    for (size_t i = 0; i < 4; i++)
        *arrays[i] = scry_alloc(side * side, sizeof(float));
    b.work = scry_alloc(1, scry_prior_work_bytes(b.P));
    if (!b.x || !b.v || !b.g || !b.x0 || !b.work) return 1;
    scry_rng_normal(b.x, 0, side * side, 1, 0, 0);
    scry_rng_normal(b.v, 0, side * side, 1, 0, 1);
    if (argc > 4 && !strcmp(argv[4], "-")) {
        while (fgets(line, sizeof line, stdin)) {
            printf("%.9f\n", once(&b, line[0]));
            fflush(stdout);
        }
    } else {
        rounds = rounds < 1 ? 1 : rounds > 1000 ? 1000 : rounds;
        printf("%s, %zu x %zu, %d thread%s: loaded and planned in %.2f s\n", argv[1], side, side,
               opts.threads, opts.threads > 1 ? "s" : "", loaded);
        report(&b, 'd', rounds);
        report(&b, 'v', rounds);
        printf("forecast %.0f MiB of work and %.0f MiB of weights; peak of the process %.0f MiB\n",
               (double)scry_prior_work_bytes(b.P) / 1048576,
               (double)scry_unet_cost_of(b.P).weight_bytes / 1048576,
               (double)scry_memory_peak() / 1048576);
    }
    for (size_t i = 0; i < 4; i++)
        scry_free(*arrays[i]);
    scry_free(b.work);
    scry_prior_free(b.P);
    return 0;
}
