#include "lib/nearest.h"

#include <string.h>

enum { LONGEST = 63 };

static size_t nearest_smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* d[i][j]: steps from the first i characters of a to the first j of b. */
static size_t nearest_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= na; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= nb; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= na; i++)
        for (size_t j = 1; j <= nb; j++) {
            d[i][j] = nearest_smaller(d[i - 1][j - 1] + (a[i - 1] != b[j - 1]),
                                      nearest_smaller(d[i - 1][j], d[i][j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                d[i][j] = nearest_smaller(d[i][j], d[i - 2][j - 2] + 1);
        }
    return d[na][nb];
}

const char *scry_nearest_name(const char *word, size_t n, const char *const *names, size_t count)
{
    const char *best = NULL;
    size_t min = (n + 2) / 3 + 1; /* one more than the largest distance that counts as near */
    if (!n || n > LONGEST) return NULL;
    for (size_t i = 0; i < count; i++) {
        const size_t m = strlen(names[i]);
        const size_t steps = m <= LONGEST ? nearest_distance(word, n, names[i], m) : min;
        if (steps >= min) continue;
        min = steps;
        best = names[i];
    }
    return best;
}
