#ifndef SCRY_APPS_RECON_IMAGE_PACE_IMPL_H
#define SCRY_APPS_RECON_IMAGE_PACE_IMPL_H

#include "apps/recon/image/judgement.h"
#include "apps/recon/log.h"

/* How long an image will take: read from the runs that chose the method. */
struct scryi_pace {
    const scry_judgement *judgement;
    double *share;         /* of each method in the result, SCRY_JUDGE_MAX; may be changed */
    size_t pixels, planes; /* of the image */
    size_t samples;        /* chains; may become fewer */
    size_t threads;        /* 0: all of OpenMP's */
    double limit;          /* seconds; 0: none */
};

/* The wall time of the choice on the whole image, in seconds: in proportion to the pixels, where
 * the small window that was judged has the larger margin, so that it is rather too long. */
double scryi_pace_seconds(const struct scryi_pace *p);

/* Lowers the chains to no fewer than 2, and where that is not enough leaves out the methods that
 * draw, if others are at hand and no maps are wanted of the draws. Logs the forecast of a minute
 * and more, and the changes made. */
void scryi_pace_keep(struct scryi_pace *p, bool maps, const scry_log *log);

/* After the first of `count` tiles. */
void scryi_pace_log_tiles(double seconds, size_t count, const scry_log *log);

#endif
