#include "lib/canvas.h"

#include "lib/memory.h"
#include "lib/space.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

/* Glyphs of 3 x 5 dots, one octal digit a row, 4 the left dot. From space to underscore. */
static const uint16_t font[] = {
    000000, 022202, 055000, 057575, 036736, 051245, 025256, 022000, /*   ! " # $ % & ' */
    012221, 042224, 005250, 002720, 000024, 000700, 000002, 011244, /* ( ) * + , - . / */
    075557, 026227, 071747, 071317, 055711, 074717, 074757, 071222, /* 0 1 2 3 4 5 6 7 */
    075757, 075717, 002020, 002024, 012421, 007070, 042124, 071202, /* 8 9 : ; < = > ? */
    075747, 025755, 065656, 034443, 065556, 074647, 074644, 034553, /* @ A B C D E F G */
    055755, 072227, 011152, 055655, 044447, 057755, 067555, 025552, /* H I J K L M N O */
    065644, 025573, 065655, 034216, 072222, 055557, 055552, 055775, /* P Q R S T U V W */
    055255, 055222, 071247, 032223, 044211, 062226, 025000, 000007, /* X Y Z [ \ ] ^ _ */
};

enum { WIDTH = 3, HEIGHT = SCRY_GLYPH_HEIGHT, ADVANCE = SCRY_GLYPH_ADVANCE };

scry_status scry_canvas_create(scry_canvas *out, size_t ny, size_t nx, scry_colour background,
                               scry_error *err)
{
    size_t pixels;
    *out = (scry_canvas){.ny = ny, .nx = nx};
    if (!ny || !nx) return SCRY_FAIL(err, SCRY_ESHAPE, "a canvas of %zu x %zu pixels", ny, nx);
    if (scry_mul(&pixels, ny, nx)) out->rgb = scry_alloc(pixels, 3);
    if (!out->rgb) return SCRY_FAIL(err, SCRY_ENOMEM, "a canvas of %zu x %zu pixels", ny, nx);
    scry_canvas_fill(out, 0, 0, ny, nx, background);
    return SCRY_OK;
}

void scry_canvas_free(scry_canvas *c)
{
    scry_free(c->rgb);
    *c = (scry_canvas){0};
}

void scry_canvas_fill(const scry_canvas *c, size_t y, size_t x, size_t ny, size_t nx,
                      scry_colour colour)
{
    for (size_t i = y; i < c->ny && i - y < ny; i++)
        for (size_t j = x; j < c->nx && j - x < nx; j++) {
            uint8_t *p = c->rgb + 3 * (i * c->nx + j);
            p[0] = colour.r;
            p[1] = colour.g;
            p[2] = colour.b;
        }
}

static unsigned glyph_of(char letter)
{
    const int upper = toupper((unsigned char)letter);
    return upper >= ' ' && upper <= '_' ? font[upper - ' '] : font['?' - ' '];
}

void scry_canvas_text(const scry_canvas *c, size_t y, size_t x, size_t length, size_t dot,
                      scry_direction direction, scry_colour colour, const char *text)
{
    for (size_t at = 0; *text && (!length || at + WIDTH * dot <= length);
         text++, at += ADVANCE * dot) {
        const unsigned glyph = glyph_of(*text);
        for (size_t k = 0; k < HEIGHT * WIDTH; k++) {
            const size_t down = k / WIDTH * dot, right = at + k % WIDTH * dot;
            if (!(glyph >> (HEIGHT * WIDTH - 1 - k) & 1)) continue;
            if (direction == SCRY_TEXT_RIGHT)
                scry_canvas_fill(c, y + down, x + right, dot, dot, colour);
            else if (right + dot <= y + 1)
                scry_canvas_fill(c, y + 1 - right - dot, x + down, dot, dot, colour);
        }
    }
}

size_t scry_canvas_text_length(const char *text, size_t dot)
{
    const size_t letters = strlen(text);
    return letters ? (letters * ADVANCE - (ADVANCE - WIDTH)) * dot : 0;
}

scry_colour scry_colour_map_at(scry_colour_map map, double t)
{
    /* Colours at equal steps, linear in between. */
    static const uint8_t stops[3][5][3] = {
        {{0, 0, 0}, {64, 64, 64}, {128, 128, 128}, {191, 191, 191}, {255, 255, 255}},
        {{5, 3, 20}, {92, 18, 110}, {196, 56, 76}, {246, 152, 40}, {252, 250, 200}},
        {{20, 60, 150}, {130, 170, 225}, {245, 245, 245}, {235, 150, 125}, {160, 20, 40}}};
    if (isnan(t)) return (scry_colour){255, 0, 255};
    const double at = fmin(fmax(t, 0), 1) * 4;
    const int k = at >= 4 ? 3 : (int)at;
    uint8_t rgb[3];
    for (int c = 0; c < 3; c++) {
        const double a = stops[map][k][c], b = stops[map][k + 1][c];
        rgb[c] = (uint8_t)lrint(a + (at - k) * (b - a));
    }
    return (scry_colour){rgb[0], rgb[1], rgb[2]};
}
