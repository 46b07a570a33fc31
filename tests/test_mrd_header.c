#include "tests/check.h"

#include "lib/io/kspace/mrd_header_impl.h"
#include "lib/memory.h"

#include <string.h>

#define SPACE(which, x, y, z)                                                                      \
    "<" which "><matrixSize><x>" x "</x><y>" y "</y><z>" z "</z></matrixSize>"                     \
    "<fieldOfView_mm><x>440.5</x><y>220</y><z>5</z></fieldOfView_mm></" which ">"
#define ROOT "<ismrmrdHeader xmlns=\"http://www.ismrm.org/ISMRMRD\">"
#define LIMIT(which, low, high, at)                                                                \
    "<" which "><center>" at "</center><minimum>" low "</minimum><maximum>" high                   \
    "</maximum></" which ">"
#define ENCODING(spaces) ROOT "<encoding>" spaces "</encoding></ismrmrdHeader>"
#define GOOD SPACE("encodedSpace", "640", "368", "1") SPACE("reconSpace", "320", "320", "1")

static scry_status parse(scryi_mrd_header *h, const char *text, scry_error *err)
{
    return scryi_mrd_parse(h, text, strlen(text), "scan.h5: xml", err);
}

static void everything_is_read(void **state)
{
    (void)state;
    scry_error err = {0};
    scryi_mrd_header h;
    /* a prefix, another order, another case, blanks, a comment, two encodings */
    assert_ok(parse(
        &h,
        "<?xml version=\"1.0\" encoding=\"us-ascii\"?>\n"
        "<m:ismrmrdHeader xmlns:m=\"http://www.ismrm.org/ISMRMRD\">"
        "<m:sequenceParameters><m:TE>3.5</m:TE><m:TR>2500</m:TR><m:TR>9</m:TR>"
        "</m:sequenceParameters>"
        "<m:encoding><m:trajectory>\n  Cartesian </m:trajectory><!-- first -->"
        "<m:reconSpace><m:fieldOfView_mm><m:z>5</m:z><m:y>220.25</m:y><m:x>230</m:x>"
        "</m:fieldOfView_mm><m:matrixSize><m:z>7</m:z><m:y>32</m:y><m:x>31</m:x></m:matrixSize>"
        "</m:reconSpace><m:encodedSpace><m:matrixSize><m:y>36</m:y><m:x> 64 </m:x></m:matrixSize>"
        "</m:encodedSpace><m:encodingLimits>"
        "<m:set><m:maximum>2</m:maximum></m:set>"
        "<m:kspace_encoding_step_1><m:maximum>30</m:maximum><m:minimum>1</m:minimum>"
        "<m:center>15</m:center></m:kspace_encoding_step_1></m:encodingLimits></m:encoding>"
        "<m:encoding>"
        "<encodedSpace><matrixSize><x>4</x><y>5</y><z>6</z></matrixSize>"
        "</encodedSpace><reconSpace><matrixSize><x>1</x><y>2</y><z>3</z></matrixSize></reconSpace>"
        "</m:encoding>"
        "<m:acquisitionSystemInformation><m:systemModel>Skyra &amp; Co</m:systemModel>"
        "<m:systemVendor>SIEMENS</m:systemVendor><m:receiverChannels>16</m:receiverChannels>"
        "<m:relativeReceiverNoiseBandwidth>0.79</m:relativeReceiverNoiseBandwidth>"
        "<m:systemFieldStrength_T>2.89</m:systemFieldStrength_T>"
        "</m:acquisitionSystemInformation>"
        "<m:measurementInformation><m:protocolName>AXT2</m:protocolName></m:measurementInformation>"
        "</m:ismrmrdHeader>",
        &err));
    assert_int_equal(h.encodings, 2);
    assert_string_equal(h.vendor, "SIEMENS");
    assert_string_equal(h.model, "Skyra & Co");
    assert_string_equal(h.protocol, "AXT2");
    assert_int_equal(h.channels, 16);
    assert_near(h.noise_bandwidth, 0.79, 0);
    assert_near(h.field_strength, 2.89, 0);
    assert_near(h.tr, 2500, 0);
    assert_near(h.te, 3.5, 0);
    const scryi_mrd_encoding *e = &h.encoding[0];
    assert_memory_equal(e->encoded, ((size_t[]){1, 36, 64}), sizeof e->encoded);
    assert_memory_equal(e->recon, ((size_t[]){7, 32, 31}), sizeof e->recon);
    assert_near(e->encoded_fov[2], 0, 0);
    assert_near(e->recon_fov[0], 5, 0);
    assert_near(e->recon_fov[1], 220.25, 0);
    assert_near(e->recon_fov[2], 230, 0);
    assert_string_equal(e->trajectory, "cartesian");
    const scryi_mrd_limit l = e->limits[SCRYI_MRD_STEP_1], set = e->limits[SCRYI_MRD_SET];
    assert_true(l.stated && l.minimum == 1 && l.maximum == 30 && l.center == 15);
    assert_true(set.stated && set.minimum == 0 && set.maximum == 2 && set.center == 0);
    assert_false(e->limits[SCRYI_MRD_SLICE].stated);
    assert_memory_equal(h.encoding[1].encoded, ((size_t[]){6, 5, 4}), 3 * sizeof(size_t));
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", "not XML"},
        {"kspace", "not XML"},
        {ROOT "<encoding>", "not XML: line 1"},
        {"<svg/>", "<svg>, expected ismrmrdHeader"},
        {ROOT "</ismrmrdHeader>", "no <encoding>"},
        {"<!DOCTYPE a [<!ENTITY b \"c\">]>" ENCODING(GOOD), "document type"},
        {ENCODING(SPACE("encodedSpace", "4", "4", "1")), "encoding/reconSpace/matrixSize"},
        {ENCODING("<encodedSpace/>" GOOD), "encoding/encodedSpace/matrixSize"},
        {ENCODING(SPACE("encodedSpace", "0", "4", "1") SPACE("reconSpace", "1", "1", "1")),
         "encodedSpace/matrixSize/x is \"0\", expected a whole number from 1 to 65535"},
        {ENCODING(SPACE("encodedSpace", "4", "4.5", "1") SPACE("reconSpace", "1", "1", "1")),
         "encodedSpace/matrixSize/y is \"4.5\""},
        {ENCODING(SPACE("encodedSpace", "4", "nan", "1") SPACE("reconSpace", "1", "1", "1")),
         "\"nan\""},
        {ENCODING(SPACE("encodedSpace", "4", "70000", "1") SPACE("reconSpace", "1", "1", "1")),
         "\"70000\""},
        {ENCODING(GOOD "<encodingLimits>" LIMIT("slice", "3", "2", "0") "</encodingLimits>"),
         "encodingLimits/slice: minimum 3 exceeds maximum 2"},
        {ENCODING(GOOD "<encodingLimits>" LIMIT("set", "-1", "2", "0") "</encodingLimits>"),
         "set/minimum is \"-1\""},
        {ROOT "<encoding>" GOOD "</encoding><sequenceParameters><TR>-3</TR>"
              "</sequenceParameters></ismrmrdHeader>",
         "sequenceParameters/TR is \"-3\""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        scry_error err = {0};
        scryi_mrd_header h;
        assert_int_equal(parse(&h, cases[i].text, &err), SCRY_EFORMAT);
        assert_true(!strncmp(err.text, "scan.h5: xml: ", 14));
        if (!strstr(err.text, cases[i].said)) {
            print_error("said \"%s\", expected \"%s\"\n", err.text, cases[i].said);
            fail();
        }
    }
}

