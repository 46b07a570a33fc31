/* Copies of holes where an image is known. */
#include "apps/recon/image/holes_impl.h"

#include "apps/recon/image/known.h"
#include "lib/memory.h"
#include "lib/rng.h"
#include "lib/sort.h"

#include <math.h>
#include <string.h>

static const double MOST_HIDDEN = 0.25; /* of the known pixels: the rest has to tell of them */
static const double NEAR_POINT = 0.2, SCATTERED = 0.1; /* of the known pixels, in such copies */
static const double TOO_FEW = 0.3; /* what a copy of no pixel is as bad as, in ln of a distance */
enum { MIN_HIDDEN = 16, COPIES = 8 };

enum kind { WHOLE, AROUND, THINNED, KINDS };

struct copies {
    const unsigned char *known;
    size_t ny, nx, count; /* known pixels */
    double depth;         /* of the holes: ln of the mean distance to a known pixel */
    size_t *nearest;
    unsigned char *full, *hidden, *left;
    float *random, *distance; /* ny x nx; distances are sorted */
};

/* ln of the mean distance of the pixels of `holes` to the nearest pixel of `known`. */
static double depth_of(struct copies *c, const unsigned char *holes, const unsigned char *known)
{
    double sum = 0, count = 0;
    scry_known_nearest(c->nearest, known, c->ny, c->nx);
    for (size_t i = 0; i < c->ny * c->nx; i++) {
        if (!holes[i] || c->nearest[i] == SIZE_MAX) continue;
        const double y = (double)(i / c->nx) - (double)(c->nearest[i] / c->nx);
        sum += hypot(y, (double)(i % c->nx) - (double)(c->nearest[i] % c->nx));
        count++;
    }
    return count > 0 ? log(sum / count) : 0;
}

/* The holes mirrored where the image is known, in one of three ways at their place, or (mirror 3)
 * by chance and shifted; their number. */
static size_t copy_whole(struct copies *c, uint32_t mirror, const float *u)
{
    const bool moved = mirror == 3;
    const bool down = moved ? u[0] < 0.5F : mirror != 1, across = moved ? u[1] < 0.5F : mirror != 0;
    const size_t dy = moved ? (size_t)((double)u[2] * (double)c->ny) : 0;
    const size_t dx = moved ? (size_t)((double)u[3] * (double)c->nx) : 0;
    size_t count = 0;
    for (size_t i = 0; i < c->ny * c->nx; i++) {
        const size_t y = (i / c->nx + dy) % c->ny, x = (i % c->nx + dx) % c->nx;
        const size_t from = (down ? c->ny - 1 - y : y) * c->nx + (across ? c->nx - 1 - x : x);
        c->full[i] = c->known[i] && !c->known[from];
        count += c->full[i];
    }
    return count;
}

static double square_distance(const struct copies *c, size_t i, const float *u)
{
    const double y = (double)(i / c->nx) - (double)u[4] * (double)c->ny;
    const double x = (double)(i % c->nx) - (double)u[5] * (double)c->nx;
    return y * y + x * x;
}

/* c->hidden: those of the `count` pixels of a whole copy that this kind keeps; their number. */
static size_t copy_keep(struct copies *c, enum kind kind, size_t count, const float *u)
{
    const size_t n = c->ny * c->nx, most = (size_t)(NEAR_POINT * (double)c->count);
    double reach = INFINITY;
    size_t kept = 0;
    for (size_t i = 0; i < n && kind == AROUND; i++)
        if (c->full[i]) c->distance[kept++] = (float)square_distance(c, i, u);
    if (kind == AROUND && count > most) {
        scry_sort_float(c->distance, kept);
        reach = (double)c->distance[most];
    }
    kept = 0;
    const double share = SCATTERED * (double)c->count / (double)count;
    for (size_t i = 0; i < n; i++) {
        c->hidden[i] =
            c->full[i] && (kind == WHOLE || (kind == AROUND && square_distance(c, i, u) < reach) ||
                           (kind == THINNED && (double)c->random[i] < share));
        kept += c->hidden[i];
    }
    return kept;
}

/* How unlike the holes the pixels of c->hidden are. */
static double copy_mismatch(struct copies *c, size_t kept)
{
    const size_t n = c->ny * c->nx;
    const double most = SCATTERED * (double)c->count;
    const double wanted = fmin((double)(n - c->count), most);
    for (size_t i = 0; i < n; i++)
        c->left[i] = c->known[i] && !c->hidden[i];
    return fabs(depth_of(c, c->hidden, c->left) - c->depth) +
           TOO_FEW * (1 - fmin((double)kept / wanted, 1));
}

static void copy_best(unsigned char *hidden, size_t *count, struct copies *c, uint64_t seed,
                      uint32_t number)
{
    const size_t n = c->ny * c->nx;
    double best = INFINITY;
    for (unsigned k = 0; k < COPIES; k++) {
        float u[6];
        const uint32_t draw = scry_rng_step(number, k);
        scry_rng_uniform(u, 0, 6, seed, 0, draw);
        scry_rng_uniform(c->random, 0, n, seed, 1, draw);
        const size_t whole = copy_whole(c, k ? 3 : number % 3, u);
        for (int kind = 0; whole && kind < KINDS; kind++) {
            const size_t kept = copy_keep(c, (enum kind)kind, whole, u);
            if (kept < MIN_HIDDEN || (double)kept > MOST_HIDDEN * (double)c->count) continue;
            const double mismatch = copy_mismatch(c, kept);
            if (!(mismatch < best)) continue;
            best = mismatch;
            *count = kept;
            memcpy(hidden, c->hidden, n);
        }
    }
}

scry_status scryi_holes_copy(unsigned char *hidden, size_t *count, const unsigned char *known,
                             size_t ny, size_t nx, uint64_t seed, uint32_t number, scry_error *err)
{
    const size_t n = ny * nx;
    struct copies c = {.known = known, .ny = ny, .nx = nx};
    unsigned char *bytes = scry_alloc(3 * n, 1);
    float *reals = scry_alloc(2 * n, sizeof *reals);
    c.nearest = scry_alloc(n, sizeof *c.nearest);
    scry_status st = SCRY_OK;
    *count = 0;
    memset(hidden, 0, n);
    if (!bytes || !reals || !c.nearest) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "copies of holes in %zu pixels", n);
        goto done;
    }
    c.full = bytes;
    c.hidden = bytes + n;
    c.left = bytes + 2 * n;
    c.random = reals;
    c.distance = reals + n;
    for (size_t i = 0; i < n; i++) {
        c.count += known[i] != 0;
        c.hidden[i] = !known[i];
    }
    if (!c.count || c.count == n) goto done;
    c.depth = depth_of(&c, c.hidden, known);
    copy_best(hidden, count, &c, seed, number);
done:
    scry_free(c.nearest);
    scry_free(reals);
    scry_free(bytes);
    return st;
}
