/* Reading OME-TIFF: axes, calibration and instrument from the XML, and its errors. */

#include "tests/tiff_reading.h"

#include "lib/memory.h"
#include "lib/memory_watch.h"

#define OME(attributes, inside)                                                                    \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?><OME xmlns=\"x\" UUID=\"urn:uuid:1\">"              \
    "<Instrument ID=\"Instrument:0\"><Objective ID=\"Objective:0\" LensNA=\"0.3\"/>"               \
    "<Objective ID=\"Objective:1\" LensNA=\"1.4\" NominalMagnification=\"63\" Immersion=\"Oil\"/>" \
    "</Instrument><Image ID=\"Image:0\"><ObjectiveSettings ID=\"Objective:1\" "                    \
    "RefractiveIndex=\"1.515\"/><Pixels ID=\"Pixels:0\" Type=\"uint16\" SizeX=\"7\" SizeY=\"5\" "  \
    "PhysicalSizeX=\"65\" PhysicalSizeXUnit=\"nm\" PhysicalSizeY=\"0.07\" "                        \
    "PhysicalSizeZ=\"0.2\" " attributes ">" inside "</Pixels></Image></OME>"
#define CHANNELS                                                                                   \
    "<Channel ID=\"Channel:0:0\" Name=\"DAPI\" EmissionWavelength=\"461\" PinholeSize=\"50\"/>"    \
    "<Channel ID=\"Channel:0:1\" EmissionWavelength=\"0.52\" "                                     \
    "EmissionWavelengthUnit=\"\xc2\xb5m\"/>"

