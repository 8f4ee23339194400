/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The walk. AML is a prefix notation: an opcode says which operands follow, and what holds other things says how long
 * it is. The one thing the bytes do not tell is how many arguments a method takes, so behind a name in a term list any
 * number of data objects is taken for its arguments. What defines objects is recognised only in a term list.
 */
#include "aml_scan.h"

#include <torii/lib.h>

#define DEPTH_MAX 64

/* §20.3. Extended opcodes, behind 0x5b, are written as 0x5bxx. */
#define OP_NAME       0x08
#define OP_STRING     0x0d
#define OP_SCOPE      0x10
#define OP_METHOD     0x14
#define OP_DUAL_NAME  0x2e
#define OP_MULTI_NAME 0x2f
#define OP_EXTENDED   0x5b
#define OP_ROOT       0x5c
#define OP_PARENT     0x5e
#define OP_IF         0xa0
#define OP_ELSE       0xa1
#define OP_WHILE      0xa2
#define OP_REGION     0x5b80
#define OP_DEVICE     0x5b82
#define OP_PROCESSOR  0x5b83
#define OP_POWER_RES  0x5b84
#define OP_THERMAL    0x5b85

/*
 * Operands of an opcode: b w d q raw bytes (1, 2, 4, 8), s string, n name, t expression (a target may be the null name,
 * one null byte, which is also the constant 0), k length to be skipped. Leading '=': a data object, '*': has a case of
 * its own where it stands.
 */
static const struct {
    u16 opcode;
    char operands[8];
} opcodes[] = {
    {0x00, "="},     {0x01, "="},      {0x06, "nn"},     {0x08, "*"},      {0x0a, "=b"},       {0x0b, "=w"},
    {0x0c, "=d"},    {0x0d, "=s"},     {0x0e, "=q"},     {0x10, "*"},      {0x11, "=k"},       {0x12, "=k"},
    {0x13, "=k"},    {0x14, "*"},      {0x15, "nbb"},    {0x60, "="},      {0x61, "="},        {0x62, "="},
    {0x63, "="},     {0x64, "="},      {0x65, "="},      {0x66, "="},      {0x67, "="},        {0x68, "="},
    {0x69, "="},     {0x6a, "="},      {0x6b, "="},      {0x6c, "="},      {0x6d, "="},        {0x6e, "="},
    {0x70, "tt"},    {0x71, "t"},      {0x72, "ttt"},    {0x73, "ttt"},    {0x74, "ttt"},      {0x75, "t"},
    {0x76, "t"},     {0x77, "ttt"},    {0x78, "tttt"},   {0x79, "ttt"},    {0x7a, "ttt"},      {0x7b, "ttt"},
    {0x7c, "ttt"},   {0x7d, "ttt"},    {0x7e, "ttt"},    {0x7f, "ttt"},    {0x80, "tt"},       {0x81, "tt"},
    {0x82, "tt"},    {0x83, "t"},      {0x84, "ttt"},    {0x85, "ttt"},    {0x86, "tt"},       {0x87, "t"},
    {0x88, "ttt"},   {0x89, "tbtbtt"}, {0x8a, "ttn"},    {0x8b, "ttn"},    {0x8c, "ttn"},      {0x8d, "ttn"},
    {0x8e, "t"},     {0x8f, "ttn"},    {0x90, "tt"},     {0x91, "tt"},     {0x92, "t"},        {0x93, "tt"},
    {0x94, "tt"},    {0x95, "tt"},     {0x96, "tt"},     {0x97, "tt"},     {0x98, "tt"},       {0x99, "tt"},
    {0x9c, "ttt"},   {0x9d, "tt"},     {0x9e, "tttt"},   {0x9f, ""},       {0xa0, "*"},        {0xa1, "*"},
    {0xa2, "*"},     {0xa3, ""},       {0xa4, "t"},      {0xa5, ""},       {0xcc, ""},         {0xff, "="},
    {0x5b01, "nb"},  {0x5b02, "n"},    {0x5b12, "tt"},   {0x5b13, "tttn"}, {0x5b1f, "tttttt"}, {0x5b20, "nt"},
    {0x5b21, "t"},   {0x5b22, "t"},    {0x5b23, "tw"},   {0x5b24, "t"},    {0x5b25, "tt"},     {0x5b26, "t"},
    {0x5b27, "t"},   {0x5b28, "tt"},   {0x5b29, "tt"},   {0x5b2a, "t"},    {0x5b30, "="},      {0x5b31, "="},
    {0x5b32, "bdt"}, {0x5b33, "="},    {0x5b80, "*"},   {0x5b81, "k"},    {0x5b82, "*"},      {0x5b83, "*"},
    {0x5b84, "*"},   {0x5b85, "*"},    {0x5b86, "k"},    {0x5b87, "k"},    {0x5b88, "nttt"},
};

