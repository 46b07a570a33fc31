#ifndef SCRY_PRIORS_TRAIN_OPTIM_IMPL_H
#define SCRY_PRIORS_TRAIN_OPTIM_IMPL_H

#include "lib/status.h"

#include <stddef.h>

/* One step of AdamW (Loshchilov & Hutter 2019, Alg. 2) on n weights: first and second moments m and
 * v, `step` counting from 1.
 *   w = (1 - rate decay) w - rate mhat / (sqrt(vhat) + 1e-8), betas .9 and .95 */
typedef struct scryi_adamw {
    double rate, decay;
    size_t step;
} scryi_adamw;
void scryi_adamw_step(const scryi_adamw *a, float *w, float *m, float *v, const float *g, size_t n);

/* One step of Muon (Jordan et al. 2024) on a matrix of rows x columns (a kernel out x in, row,
 * column is out x the rest): momentum m of .95 in Nesterov's form, its singular values brought
 * near 1 by five steps of Newton-Schulz,
 *   w = (1 - rate decay) w - rate sqrt(max(1, rows / columns)) O(.05 g + .95 m)
 * work: scryi_muon_work(rows, columns) floats, aligned. */
size_t scryi_muon_work(size_t rows, size_t columns);
scry_status scryi_muon_step(float *w, float *m, const float *g, size_t rows, size_t columns,
                            double rate, double decay, float *work, scry_error *err);

#endif
