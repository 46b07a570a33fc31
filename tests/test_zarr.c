#define _XOPEN_SOURCE 700 /* nftw */
#include "tests/check.h"
#include "tests/scratch.h"

#include "lib/io/zarr/zarr.h"
#include "lib/memory.h"

#include <ftw.h>

/* Arrays and images of zarr's own library (tests/golden/make_zarr.py), what the writer makes of
 * them, and damaged ones. */

enum { T = 2, C = 2, Z = 3, Y = 5, X = 7 };

static double golden(scry_tiff_type type, size_t t, size_t c, size_t z, size_t y, size_t x)
{
    double low, high;
    const double v = (double)((61 * t + 41 * c + 23 * z + 7 * y + 3 * x) % 120);
    scry_tiff_type_range(type, &low, &high);
    const bool real = type == SCRY_TIFF_F32 || type == SCRY_TIFF_F64;
    return low < 0 ? (v - 60) / (real ? 2 : 1) : v;
}

/* Every pixel of an open image; skip: a plane z that is not looked at, or Z. */
static void is_golden_but(scry_zarr_reader *r, size_t skip)
{
    scry_error err = {0};
    float out[Y * X];
    const scry_tiff_info *i = scry_zarr_describe(r);
    assert_int_equal(i->y, Y);
    assert_int_equal(i->x, X);
    for (size_t t = 0; t < i->t; t++)
        for (size_t c = 0; c < i->c; c++)
            for (size_t z = 0; z < i->z; z++) {
                assert_ok(scry_zarr_read_plane(r, c, z, t, out, &err));
                for (size_t k = 0; z != skip && k < Y * X; k++)
                    assert_near(out[k], golden(i->type, t, c, z, k / X, k % X), 0);
            }
}

static scry_zarr_reader *opened(const char *path)
{
    scry_error err = {0};
    scry_zarr_reader *r = NULL;
    assert_true(scry_zarr_is(path));
    assert_ok(scry_zarr_open(&r, path, 0, &err));
    return r;
}

static void all_types_in_both_orders(void **state)
{
    (void)state;
    static const char *const kinds[] = {"u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8"};
    const scry_tiff_type types[] = {SCRY_TIFF_U8,  SCRY_TIFF_I8,  SCRY_TIFF_U16, SCRY_TIFF_I16,
                                    SCRY_TIFF_U32, SCRY_TIFF_I32, SCRY_TIFF_F32, SCRY_TIFF_F64};
    char path[80];
    for (size_t k = 0; k < 16; k++) {
        snprintf(path, sizeof path, "golden/zarr/%s_%s", k % 2 ? "be" : "le", kinds[k / 2]);
        if (k % 2 && kinds[k / 2][1] == '1') continue;
        scry_zarr_reader *r = opened(path);
        assert_int_equal(scry_zarr_describe(r)->type, types[k / 2]);
        is_golden_but(r, Z);
        scry_zarr_close(r);
    }
}

static void all_codecs(void **state)
{
    (void)state;
    static const char *const names[] = {"zlib",      "gzip",       "zstd",
                                        "blosc_lz4", "blosc_zstd", "blosc_zlib",
                                        "sharded",   "transposed", "dotted"};
    char path[80];
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        snprintf(path, sizeof path, "golden/zarr/%s", names[k]);
        scry_zarr_reader *r = opened(path);
        is_golden_but(r, Z);
        scry_zarr_close(r);
    }
}

/* Chunks that are not there hold the fill value, which is said. */
static void missing_chunks(void **state)
{
    (void)state;
    scry_error err = {0};
    float out[Y * X];
    scry_zarr_reader *r = opened("golden/zarr/fortran");
    is_golden_but(r, 2);
    assert_int_equal(scry_zarr_warnings(r), 2); /* the other one: axes were guessed */
    assert_non_null(strstr(scry_zarr_warning(r, 1), "fill value, -9"));
    assert_ok(scry_zarr_read_plane(r, 0, 2, 0, out, &err));
    for (size_t k = 0; k < Y * X; k++) /* chunk 1, 0, 1 */
        assert_near(out[k],
                    k / X < 3 && k % X >= 4 ? -9 : golden(SCRY_TIFF_I16, 0, 0, 2, k / X, k % X), 0);
    scry_zarr_close(r);
    r = opened("golden/zarr/sharded_start"); /* an inner chunk of a shard is missing */
    is_golden_but(r, 1);
    assert_ok(scry_zarr_read_plane(r, 0, 1, 0, out, &err));
    for (size_t k = 0; k < Y * X; k++)
        if (k / X < 2 && k % X < 4)
            assert_true(isnan(out[k]));
        else
            assert_near(out[k], golden(SCRY_TIFF_F32, 0, 0, 1, k / X, k % X), 0);
    scry_zarr_close(r);
}

