#ifndef SCRY_DATASETS_PHANTOM_IMPL_H
#define SCRY_DATASETS_PHANTOM_IMPL_H

/* Ten ellipses that add up to the head of Shepp & Logan (1974) with the contrast of Toft (1996):
 * value, half axes along x and y, centre, turn in degrees, on [-1, 1]^2 with y upwards. */
enum { SCRYI_HEAD_ELLIPSES = 10 };
extern const double scryi_head[SCRYI_HEAD_ELLIPSES][6];

#endif
