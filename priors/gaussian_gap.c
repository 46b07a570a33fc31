#include "priors/gaussian_gap.h"

#include <math.h>

double scry_gaussian_gap_switch(const scry_gaussian_gap *d, double amount)
{
    size_t i = d->count - 1;
    if (d->value[i] > amount) return d->sigma[i];
    while (i > 0 && d->value[i - 1] <= amount)
        i--;
    if (!i) return d->sigma[0];
    const double above = d->value[i - 1], share = (above - amount) / (above - d->value[i]);
    return d->sigma[i - 1] * pow(d->sigma[i] / d->sigma[i - 1], share);
}

double scry_gaussian_gap_at(const scry_gaussian_gap *d, double sigma)
{
    size_t i = 1;
    while (i + 1 < d->count && d->sigma[i] < sigma)
        i++;
    const double share = log(sigma / d->sigma[i - 1]) / log(d->sigma[i] / d->sigma[i - 1]);
    return d->value[i - 1] + fmin(fmax(share, 0), 1) * (d->value[i] - d->value[i - 1]);
}