static void images(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_zarr_reader *r = opened("golden/zarr/ome04.ome.zarr");
    const scry_tiff_info *i = scry_zarr_describe(r);
    is_golden_but(r, Z);
    assert_true(i->t == T && i->c == C && i->z == Z && i->type == SCRY_TIFF_U16);
    assert_near(i->pixel_um[0], 0.5, 1e-12);
    assert_near(i->pixel_um[1], 0.125, 1e-12);
    assert_near(i->pixel_um[2], 0.25, 1e-12);
    assert_near(i->frame_s, 1.5, 1e-12);
    assert_int_equal(i->channel_count, 2);
    assert_string_equal(i->channels[1].name, "actin");
    assert_int_equal(i->levels, 1);
    assert_non_null(strstr(scry_zarr_warning(r, 0), "flat"));
    assert_non_null(strstr(scry_zarr_layout(r), "OME-Zarr 0.4 (zarr 2)"));
    scry_zarr_close(r);

    r = opened("golden/zarr/ome05.zarr/");
    i = scry_zarr_describe(r);
    is_golden_but(r, Z);
    assert_near(i->pixel_um[0], 0.25, 1e-12); /* nanometres */
    assert_near(i->pixel_um[2], 0.065, 1e-12);
    assert_true(i->frame_s <= 0);
    assert_non_null(strstr(scry_zarr_layout(r), "OME-Zarr 0.5 (zarr 3)"));
    assert_int_equal(scry_zarr_read_plane(r, 2, 0, 0, NULL, &err), SCRY_EINVAL);
    scry_zarr_close(r);
}

/* ---- damaged ones ---- */

static void write_text(const char *name, const char *text)
{
    scratch_write(name, text, strlen(text));
}

