#include "lib/io/json.h"

#include "lib/atomic_file_impl.h"
#include "lib/memory.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct scry_json {
    cJSON *root;
    bool broken; /* an allocation was refused while the document was built */
    char name[256];
};

static scry_json *json_document(const char *name)
{
    scry_json *doc = scry_alloc(1, sizeof *doc);
    if (doc) snprintf(doc->name, sizeof doc->name, "%s", name);
    return doc;
}

void scry_json_free(scry_json *doc)
{
    if (!doc) return;
    cJSON_Delete(doc->root);
    scry_free(doc);
}

scry_json_node *scry_json_root(const scry_json *doc)
{
    return doc->root;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Readers disagree on which of two equal keys counts, so such files are refused. Sorting keeps a
 * hostile object of many keys from costing its square. */
static scry_status check_keys(const scry_json *doc, const cJSON *node, scry_error *err)
{
    scry_status st = SCRY_OK;
    size_t count = 0;
    const char **keys = NULL;
    for (const cJSON *c = node->child; c; c = c->next, count++)
        if (c->child && (st = check_keys(doc, c, err)) != SCRY_OK) return st;
    if (!cJSON_IsObject(node) || count < 2) return SCRY_OK;
    if (!(keys = scry_alloc(count, sizeof *keys)))
        return SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu keys", doc->name, count);
    count = 0;
    for (const cJSON *c = node->child; c; c = c->next)
        keys[count++] = c->string;
    qsort(keys, count, sizeof *keys, by_text);
    for (size_t i = 1; i < count && st == SCRY_OK; i++)
        if (!strcmp(keys[i - 1], keys[i]))
            st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: key \"%.80s\" appears twice in one object",
                           doc->name, keys[i]);
    scry_free(keys);
    return st;
}

static size_t line_of(const char *text, const char *at)
{
    size_t line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

scry_status scry_json_parse(scry_json **out, const char *text, size_t bytes, const char *name,
                            scry_error *err)
{
    scry_status st = SCRY_OK;
    const char *end = text;
    *out = NULL;
    scry_json *doc = json_document(name);
    if (!doc) return SCRY_FAIL(err, SCRY_ENOMEM, "%s", name);
    doc->root = cJSON_ParseWithLengthOpts(text, bytes, &end, 0);
    if (!doc->root) {
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: not valid JSON near line %zu", name,
                       line_of(text, end && end >= text && end <= text + bytes ? end : text));
        goto done;
    }
    while (end < text + bytes && strchr(" \t\r\n", *end) && *end)
        end++;
    if (end < text + bytes) {
        st = SCRY_FAIL(err, SCRY_EFORMAT, "%s: text after the end of the JSON value, line %zu",
                       name, line_of(text, end));
        goto done;
    }
    if ((st = check_keys(doc, doc->root, err)) != SCRY_OK) goto done;
    *out = doc;
    doc = NULL;
done:
    scry_json_free(doc);
    return st;
}

scry_status scry_json_read(scry_json **out, const char *path, size_t limit, scry_error *err)
{
    scry_status st = SCRY_OK;
    char *text = NULL;
    struct stat info;
    size_t bytes = 0;
    *out = NULL;
    FILE *file = fopen(path, "rb");
    if (!file) return SCRY_FAIL(err, SCRY_EIO, "%s: %s", path, strerror(errno));
    if (fstat(fileno(file), &info) || !S_ISREG(info.st_mode)) {
        st = SCRY_FAIL(err, SCRY_EIO, "%s: not a regular file", path);
        goto done;
    }
    bytes = (size_t)info.st_size;
    if (bytes > limit) {
        st =
            SCRY_FAIL(err, SCRY_EFORMAT, "%s: %zu bytes, expected at most %zu", path, bytes, limit);
        goto done;
    }
    if (!(text = scry_alloc(bytes, 1))) {
        st = SCRY_FAIL(err, SCRY_ENOMEM, "%s: %zu bytes", path, bytes);
        goto done;
    }
    if (fread(text, 1, bytes, file) != bytes) {
        st = SCRY_FAIL(err, SCRY_EIO, "%s: could not read %zu bytes", path, bytes);
        goto done;
    }
    st = scry_json_parse(out, text, bytes, path, err);
done:
    scry_free(text);
    fclose(file);
    return st;
}

scry_status scry_json_create(scry_json **out, scry_error *err)
{
    *out = json_document("report");
    if (*out && !((*out)->root = cJSON_CreateObject())) {
        scry_json_free(*out);
        *out = NULL;
    }
    return *out ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "JSON document");
}

/* Appends the path of `target` below `node` to text; false when it is not below. Only failures pay
 * for this search: nodes know their children and not their parents. */
static bool find_path(const cJSON *node, const cJSON *target, char *text, size_t size)
{
    const size_t at = strlen(text);
    size_t index = 0;
    if (node == target) return true;
    for (const cJSON *c = node->child; c; c = c->next, index++) {
        if (c->string)
            snprintf(text + at, size - at, "%s%.80s", at ? "." : "", c->string);
        else
            snprintf(text + at, size - at, "[%zu]", index);
        if (find_path(c, target, text, size)) return true;
        text[at] = '\0';
    }
    return false;
}

