#include "lib/io/json.h"
#include "lib/memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Parse, ask every member of the root for every type, print again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scry_json *doc;
    char *text = NULL;
    if (size > 65536) return 0;
    if (scry_json_parse(&doc, (const char *)data, size, "fuzz", NULL) != SCRY_OK) return 0;
    const scry_json_node *root = scry_json_root(doc), *node;
    for (const scry_json_node *n = scry_json_first(root); n; n = scry_json_next(n)) {
        scry_error err = {0};
        const char *key = scry_json_key(n), *word;
        double number;
        int64_t whole;
        bool flag;
        scry_json_to_number(doc, n, &number, &err);
        scry_json_to_integer(doc, n, -5, 5, &whole, &err);
        if (!key) continue;
        scry_json_bool(doc, root, key, SCRY_JSON_REQUIRED, &flag, &err);
        scry_json_string(doc, root, key, SCRY_JSON_OPTIONAL, &word, &err);
        scry_json_array(doc, root, key, SCRY_JSON_REQUIRED, &node, &err);
        scry_json_object(doc, root, key, SCRY_JSON_REQUIRED, &node, &err);
    }
    scry_json_text(doc, &text, NULL);
    scry_free(text);
    scry_json_free(doc);
    return 0;
}
