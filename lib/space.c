#include "lib/space.h"

#include "lib/given.h"

#include <stdint.h>
#include <stdio.h>

bool scry_mul(size_t *out, size_t a, size_t b)
{
    if (a && b > SIZE_MAX / a) return false;
    *out = a * b;
    return true;
}

scry_status scry_space_check(const scry_space *s, scry_error *err)
{
    if (SCRY_MISSING(err, s)) return SCRY_EINVAL;
    if (s->rank < 1 || s->rank > SCRY_MAX_RANK)
        return SCRY_FAIL(err, SCRY_ESHAPE, "rank %d, expected 1 to %d", s->rank, SCRY_MAX_RANK);
    size_t n = s->cplx ? 2 * sizeof(float) : sizeof(float);
    for (int i = 0; i < s->rank; i++) {
        if (!s->dims[i]) return SCRY_FAIL(err, SCRY_ESHAPE, "axis %d has length 0", i);
        if (!scry_mul(&n, n, s->dims[i]) || n > PTRDIFF_MAX)
            return SCRY_FAIL(err, SCRY_ESHAPE, "axis %d: length %zu overflows the total", i,
                             s->dims[i]);
    }
    return SCRY_OK;
}

size_t scry_space_count(const scry_space *s)
{
    size_t n = 1;
    for (int i = 0; i < s->rank; i++)
        n *= s->dims[i];
    return n;
}

size_t scry_space_floats(const scry_space *s)
{
    return scry_space_count(s) * (s->cplx ? 2 : 1);
}

bool scry_space_equal(const scry_space *a, const scry_space *b)
{
    if (a->rank != b->rank || a->cplx != b->cplx) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dims[i] != b->dims[i]) return false;
    return true;
}

const char *scry_space_print(const scry_space *s, char *buf, size_t size)
{
    size_t at = 0;
    if (size) buf[0] = '\0';
    for (int i = 0; i < s->rank && at < size; i++) {
        int n = snprintf(buf + at, size - at, i ? " x %zu" : "%zu", s->dims[i]);
        at += n > 0 ? (size_t)n : 0;
    }
    if (s->cplx && at < size) snprintf(buf + at, size - at, " complex");
    return buf;
}