static const char *json_kind(const cJSON *node)
{
    if (cJSON_IsString(node)) return "a string";
    if (cJSON_IsNumber(node)) return "a number";
    if (cJSON_IsBool(node)) return "true or false";
    if (cJSON_IsNull(node)) return "null";
    return cJSON_IsArray(node) ? "an array" : "an object";
}

static scry_status wrong_kind(const scry_json *doc, const cJSON *node, const char *expected,
                              scry_error *err)
{
    char path[200] = "";
    find_path(doc->root, node, path, sizeof path);
    return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s is %s, expected %s", doc->name,
                     path[0] ? path : "the document", json_kind(node), expected);
}

static const cJSON *json_member(const cJSON *object, const char *key)
{
    const cJSON *node = cJSON_GetObjectItemCaseSensitive(object, key);
    return node && !cJSON_IsNull(node) ? node : NULL;
}

bool scry_json_has(const scry_json_node *object, const char *key)
{
    return json_member(object, key) != NULL;
}

/* *out = NULL and OK for an optional key that is not there. */
static scry_status look_up(const scry_json *doc, const cJSON *object, const char *key,
                           scry_json_need need, const cJSON **out, scry_error *err)
{
    char path[200] = "";
    *out = json_member(object, key);
    if (*out || need == SCRY_JSON_OPTIONAL) return SCRY_OK;
    find_path(doc->root, object, path, sizeof path);
    return SCRY_FAIL(err, SCRY_EFORMAT, "%s: %s%s%s is missing", doc->name, path,
                     path[0] ? "." : "", key);
}

scry_status scry_json_to_number(const scry_json *doc, const scry_json_node *node, double *out,
                                scry_error *err)
{
    if (!cJSON_IsNumber(node) || !isfinite(node->valuedouble))
        return wrong_kind(doc, node, "a finite number", err);
    *out = node->valuedouble;
    return SCRY_OK;
}

scry_status scry_json_to_integer(const scry_json *doc, const scry_json_node *node, int64_t low,
                                 int64_t high, int64_t *out, scry_error *err)
{
    char path[200] = "";
    if (!cJSON_IsNumber(node)) return wrong_kind(doc, node, "a whole number", err);
    const double v = node->valuedouble;
    if (v == floor(v) && v >= (double)low && v <= (double)high) {
        *out = (int64_t)v;
        return SCRY_OK;
    }
    find_path(doc->root, node, path, sizeof path);
    return SCRY_FAIL(err, SCRY_EFORMAT,
                     "%s: %s is %.17g, expected a whole number from %" PRId64 " to %" PRId64,
                     doc->name, path, v, low, high);
}

scry_status scry_json_to_string(const scry_json *doc, const scry_json_node *node, const char **out,
                                scry_error *err)
{
    if (!cJSON_IsString(node)) return wrong_kind(doc, node, "a string", err);
    *out = node->valuestring;
    return SCRY_OK;
}

scry_status scry_json_number(const scry_json *doc, const scry_json_node *object, const char *key,
                             scry_json_need need, double *out, scry_error *err)
{
    const cJSON *node;
    const scry_status st = look_up(doc, object, key, need, &node, err);
    return st == SCRY_OK && node ? scry_json_to_number(doc, node, out, err) : st;
}

scry_status scry_json_integer(const scry_json *doc, const scry_json_node *object, const char *key,
                              scry_json_need need, int64_t low, int64_t high, int64_t *out,
                              scry_error *err)
{
    const cJSON *node;
    const scry_status st = look_up(doc, object, key, need, &node, err);
    return st == SCRY_OK && node ? scry_json_to_integer(doc, node, low, high, out, err) : st;
}

scry_status scry_json_string(const scry_json *doc, const scry_json_node *object, const char *key,
                             scry_json_need need, const char **out, scry_error *err)
{
    const cJSON *node;
    const scry_status st = look_up(doc, object, key, need, &node, err);
    return st == SCRY_OK && node ? scry_json_to_string(doc, node, out, err) : st;
}

scry_status scry_json_bool(const scry_json *doc, const scry_json_node *object, const char *key,
                           scry_json_need need, bool *out, scry_error *err)
{
    const cJSON *node;
    const scry_status st = look_up(doc, object, key, need, &node, err);
    if (st != SCRY_OK || !node) return st;
    if (!cJSON_IsBool(node)) return wrong_kind(doc, node, "true or false", err);
    *out = cJSON_IsTrue(node);
    return SCRY_OK;
}

scry_status scry_json_object(const scry_json *doc, const scry_json_node *object, const char *key,
                             scry_json_need need, const scry_json_node **out, scry_error *err)
{
    const cJSON *node;
    const scry_status st = look_up(doc, object, key, need, &node, err);
    if (st != SCRY_OK || !node) return st;
    if (!cJSON_IsObject(node)) return wrong_kind(doc, node, "an object", err);
    *out = node;
    return SCRY_OK;
}