static void make_folder(const char *name)
{
    if (mkdir(scratch(name), 0777)) abort();
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void remove_folder(const char *name)
{
    nftw(scratch(name), remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define V2(shape, chunks, dtype, rest)                                                             \
    "{\"zarr_format\":2,\"shape\":" shape ",\"chunks\":" chunks ",\"dtype\":\"" dtype              \
    "\",\"order\":\"C\",\"filters\":null,\"fill_value\":0," rest "}"
#define PLAIN "\"compressor\":null"
#define V3(chunk, codecs, rest)                                                                    \
    "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4,4],\"data_type\":\"uint8\","          \
    "\"chunk_grid\":{\"name\":\"regular\",\"configuration\":{\"chunk_shape\":" chunk "}},"         \
    "\"chunk_key_encoding\":{\"name\":\"default\"},\"fill_value\":0,\"codecs\":" codecs rest "}"
#define SHARD(inner, location)                                                                     \
    "[{\"name\":\"sharding_indexed\",\"configuration\":{\"chunk_shape\":" inner                    \
    ",\"codecs\":[\"bytes\"],\"index_codecs\":[\"bytes\"],\"index_location\":\"" location "\"}}]"

static const struct {
    const char *file, *text;
    scry_status status;
    const char *words;
} damage[] = {
    {".zarray", "{\"zarr_format\":2,", SCRY_EFORMAT, "not valid JSON"},
    {".zarray", "[]", SCRY_EFORMAT, "JSON object"},
    {".zarray", "{}", SCRY_EFORMAT, "zarr_format"},
    {".zarray", V2("[4]", "[4]", "|u1", PLAIN), SCRY_EUNSUP, "\"shape\" has 1 axes"},
    {".zarray", V2("[1,1,1,1,4,4]", "[4]", "|u1", PLAIN), SCRY_EUNSUP, "6 axes"},
    {".zarray", V2("[4,4]", "[4]", "|u1", PLAIN), SCRY_EUNSUP, "\"chunks\" has 1 axes"},
    {".zarray", V2("[4,4]", "[4,4,4]", "|u1", PLAIN), SCRY_EFORMAT, "3 axes, the shape has 2"},
    {".zarray", V2("[4,0]", "[4,4]", "|u1", PLAIN), SCRY_EFORMAT, "0, expected"},
    {".zarray", V2("[4,-4]", "[4,4]", "|u1", PLAIN), SCRY_EFORMAT, "-4"},
    {".zarray", V2("[4,4]", "[4,0]", "|u1", PLAIN), SCRY_EFORMAT, "0, expected"},
    {".zarray", V2("[2e9,2e9,2e9]", "[4,4,4]", "|u1", PLAIN), SCRY_EFORMAT, "more pixels"},
    {".zarray", V2("[4,4]", "[99999,99999]", "|u1", PLAIN), SCRY_EUNSUP, "chunks of more than"},
    {".zarray", V2("[4,4]", "[4,4]", "<u8", PLAIN), SCRY_EUNSUP, "\"<u8\""},
    {".zarray", V2("[4,4]", "[4,4]", "<c8", PLAIN), SCRY_EUNSUP, "\"<c8\""},
    {".zarray", V2("[4,4]", "[4,4]", "", PLAIN), SCRY_EUNSUP, "dtype \"\""},
    {".zarray", V2("[4,4]", "[4,4]", "|u1", "\"compressor\":{\"id\":\"lzma\"}"), SCRY_EUNSUP,
     "compressor \"lzma\""},
    {".zarray", V2("[4,4]", "[4,4]", "|u1", "\"compressor\":{}"), SCRY_EFORMAT,
     "compressor.id is missing"},
    {".zarray", V2("[4,4]", "[4,4]", "|u1", PLAIN ",\"dimension_separator\":\"..\""), SCRY_EFORMAT,
     "dimension_separator \"..\""},
    {".zarray",
     "{\"zarr_format\":2,\"shape\":[4,4],\"chunks\":[4,4],\"dtype\":\"|u1\",\"order\":\"C\","
     "\"filters\":[{\"id\":\"delta\"}],\"fill_value\":0,\"compressor\":null}",
     SCRY_EUNSUP, "filter \"delta\""},
    {".zarray",
     "{\"zarr_format\":2,\"shape\":[4,4],\"chunks\":[4,4],\"dtype\":\"|u1\",\"order\":\"Q\","
     "\"fill_value\":0}",
     SCRY_EFORMAT, "order \"Q\""},
    {".zarray",
     "{\"zarr_format\":2,\"shape\":[4,4],\"chunks\":[4,4],\"dtype\":\"|u1\",\"order\":\"C\","
     "\"fill_value\":256}",
     SCRY_EFORMAT, "fill_value 256"},
    {".zarray",
     "{\"zarr_format\":2,\"shape\":[4,4],\"chunks\":[4,4],\"dtype\":\"|u1\",\"order\":\"C\","
     "\"fill_value\":\"NaN\"}",
     SCRY_EUNSUP, "fill_value \"NaN\""},
    {"zarr.json", V3("[4,4]", "[]", ""), SCRY_EFORMAT, "codecs without"},
    {"zarr.json", V3("[4,4]", "[\"zstd\",\"bytes\"]", ""), SCRY_EUNSUP, "codec \"zstd\" at"},
    {"zarr.json", V3("[4,4]", "[\"bytes\",\"zfp\"]", ""), SCRY_EUNSUP, "codec \"zfp\""},
    {"zarr.json", V3("[4,4]", "[\"bytes\",\"gzip\",\"zstd\"]", ""), SCRY_EUNSUP, "\"zstd\" at"},
    {"zarr.json", V3("[4,4]", "[\"transpose\",\"bytes\"]", ""), SCRY_EFORMAT, "transpose"},
    {"zarr.json",
     V3("[4,4]", "[{\"name\":\"transpose\",\"configuration\":{\"order\":[1,1]}},\"bytes\"]", ""),
     SCRY_EFORMAT, "each of 2 axes once"},
    {"zarr.json", V3("[4]", "[\"bytes\"]", ""), SCRY_EUNSUP, "\"chunk_shape\" has 1 axes"},
    {"zarr.json", V3("[4,4]", "[\"bytes\"]", ",\"storage_transformers\":[\"x\"]"), SCRY_EUNSUP,
     "storage_transformers"},
    {"zarr.json", V3("[4,4]", SHARD("[3,4]", "end"), ""), SCRY_EFORMAT, "no multiple"},
    {"zarr.json", V3("[4,4]", SHARD("[2,4]", "middle"), ""), SCRY_EFORMAT, "index_location"},
    {"zarr.json", V3("[4,4]", "[\"sharding_indexed\"]", ""), SCRY_EFORMAT,
     "without a configuration"},
    {"zarr.json",
     "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4,4],\"data_type\":\"int64\"}",
     SCRY_EUNSUP, "data_type \"int64\""},
    {"zarr.json",
     "{\"zarr_format\":3,\"node_type\":\"array\",\"shape\":[4,4],\"data_type\":\"uint8\","
     "\"chunk_grid\":{\"name\":\"rectangular\"}}",
     SCRY_EUNSUP, "chunk_grid \"rectangular\""},
    {"zarr.json", "{\"zarr_format\":3,\"node_type\":\"group\"}", SCRY_EUNSUP, "multiscales"},
};

/* What is wrong with an array is said: by the key, the value and what was expected. */
static void damaged_arrays(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof damage / sizeof *damage; k++) {
        char name[64];
        scry_error err = {0};
        scry_zarr_reader *r = NULL;
        make_folder("bad.zarr");
        snprintf(name, sizeof name, "bad.zarr/%s", damage[k].file);
        write_text(name, damage[k].text);
        const scry_status st = scry_zarr_open(&r, scratch("bad.zarr"), 0, &err);
        if (st != damage[k].status || !strstr(err.text, damage[k].words)) {
            print_error("case %zu: status %d, \"%s\", expected \"%s\"\n", k, (int)st, err.text,
                        damage[k].words);
            fail();
        }
        assert_non_null(strstr(err.text, "bad.zarr"));
        assert_null(r);
        remove_folder("bad.zarr");
    }
}

#define SCALES(axes, sets) "{\"multiscales\":[{\"axes\":" axes ",\"datasets\":" sets "}]}"
#define YX "[{\"name\":\"y\",\"type\":\"space\"},{\"name\":\"x\",\"type\":\"space\"}]"

static void damaged_groups(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        scry_status status;
        const char *words;
    } cases[] = {
        {"{\"multiscales\":", SCRY_EFORMAT, "not valid JSON"},
        {"{\"multiscales\":{}}", SCRY_EFORMAT, "multiscales"},
        {"{\"multiscales\":[]}", SCRY_EFORMAT, "has no image"},
        {SCALES(YX, "[]"), SCRY_EFORMAT, "\"datasets\" is empty"},
        {SCALES(YX, "[{}]"), SCRY_EFORMAT, "path"},
        {SCALES(YX, "[{\"path\":\"1\"}]"), SCRY_EFORMAT, "no array there"},
        {SCALES(YX, "[{\"path\":\"../bad.zarr/0\"}]"), SCRY_EFORMAT, "inside the folder"},
        {SCALES(YX, "[{\"path\":\"/etc\"}]"), SCRY_EFORMAT, "inside the folder"},
        {SCALES(YX, "[{\"path\":\"0/..\"}]"), SCRY_EFORMAT, "inside the folder"},
        {SCALES(YX, "[{\"path\":\"\"}]"), SCRY_EFORMAT, "inside the folder"},
        {SCALES("[\"y\"]", "[{\"path\":\"0\"}]"), SCRY_EUNSUP, "\"axes\" has 1"},
        {SCALES("[\"z\",\"y\",\"x\"]", "[{\"path\":\"0\"}]"), SCRY_EFORMAT, "array of 2 axes"},
        {SCALES("[\"y\",\"y\"]", "[{\"path\":\"0\"}]"), SCRY_EFORMAT, "two axes are 'y'"},
        {SCALES("[\"y\",\"q\"]", "[{\"path\":\"0\"}]"), SCRY_EUNSUP, "no y or no x"},
        {SCALES(YX, "[{\"path\":\"0\",\"coordinateTransformations\":[{\"type\":\"scale\","
                    "\"scale\":[1]}]}]"),
         SCRY_EFORMAT, "scale of 1 numbers"},
        {SCALES(YX, "[{\"path\":\"0\",\"coordinateTransformations\":[{\"type\":\"scale\","
                    "\"scale\":[0,1]}]}]"),
         SCRY_EFORMAT, "scale of 0"},
        {"{\"plate\":{\"wells\":[{\"path\":\"B/2\"}]}}", SCRY_EUNSUP, "plate of 1 wells"},
        {"{\"well\":{}}", SCRY_EFORMAT, "images"},
        {"{\"well\":{\"images\":[{\"path\":\"..\"}]}}", SCRY_EFORMAT, "inside the folder"},
        {"{\"well\":{\"images\":[{\"path\":\"0\"}]}}", SCRY_EFORMAT, "expected an image"},
        {"{\"well\":{\"images\":[]}}", SCRY_EINVAL, "0 images"},
        {"{}", SCRY_EUNSUP, "without \"multiscales\""},
    };
    make_folder("bad.zarr");
    make_folder("bad.zarr/0");
    write_text("bad.zarr/0/.zarray", V2("[4,4]", "[4,4]", "|u1", PLAIN));
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        scry_error err = {0};
        scry_zarr_reader *r = NULL;
        write_text("bad.zarr/.zattrs", cases[k].text);
        const scry_status st = scry_zarr_open(&r, scratch("bad.zarr"), 0, &err);
        if (st != cases[k].status || !strstr(err.text, cases[k].words)) {
            print_error("case %zu: status %d, \"%s\", expected \"%s\"\n", k, (int)st, err.text,
                        cases[k].words);
            fail();
        }
        assert_null(r);
    }
    remove_folder("bad.zarr");
}

