#include "apps/cli/expression.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

/* Recursive descent over  sum = product {(+|-) product},  product = factor {(*|/) factor},
 * factor = -factor | number | x | ( sum ). */
struct affine {
    double a, b;
};
struct parser {
    const char *text, *at;
    scry_error *err;
    scry_status status;
    int depth; /* of signs and parentheses, each a call inside a call */
};
enum { DEEPEST = 64 };

static struct affine parse_sum(struct parser *p);

static char expression_peek(struct parser *p)
{
    while (isspace((unsigned char)*p->at))
        p->at++;
    return *p->at;
}

static void expression_refuse(struct parser *p, const char *what)
{
    if (p->status == SCRY_OK)
        p->status = SCRY_FAIL(p->err, SCRY_EINVAL,
                              "'%.60s' at column %d: %s, expected a x + b such as '(x-100)*0.5'",
                              p->text, (int)(p->at - p->text) + 1, what);
}

static struct affine parse_factor(struct parser *p)
{
    struct affine r = {0, 0};
    char c = expression_peek(p);
    if ((c == '-' || c == '(') && ++p->depth > DEEPEST) {
        expression_refuse(p, "more than 64 signs and parentheses");
        return r;
    }
    if (c == '-') {
        p->at++;
        r = parse_factor(p);
        return (struct affine){-r.a, -r.b};
    }
    if (c == 'x') {
        p->at++;
        return (struct affine){1, 0};
    }
    if (c == '(') {
        p->at++;
        r = parse_sum(p);
        if (expression_peek(p) != ')')
            expression_refuse(p, "missing ')'");
        else
            p->at++;
        return r;
    }
    char *end;
    r.b = strtod(p->at, &end);
    if (end == p->at || !isfinite(r.b))
        expression_refuse(p, c ? "not a number, x or '('" : "ends too soon");
    p->at = end;
    return r;
}

static struct affine parse_product(struct parser *p)
{
    struct affine l = parse_factor(p);
    char c;
    while (p->status == SCRY_OK && ((c = expression_peek(p)) == '*' || c == '/')) {
        p->at++;
        struct affine r = parse_factor(p);
        if (c == '/' && (r.a != 0 || r.b == 0))
            expression_refuse(p, r.a != 0 ? "division by x" : "division by 0");
        else if (c == '/')
            l = (struct affine){l.a / r.b, l.b / r.b};
        else if (l.a != 0 && r.a != 0)
            expression_refuse(p, "x * x");
        else
            l = (struct affine){l.a * r.b + l.b * r.a, l.b * r.b};
    }
    return l;
}

static struct affine parse_sum(struct parser *p)
{
    struct affine l = parse_product(p);
    char c;
    while (p->status == SCRY_OK && ((c = expression_peek(p)) == '+' || c == '-')) {
        p->at++;
        struct affine r = parse_product(p);
        const double sign = c == '+' ? 1 : -1;
        l = (struct affine){l.a + sign * r.a, l.b + sign * r.b};
    }
    return l;
}

scry_status affine_parse(const char *text, double *a, double *b, scry_error *err)
{
    struct parser p = {.text = text, .at = text, .err = err};
    struct affine r = parse_sum(&p);
    if (p.status == SCRY_OK && expression_peek(&p)) expression_refuse(&p, "unexpected text");
    *a = r.a;
    *b = r.b;
    return p.status;
}