static void ome(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    struct made f = stack(false, 6,
                          OME("DimensionOrder=\"XYZCT\" SizeC=\"2\" SizeZ=\"3\" SizeT=\"1\"",
                              CHANNELS "<TiffData/>"));
    made_end(&f, at("a.ome.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    expect_sizes(r, 2, 3, 1);
    for (size_t p = 0; p < 6; p++)
        expect_plane(r, p / 3, p % 3, 0, p);
    const scry_tiff_info *info = scry_tiff_describe(r);
    assert_near(info->pixel_um[0], 0.2, 1e-12);
    assert_near(info->pixel_um[1], 0.07, 1e-12);
    assert_near(info->pixel_um[2], 0.065, 1e-12);
    assert_near(info->na, 1.4, 0);
    assert_near(info->refractive_index, 1.515, 0);
    assert_near(info->magnification, 63, 0);
    assert_string_equal(info->immersion, "Oil");
    assert_int_equal(info->channel_count, 2);
    assert_string_equal(info->channels[0].name, "DAPI");
    assert_near(info->channels[0].pinhole_um, 50, 0);
    assert_near(info->channels[1].emission_nm, 520, 1e-9);
    scry_tiff_close(r);

    /* pages out of order, one missing, one block outside (left by cropping) */
    f = stack(true, 3,
              OME("DimensionOrder=\"XYCZT\" SizeC=\"1\" SizeZ=\"4\" SizeT=\"1\"",
                  "<TiffData IFD=\"2\" FirstZ=\"0\"/><TiffData IFD=\"0\" FirstZ=\"2\" "
                  "PlaneCount=\"2\"/><TiffData IFD=\"1\" FirstZ=\"9\"/>"));
    made_end(&f, at("b.ome.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    expect_plane(r, 0, 0, 0, 2);
    expect_plane(r, 0, 2, 0, 0);
    expect_plane(r, 0, 3, 0, 1);
    assert_true(warned(r, "1 of 4 planes are missing"));
    float out[N];
    assert_ok(scry_tiff_read_plane(r, 0, 1, 0, out, &err));
    assert_near((double)out[0], 0, 0);
    assert_int_equal(scry_tiff_content_of(r).missing, 1);
    scry_tiff_close(r);
}

static void ome_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
        scry_status code;
    } rows[] = {
        {"<OME UUID=\"u\"><BinaryOnly MetadataFile=\"master.ome.tif\" UUID=\"v\"/></OME>",
         "holds only pixels", SCRY_EIO},
        {OME("DimensionOrder=\"XYCZT\" SizeC=\"1\" SizeZ=\"2\" SizeT=\"1\"",
             "<TiffData IFD=\"0\"><UUID FileName=\"other.tif\">urn:uuid:2</UUID></TiffData>"),
         "other.tif cannot be read: No such file", SCRY_EIO},
        {OME("DimensionOrder=\"XYCZT\" SizeC=\"0\" SizeZ=\"2\" SizeT=\"1\"", ""), "SizeC is 0",
         SCRY_EFORMAT},
        {OME("DimensionOrder=\"XYQQQ\" SizeC=\"1\" SizeZ=\"2\" SizeT=\"1\"", ""), "XYQQQ",
         SCRY_EFORMAT},
        {OME("DimensionOrder=\"XYCZT\" SizeC=\"1\" SizeZ=\"2\" SizeT=\"1000000000\"", ""),
         "1000000000 frames", SCRY_EFORMAT},
        {"<!DOCTYPE OME [<!ENTITY a \"b\">]><OME><Image/></OME>", "document type", SCRY_EFORMAT},
        {"<OME><Image></OME>", "does not parse", SCRY_EFORMAT},
        {"<OME><Image/></OME>", "no Pixels", SCRY_EFORMAT},
        {OME("DimensionOrder=\"XYCZT\" SizeC=\"1\" SizeZ=\"2\" SizeT=\"1\"",
             "<TiffData IFD=\"0\"/><TiffData IFD=\"1\"/>"),
         "at one plane", SCRY_EFORMAT},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct made f = stack(false, 2, rows[i].text);
        made_end(&f, at("c.ome.tif"));
        expect_failure(path, rows[i].code, rows[i].expected);
    }
    scry_error err = {0};
    scry_tiff_reader *r; /* renamed, but itself by its UUID */
    struct made f = stack(false, 2,
                          OME("DimensionOrder=\"XYCZT\" SizeC=\"1\" SizeZ=\"2\" "
                              "SizeT=\"1\"",
                              "<TiffData IFD=\"0\" PlaneCount=\"2\"><UUID "
                              "FileName=\"old.tif\">urn:uuid:1</UUID></TiffData>"));
    made_end(&f, at("renamed.ome.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    scry_tiff_close(r);
}

#define BLOCK(z, name)                                                                             \
    "<TiffData IFD=\"0\" FirstZ=\"" #z "\" PlaneCount=\"1\"><UUID FileName=\"" name                \
    "\">urn:uuid:" #z "9</UUID></TiffData>"
#define THREE                                                                                      \
    OME("DimensionOrder=\"XYZCT\" SizeC=\"1\" SizeZ=\"3\" SizeT=\"1\"",                            \
        BLOCK(0, "s0.ome.tif") BLOCK(1, "C:\\data\\s1.ome.tif") BLOCK(2, "/x/s2.ome.tif"))

static void put_text(const char *name, const char *text)
{
    FILE *f = fopen(at(name), "wb");
    fputs(text, f);
    fclose(f);
}

/* Planes of one image in three files, in a folder; opened by the file that has the metadata, by one
 * that names it, and with the metadata in a file of their own. */
static void several_files(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    static const char *const only = "<OME UUID=\"u\"><BinaryOnly MetadataFile=\"%s\"/></OME>";
    char text[200];
    struct made f = stack_from(false, 0, 1, THREE);
    made_end(&f, at("s0.ome.tif"));
    snprintf(text, sizeof text, only, "s0.ome.tif");
    f = stack_from(true, 1, 1, text);
    made_end(&f, at("s1.ome.tif"));
    put_text("s.companion.ome", THREE);
    snprintf(text, sizeof text, only, "s.companion.ome");
    f = stack_from(false, 2, 1, text);
    made_end(&f, at("s2.ome.tif"));
    for (int by = 0; by < 3; by++) {
        static const char *const names[] = {"s0.ome.tif", "s1.ome.tif", "s2.ome.tif"};
        assert_ok(scry_tiff_open(&r, at(names[by]), &err));
        expect_sizes(r, 1, 3, 1);
        assert_int_equal(scry_tiff_describe(r)->files, 3);
        for (size_t z = 3; z-- > 0;)
            expect_plane(r, 0, z, 0, z);
        assert_near(scry_tiff_describe(r)->na, 1.4, 0);
        scry_tiff_close(r);
    }
    f = made_begin(false); /* one of them of another shape */
    uint16_t v[4 * N] = {0};
    made_add(&f,
             &(struct made_page){
                 .x = 2 * X, .y = Y, .bits = 16, .photometric = 1, .pixels = v, .bytes = 4 * N});
    made_end(&f, at("s2.ome.tif"));
    assert_int_equal(scry_tiff_open(&r, at("s0.ome.tif"), &err), SCRY_EFORMAT);
    assert_non_null(strstr(err.text, "s2.ome.tif: page 1 is 14 x 5"));
    unlink(at("s2.ome.tif"));
    expect_failure(at("s0.ome.tif"), SCRY_EIO, "s2.ome.tif cannot be read: No such file");
    unlink(at("s.companion.ome"));
}

/* More files than are open at a time, in an order that needs each of them twice. */
static void many_files(void **state)
{
    (void)state;
    enum { FILES = 40 };
    scry_error err = {0};
    scry_tiff_reader *r;
    char name[32], *blocks = calloc(FILES, 160), *text = malloc(FILES * 160 + 2000);
    for (int i = 0; i < FILES; i++)
        sprintf(blocks + strlen(blocks),
                "<TiffData IFD=\"0\" FirstT=\"%d\"><UUID FileName=\"t%d.ome.tif\">urn:uuid:%d9"
                "</UUID></TiffData>",
                i, i, i);
    sprintf(text, OME("DimensionOrder=\"XYCZT\" SizeC=\"1\" SizeZ=\"1\" SizeT=\"%d\"", "%s"), FILES,
            blocks);
    for (int i = 0; i < FILES; i++) {
        struct made f = stack_from(i % 2, (size_t)i, 1, i ? NULL : text);
        sprintf(name, "t%d.ome.tif", i);
        made_end(&f, at(name));
    }
    assert_ok(scry_tiff_open(&r, at("t0.ome.tif"), &err));
    for (size_t k = 0; k < 2 * FILES; k++)
        expect_plane(r, 0, 0, k * 7 % FILES, k * 7 % FILES);
    unlink(at("t5.ome.tif")); /* while it is closed */
    for (size_t t = 6; t < 30; t++)
        expect_plane(r, 0, 0, t, t);
    float out[N];
    assert_fails(scry_tiff_read_plane(r, 0, 0, 5, out, &err), SCRY_EIO);
    scry_tiff_close(r);
    free(blocks);
    free(text);
}

#define IMAGE(n, name, x, y, um, data)                                                             \
    "<Image ID=\"Image:" #n "\" Name=\"" name "\"><Pixels ID=\"Pixels:" #n                         \
    "\" DimensionOrder=\"XYZCT\" Type=\"uint16\" SizeX=\"" #x "\" SizeY=\"" #y                     \
    "\" SizeC=\"1\" SizeZ=\"1\" SizeT=\"1\" PhysicalSizeX=\"" um "\">" data "</Pixels></Image>"

/* Images of one file differ in shape; the one that was asked for is read, and written from. */
static void series(void **state)
{
    (void)state;
    scry_error err = {0};
    scry_tiff_reader *r;
    scry_tiff_writer *w;
    uint16_t v[N], small[6] = {9, 8, 7, 6, 5, 4};
    float out[N];
    static const char *const text =
        "<OME xmlns=\"x\">" IMAGE(0, "overview", 7, 5, "1.5", "<TiffData IFD=\"0\"/>")
            IMAGE(1, "field", 3, 2, "0.25", "<TiffData IFD=\"1\"/>") "</OME>";
    fill(v, 0, 1);
    struct made f = made_begin(false);
    made_add(&f, &(struct made_page){.x = X,
                                     .y = Y,
                                     .bits = 16,
                                     .photometric = 1,
                                     .description = text,
                                     .pixels = v,
                                     .bytes = sizeof v});
    made_add(&f, &(struct made_page){
                     .x = 3, .y = 2, .bits = 16, .photometric = 1, .pixels = small, .bytes = 12});
    made_end(&f, at("series.ome.tif"));
    assert_ok(scry_tiff_open(&r, path, &err));
    expect_plane(r, 0, 0, 0, 0);
    assert_int_equal(scry_tiff_describe(r)->series, 2);
    assert_string_equal(scry_tiff_series_name(r, 0), "overview");
    assert_string_equal(scry_tiff_series_name(r, 1), "field");
    assert_string_equal(scry_tiff_series_name(r, 2), "");
    assert_true(warned(r, "2 images (series)"));
    scry_tiff_close(r);
    assert_ok(scry_tiff_open_series(&r, path, 1, &err));
    const scry_tiff_info *info = scry_tiff_describe(r);
    assert_int_equal(info->x, 3);
    assert_near(info->pixel_um[2], 0.25, 0);
    assert_ok(scry_tiff_read_plane(r, 0, 0, 0, out, &err));
    assert_near((double)out[5], 4, 0);
    assert_ok(scry_tiff_create(&w, at("field.ome.tif"), info, NULL, &err));
    scry_tiff_close(r);
    assert_ok(scry_tiff_write_plane(w, 0, 0, 0, out, &err));
    assert_ok(scry_tiff_finish(w, NULL, &err));
    assert_ok(scry_tiff_open(&r, path, &err));
    assert_int_equal(scry_tiff_describe(r)->series, 1);
    assert_string_equal(scry_tiff_series_name(r, 0), "field");
    assert_near(scry_tiff_describe(r)->pixel_um[2], 0.25, 0);
    scry_tiff_close(r);
    assert_fails(scry_tiff_open_series(&r, at("series.ome.tif"), 2, &err), SCRY_EINVAL);
}

static void fail_each_allocation(const char *file, size_t z)
{
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        scry_error err = {0};
        scry_tiff_reader *r = NULL;
        float out[N];
        scry_memory_fail_at(n);
        scry_status st = scry_tiff_open(&r, file, &err);
        if (st == SCRY_OK) st = scry_tiff_read_plane(r, 0, z, 0, out, &err);
        failed = st != SCRY_OK;
        if (failed) assert_int_equal(st, SCRY_ENOMEM);
        scry_tiff_close(r);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), 0);
    }
}

static void failed_allocations(void **state)
{
    (void)state;
    struct made f = stack(false, 6,
                          OME("DimensionOrder=\"XYZCT\" SizeC=\"2\" SizeZ=\"3\" "
                              "SizeT=\"1\"",
                              CHANNELS));
    made_end(&f, at("alloc.ome.tif"));
    fail_each_allocation(path, 0);
    for (size_t i = 0; i < 3; i++) {
        char name[16];
        f = stack_from(false, i, 1,
                       i ? "<OME><BinaryOnly MetadataFile=\"s0.ome.tif\"/></OME>" : THREE);
        snprintf(name, sizeof name, "s%zu.ome.tif", i);
        made_end(&f, at(name));
    }
    fail_each_allocation(path, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ome),           cmocka_unit_test(ome_refused),
        cmocka_unit_test(several_files), cmocka_unit_test(many_files),
        cmocka_unit_test(series),        cmocka_unit_test(failed_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