/* Chunks that are short, long, garbage, or of another size. */
static void damaged_chunks(void **state)
{
    (void)state;
    static const char index[40] = "\0\0\0\0\0\0\0\0\377";
    static const struct {
        const char *array, *chunk;
        size_t bytes;
        const char *words;
    } cases[] = {
        {V2("[4,4]", "[4,4]", "|u1", PLAIN), "123", 3, "3 bytes (uncompressed), expected a chunk"},
        {V2("[4,4]", "[4,4]", "|u1", PLAIN), "01234567890123456", 17, "expected a chunk of 16"},
        {V2("[4,4]", "[4,4]", "|u1", PLAIN), "", 0, "0 bytes"},
        {V2("[4,4]", "[4,4]", "|u1", "\"compressor\":{\"id\":\"zlib\"}"), "x\234garbage", 9,
         "zlib"},
        {V2("[4,4]", "[4,4]", "|u1", "\"compressor\":{\"id\":\"zlib\"}"), "", 0, "zlib"},
        {V2("[4,4]", "[4,4]", "|u1", "\"compressor\":{\"id\":\"blosc\"}"),
         "\2\1\1\1\20\0\0\0\20\0\0\0\50\0\0\0garbage", 23, "blosc"},
        {V2("[4,4]", "[4,4]", "|u1", "\"compressor\":{\"id\":\"blosc\"}"), "\2", 1, "blosc"},
        {V2("[4,4]", "[4,4]", "|u1", "\"compressor\":{\"id\":\"zstd\"}"), "garbage", 7, "zstd"},
        {V3("[4,4]", "[\"bytes\",\"crc32c\"]", ""), "0123456789012345garb", 20, "checksum"},
        {V3("[4,4]", SHARD("[2,4]", "start"), ""), "short", 5, "of its index"},
        {V3("[4,4]", SHARD("[2,4]", "start"), ""), index, 40, "chunk 0 at byte"},
    };
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        const bool v3 = strstr(cases[k].array, "\"zarr_format\":3") != NULL;
        float out[16];
        scry_error err = {0};
        scry_zarr_reader *r = NULL;
        make_folder("bad.zarr");
        write_text(v3 ? "bad.zarr/zarr.json" : "bad.zarr/.zarray", cases[k].array);
        if (v3) make_folder("bad.zarr/c");
        if (v3) make_folder("bad.zarr/c/0");
        scratch_write(v3 ? "bad.zarr/c/0/0" : "bad.zarr/0.0", cases[k].chunk, cases[k].bytes);
        assert_ok(scry_zarr_open(&r, scratch("bad.zarr"), 0, &err));
        assert_int_equal(scry_zarr_read_plane(r, 0, 0, 0, out, &err), SCRY_EFORMAT);
        if (!strstr(err.text, cases[k].words)) {
            print_error("case %zu: \"%s\", expected \"%s\"\n", k, err.text, cases[k].words);
            fail();
        }
        scry_zarr_close(r);
        remove_folder("bad.zarr");
    }
}

