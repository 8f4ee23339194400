# SPDX-License-Identifier: BSD-2-Clause
# Fuzz targets: each tests/fuzz/fuzz_*.c names the sources it links, as unit tests do. `make fuzz TIME=60 TARGETS="decode vpci"`.

FUZZ_CC ?= clang
TIME ?= 60
FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(FUZZERS:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_CFLAGS := $(CFLAGS_COMMON) -O1 -Itests/unit -DTORII_HOST -DTORII_DEBUG=1 -fsanitize=fuzzer,address,undefined \
  -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-missing-prototypes

$(BUILD)/fuzz/%: tests/fuzz/%.c $$(call test_links,tests/fuzz/$$*.c) $(wildcard tests/unit/*.h include/torii/*.h)
	@mkdir -p $(@D)
	$(say) FUZZCC $@
	$(Q)$(FUZZ_CC) $(FUZZ_CFLAGS) $(filter %.c,$^) -o $@ $(call test_libs,$<)

.PHONY: fuzz
fuzz: deps-check $(if $(TARGETS),$(TARGETS:%=$(BUILD)/fuzz/fuzz_%),$(FUZZ_BINS))
	@$(PYTHON) tools/fuzz.py --build $(BUILD) --seconds $(TIME) $(TARGETS)