struct scan {
    const u8 *aml;
    size_t at, end; /* end: of the innermost package */
    unsigned depth;
    bool called; /* a name stood where it may have been a call: data may follow */
    struct aml_name scope;
    aml_visit_fn *visit;
    void *ctx;
};

static bool term_list(struct scan *s);
static bool expression(struct scan *s);

static bool take(struct scan *s, size_t bytes)
{
    if (s->end - s->at < bytes)
        return false;
    s->at += bytes;
    return true;
}

/* §20.2.4: the length counts its own bytes. *package_end is where what it covers ends. */
static bool pkg_length(struct scan *s, size_t *package_end)
{
    size_t start = s->at, length;
    unsigned more;
    u8 lead;

    if (!take(s, 1))
        return false;
    lead = s->aml[start];
    more = lead >> 6;
    /* Bits 5:4 are reserved when more bytes follow. */
    if (!take(s, more) || (more && lead & 0x30))
        return false;
    length = more ? lead & 0xf : lead & 0x3f;
    for (unsigned i = 0; i < more; i++)
        length |= (size_t)s->aml[start + 1 + i] << (4 + 8 * i);
    if (length < 1 + more || length > s->end - start)
        return false;
    *package_end = start + length;
    return true;
}

static bool is_lead_char(u8 c)
{
    return (c >= 'A' && c <= 'Z') || c == '_';
}

static bool take_segments(struct scan *s, unsigned count, struct aml_name *name)
{
    for (; count; count--) {
        const u8 *c = s->aml + s->at;

        if (!take(s, 4) || name->nr == AML_SEGMENTS_MAX || !is_lead_char(c[0]))
            return false;
        for (unsigned i = 1; i < 4; i++)
            if (!is_lead_char(c[i]) && !(c[i] >= '0' && c[i] <= '9'))
                return false;
        memcpy(name->segment[name->nr++], c, 4);
    }
    return true;
}

/* §20.2.2. The name is taken as relative to the scope: right for what a table defines, not for what it searches. */
static bool name_string(struct scan *s, struct aml_name *name)
{
    u8 c;

    *name = s->scope;
    if (s->at < s->end && s->aml[s->at] == OP_ROOT) {
        name->nr = 0;
        s->at++;
    }
    while (s->at < s->end && s->aml[s->at] == OP_PARENT) {
        if (!name->nr)
            return false;
        name->nr--;
        s->at++;
    }
    if (s->at == s->end)
        return false;
    c = s->aml[s->at];
    if (is_lead_char(c))
        return take_segments(s, 1, name);
    s->at++;
    switch (c) {
    case 0: /* the null name: the scope itself */
        return true;
    case OP_DUAL_NAME:
        return take_segments(s, 2, name);
    case OP_MULTI_NAME:
        return take(s, 1) && s->aml[s->at - 1] && take_segments(s, s->aml[s->at - 1], name);
    }
    return false;
}

static bool starts_name(u8 c)
{
    return is_lead_char(c) || c == OP_ROOT || c == OP_PARENT || c == OP_DUAL_NAME || c == OP_MULTI_NAME;
}

static bool take_string(struct scan *s)
{
    while (s->at < s->end) {
        u8 c = s->aml[s->at++];

        if (!c)
            return true;
        if (c >= 0x80)
            return false;
    }
    return false;
}

/* Its operands, or NULL; the opcode itself is taken. */
static const char *take_opcode(struct scan *s, unsigned *opcode)
{
    if (!take(s, 1))
        return NULL;
    *opcode = s->aml[s->at - 1];
    if (*opcode == OP_EXTENDED) {
        if (!take(s, 1))
            return NULL;
        *opcode = *opcode << 8 | s->aml[s->at - 1];
    }
    for (unsigned i = 0; i < ARRAY_SIZE(opcodes); i++)
        if (opcodes[i].opcode == *opcode)
            return opcodes[i].operands;
    return NULL;
}