/* ---- several images ---- */

static void several_images(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_zarr_reader *r = NULL;
    char name[64];
    make_folder("raw.zarr");
    make_folder("raw.zarr/OME");
    write_text("raw.zarr/.zattrs", "{\"bioformats2raw.layout\":3}");
    for (int k = 0; k < 2; k++) {
        snprintf(name, sizeof name, "raw.zarr/%d", k);
        make_folder(name);
        snprintf(name, sizeof name, "raw.zarr/%d/.zattrs", k);
        write_text(name, SCALES(YX, "[{\"path\":\"0\"}]"));
        snprintf(name, sizeof name, "raw.zarr/%d/0", k);
        make_folder(name);
        snprintf(name, sizeof name, "raw.zarr/%d/0/.zarray", k);
        write_text(name,
                   k ? V2("[4,6]", "[4,6]", "|u1", PLAIN) : V2("[4,4]", "[4,4]", "|u1", PLAIN));
    }
    for (int listed = 0; listed < 2; listed++) {
        if (listed) write_text("raw.zarr/OME/.zattrs", "{\"series\":[\"1\",\"0\"]}");
        assert_ok(scry_zarr_open(&r, scratch("raw.zarr"), 1, &err));
        assert_int_equal(scry_zarr_describe(r)->x, listed ? 4 : 6);
        assert_int_equal(scry_zarr_describe(r)->series, 2);
        assert_string_equal(scry_zarr_series_name(r, 1), listed ? "0" : "1");
        scry_zarr_close(r);
    }
    write_text("raw.zarr/OME/METADATA.ome.xml",
               "<OME><Instrument ID=\"I:0\"><Objective ID=\"O:0\" LensNA=\"1.3\" "
               "NominalMagnification=\"63\"/></Instrument><Image><Pixels/></Image><Image>"
               "<ObjectiveSettings ID=\"O:0\" RefractiveIndex=\"1.518\"/><Pixels><Channel "
               "Name=\"GFP\" EmissionWavelength=\"525\"/></Pixels></Image></OME>");
    assert_ok(scry_zarr_open(&r, scratch("raw.zarr"), 1, &err));
    assert_near(scry_zarr_describe(r)->na, 1.3, 1e-12);
    assert_near(scry_zarr_describe(r)->refractive_index, 1.518, 1e-12);
    assert_int_equal(scry_zarr_describe(r)->channel_count, 1);
    assert_near(scry_zarr_describe(r)->channels[0].emission_nm, 525, 1e-9);
    scry_zarr_close(r);
    write_text("raw.zarr/OME/METADATA.ome.xml", "<OME><Image>");
    assert_ok(scry_zarr_open(&r, scratch("raw.zarr"), 0, &err));
    assert_true(scry_zarr_describe(r)->na <= 0);
    assert_non_null(strstr(scry_zarr_warning(r, 0), "OME-XML is not used"));
    scry_zarr_close(r);
    assert_int_equal(scry_zarr_open(&r, scratch("raw.zarr"), 2, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "2 images in the folder"));
    remove_folder("raw.zarr");
}

