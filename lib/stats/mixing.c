#include "lib/stats/mixing.h"

#include <math.h>

/* Pieces of N draws: 2 c is the first half of chain c, 2 c + 1 the second. */
struct halves {
    double *trace;
    size_t chains, draws, N;
};

static double *mixing_piece(const struct halves *h, size_t i)
{
    return h->trace + i / 2 * h->draws + (i % 2 ? h->draws - h->N : 0);
}

/* Takes the mean of every half from it, and returns the variance of these means. */
static double mixing_centre(const struct halves *h)
{
    double mean = 0, spread = 0;
    const size_t M = 2 * h->chains;
    for (size_t i = 0; i < M; i++) {
        double sum = 0, *x = mixing_piece(h, i);
        for (size_t t = 0; t < h->N; t++)
            sum += x[t];
        const double own = sum / (double)h->N, off = own - mean;
        for (size_t t = 0; t < h->N; t++)
            x[t] -= own;
        mean += off / (double)(i + 1);
        spread += off * (own - mean);
    }
    return spread / (double)(M - 1);
}

/* Autocovariance at a lag, the mean of that of the halves; divisor N - 1, so that lag 0 is W. */
static double mixing_covariance(const struct halves *h, size_t lag)
{
    double sum = 0;
    const size_t M = 2 * h->chains;
    for (size_t i = 0; i < M; i++) {
        const double *x = mixing_piece(h, i);
        for (size_t t = lag; t < h->N; t++)
            sum += x[t] * x[t - lag];
    }
    return sum / (double)M / (double)(h->N - 1);
}

/* 1 + 2 sum_t rho_t by Geyer's initial monotone sequence: sums of pairs rho_2k + rho_2k+1, which
 * for a reversible chain are positive and fall. */
static double correlation_time(const struct halves *h, double within, double total)
{
    double tau = -1, min = INFINITY;
    for (size_t t = 0; t + 1 < h->N; t += 2) {
        const double even = t ? 1 - (within - mixing_covariance(h, t)) / total : 1;
        const double pair = even + 1 - (within - mixing_covariance(h, t + 1)) / total;
        if (!(pair > 0)) break;
        min = fmin(min, pair);
        tau += 2 * min;
    }
    return tau;
}

scry_mixing scry_mixing_measure(double *trace, size_t chains, size_t draws)
{
    if (draws < 4) return (scry_mixing){NAN, (double)chains};
    const struct halves h = {trace, chains, draws, draws / 2};
    const double all = (double)chains * (double)draws, N = (double)h.N;
    const double between = mixing_centre(&h), within = mixing_covariance(&h, 0);
    const double total = (N - 1) / N * within + between;
    if (!(total > 0)) return (scry_mixing){1, all};
    const double tau = correlation_time(&h, within, total);
    return (scry_mixing){sqrt(total / within), all / fmax(tau, 1 / log10(all))};
}
