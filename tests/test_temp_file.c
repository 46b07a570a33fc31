#include "tests/check.h"
#include "tests/scratch.h"

#include "lib/io/json.h"
#include "lib/io/png.h"
#include "lib/io/tiff/tiff.h"
#include "lib/temp_file.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

/* The owners of temporary files, and files that are never replaced. */

/* The name of a new temporary file in the scratch folder, still there. */
static char *make(const char *target)
{
    scry_error err = {0};
    char *temp = NULL;
    assert_ok(scry_temp_file_create(&temp, NULL, scratch(target), ".end", &err));
    return temp;
}

static bool is_there(const char *path)
{
    return !access(path, F_OK);
}

/* An empty file of this name. */
static void touch(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    close(fd);
}

static void names_end_as_asked_and_fit(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'x', 250);
    memcpy(name + 94, "\xc3\xa9\xc3\xa9", 4); /* the cut is not inside of a character */
    name[250] = '\0';
    char *temp = make(name), *other = make(name);
    assert_true(is_there(temp) && is_there(other));
    assert_string_not_equal(temp, other);
    assert_string_equal(temp + strlen(temp) - 4, ".end");
    assert_true(strlen(strrchr(temp, '/') + 1) < 256);
    scry_temp_file_remove(other);
    scry_temp_file_remove(temp);
    scry_temp_file_remove(NULL);
    scry_temp_file_forget(NULL);
}

/* A child makes one and ends without a word. */
static char *left_by_a_child(void)
{
    static char name[400];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    const pid_t child = fork();
    if (!child) {
        char *temp = NULL;
        if (scry_temp_file_create(&temp, NULL, scratch("child.tif"), "", NULL) != SCRY_OK) _exit(1);
        if (write(ends[1], temp, strlen(temp) + 1) < 0) _exit(1);
        _exit(0);
    }
    close(ends[1]);
    assert_true(read(ends[0], name, sizeof name) > 0);
    close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return name;
}

static void what_the_dead_left_is_removed(void **state)
{
    (void)state;
    char *mine = make("mine.tif");
    const char *left = left_by_a_child();
    assert_true(is_there(left));
    assert_int_equal(scry_temp_file_sweep(scratch_folder), 1);
    assert_false(is_there(left));
    assert_true(is_there(mine));
    assert_int_equal(scry_temp_file_sweep(scratch_folder), 0);
    assert_int_equal(scry_temp_file_sweep("/nonexistent"), 0);
    scry_temp_file_remove(mine);
}

/* Field `field` of the owner in a name (.scry-MACHINE-BOOT-SPACE-PID-START-N.part) is `text`. */
static const char *with_field(const char *name, int field, const char *text)
{
    static char out[600];
    const char *at = strstr(name, ".scry-") + 5;
    for (int k = 0; k < field; k++)
        at = strchr(at + 1, '-');
    const char *end = at + 1 + strcspn(at + 1, "-.");
    snprintf(out, sizeof out, "%.*s%s%s", (int)(at + 1 - name), name, text, end);
    return out;
}

/* Files and folders in a folder that was made (0), and a link that leads out of it. */
static void fill_folder(const char *folder, int made)
{
    char path[700];
    assert_int_equal(made, 0);
    for (int k = 0; k < 60; k++) {
        snprintf(path, sizeof path, "%s/a-name-that-fills-buffers-%d", folder, k);
        if (k % 2)
            assert_int_equal(mkdir(path, 0777), 0);
        else
            touch(path);
        if (k % 2) touch(strcat(path, "/inside"));
    }
    snprintf(path, sizeof path, "%s/link", folder);
    assert_int_equal(symlink(scratch_folder, path), 0);
}

static void what_may_be_alive_stays(void **state)
{
    (void)state;
    char *mine = make("mine.tif");
    const struct {
        int field;
        const char *text;
        bool removed;
    } cases[] = {{0, "0badcafe", false}, /* another machine */
                 {1, "0badcafe", true},  /* before this machine was started */
                 {1, "00000000", false}, /* not known */
                 {2, "123", false},      /* another container */
                 {3, "999999999", true}, /* no such process */
                 {4, "12345", true},     /* another process has the number by now */
                 {4, "0", false}};       /* not known */
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char dead[600], path[600]; /* elsewhere: of a process that does not run here */
        const bool elsewhere = cases[i].field == 0 || cases[i].field == 2;
        snprintf(dead, sizeof dead, "%s", elsewhere ? with_field(mine, 3, "999999999") : mine);
        snprintf(path, sizeof path, "%s", with_field(dead, cases[i].field, cases[i].text));
        touch(path);
        assert_int_equal(scry_temp_file_sweep(scratch_folder), cases[i].removed);
        assert_int_equal(is_there(path), !cases[i].removed);
        unlink(path);
    }
    const char *dead = with_field(mine, 3, "999999999");
    assert_int_equal(symlink("/", dead), 0);
    assert_int_equal(scry_temp_file_sweep(scratch_folder), 0); /* neither file nor folder */
    unlink(dead);
    fill_folder(dead, mkdir(dead, 0777));
    assert_int_equal(scry_temp_file_sweep(scratch_folder), 1);
    assert_false(is_there(dead));
    scry_temp_file_remove(mine);
}

