# SPDX-License-Identifier: BSD-2-Clause
# Fuzz targets: each tests/fuzz/fuzz_*.c names the sources it links, as unit tests do. `make fuzz TIME=60`.

FUZZ_CC ?= clang
TIME ?= 60
FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(FUZZERS:tests/fuzz/%.c=$(BUILD)/fuzz/%)
FUZZ_CFLAGS := $(CFLAGS_COMMON) -O1 -Itests/unit -DTORII_HOST -DTORII_DEBUG=1 -fsanitize=fuzzer,address,undefined \
  -fno-sanitize-recover=all -fno-omit-frame-pointer -Wno-missing-prototypes

$(BUILD)/fuzz/%: tests/fuzz/%.c $$(call test_links,tests/fuzz/$$*.c) $(wildcard tests/unit/*.h include/torii/*.h)
	@mkdir -p $(@D)
	$(FUZZ_CC) $(FUZZ_CFLAGS) $(filter %.c,$^) -o $@ $(call test_libs,$<)

.PHONY: fuzz
fuzz: $(FUZZ_BINS) ## fuzz every target for TIME seconds (60), keeping what it finds in build/fuzz
	@set -e; for f in $(FUZZ_BINS); do n=$${f##*/fuzz_}; \
	  mkdir -p $(BUILD)/fuzz/corpus/$$n; echo "== $$n"; \
	  $$f -max_total_time=$(TIME) -print_final_stats=1 $(BUILD)/fuzz/corpus/$$n \
	    $$(test -d tests/fuzz/corpus/$$n && echo tests/fuzz/corpus/$$n) 2>&1 | tail -n 12; done