static void too_many_encodings_are_refused(void **state)
{
    (void)state;
    static char text[40000];
    scry_error err = {0};
    scryi_mrd_header h;
    strcpy(text, ROOT);
    for (int i = 0; i <= SCRYI_MRD_MAX_ENCODINGS; i++)
        strcat(text, "<encoding>" GOOD "</encoding>");
    strcat(text, "</ismrmrdHeader>");
    assert_fails(parse(&h, text, &err), SCRY_EUNSUP);
}

static void old_encodings_of_text_and_padding_are_read(void **state)
{
    (void)state;
    static const char text[] = ROOT "<acquisitionSystemInformation><systemModel>\xe9t\xe9"
                                    "</systemModel></acquisitionSystemInformation><encoding>" GOOD
                                    "</encoding></ismrmrdHeader>\0\0\0";
    scry_error err = {0};
    scryi_mrd_header h;
    assert_ok(scryi_mrd_parse(&h, text, sizeof text, "x", &err));
    assert_string_equal(h.model, "\xc3\xa9t\xc3\xa9");
}

static const scry_kspace_info fastmri = {.frames = 3,
                                         .slices = 5,
                                         .coils = 4,
                                         .nz = 1,
                                         .ny = 640,
                                         .nx = 371,
                                         .readout = 1,
                                         .recon = {1, 320, 322},
                                         .encoded_fov = {5, 440, 222.5},
                                         .recon_fov = {5.5, 220, 221},
                                         .acquisition = "AXT2 <b>&",
                                         .system = "SIEMENS Skyra",
                                         .field_strength = 2.8936,
                                         .tr = 2500,
                                         .te = 3.52};