static void all_are_removed_at_the_end(void **state)
{
    (void)state;
    const pid_t child = fork();
    if (!child) { /* it cannot make any afterwards */
        char *a = make("a.tif"), *b = make("b.tif"), *c = make("c.tif"), *folder = NULL;
        if (scry_temp_folder_create(&folder, scratch("d.zarr"), NULL) != SCRY_OK) _exit(1);
        fill_folder(folder, 0);
        char kept[400];
        snprintf(kept, sizeof kept, "%s", b);
        scry_temp_file_forget(b);
        scry_temp_file_remove_all();
        const bool good = !is_there(a) && is_there(kept) && !is_there(c) && !is_there(folder);
        unlink(kept);
        _exit(good ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- files that are replaced ---- */

static scry_status write_tiff(const char *path, scry_error *err)
{
    const float pixels[4] = {1, 2, 3, 4};
    scry_tiff_info info;
    scry_tiff_writer *w;
    scry_tiff_info_init(&info, SCRY_TIFF_PLAIN, SCRY_TIFF_F32, &(scry_tiff_axes){.y = 2, .x = 2});
    const scry_tiff_options options = {.force = true};
    scry_status st = scry_tiff_create(&w, path, &info, &options, err);
    if (st != SCRY_OK) return st;
    st = scry_tiff_write_plane(w, 0, 0, 0, pixels, err);
    if (st == SCRY_OK) return scry_tiff_finish(w, NULL, err);
    scry_tiff_abort(w);
    return st;
}

static scry_status write_png(const char *path, scry_error *err)
{
    const uint8_t pixels[4] = {1, 2, 3, 4};
    return scry_png_write_grey(path, pixels, 2, 2, err);
}

static scry_status write_json(const char *path, scry_error *err)
{
    scry_json *doc;
    scry_status st = scry_json_create(&doc, err);
    if (st != SCRY_OK) return st;
    st = scry_json_write(doc, path, err);
    scry_json_free(doc);
    return st;
}

typedef scry_status writer(const char *path, scry_error *err);
static writer *const writers[] = {write_tiff, write_png, write_json};

static void only_files_are_replaced(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(mkfifo(scratch("fifo"), 0666), 0);
    assert_int_equal(mkdir(scratch("folder"), 0777), 0);
    assert_int_equal(symlink("nowhere", scratch("dangling")), 0);
    assert_int_equal(symlink("/dev/null", scratch("device")), 0);
    const int before = scratch_count();
    for (size_t k = 0; k < sizeof writers / sizeof *writers; k++) {
        const struct {
            const char *name, *said;
        } kinds[] = {{"fifo", "is a FIFO"},
                     {"folder", "is a folder"},
                     {"dangling", "is a link to a file that is not there"},
                     {"device", "is a device"}};
        for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
            scry_error err = {0};
            assert_int_equal(writers[k](scratch(kinds[i].name), &err), SCRY_EINVAL);
            assert_non_null(strstr(err.text, kinds[i].said));
        }
    }
    assert_int_equal(scratch_count(), before);
    assert_true(!stat(scratch("fifo"), &info) && S_ISFIFO(info.st_mode));
    rmdir(scratch("folder"));
}

static void a_link_to_a_file_stays_a_link(void **state)
{
    (void)state;
    struct stat info;
    scry_error err = {0};
    assert_int_equal(mkdir(scratch("links"), 0777), 0);
    touch(scratch("real"));
    assert_int_equal(symlink("../real", scratch("links/link")), 0);
    for (size_t k = 0; k < sizeof writers / sizeof *writers; k++) {
        assert_int_equal(truncate(scratch("real"), 0), 0);
        assert_ok(writers[k](scratch("links/link"), &err));
        assert_true(!lstat(scratch("links/link"), &info) && S_ISLNK(info.st_mode));
        assert_true(!stat(scratch("real"), &info) && info.st_size > 0);
    }
    unlink(scratch("links/link"));
    rmdir(scratch("links"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_end_as_asked_and_fit, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(what_the_dead_left_is_removed, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(what_may_be_alive_stays, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(all_are_removed_at_the_end, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(only_files_are_replaced, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(a_link_to_a_file_stays_a_link, scratch_open, scratch_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