/* ---- the writer ---- */

/* Writes the golden image as `type`, and reads it back. */
static void write_golden(const char *name, int version, scry_tiff_type type,
                         scry_tiff_packing packing, bool force)
{
    scry_error err = {0};
    float plane[Y * X];
    scry_zarr_writer *w = NULL;
    scry_zarr_reader *r = opened("golden/zarr/ome04.ome.zarr");
    scry_tiff_info like = *scry_zarr_describe(r);
    scry_tiff_written written;
    like.type = type;
    const scry_tiff_options options = {.packing = packing, .force = force, .provenance = "a test"};
    assert_ok(scry_zarr_create(&w, scratch(name), version, &like, &options, &err));
    scry_zarr_close(r); /* the writer has copies */
    for (size_t k = T * C * Z; k-- > 0;) {
        const size_t c = k % C, z = k / C % Z, t = k / C / Z;
        for (size_t i = 0; i < Y * X; i++)
            plane[i] = (float)golden(type, t, c, z, i / X, i % X);
        assert_ok(scry_zarr_write_plane(w, c, z, t, plane, &err));
    }
    assert_ok(scry_zarr_finish(w, &written, &err));
    assert_int_equal(written.pixels, T * C * Z * Y * X);
    assert_int_equal(written.clipped, 0);
    r = opened(scratch(name));
    is_golden_but(r, Z);
    const scry_tiff_info *i = scry_zarr_describe(r);
    assert_true(i->type == type && i->t == T && i->c == C && i->z == Z);
    assert_near(i->pixel_um[0], 0.5, 1e-12);
    assert_near(i->frame_s, 1.5, 1e-12);
    assert_string_equal(i->channels[0].name, "DAPI");
    const bool rounded = type == SCRY_TIFF_U32 || type == SCRY_TIFF_I32 || type == SCRY_TIFF_F64;
    assert_int_equal(scry_zarr_warnings(r), rounded);
    scry_zarr_close(r);
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    for (int version = 2; version <= 3; version++) {
        for (int type = SCRY_TIFF_U8; type <= SCRY_TIFF_F64; type++)
            write_golden("out.zarr", version, (scry_tiff_type)type,
                         type % 2 ? SCRY_TIFF_UNPACKED : SCRY_TIFF_DEFLATE, type > 1);
        assert_int_equal(scratch_count(), 1); /* no temporary folder is left */
        remove_folder("out.zarr");
    }
}