static bool take_operand(struct scan *s, char kind)
{
    struct aml_name name;
    size_t end;

    switch (kind) {
    case 'b':
        return take(s, 1);
    case 'w':
        return take(s, 2);
    case 'd':
        return take(s, 4);
    case 'q':
        return take(s, 8);
    case 's':
        return take_string(s);
    case 'n':
        return name_string(s, &name);
    case 't':
        return expression(s);
    case 'k':
        if (!pkg_length(s, &end))
            return false;
        s->at = end;
        return true;
    }
    return false;
}

static bool take_operands(struct scan *s, const char *operands)
{
    for (; *operands; operands++)
        if (!take_operand(s, *operands))
            return false;
    return true;
}

/* A name in an expression stands for a value or for a method; its arguments then look like what comes next. */
static bool expression(struct scan *s)
{
    const char *operands;
    struct aml_name name;
    unsigned opcode;
    bool ok;

    if (s->at == s->end || s->depth == DEPTH_MAX)
        return false;
    if (starts_name(s->aml[s->at])) {
        s->called = true;
        return name_string(s, &name);
    }
    operands = take_opcode(s, &opcode);
    if (!operands || *operands == '*')
        return false;
    s->depth++;
    ok = take_operands(s, operands + (*operands == '='));
    s->depth--;
    return ok;
}

/* From here to package_end, below `scope`; then on behind it. */
static bool inside(struct scan *s, size_t package_end, const struct aml_name *scope)
{
    struct aml_name outer_scope = s->scope;
    size_t outer_end = s->end;
    bool ok;

    if (s->depth == DEPTH_MAX)
        return false;
    s->depth++;
    s->scope = *scope;
    s->end = package_end;
    ok = term_list(s);
    s->depth--;
    s->scope = outer_scope;
    s->end = outer_end;
    return ok;
}

static u64 integer_at(const u8 *p, unsigned bytes)
{
    u64 value = 0;

    memcpy(&value, p, bytes);
    return value;
}

/* An expression that is a plain integer or not; s->at is behind it. */
static bool integer_or_not(struct scan *s, bool *is_integer, u64 *value)
{
    static const u8 width[] = {[0x0a] = 1, [0x0b] = 2, [0x0c] = 4, [0x0e] = 8};
    size_t start = s->at;
    u8 op;

    if (!expression(s))
        return false;
    op = s->aml[start];
    *is_integer = op <= 1 || (op < ARRAY_SIZE(width) && width[op]);
    *value = op <= 1 ? op : *is_integer ? integer_at(s->aml + start + 1, width[op]) : 0;
    return true;
}

static bool define_name(struct scan *s, size_t opcode)
{
    struct aml_definition d = {.kind = AML_DEFINES_NAME, .opcode = opcode};
    struct aml_name name;

    if (!name_string(s, &name))
        return false;
    d.name = &name;
    d.body = s->at;
    if (!integer_or_not(s, &d.is_integer, &d.integer))
        return false;
    d.is_string = s->aml[d.body] == OP_STRING;
    d.string = d.body + 1;
    s->visit(s->ctx, &d);
    return true;
}

static bool define_region(struct scan *s, size_t opcode)
{
    struct aml_definition d = {.kind = AML_DEFINES_REGION, .opcode = opcode};
    bool start_known, length_known;
    struct aml_name name;

    if (!name_string(s, &name) || !take(s, 1))
        return false;
    d.name = &name;
    d.space = s->aml[s->at - 1];
    if (!integer_or_not(s, &start_known, &d.integer) || !integer_or_not(s, &length_known, &d.length))
        return false;
    d.is_integer = start_known && length_known;
    s->visit(s->ctx, &d);
    return true;
}

static bool define_method(struct scan *s, size_t opcode)
{
    struct aml_definition d = {.kind = AML_DEFINES_METHOD, .opcode = opcode};
    size_t outer = s->end, package_end;
    struct aml_name name;

    if (!pkg_length(s, &package_end))
        return false;
    s->end = package_end;
    if (!name_string(s, &name) || !take(s, 1))
        return false;
    s->end = outer;
    s->at = package_end;
    d.name = &name;
    s->visit(s->ctx, &d);
    return true;
}

