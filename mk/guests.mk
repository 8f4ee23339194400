# SPDX-License-Identifier: BSD-2-Clause
# The conformance suite: test kernels that boot as Dom0 of any PVH hypervisor, and on bare QEMU.
# A kernel's base address and what machine it wants are in comments at its top: "base: 0x200000", "run: cpus=2 ...".

TEST_KERNELS := $(patsubst tests/guests/%.c,%,$(wildcard tests/guests/*.c))
GUEST_RT := $(patsubst tests/guests/rt/%,$(BUILD)/guests/rt/%.o,$(wildcard tests/guests/rt/*.c) tests/guests/rt/entry.S)
GUEST_CFLAGS := -std=gnu17 -O2 -g $(WARN) -Itests/guests/rt -D__XEN_TOOLS__ -ffreestanding -fno-pic -fno-pie \
  -mno-red-zone -mgeneral-regs-only -fno-asynchronous-unwind-tables -fno-strict-aliasing -fcf-protection=none \
  -fno-stack-protector
# These bring their own entry and are linked alone.
GUESTS_ALONE := smallest compat32
GUEST_LDFLAGS := -nostdlib -static -z max-page-size=0x1000 -z noexecstack --no-warn-rwx-segments -T tests/guests/rt/guest.lds
guest_base = $(or $(shell sed -n 's|.*base: *\(0x[0-9a-f]*\).*|\1|p' $(1) | head -1),0x1000000)

$(BUILD)/guests/rt/%.o: tests/guests/rt/% $(wildcard tests/guests/rt/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -c $< -o $@

$(BUILD)/guests/%.o: tests/guests/%.c $(wildcard tests/guests/rt/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) $(GUEST_CFLAGS_$*) -c $< -o $@

$(BUILD)/guests/%: $(BUILD)/guests/%.o $(GUEST_RT) tests/guests/rt/guest.lds
	$(Q)$(LD) $(GUEST_LDFLAGS) --defsym BASE=$(call guest_base,tests/guests/$*.c) $< \
	  $(GUEST_OBJS_$*) $(if $(filter $*,$(GUESTS_ALONE)),,$(GUEST_RT)) $(GUEST_LDFLAGS_$*) -o $@

# This one is large.
HOSTILE := $(patsubst tests/guests/hostile/%.c,$(BUILD)/guests/hostile.d/%.o,$(wildcard tests/guests/hostile/*.c))
$(BUILD)/guests/hostile.d/%.o: tests/guests/hostile/%.c $(wildcard tests/guests/rt/*.h tests/guests/hostile/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -c $< -o $@
$(BUILD)/guests/hostile.o: tests/guests/hostile/hostile.h
$(BUILD)/guests/hostile: $(HOSTILE)
GUEST_OBJS_hostile := $(HOSTILE)

# Objects are kept.
.SECONDARY:
GUEST_CFLAGS_compat32 := -m32 -fno-stack-protector
GUEST_LDFLAGS_compat32 := -m elf_i386 --oformat elf32-i386

$(BUILD)/guests/module: tests/guests/module.txt
	@mkdir -p $(@D)
	cp $< $@

.PHONY: guests
guests: $(TEST_KERNELS:%=$(BUILD)/guests/%) $(BUILD)/guests/module

# make conformance HV=torii|xen|none GUESTS="entry msr" IMAGE=another/build/torii
.PHONY: conformance
conformance: deps-run deps-check guests
	@$(MAKE) --no-print-directory $(if $(filter torii,$(or $(HV),torii)),all)
	@$(PYTHON) tests/guests/conformance.py --hv $(or $(HV),torii) $(if $(IMAGE),--image $(abspath $(IMAGE))) $(GUESTS)