/* Planes larger than a chunk, which the last chunks exceed; lengths that are not known. */
static void large_planes(void **state)
{
    (void)state;
    enum { NY = 1030, NX = 2051 };
    scry_error err = {0};
    scry_tiff_info info;
    scry_zarr_writer *w = NULL;
    scry_tiff_written written;
    float *in = scry_alloc(NY * NX, sizeof *in), *out = scry_alloc(NY * NX, sizeof *out);
    for (size_t k = 0; k < NY * NX; k++)
        in[k] = (float)(k * 7 % 60013) - 0.25f;
    scry_tiff_info_init(&info, SCRY_TIFF_PLAIN, SCRY_TIFF_U16, &(scry_tiff_axes){.y = NY, .x = NX});
    assert_ok(scry_zarr_create(&w, scratch("large.zarr/"), 2, &info, NULL, &err));
    assert_ok(scry_zarr_write_plane(w, 0, 0, 0, in, &err));
    assert_ok(scry_zarr_finish(w, &written, &err));
    assert_int_equal(written.clipped, 0);
    assert_near(written.max, 60012, 0);
    scry_zarr_reader *r = opened(scratch("large.zarr"));
    assert_true(scry_zarr_describe(r)->pixel_um[2] <= 0);
    assert_ok(scry_zarr_read_plane(r, 0, 0, 0, out, &err));
    for (size_t k = 0; k < NY * NX; k++)
        if (fabsf(out[k] - rintf(in[k])) > 0) fail();
    scry_zarr_close(r);
    remove_folder("large.zarr");
    scry_free(in);
    scry_free(out);
}

