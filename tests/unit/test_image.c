/* SPDX-License-Identifier: BSD-2-Clause */
/* links: src/domain/elf.c src/core/refusal.c tests/unit/make_images.c */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include <torii/errno.h>
#include <torii/image.h>

#include "make_images.h"

static struct made_elf made;
static struct elf_image elf;
static struct refusal why;

/* Parse from a block of exactly the image's size, so that ASan sees reads beyond. */
static int parse(void)
{
    static u8 *copy;

    free(copy);
    copy = malloc(made.size ? made.size : 1);
    memcpy(copy, made.bytes, made.size);
    return elf_parse(copy, made.size, &elf, &why);
}

static int parse_recipe(const struct elf_recipe *r)
{
    make_elf(&made, r);
    return parse();
}

static void expect_refusal(const struct elf_recipe *r, const char *part)
{
    assert_int_equal(parse_recipe(r), -XEN_EINVAL);
    assert_non_null(strstr(why.line, part));
}

static void an_elf64_kernel_is_read(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.segment[1] = (struct made_segment){0x1008000, 0x100, 0x100};
    assert_int_equal(parse_recipe(&r), 0);
    assert_string_equal(why.line, "");
    assert_true(elf.is64);
    assert_int_equal(elf.nr_segments, 2);
    assert_int_equal(elf.start, 0x1000000);
    assert_int_equal(elf.end, 0x1008100);
    assert_int_equal(elf.entry, 0x1000100);
    assert_false(elf.relocatable);
    assert_true(elf.has_features);
    assert_int_equal(elf.features, 0x8801);
    assert_false(elf.bsd_symtab);
}

static void an_elf32_kernel_is_read(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.is64 = false;
    r.entry_bytes = 4;
    assert_int_equal(parse_recipe(&r), 0);
    assert_false(elf.is64);
    assert_int_equal(elf.start, 0x1000000);
    assert_int_equal(elf.end, 0x1005000);
    assert_int_equal(elf.entry, 0x1000100);
}

static void notes_in_a_section_alone_are_found(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.notes_in_section = true;
    r.entry_bytes = 4;
    r.features_bytes = 0;
    r.bsd_symtab = true;
    for (int is64 = 0; is64 < 2; is64++) {
        r.is64 = is64;
        assert_int_equal(parse_recipe(&r), 0);
        assert_int_equal(elf.entry, 0x1000100);
        assert_true(elf.bsd_symtab);
        assert_false(elf.has_features);
    }
}

static void a_relocation_note_is_read(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.reloc_bytes = 12;
    memcpy(r.reloc, (u32[]){0x200000, 0x1000000, 0x3fffffff}, 12);
    assert_int_equal(parse_recipe(&r), 0);
    assert_true(elf.relocatable);
    assert_int_equal(elf.align, 0x200000);
    assert_int_equal(elf.reloc_min, 0x1000000);
    assert_int_equal(elf.reloc_max, 0x3fffffff);
}

static void senseless_notes_are_refused(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.reloc_bytes = 8;
    expect_refusal(&r, "PHYS32_RELOC note has 8 bytes");
    r.reloc_bytes = 12;
    memcpy(r.reloc, (u32[]){0, 0x1000000, 0x3fffffff}, 12);
    expect_refusal(&r, "alignment 0x0");
    memcpy(r.reloc, (u32[]){0x300000, 0x1000000, 0x3fffffff}, 12);
    expect_refusal(&r, "alignment 0x300000");
    memcpy(r.reloc, (u32[]){0x200000, 0x4000000, 0x3ffffff}, 12);
    expect_refusal(&r, "from 0x4000000");
    r = plain_recipe();
    r.entry_bytes = 6;
    expect_refusal(&r, "PHYS32_ENTRY note has 6 bytes");
    r = plain_recipe();
    r.features_bytes = 2;
    expect_refusal(&r, "SUPPORTED_FEATURES note has 2 bytes");
}

static void a_kernel_without_pvh_entry_is_refused(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.entry_bytes = 0;
    expect_refusal(&r, "no PVH entry point");
    r.notes_in_section = true;
    expect_refusal(&r, "no PVH entry point");
}

static void a_kernel_not_built_for_dom0_is_refused(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.features = 0x8001;
    expect_refusal(&r, "not built for Dom0 (supported features 0x8001");
}

static void an_entry_outside_file_contents_is_refused(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.entry = 0x1000300; /* in the zeroed part */
    expect_refusal(&r, "entry 0x1000300 lies outside");
    r.entry = 0xfffffff;
    expect_refusal(&r, "entry 0xfffffff lies outside");
    r.entry = 0x100000100000000;
    expect_refusal(&r, "lies outside");
}

