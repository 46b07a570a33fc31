#include "lib/io/safetensors.h"

#include "lib/atomic_file_impl.h"
#include "lib/io/json.h"
#include "lib/memory.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* {"name": {"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}, ...} */
static scry_status header_text(char **out, const scry_tensor_out *tensors, size_t count,
                               scry_error *err)
{
    scry_json *doc;
    uint64_t at = 0;
    scry_status st = scry_json_create(&doc, err);
    if (st != SCRY_OK) return st;
    for (size_t i = 0; i < count; i++) {
        const scry_tensor_out *t = &tensors[i];
        scry_json_node *entry = scry_json_put_object(doc, scry_json_root(doc), t->name);
        scry_json_put_string(doc, entry, "dtype", "F32");
        scry_json_node *shape = scry_json_put_array(doc, entry, "shape");
        uint64_t bytes = sizeof(float);
        for (int a = 0; a < t->rank; a++) {
            scry_json_put_unsigned(doc, shape, NULL, t->dims[a]);
            bytes *= t->dims[a];
        }
        scry_json_node *offsets = scry_json_put_array(doc, entry, "data_offsets");
        scry_json_put_unsigned(doc, offsets, NULL, at);
        scry_json_put_unsigned(doc, offsets, NULL, at += bytes);
    }
    st = scry_json_text(doc, out, err);
    scry_json_free(doc);
    return st;
}

static size_t safetensors_count_of(const scry_tensor_out *t)
{
    size_t n = 1;
    for (int a = 0; a < t->rank; a++)
        n *= t->dims[a];
    return n;
}

/* Length, header padded with blanks to a multiple of 8, then the data; little-endian as all
 * processors that this is built for. */
static bool write_all(FILE *file, const char *text, const scry_tensor_out *tensors, size_t count)
{
    const size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    unsigned char word[8];
    for (size_t i = 0; i < 8; i++)
        word[i] = (unsigned char)((uint64_t)padded >> 8 * i);
    bool good = fwrite(word, 1, 8, file) == 8 && fwrite(text, 1, length, file) == length;
    for (size_t i = length; i < padded; i++)
        good = good && fputc(' ', file) != EOF;
    for (size_t i = 0; i < count && good; i++) {
        const size_t n = safetensors_count_of(&tensors[i]);
        good = fwrite(tensors[i].values, sizeof(float), n, file) == n;
    }
    return good && !fflush(file) && !fsync(fileno(file));
}

scry_status scry_safetensors_write(const char *path, const scry_tensor_out *tensors, size_t count,
                                   scry_error *err)
{
    scryi_atomic_file output = {0};
    char *text = NULL;
    scry_status st = header_text(&text, tensors, count, err);
    if (st == SCRY_OK) st = scryi_atomic_file_create(&output, path, "", err);
    if (st != SCRY_OK) goto done;
    FILE *file = fopen(output.temp, "wb");
    bool good = file && write_all(file, text, tensors, count);
    const int reason = errno;
    if (file && fclose(file)) good = false;
    st = good ? scryi_atomic_file_commit(&output, err)
              : SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(reason));
done:
    scryi_atomic_file_abandon(&output);
    scry_free(text);
    return st;
}