/* What is there is replaced only when that is asked for, and only when it is zarr. */
static void never_another_folder(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_zarr_writer *w = NULL;
    scry_tiff_info info;
    const float four[4] = {1, 2, 3, 4}, bad[4] = {1, 2, 3, NAN};
    scry_tiff_info_init(&info, SCRY_TIFF_PLAIN, SCRY_TIFF_U8, &(scry_tiff_axes){.y = 2, .x = 2});
    const scry_tiff_options force = {.force = true}, lzw = {.packing = SCRY_TIFF_LZW};
    make_folder("mine.zarr");
    write_text("mine.zarr/thesis.txt", "years of work");
    assert_int_equal(scry_zarr_create(&w, scratch("mine.zarr"), 2, &info, &force, &err),
                     SCRY_EINVAL);
    assert_non_null(strstr(err.text, "a folder of another kind"));
    write_text("mine.zarr/.zgroup", "{\"zarr_format\":2}"); /* it is zarr by now */
    err = (scry_error){0};
    assert_int_equal(scry_zarr_create(&w, scratch("mine.zarr"), 2, &info, NULL, &err), SCRY_EINVAL);
    assert_non_null(strstr(err.text, "replacing it was not asked for"));
    write_text("file.zarr", "a file");
    err = (scry_error){0};
    assert_int_equal(scry_zarr_create(&w, scratch("file.zarr"), 2, &info, &force, &err),
                     SCRY_EINVAL);
    err = (scry_error){0};
    assert_int_equal(scry_zarr_create(&w, scratch("x.zarr"), 2, &info, &lzw, &err), SCRY_EUNSUP);
    err = (scry_error){0};
    assert_ok(scry_zarr_create(&w, scratch("mine.zarr"), 2, &info, &force, &err));
    assert_int_equal(scry_zarr_write_plane(w, 0, 0, 0, bad, &err), SCRY_ENUMERIC);
    assert_int_equal(scry_zarr_finish(w, NULL, &err), SCRY_ENUMERIC);
    err = (scry_error){0};
    assert_ok(scry_zarr_create(&w, scratch("mine.zarr"), 2, &info, &force, &err));
    assert_int_equal(scry_zarr_write_plane(w, 0, 1, 0, four, &err), SCRY_EINVAL);
    scry_zarr_abort(w);
    assert_int_equal(access(scratch("mine.zarr/thesis.txt"), F_OK), 0); /* nothing has happened */
    assert_int_equal(scratch_count(), 2);
    err = (scry_error){0};
    assert_ok(scry_zarr_create(&w, scratch("mine.zarr"), 2, &info, &force, &err));
    assert_int_equal(scry_zarr_finish(w, NULL, &err), SCRY_EINVAL); /* no plane was written */
    err = (scry_error){0};
    assert_ok(scry_zarr_create(&w, scratch("mine.zarr"), 2, &info, &force, &err));
    assert_ok(scry_zarr_write_plane(w, 0, 0, 0, four, &err));
    assert_ok(scry_zarr_finish(w, NULL, &err));
    assert_int_not_equal(access(scratch("mine.zarr/thesis.txt"), F_OK), 0);
    assert_int_equal(scratch_count(), 2);
    unlink(scratch("file.zarr"));
    remove_folder("mine.zarr");
}

/* The first, the second, ... allocation is refused: no object, words, and all blocks come back. */
static void refused_memory(void **state)
{
    (void)state;
    float plane[Y * X] = {0};
    scry_tiff_info info;
    scry_tiff_info_init(&info, SCRY_TIFF_PLAIN, SCRY_TIFF_F32, &(scry_tiff_axes){.y = Y, .x = X});
    for (int writes = 0; writes < 2; writes++) {
        scry_status st = SCRY_ENOMEM;
        for (size_t nth = 1; st != SCRY_OK && nth < 200; nth++) {
            scry_error err = {0};
            scry_zarr_reader *r = NULL;
            scry_zarr_writer *w = NULL;
            const size_t before = scry_memory_live();
            scry_memory_fail_at(nth);
            if (writes) {
                st = scry_zarr_create(&w, scratch("memory.zarr"), 3, &info, NULL, &err);
                if (st == SCRY_OK) st = scry_zarr_write_plane(w, 0, 0, 0, plane, &err);
                if (w && st == SCRY_OK)
                    st = scry_zarr_finish(w, NULL, &err);
                else
                    scry_zarr_abort(w);
            } else {
                st = scry_zarr_open(&r, "golden/zarr/ome04.ome.zarr", 0, &err);
                if (st == SCRY_OK) st = scry_zarr_read_plane(r, 1, 2, 1, plane, &err);
                scry_zarr_close(r);
            }
            scry_memory_fail_at(0);
            assert_true(st == SCRY_OK || (st == SCRY_ENOMEM && *err.text));
            assert_int_equal(scry_memory_live(), before);
            assert_int_equal(scratch_count(), writes && st == SCRY_OK);
        }
        assert_int_equal(st, SCRY_OK);
    }
    remove_folder("memory.zarr");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_in_both_orders), cmocka_unit_test(all_codecs),
        cmocka_unit_test(missing_chunks),           cmocka_unit_test(images),
        cmocka_unit_test(damaged_arrays),           cmocka_unit_test(damaged_groups),
        cmocka_unit_test(damaged_chunks),           cmocka_unit_test(several_images),
        cmocka_unit_test(what_is_written_is_read),  cmocka_unit_test(large_planes),
        cmocka_unit_test(never_another_folder),     cmocka_unit_test(refused_memory),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