static void segments_are_sorted_by_physical_address(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.segment[0] = (struct made_segment){0x1010000, 0x10, 0x20};
    r.segment[1] = (struct made_segment){0x1000000, 0x200, 0x200};
    r.segment[2] = (struct made_segment){0x1008000, 0, 0x8000};
    assert_int_equal(parse_recipe(&r), 0);
    assert_int_equal(elf.segment[0].paddr, 0x1000000);
    assert_int_equal(elf.segment[1].paddr, 0x1008000);
    assert_int_equal(elf.segment[2].paddr, 0x1010000);
    assert_int_equal(elf.end, 0x1010020);
}

static void bad_segments_are_refused(void **state)
{
    struct elf_recipe r = plain_recipe();

    r.segment[0] = (struct made_segment){0x1000000, 0x300, 0x2ff};
    expect_refusal(&r, "0x300 bytes of file for 0x2ff of memory");
    r.segment[0] = (struct made_segment){0x1000000, 0x300, 0x9000};
    r.segment[1] = (struct made_segment){0x1008fff, 0x10, 0x10};
    expect_refusal(&r, "segments overlap: 0x1000000+0x9000 and 0x1008fff");
    r.segment[1] = (struct made_segment){0x2000000, 0x100000, 0x100000};
    expect_refusal(&r, "lie beyond the image");
    r.segment[1] = (struct made_segment){0xfffff000, 0x10, 0x1001};
    expect_refusal(&r, "not below 4 GiB");
    r.segment[1] = (struct made_segment){0xffffffff80000000, 0x10, 0x10};
    expect_refusal(&r, "not below 4 GiB");
    r.segment[1] = (struct made_segment){0x2000000, 0x10, ~0ull};
    expect_refusal(&r, "not below 4 GiB");
    memset(r.segment, 0, sizeof(r.segment));
    expect_refusal(&r, "no segment to load");
}

static void offsets_that_wrap_are_refused(void **state)
{
    struct elf_recipe r = plain_recipe();
    u64 wrapping = ~0ull - 0xff;

    make_elf(&made, &r);
    memcpy(made.bytes + made.phdr + offsetof(Elf64_Phdr, p_offset), &wrapping, 8);
    assert_int_equal(parse(), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "lie beyond"));
    make_elf(&made, &r);
    memcpy(made.bytes + offsetof(Elf64_Ehdr, e_phoff), &wrapping, 8);
    assert_int_equal(parse(), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "program headers"));
    r.notes_in_section = true;
    make_elf(&made, &r);
    memcpy(made.bytes + offsetof(Elf64_Ehdr, e_shoff), &wrapping, 8);
    assert_int_equal(parse(), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "no PVH entry"));
    make_elf(&made, &r);
    memcpy(made.bytes + made.shdr + offsetof(Elf64_Shdr, sh_offset), &wrapping, 8);
    assert_int_equal(parse(), -XEN_EINVAL);
    assert_non_null(strstr(why.line, "notes at"));
}

static void other_machines_and_formats_are_refused(void **state)
{
    struct {
        size_t offset;
        u8 value;
        const char *line;
    } bad[] = {
        {0, 0x7e, "not an ELF image"},
        {EI_CLASS, 3, "class"},
        {EI_DATA, ELFDATA2MSB, "little-endian"},
        {EI_VERSION, 0, "version"},
        {offsetof(Elf64_Ehdr, e_machine), EM_AARCH64, "another machine: ELF machine 183, wanted 62"},
        {offsetof(Elf64_Ehdr, e_type), ET_REL, "not an executable"},
        {offsetof(Elf64_Ehdr, e_phnum), 0, "no program headers"},
        {offsetof(Elf64_Ehdr, e_phentsize), 32, "no program headers"},
    };
    struct elf_recipe r = plain_recipe();

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        make_elf(&made, &r);
        made.bytes[bad[i].offset] = bad[i].value;
        assert_int_equal(parse(), -XEN_EINVAL);
        assert_non_null(strstr(why.line, bad[i].line));
    }
}

static void a_note_longer_than_its_section_is_refused(void **state)
{
    struct elf_recipe r = plain_recipe();
    u32 huge = 0xfffffff0;

    for (size_t field = 0; field < 8; field += 4) {
        make_elf(&made, &r);
        memcpy(made.bytes + made.notes + field, &huge, sizeof(huge));
        assert_int_equal(parse(), -XEN_EINVAL);
        assert_non_null(strstr(why.line, "does not end inside"));
    }
}

static void no_truncation_is_accepted_or_read_beyond(void **state)
{
    struct elf_recipe r = plain_recipe();
    size_t whole;

    for (int section = 0; section < 2; section++) {
        r.notes_in_section = section;
        make_elf(&made, &r);
        whole = made.size;
        for (size_t n = 0; n < whole; n++) {
            made.size = n;
            assert_int_equal(parse(), -XEN_EINVAL);
            assert_true(why.line[0]);
        }
        made.size = whole;
        assert_int_equal(parse(), 0);
    }
}

