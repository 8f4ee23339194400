#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Symbols of a linked image as an assembly table, for backtraces: symbols.sh <elf> > symbols.S
set -eu
nm -n "$1" | awk '
    BEGIN { n = 0 }
    $3 == "image_start" { base = $1 }
    ($2 == "T" || $2 == "t") && $1 ~ /^ffffffff8/ && $3 !~ /^\./ { addr[n] = $1; name[n++] = $3 }
    END {
        print ".section .symbols, \"a\""
        print ".globl symbol_count, symbol_offsets, symbol_names"
        print ".align 4\nsymbol_count: .long " n
        print "symbol_offsets:"
        for (i = 0; i < n; i++) printf ".long 0x%s - 0x%s\n", addr[i], base
        print "symbol_names:"
        for (i = 0; i < n; i++) printf ".asciz \"%s\"\n", name[i]
        print ".section .note.GNU-stack, \"\", @progbits"
    }'
