#ifndef SCRY_APPS_RECON_IMAGE_PACE_IMPL_H
#define SCRY_APPS_RECON_IMAGE_PACE_IMPL_H

#include "apps/recon/image/judgement.h"
#include "apps/recon/log.h"
#include "solvers/solver.h"

/* The steps of a run that may begin with a search for their number. A zeroed one has seen none. */
struct scryi_steps {
    size_t done; /* so far */
    size_t all;  /* planned, as far as is known */
    size_t last; /* of them after the search; all without one */
};
void scryi_steps_see(struct scryi_steps *s, const scry_progress *p);

/* How one kind of method goes through the image. */
struct scryi_pace_way {
    double ratio; /* pixels of the domains of all tiles, over those of the part that was judged */
    size_t tiles; /* the first of which searches for the number of iterations */
};

/* How long an image will take: read from the runs that chose the method. */
struct scryi_pace {
    scry_judgement *judgement; /* its forecast, `allowed` and `kept` are written */
    double *share;             /* of each method in the result, SCRY_JUDGE_MAX; may be changed */
    scry_options *options;     /* of each; may get fewer iterations */
    struct scryi_pace_way draws, fits;
    size_t pixels, planes;        /* of the image */
    size_t samples;               /* chains; may become fewer */
    size_t threads;               /* 0: all of OpenMP's */
    double limit;                 /* seconds; 0: none */
    double spent;                 /* of them before the choice */
    size_t bound[SCRY_JUDGE_MAX]; /* iterations of each method on every tile; 0: it finds them */
};

/* The wall time of the choice on the whole image, in seconds. */
double scryi_pace_seconds(const struct scryi_pace *p);

/* Lowers the chains to no fewer than 2; where that is not enough leaves out the methods that draw,
 * if others are at hand and no maps are wanted of the draws; and where these would take too long
 * too, lowers their iterations: to those that the judged part took, without a search for their
 * number, or fewer. Logs the forecast of a minute and more, and the changes made. */
void scryi_pace_keep(struct scryi_pace *p, bool maps, const scry_log *log);

/* After the first of `count` tiles, which took these steps; the others take the last of them. */
void scryi_pace_log_tiles(double seconds, const struct scryi_steps *steps, size_t count,
                          const scry_log *log);

#endif
