#ifndef SCRY_LIB_IO_JSON_H
#define SCRY_LIB_IO_JSON_H

#include "lib/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* JSON documents (cJSON): read with a bound on their size, typed getters whose errors name the key
 * and the type expected, and a writer for reports. A document owns its nodes; nodes are borrowed
 * until the document is freed. */
typedef struct scry_json scry_json;
typedef struct cJSON scry_json_node;

/* The document in `bytes` characters of text. `name` is used in messages ("config.json").
 * EFORMAT: not JSON (with the line), text after the end, a key twice in one object. */
scry_status scry_json_parse(scry_json **out, const char *text, size_t bytes, const char *name,
                            scry_error *err);

/* A file of at most `limit` bytes. EIO: not readable; EFORMAT: larger than limit, or as parse. */
scry_status scry_json_read(scry_json **out, const char *path, size_t limit, scry_error *err);

/* A new document that holds an empty object. */
scry_status scry_json_create(scry_json **out, scry_error *err);

void scry_json_free(scry_json *doc); /* accepts NULL */

scry_json_node *scry_json_root(const scry_json *doc);

/* Members of objects. A key whose value is null counts as absent. EFORMAT for a required key that
 * is absent; an optional one leaves *out unchanged. EFORMAT also for another type, named with the
 * path of the key ("model.json: layers[2].size is a string, expected a whole number"). */
typedef enum scry_json_need { SCRY_JSON_OPTIONAL = 0, SCRY_JSON_REQUIRED = 1 } scry_json_need;
bool scry_json_has(const scry_json_node *object, const char *key);
scry_status scry_json_number(const scry_json *doc, const scry_json_node *object, const char *key,
                             scry_json_need need, double *out, scry_error *err);
/* A whole number within low..high, both within +-2^53. */
scry_status scry_json_integer(const scry_json *doc, const scry_json_node *object, const char *key,
                              scry_json_need need, int64_t low, int64_t high, int64_t *out,
                              scry_error *err);
scry_status scry_json_bool(const scry_json *doc, const scry_json_node *object, const char *key,
                           scry_json_need need, bool *out, scry_error *err);
scry_status scry_json_string(const scry_json *doc, const scry_json_node *object, const char *key,
                             scry_json_need need, const char **out, scry_error *err);
scry_status scry_json_object(const scry_json *doc, const scry_json_node *object, const char *key,
                             scry_json_need need, const scry_json_node **out, scry_error *err);
scry_status scry_json_array(const scry_json *doc, const scry_json_node *object, const char *key,
                            scry_json_need need, const scry_json_node **out, scry_error *err);

bool scry_json_is_object(const scry_json_node *node);
bool scry_json_is_array(const scry_json_node *node);

/* A value for people: a string as it is, a number with 6 digits, yes or no, "-" for null; "" for
 * objects and arrays. buf holds numbers: 32 characters. */
const char *scry_json_print(const scry_json_node *node, char *buf, size_t size);

/* Children of an array or object, in order: first, next (NULL at the end), and their key. */
size_t scry_json_count(const scry_json_node *node);
const scry_json_node *scry_json_first(const scry_json_node *node);
const scry_json_node *scry_json_next(const scry_json_node *node);
const char *scry_json_key(const scry_json_node *node); /* NULL for elements of arrays */

/* The value of a node itself, as the getters above. */
scry_status scry_json_to_number(const scry_json *doc, const scry_json_node *node, double *out,
                                scry_error *err);
scry_status scry_json_to_integer(const scry_json *doc, const scry_json_node *node, int64_t low,
                                 int64_t high, int64_t *out, scry_error *err);
scry_status scry_json_to_string(const scry_json *doc, const scry_json_node *node, const char **out,
                                scry_error *err);

/* Writing. `key` NULL appends to an array. A refused allocation marks the document, and
 * scry_json_text and scry_json_write report it: a report is built without a check per line.
 * Numbers that are not finite become null, as JSON cannot express them. */
void scry_json_put_number(scry_json *doc, scry_json_node *to, const char *key, double value);
void scry_json_put_integer(scry_json *doc, scry_json_node *to, const char *key, int64_t value);
void scry_json_put_unsigned(scry_json *doc, scry_json_node *to, const char *key, uint64_t value);
void scry_json_put_bool(scry_json *doc, scry_json_node *to, const char *key, bool value);
void scry_json_put_string(scry_json *doc, scry_json_node *to, const char *key, const char *value);
scry_json_node *scry_json_put_object(scry_json *doc, scry_json_node *to, const char *key);
scry_json_node *scry_json_put_array(scry_json *doc, scry_json_node *to, const char *key);

/* The document as indented text ending in a newline; release with scry_free. */
scry_status scry_json_text(const scry_json *doc, char **out, scry_error *err);

/* The same into a file, which appears whole by rename or not at all; an existing one is replaced.
 */
scry_status scry_json_write(const scry_json *doc, const char *path, scry_error *err);

#endif
