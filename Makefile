# SPDX-License-Identifier: BSD-2-Clause
# Torii. `make help` lists the targets.

# UBSAN=1: undefined behaviour ends in a panic that says where. In a folder of its own, like other variants.
UBSAN ?= 0
BUILD ?= build
CC ?= gcc
HOSTCC ?= gcc
LD = ld
OBJCOPY = objcopy
DEBUG ?= 0

# V=1 shows the commands.
Q := $(if $(V),,@)
say := @$(if $(V),:,printf '  %-6s %s\n')

WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition -Wno-unused-parameter
INCLUDES := -Iinclude -I$(BUILD)/include
DEFS := -D__XEN_TOOLS__
CFLAGS_COMMON := -std=gnu17 -O2 -g $(WARN) $(INCLUDES) $(DEFS)
CFLAGS := $(CFLAGS_COMMON) -ffreestanding -fno-pic -fno-pie -mcmodel=kernel -mno-red-zone -mgeneral-regs-only \
  -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -fno-strict-aliasing -fcf-protection=none \
  -fstack-protector-strong -mstack-protector-guard=global -ffunction-sections -fdata-sections -DTORII_DEBUG=$(DEBUG) \
  -DTORII_UBSAN=$(UBSAN)
ifeq ($(UBSAN),1)
CFLAGS += -fsanitize=undefined
endif

SRCS := $(sort $(wildcard src/*/*.c src/*/*/*.c))
ASMS := $(sort $(wildcard src/*/*.S src/*/*/*.S))
OBJS := $(SRCS:%.c=$(BUILD)/%.o) $(ASMS:%.S=$(BUILD)/%.S.o)

# The decompressors, as Debian ships them.
LIBS := -lzstd -llzma -llz4 -lz
LINK = $(LD) -nostdlib -static -z max-page-size=0x1000 -z noexecstack --no-warn-rwx-segments --gc-sections \
  -T src/boot/torii.lds $(OBJS) -L/usr/lib/x86_64-linux-gnu $(LIBS)

.PHONY: all
all: $(BUILD)/torii

# Linked twice: the second time with the symbols of the first, so that a panic can name functions.
$(BUILD)/torii.nosyms: $(OBJS) src/boot/torii.lds
	$(say) LD $@
	$(Q)$(LINK) -o $@

$(BUILD)/symbols.o: $(BUILD)/torii.nosyms tools/symbols.sh
	$(Q)tools/symbols.sh $< > $(BUILD)/symbols.S
	$(Q)$(CC) -c $(BUILD)/symbols.S -o $@

$(BUILD)/torii.elf: $(BUILD)/symbols.o
	$(say) LD $@
	$(Q)$(LINK) $< -o $@

# Multiboot 1 loaders want a 32-bit container.
$(BUILD)/torii: $(BUILD)/torii.elf
	$(Q)$(OBJCOPY) -S -O elf32-i386 $< $@

$(BUILD)/%.o: %.c
	@mkdir -p $(@D)
	$(say) CC $@
	$(Q)$(CC) $(CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/%.S.o: %.S
	@mkdir -p $(@D)
	$(say) AS $@
	$(Q)$(CC) $(CFLAGS) -D__ASSEMBLY__ -MMD -MP -c $< -o $@

# The framebuffer's font is data that Debian ships: fetched once, linked in.
FONT := $(BUILD)/font/vga16.psf
$(FONT):
	@BUILD=$(BUILD) tools/fetch-font.sh >/dev/null

$(BUILD)/src/core/font.S.o: $(FONT)
# On the way of every exit: functions that call none keep no frame. A backtrace from inside one lacks a line.
$(patsubst %,$(BUILD)/src/%.o,domain/exit.c hvm/svm/exit.c hvm/svm/svm.c vdev/vlapic.c xen/hypercall.c): \
  CFLAGS += -momit-leaf-frame-pointer
$(BUILD)/src/core/font.S.o: CFLAGS += -DFONT_FILE='"$(abspath $(FONT))"'

# Unit tests: each tests/unit/test_*.c names the sources it links in a first-lines comment "links: a.c b.c".
TESTS := $(sort $(wildcard tests/unit/test_*.c))
TEST_BINS := $(TESTS:tests/unit/%.c=$(BUILD)/unit/%)
TEST_CFLAGS := $(CFLAGS_COMMON) -O1 -Itests/unit -DTORII_HOST -DTORII_DEBUG=1 -fsanitize=address,undefined \
  -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-missing-prototypes

.SECONDEXPANSION:
test_links = $(shell sed -n 's/.*links: *//p' $(1) | sed 's|\*/||' | head -1)
test_libs = $(shell sed -n 's/.*libs: *//p' $(1) | sed 's|\*/||' | head -1)
# Sources that a test includes instead, to see their insides or to have them under other names.
test_includes = $(shell sed -n 's|^#include "../../\(src/.*\.c\)"|\1|p' $(1))
$(BUILD)/unit/%: tests/unit/%.c $$(call test_links,tests/unit/$$*.c) $$(call test_includes,tests/unit/$$*.c) $(wildcard tests/unit/*.h include/torii/*.h)
	@mkdir -p $(@D)
	$(say) HOSTCC $@
	$(Q)$(HOSTCC) $(TEST_CFLAGS) $(filter-out $(call test_includes,$<),$(filter %.c,$^)) -o $@ -lcmocka $(call test_libs,$<)

.PHONY: unit
unit: $(TEST_BINS)
	@set -e; for t in $(TEST_BINS); do echo "== $$t"; $$t; done

.PHONY: format
format:
	clang-format -i $$(git ls-files '*.c' '*.h')

.PHONY: clean
clean:
	rm -rf $(BUILD)

-include $(OBJS:.o=.d)

include mk/*.mk
