/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "asl.h"

static char dir[64], text[1 << 20];

static void path(char *out, size_t size, const char *name)
{
    snprintf(out, size, "%s/%s", dir, name);
}

static void open_dir(void)
{
    strcpy(dir, "/tmp/torii-asl-XXXXXX");
    assert_non_null(mkdtemp(dir));
}

static void run(const char *what)
{
    char command[512];

    snprintf(command, sizeof(command), "cd %s && %s", dir, what);
    assert_int_equal(system(command), 0);
}

static void close_dir(void)
{
    run("rm -r \"$PWD\"");
}

static void store(const char *name, const void *p, size_t bytes)
{
    char file[128];
    FILE *f;

    path(file, sizeof(file), name);
    f = fopen(file, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, bytes, f), bytes);
    fclose(f);
}

static u8 *load(const char *name, size_t *bytes)
{
    char file[128];
    u8 *copy;
    FILE *f;

    path(file, sizeof(file), name);
    f = fopen(file, "rb");
    assert_non_null(f);
    *bytes = fread(text, 1, sizeof(text) - 1, f);
    text[*bytes] = 0;
    fclose(f);
    copy = malloc(*bytes + 1);
    memcpy(copy, text, *bytes + 1);
    return copy;
}

bool asl_available(void)
{
    return system("iasl -v >/dev/null 2>&1") == 0;
}

u8 *asl_compile(const char *source, size_t *bytes)
{
    u8 *aml;

    open_dir();
    store("t.asl", source, strlen(source));
    run("iasl -f -p t t.asl >log 2>&1; test -s t.aml || (cat log; false)");
    aml = load("t.aml", bytes);
    close_dir();
    return aml;
}

const char *asl_disassemble(const void *const table[], const size_t bytes[], unsigned nr, unsigned wanted)
{
    char name[32], command[256], others[128] = "";
    size_t n;

    open_dir();
    for (unsigned i = 0; i < nr; i++) {
        snprintf(name, sizeof(name), "t%u.dat", i);
        store(name, table[i], bytes[i]);
        if (i != wanted)
            snprintf(others + strlen(others), sizeof(others) - strlen(others), "%s%s", *others ? " " : "-e ", name);
    }
    snprintf(command, sizeof(command), "iasl %s -d t%u.dat >log 2>&1 || (cat log; false)", others, wanted);
    run(command);
    free(load("log", &n));
    assert_null(strstr(text, "rror"));
    assert_null(strstr(text, "arning"));
    snprintf(name, sizeof(name), "t%u.dsl", wanted);
    free(load(name, &n));
    assert_null(strstr(text, "ncorrect checksum"));
    close_dir();
    return text;
}
