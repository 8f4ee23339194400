/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the compiler calls where -fsanitize=undefined finds a violation (`make UBSAN=1`). Every one of them ends in a
 * panic that names the kind and the place. The interface is the compilers' runtime's: each first argument begins with
 * the place.
 */
#include <torii/lib.h>
#include <torii/log.h>

#if TORII_UBSAN

struct ubsan_place {
    const char *file;
    u32 line, column;
};

#define UBSAN(name, kind)                                                                                              \
    void noreturn_fn __ubsan_handle_##name(const struct ubsan_place *at);                                              \
    void noreturn_fn __ubsan_handle_##name(const struct ubsan_place *at)                                               \
    {                                                                                                                  \
        panic("undefined behaviour: " kind " at %s:%u:%u\n", at->file, at->line, at->column);                          \
    }

UBSAN(add_overflow, "signed addition overflows")
UBSAN(sub_overflow, "signed subtraction overflows")
UBSAN(mul_overflow, "signed multiplication overflows")
UBSAN(negate_overflow, "negation overflows")
UBSAN(divrem_overflow, "division by zero or overflow")
UBSAN(shift_out_of_bounds, "shift by too much or of a negative number")
UBSAN(out_of_bounds, "index out of bounds")
UBSAN(pointer_overflow, "pointer arithmetic overflows")
UBSAN(load_invalid_value, "value its type does not have")
UBSAN(vla_bound_not_positive, "array of no or negative size")
UBSAN(invalid_builtin, "count of zeros of 0")
UBSAN(builtin_unreachable, "unreachable code is reached")
UBSAN(missing_return, "function ends without a value")
UBSAN(alignment_assumption, "pointer not aligned as promised")
UBSAN(function_type_mismatch, "call of a function of another type")

/* Null or misaligned pointers, objects too small; the pointer says which. */
struct ubsan_type_mismatch {
    struct ubsan_place at;
    const void *type;
    u8 log_alignment, kind;
};

void noreturn_fn __ubsan_handle_type_mismatch_v1(const struct ubsan_type_mismatch *what, u64 pointer);
void noreturn_fn __ubsan_handle_type_mismatch_v1(const struct ubsan_type_mismatch *what, u64 pointer)
{
    const char *kind = !pointer                                       ? "null pointer"
                       : pointer & ((1ull << what->log_alignment) - 1) ? "misaligned pointer"
                                                                      : "object too small";

    panic("undefined behaviour: %s (%#lx) at %s:%u:%u\n", kind, pointer, what->at.file, what->at.line,
          what->at.column);
}

#endif
