#ifndef SCRY_LIB_CANVAS_H
#define SCRY_LIB_CANVAS_H

#include "lib/status.h"

#include <stddef.h>
#include <stdint.h>

/* Drawing by rows of RGB bytes, for previews and plots: rectangles, capitals, colour maps. Anything
 * outside the canvas is cut off. */
typedef struct scry_canvas {
    uint8_t *rgb; /* ny x nx x 3 */
    size_t ny, nx;
} scry_canvas;

typedef struct scry_colour {
    uint8_t r, g, b;
} scry_colour;

/* A canvas of one colour. ESHAPE: a side is 0; ENOMEM */
scry_status scry_canvas_create(scry_canvas *out, size_t ny, size_t nx, scry_colour background,
                               scry_error *err);
void scry_canvas_free(scry_canvas *c); /* accepts a zeroed one */

void scry_canvas_fill(const scry_canvas *c, size_t y, size_t x, size_t ny, size_t nx,
                      scry_colour colour);

/* Glyphs are 3 x 5 dots of dot x dot pixels, one dot apart; lower case is drawn as capitals, and a
 * character that the font lacks as '?'. */
enum { SCRY_GLYPH_ADVANCE = 4, SCRY_GLYPH_HEIGHT = 5 }; /* in dots */
typedef enum scry_direction {
    SCRY_TEXT_RIGHT = 0,
    SCRY_TEXT_UP /* turned left: y, x is the lower left corner, where the text begins */
} scry_direction;
/* Draws as many letters as fit in `length` pixels; 0: all. */
void scry_canvas_text(const scry_canvas *c, size_t y, size_t x, size_t length, size_t dot,
                      scry_direction direction, scry_colour colour, const char *text);
size_t scry_canvas_text_length(const char *text, size_t dot); /* pixels */

typedef enum scry_colour_map {
    SCRY_MAP_GREY = 0,
    SCRY_MAP_HEAT,     /* dark violet, red, yellow, white: lightness grows steadily; for sd maps */
    SCRY_MAP_DIVERGING /* blue, white in the middle, red; for errors: give low = -high */
} scry_colour_map;

/* t from 0 (first colour) to 1 (last), clamped; NaN is magenta. */
scry_colour scry_colour_map_at(scry_colour_map map, double t);

#endif