/* §19.6.108: system I/O block of no or six bytes. */
static bool processor_ok(const u8 *fields)
{
    return fields[5] == 0 || fields[5] == 6;
}

/* Scope, Device, Processor, PowerResource, ThermalZone: length, name, `fixed` bytes, term list. */
static bool container(struct scan *s, unsigned op, size_t opcode, size_t fixed)
{
    struct aml_definition d = {.opcode = opcode};
    size_t outer = s->end, package_end;
    struct aml_name name;

    if (!pkg_length(s, &package_end))
        return false;
    s->end = package_end;
    if (!name_string(s, &name))
        return false;
    d.body = s->at;
    if (!take(s, fixed) || (op == OP_PROCESSOR && !processor_ok(s->aml + d.body)))
        return false;
    s->end = outer;
    d.name = &name;
    if (op == OP_PROCESSOR || op == OP_DEVICE) {
        d.kind = op == OP_DEVICE ? AML_DEFINES_DEVICE : AML_DEFINES_PROCESSOR;
        if (op == OP_PROCESSOR) {
            d.processor_id = s->aml[d.body];
            d.p_blk = s->aml[d.body + 5] ? (u32)integer_at(s->aml + d.body + 1, 4) : 0;
        }
        s->visit(s->ctx, &d);
    }
    return inside(s, package_end, &name);
}

/* If, Else, While. */
static bool branch(struct scan *s, bool condition)
{
    size_t outer = s->end, package_end;
    bool ok;

    if (!pkg_length(s, &package_end))
        return false;
    s->end = package_end;
    ok = !condition || expression(s);
    s->end = outer;
    return ok && inside(s, package_end, &s->scope);
}

static bool define(struct scan *s, unsigned op, size_t opcode)
{
    switch (op) {
    case OP_NAME:
        return define_name(s, opcode);
    case OP_METHOD:
        return define_method(s, opcode);
    case OP_REGION:
        return define_region(s, opcode);
    case OP_SCOPE:
    case OP_DEVICE:
    case OP_THERMAL:
        return container(s, op, opcode, 0);
    case OP_PROCESSOR:
        return container(s, op, opcode, 6);
    case OP_POWER_RES:
        return container(s, op, opcode, 3);
    case OP_IF:
    case OP_WHILE:
        return branch(s, true);
    case OP_ELSE:
        return branch(s, false);
    }
    return false;
}

static bool term_list(struct scan *s)
{
    while (s->at < s->end) {
        size_t opcode = s->at;
        const char *operands;
        struct aml_name name;
        unsigned op;
        bool ok;

        if (starts_name(s->aml[s->at])) {
            s->called = true;
            if (!name_string(s, &name))
                return false;
            continue;
        }
        operands = take_opcode(s, &op);
        if (!operands)
            return false;
        if (*operands == '=') {
            ok = s->called && take_operands(s, operands + 1);
        } else if (*operands == '*') {
            s->called = false;
            ok = define(s, op, opcode);
        } else {
            ok = take_operands(s, operands);
        }
        if (!ok)
            return false;
    }
    return true;
}

bool aml_scan(const u8 *aml, size_t bytes, aml_visit_fn *visit, void *ctx, size_t *at)
{
    struct scan s = {.aml = aml, .end = bytes, .visit = visit, .ctx = ctx};
    bool ok = term_list(&s);

    *at = s.at;
    return ok;
}

bool aml_name_equal(const struct aml_name *a, const struct aml_name *b)
{
    return a->nr == b->nr && !memcmp(a->segment, b->segment, 4ul * a->nr);
}

bool aml_name_is_child(const struct aml_name *a, const struct aml_name *b)
{
    return b->nr == a->nr + 1 && !memcmp(a->segment, b->segment, 4ul * a->nr);
}

size_t aml_name_print(const struct aml_name *name, char text[AML_PATH_BYTES])
{
    char *p = text;

    *p++ = '\\';
    for (unsigned i = 0; i < name->nr; i++) {
        unsigned n = 4;

        while (n > 1 && name->segment[i][n - 1] == '_')
            n--;
        if (i)
            *p++ = '.';
        memcpy(p, name->segment[i], n);
        p += n;
    }
    *p = 0;
    return (size_t)(p - text);
}
