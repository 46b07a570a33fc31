#!/usr/bin/env python3
"""Split R-hat and effective sample size of chains for tests/test_mixing.c.

By arviz-stats 0.8.0 (rhat method "split", ess method "mean"), another implementation of Vehtari et
al. 2021 than ours: it adds half of one more pair of correlations when the sum over pairs has ended,
and its autocovariances have the divisor N where the paper's have N - 1, so that ess agrees to a few
percent. Chains are x[t] = r x[t-1] + e[t] + shift of chain,
e from the 64-bit generator of Knuth's MMIX, the sum of 12 uniform numbers less 6.
Run: python3 tests/golden/mixing.py (prints the rows of the C table).
"""
import numpy as np
from arviz_stats.base import array_stats


def chains(r, shift, count, draws):
    state, out = 2385, np.empty((count, draws))
    for c in range(count):
        x = 0.0
        for t in range(draws):
            e = -6.0
            for _ in range(12):
                state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
                e += (state >> 11) / 2.0**53
            x = r * x + e
            out[c, t] = x + shift * c
    return out


for r, shift, count, draws in ((0, 0, 4, 500), (0.9, 0, 4, 2000), (0.5, 0, 1, 1001),
                               (-0.4, 0, 3, 400), (0.3, 0.7, 4, 300), (0.95, 0, 8, 400),
                               (0, 0, 2, 4), (0.2, 0, 3, 101)):
    x = chains(r, shift, count, draws)
    rhat = array_stats.rhat(x, method="split", chain_axis=0, draw_axis=1)
    ess = array_stats.ess(x, method="mean", chain_axis=0, draw_axis=1)
    print(f"    {{ {r}, {shift}, {count}, {draws}, {rhat:.9f}, {ess:.4f} }},")
