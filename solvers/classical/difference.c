#include "solvers/classical/difference_impl.h"

#include <math.h>
#include <string.h>

void scryi_difference_init(scryi_difference *G, const scry_space *space)
{
    *G = (scryi_difference){.n = scry_space_floats(space), .parts = space->cplx ? 2 : 1};
    const int max = space->cplx ? 2 : 3;
    size_t stride = (size_t)G->parts;
    for (int i = 0; i < space->rank && i < max; i++) {
        const size_t length = space->dims[space->rank - 1 - i];
        if (length > 1) {
            G->length[G->axes] = length;
            G->stride[G->axes++] = stride;
        }
        stride *= length;
    }
}

void scryi_gradient(const scryi_difference *G, float *p, const float *u)
{
    memset(p, 0, (size_t)G->axes * G->n * sizeof *p);
    scryi_gradient_add(G, p, 1, u);
}

/* Images of fewer floats are faster without threads. */
enum { PARALLEL = 1 << 21 };

/* Lines of the image along an axis come in blocks of length * stride floats. */
void scryi_gradient_add(const scryi_difference *G, float *p, double alpha, const float *u)
{
    const float k = (float)alpha;
    for (int a = 0; a < G->axes; a++) {
        const size_t stride = G->stride[a], block = G->length[a] * stride, last = block - stride;
        float *pa = p + (size_t)a * G->n;
#pragma omp parallel for schedule(static) if (G->n > PARALLEL)
        for (size_t start = 0; start < G->n; start += block) {
            const float *ub = u + start;
            float *pb = pa + start;
            for (size_t i = 0; i < last; i++)
                pb[i] += k * (ub[i + stride] - ub[i]);
        }
    }
}

void scryi_gradient_adjoint(const scryi_difference *G, float *out, const float *p)
{
    memset(out, 0, G->n * sizeof *out);
    for (int a = 0; a < G->axes; a++) {
        const size_t stride = G->stride[a], block = G->length[a] * stride, last = block - stride;
        const float *pa = p + (size_t)a * G->n;
#pragma omp parallel for schedule(static) if (G->n > PARALLEL)
        for (size_t start = 0; start < G->n; start += block) {
            const float *pb = pa + start;
            float *ob = out + start;
            for (size_t i = 0; i < last; i++)
                ob[i] -= pb[i];
            for (size_t i = stride; i < block; i++)
                ob[i] += pb[i - stride];
        }
    }
}

void scryi_laplacian(const scryi_difference *G, float *out, const float *u)
{
    memset(out, 0, G->n * sizeof *out);
    for (int a = 0; a < G->axes; a++) {
        const size_t stride = G->stride[a], block = G->length[a] * stride, last = block - stride;
#pragma omp parallel for schedule(static) if (G->n > PARALLEL)
        for (size_t start = 0; start < G->n; start += block) {
            const float *ub = u + start;
            float *ob = out + start;
            for (size_t i = 0; i < last; i++)
                ob[i] += ub[i] - ub[i + stride];
            for (size_t i = stride; i < block; i++)
                ob[i] += ub[i] - ub[i - stride];
        }
    }
}

/* Squared length of the vector of p at entry i (its first float). */
static float difference_square(const scryi_difference *G, const float *p, size_t i)
{
    float s = 0;
    for (int a = 0; a < G->axes; a++)
        for (size_t c = 0; c < (size_t)G->parts; c++) {
            const float v = p[(size_t)a * G->n + i + c];
            s += v * v;
        }
    return s;
}

static void difference_multiply(const scryi_difference *G, float *p, size_t i, float factor)
{
    for (int a = 0; a < G->axes; a++)
        for (size_t c = 0; c < (size_t)G->parts; c++)
            p[(size_t)a * G->n + i + c] *= factor;
}

void scryi_project_ball(const scryi_difference *G, float *p)
{
#pragma omp parallel for schedule(static) if (G->n > PARALLEL)
    for (size_t i = 0; i < G->n; i += (size_t)G->parts) {
        const float s = difference_square(G, p, i);
        if (s > 1) difference_multiply(G, p, i, 1 / sqrtf(s));
    }
}

void scryi_normalise(const scryi_difference *G, float *p, double eps)
{
    const float e2 = (float)(eps * eps);
#pragma omp parallel for schedule(static) if (G->n > PARALLEL)
    for (size_t i = 0; i < G->n; i += (size_t)G->parts) {
        const float s = difference_square(G, p, i) + e2;
        difference_multiply(G, p, i, s > 0 ? 1 / sqrtf(s) : 0);
    }
}

double scryi_length_sum(const scryi_difference *G, const float *p)
{
    double sum = 0;
    for (size_t i = 0; i < G->n; i += (size_t)G->parts)
        sum += sqrt((double)difference_square(G, p, i));
    return sum;
}
