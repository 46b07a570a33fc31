/* Reading OME-TIFF: axes, calibration and instrument from the XML, and what is wrong with it. */

#include "tests/tiff_reading.h"

#include "lib/memory.h"

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
        const char *text, *words;
        scry_status code;
    } rows[] = {
        {"<OME UUID=\"u\"><BinaryOnly MetadataFile=\"master.ome.tif\" UUID=\"v\"/></OME>",
         "master.ome.tif", SCRY_EUNSUP},
        {OME("DimensionOrder=\"XYCZT\" SizeC=\"1\" SizeZ=\"2\" SizeT=\"1\"",
             "<TiffData IFD=\"0\"><UUID FileName=\"other.tif\">urn:uuid:2</UUID></TiffData>"),
         "other.tif", SCRY_EUNSUP},
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
        expect_failure(path, rows[i].code, rows[i].words);
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

static void failed_allocations(void **state)
{
    (void)state;
    struct made f = stack(false, 6,
                          OME("DimensionOrder=\"XYZCT\" SizeC=\"2\" SizeZ=\"3\" "
                              "SizeT=\"1\"",
                              CHANNELS));
    made_end(&f, at("alloc.ome.tif"));
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        scry_error err = {0};
        scry_tiff_reader *r = NULL;
        float out[N];
        scry_memory_fail_at(n);
        scry_status st = scry_tiff_open(&r, path, &err);
        if (st == SCRY_OK) st = scry_tiff_read_plane(r, 0, 0, 0, out, &err);
        failed = st != SCRY_OK;
        if (failed) assert_int_equal(st, SCRY_ENOMEM);
        scry_tiff_close(r);
        scry_memory_fail_at(0);
        assert_int_equal(scry_memory_live(), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ome),
        cmocka_unit_test(ome_refused),
        cmocka_unit_test(failed_allocations),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