scry_status scry_json_array(const scry_json *doc, const scry_json_node *object, const char *key,
                            scry_json_need need, const scry_json_node **out, scry_error *err)
{
    const cJSON *node;
    const scry_status st = look_up(doc, object, key, need, &node, err);
    if (st != SCRY_OK || !node) return st;
    if (!cJSON_IsArray(node)) return wrong_kind(doc, node, "an array", err);
    *out = node;
    return SCRY_OK;
}

bool scry_json_is_object(const scry_json_node *node)
{
    return cJSON_IsObject(node);
}

bool scry_json_is_array(const scry_json_node *node)
{
    return cJSON_IsArray(node);
}

const char *scry_json_print(const scry_json_node *node, char *buf, size_t size)
{
    /* whole numbers are kept as they are written, since doubles end at 2^53 */
    if (cJSON_IsString(node) || cJSON_IsRaw(node)) return node->valuestring;
    if (cJSON_IsBool(node)) return cJSON_IsTrue(node) ? "yes" : "no";
    if (cJSON_IsNull(node)) return "-";
    const double v = cJSON_IsNumber(node) ? node->valuedouble : NAN;
    if (isnan(v)) return "";
    const bool whole = fabs(v) < 1e15 && rint(v) >= v && rint(v) <= v;
    snprintf(buf, size, whole ? "%.0f" : "%.6g", v);
    return buf;
}

size_t scry_json_count(const scry_json_node *node)
{
    size_t count = 0;
    for (const cJSON *c = node->child; c; c = c->next)
        count++;
    return count;
}

const scry_json_node *scry_json_first(const scry_json_node *node)
{
    return node->child;
}

const scry_json_node *scry_json_next(const scry_json_node *node)
{
    return node->next;
}

const char *scry_json_key(const scry_json_node *node)
{
    return node->string;
}

/* Takes the node over; NULL in marks the document. */
static cJSON *json_attach(scry_json *doc, cJSON *to, const char *key, cJSON *node)
{
    const bool done =
        node && to && (key ? cJSON_AddItemToObject(to, key, node) : cJSON_AddItemToArray(to, node));
    if (done) return node;
    cJSON_Delete(node);
    doc->broken = true;
    return NULL;
}

void scry_json_put_number(scry_json *doc, scry_json_node *to, const char *key, double value)
{
    json_attach(doc, to, key, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

/* Raw digits: through a double, integers beyond 2^53 (a seed) would be rounded. */
void scry_json_put_integer(scry_json *doc, scry_json_node *to, const char *key, int64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRId64, value);
    json_attach(doc, to, key, cJSON_CreateRaw(digits));
}

void scry_json_put_unsigned(scry_json *doc, scry_json_node *to, const char *key, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    json_attach(doc, to, key, cJSON_CreateRaw(digits));
}

void scry_json_put_bool(scry_json *doc, scry_json_node *to, const char *key, bool value)
{
    json_attach(doc, to, key, cJSON_CreateBool(value));
}

void scry_json_put_string(scry_json *doc, scry_json_node *to, const char *key, const char *value)
{
    json_attach(doc, to, key, cJSON_CreateString(value));
}

scry_json_node *scry_json_put_object(scry_json *doc, scry_json_node *to, const char *key)
{
    return json_attach(doc, to, key, cJSON_CreateObject());
}

scry_json_node *scry_json_put_array(scry_json *doc, scry_json_node *to, const char *key)
{
    return json_attach(doc, to, key, cJSON_CreateArray());
}

scry_status scry_json_text(const scry_json *doc, char **out, scry_error *err)
{
    *out = NULL;
    char *text = doc->broken ? NULL : cJSON_Print(doc->root);
    if (text) {
        const size_t bytes = strlen(text);
        if ((*out = scry_alloc(bytes + 2, 1))) {
            memcpy(*out, text, bytes);
            (*out)[bytes] = '\n';
        }
        cJSON_free(text);
    }
    return *out ? SCRY_OK : SCRY_FAIL(err, SCRY_ENOMEM, "%s: text of the JSON", doc->name);
}

scry_status scry_json_write(const scry_json *doc, const char *path, scry_error *err)
{
    scryi_atomic_file target = {0};
    char *text;
    scry_status st = scry_json_text(doc, &text, err);
    if (st != SCRY_OK) return st;
    if ((st = scryi_atomic_file_create(&target, path, "", err)) != SCRY_OK) goto done;
    FILE *file = fopen(target.temp, "wb");
    bool good = file && fputs(text, file) >= 0;
    if (file && fclose(file)) good = false;
    st = good ? scryi_atomic_file_commit(&target, err)
              : SCRY_FAIL(err, SCRY_EIO, "%s: cannot be written: %s", path, strerror(errno));
done:
    scryi_atomic_file_abandon(&target);
    scry_free(text);
    return st;
}
