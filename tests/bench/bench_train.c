#include "lib/memory.h"
#include "lib/rng.h"
#include "priors/network/network.h"
#include "priors/train/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Speed of training on crops of noise: crops a second by the clock and by the processor's time of
 * this process, and memory.
 *
 *   bench_train [STEPS [BATCH [GROUP [THREADS [WIDTHS...]]]]]
 *   bench_train - [BATCH [GROUP [THREADS]]]  a line in, a step, its seconds and processor seconds
 *                                     out: how bench_train.py takes turns with PyTorch */

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static scry_status noise(void *context, float *x, size_t step, size_t index, scry_error *err)
{
    (void)err;
    scry_rng_normal(x, 0, *(const size_t *)context, 1, (uint32_t)index, scry_rng_step(step, 2));
    return SCRY_OK;
}

int main(int argc, char **argv)
{
    scry_error err = {0};
    scry_train_opts o;
    scry_trainer *t;
    double loss;
    char line[16];
    scry_train_opts_init(&o);
    const bool turns = argc > 1 && argv[1][0] == '-';
    const size_t steps = argc > 1 && !turns ? strtoul(argv[1], NULL, 10) : 5;
    if (argc > 2) o.batch = strtoul(argv[2], NULL, 10);
    if (argc > 3) o.group = strtoul(argv[3], NULL, 10);
    if (argc > 4) o.threads = atoi(argv[4]);
    for (int i = 5; i < argc && i < 5 + SCRY_TRAIN_LEVELS; i++) {
        o.width[i - 5] = strtoul(argv[i], NULL, 10);
        o.levels = (size_t)i - 4;
    }
    size_t pixels = o.crop * o.crop;
    if (scry_trainer_create(&t, &o, NULL, &err) != SCRY_OK ||
        scry_trainer_step(t, noise, &pixels, 1, &loss, &err) != SCRY_OK) {
        fprintf(stderr, "%s: %s\n", err.where, err.text);
        return 1;
    }
    while (turns && fgets(line, sizeof line, stdin)) {
        const double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        if (scry_trainer_step(t, noise, &pixels, 1, &loss, &err) != SCRY_OK) return 1;
        printf("%.9f %.9f\n", seconds(CLOCK_MONOTONIC) - wall,
               seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu);
        fflush(stdout);
    }
    if (!turns) {
        const double wall = seconds(CLOCK_MONOTONIC), cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (size_t i = 0; i < steps; i++)
            if (scry_trainer_step(t, noise, &pixels, 1, &loss, &err) != SCRY_OK) return 1;
        const double crops = (double)(steps * o.batch);
        const double w = seconds(CLOCK_MONOTONIC) - wall;
        const double c = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu;
        printf("batch %zu in groups of %zu, %d thread%s: %.1f crops a second, %.1f a processor "
               "second, %.0f GFLOP/s; %.0f MiB\n",
               o.batch, o.group, o.threads, o.threads > 1 ? "s" : "", crops / w, crops / c,
               crops * scry_trainer_flops(t) * 1e-9 / c, (double)scry_trainer_bytes(t) / 1048576);
    }
    scry_trainer_free(t);
    return 0;
}
