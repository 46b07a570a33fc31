#include "apps/recon/options_report.h"

void scry_options_report(scry_json *d, scry_json_node *to, const scry_options *options)
{
    scry_json_node *list = scry_json_put_object(d, to, "options");
    for (const scry_option *o = options->method->options; o->name; o++) {
        double value = 0;
        char word[40];
        scry_options_get(options, o->name, &value, NULL);
        if (o->choices)
            scry_json_put_string(d, list, o->name, scry_option_print(o, value, word, sizeof word));
        else
            scry_json_put_number(d, list, o->name, value);
    }
}