static void info_survives_the_text(void **state)
{
    (void)state;
    scry_error err = {0};
    scryi_mrd_header h, back;
    scry_kspace_info info = {.readout = 1};
    char *text;
    scryi_mrd_from_info(&h, &fastmri);
    /* the header's x is the readout, which fastMRI stores along y */
    assert_memory_equal(h.encoding[0].encoded, ((size_t[]){1, 371, 640}), 3 * sizeof(size_t));
    assert_memory_equal(h.encoding[0].recon, ((size_t[]){1, 322, 320}), 3 * sizeof(size_t));
    assert_int_equal(h.encoding[0].limits[SCRYI_MRD_STEP_1].center, 185);
    assert_int_equal(h.encoding[0].limits[SCRYI_MRD_STEP_1].maximum, 370);
    assert_int_equal(h.encoding[0].limits[SCRYI_MRD_REPETITION].maximum, 2);
    assert_int_equal(h.encoding[0].limits[SCRYI_MRD_SLICE].maximum, 4);
    assert_ok(scryi_mrd_format(&text, &h, &err));
    assert_ok(parse(&back, text, &err));
    scry_free(text);
    assert_memory_equal(&h.encoding[0], &back.encoding[0], sizeof h.encoding[0]);
    scryi_mrd_describe(&info, &back, 0);
    assert_string_equal(info.system, fastmri.system);
    assert_string_equal(info.acquisition, fastmri.acquisition);
    assert_string_equal(info.trajectory, "cartesian");
    assert_near(info.field_strength, 2.8936, 1e-9);
    assert_near(info.tr, 2500, 0);
    assert_near(info.te, 3.52, 1e-9);
    for (int i = 0; i < 3; i++) {
        assert_near(info.encoded_fov[i], fastmri.encoded_fov[i], 1e-9);
        assert_near(info.recon_fov[i], fastmri.recon_fov[i], 1e-9);
    }
}

static void text_that_xml_cannot_hold_is_replaced(void **state)
{
    (void)state;
    scry_error err = {0};
    scryi_mrd_header h, back;
    char *text;
    scry_kspace_info info = fastmri;
    snprintf(info.acquisition, sizeof info.acquisition, "a\x01\xe9z");
    scryi_mrd_from_info(&h, &info);
    assert_ok(scryi_mrd_format(&text, &h, &err));
    assert_ok(parse(&back, text, &err));
    scry_free(text);
    assert_string_equal(back.protocol, "a??z");
}

static void text_is_valid_by_the_schema(void **state)
{
    (void)state;
    static const char schema[] = "/usr/share/ismrmrd/schema/ismrmrd.xsd";
    char path[] = "/tmp/scry-mrd-XXXXXX", command[200];
    scry_error err = {0};
    scryi_mrd_header h;
    char *text;
    if (access(schema, R_OK) || system("command -v xmllint >/dev/null")) {
        print_message("skipped: %s or xmllint is not there\n", schema);
        skip();
    }
    scryi_mrd_from_info(&h, &fastmri);
    h.noise_bandwidth = 0.79;
    assert_ok(scryi_mrd_format(&text, &h, &err));
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
    scry_free(text);
    snprintf(command, sizeof command, "xmllint --noout --schema %s %s", schema, path);
    const int said = system(command);
    unlink(path);
    assert_int_equal(said, 0);
}

static void refused_memory_is_reported(void **state)
{
    (void)state;
    scry_error err = {0};
    scryi_mrd_header h;
    char *text;
    scryi_mrd_from_info(&h, &fastmri);
    scry_memory_fail_at(1);
    assert_fails(scryi_mrd_format(&text, &h, &err), SCRY_ENOMEM);
    scry_memory_fail_at(0);
    assert_null(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(too_many_encodings_are_refused),
        cmocka_unit_test(old_encodings_of_text_and_padding_are_read),
        cmocka_unit_test(info_survives_the_text),
        cmocka_unit_test(text_that_xml_cannot_hold_is_replaced),
        cmocka_unit_test(text_is_valid_by_the_schema),
        cmocka_unit_test(refused_memory_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