static void flipped_header_bits_never_lead_outside_the_image(void **state)
{
    struct elf_recipe r = plain_recipe();
    unsigned accepted = 0, refusals = 0;

    r.reloc_bytes = 12;
    memcpy(r.reloc, (u32[]){0x200000, 0x1000000, 0x3fffffff}, 12);
    make_elf(&made, &r);
    for (size_t bit = 0; bit < (made.notes + made.notes_size) * 8; bit++) {
        made.bytes[bit / 8] ^= 1 << bit % 8;
        if (!parse()) {
            accepted++;
            for (unsigned i = 0; i < elf.nr_segments; i++)
                assert_true(elf.segment[i].offset + elf.segment[i].filesz <= made.size &&
                            elf.segment[i].filesz <= elf.segment[i].memsz);
            assert_true(elf.entry >= elf.start && elf.entry < elf.end);
        } else {
            refusals++;
            assert_true(why.line[0]);
        }
        made.bytes[bit / 8] ^= 1 << bit % 8;
    }
    assert_true(accepted && refusals);
}

#define MEMORY_AT 0x1000000ull
static u8 memory[0x10000];

static int to_memory(void *ctx, gpa_t gpa, const void *src, size_t bytes)
{
    assert_true(gpa >= MEMORY_AT && gpa - MEMORY_AT + bytes <= sizeof(memory));
    memcpy(memory + gpa - MEMORY_AT, src, bytes);
    return 0;
}

static int zero_memory(void *ctx, gpa_t gpa, size_t bytes)
{
    assert_true(gpa >= MEMORY_AT && gpa - MEMORY_AT + bytes <= sizeof(memory));
    memset(memory + gpa - MEMORY_AT, 0, bytes);
    return 0;
}

static void loading_copies_contents_and_zeroes_the_rest(void **state)
{
    const struct gpa_sink sink = {NULL, to_memory, zero_memory};
    struct elf_recipe r = plain_recipe();

    r.segment[1] = (struct made_segment){0x1006000, 0x80, 0x1000};
    assert_int_equal(parse_recipe(&r), 0);
    memset(memory, 0xee, sizeof(memory));
    assert_int_equal(elf_load(&elf, 0x1000, &sink), 0);
    for (u64 i = 0; i < sizeof(memory); i++) {
        u8 want = 0xee;

        if (i >= 0x1000 && i < 0x6000)
            want = i < 0x1300 ? made_byte(0, i - 0x1000) : 0;
        if (i >= 0x7000 && i < 0x8000)
            want = i < 0x7080 ? made_byte(1, i - 0x7000) : 0;
        assert_int_equal(memory[i], want);
    }
}

static int sink_calls;

static int fail_second(void *ctx, gpa_t gpa, size_t bytes)
{
    sink_calls++;
    return -XEN_EFAULT;
}

static void a_failing_sink_ends_the_load(void **state)
{
    const struct gpa_sink sink = {NULL, to_memory, fail_second};
    struct elf_recipe r = plain_recipe();

    r.segment[1] = (struct made_segment){0x1006000, 0x80, 0x1000};
    assert_int_equal(parse_recipe(&r), 0);
    assert_int_equal(elf_load(&elf, 0, &sink), -XEN_EFAULT);
    assert_int_equal(sink_calls, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_elf64_kernel_is_read),
        cmocka_unit_test(an_elf32_kernel_is_read),
        cmocka_unit_test(notes_in_a_section_alone_are_found),
        cmocka_unit_test(a_relocation_note_is_read),
        cmocka_unit_test(senseless_notes_are_refused),
        cmocka_unit_test(a_kernel_without_pvh_entry_is_refused),
        cmocka_unit_test(a_kernel_not_built_for_dom0_is_refused),
        cmocka_unit_test(an_entry_outside_file_contents_is_refused),
        cmocka_unit_test(segments_are_sorted_by_physical_address),
        cmocka_unit_test(bad_segments_are_refused),
        cmocka_unit_test(offsets_that_wrap_are_refused),
        cmocka_unit_test(other_machines_and_formats_are_refused),
        cmocka_unit_test(a_note_longer_than_its_section_is_refused),
        cmocka_unit_test(no_truncation_is_accepted_or_read_beyond),
        cmocka_unit_test(flipped_header_bits_never_lead_outside_the_image),
        cmocka_unit_test(loading_copies_contents_and_zeroes_the_rest),
        cmocka_unit_test(a_failing_sink_ends_the_load),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
