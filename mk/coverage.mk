# SPDX-License-Identifier: BSD-2-Clause
# Line coverage of the pure core by the unit tests: a table per file, the total, and build/coverage/lines.txt with the
# lines nothing reached. A file counts as pure if its object holds no privileged instruction and no per-CPU access;
# tools/coverage.py looks. The total is over those and over whatever else a unit test links, whether reached or not.

# Pure by that rule, but the order of the start itself: every call is into another room, and a boot is their test.
COVERAGE_START := src/boot/main.c src/domain/dom0.c

COVERAGE_CFLAGS := $(CFLAGS_COMMON) -O0 --coverage -Itests/unit -DTORII_HOST -DTORII_DEBUG=1 -Wno-missing-prototypes
COVERAGE_BINS := $(TESTS:tests/unit/%.c=$(BUILD)/coverage/%)

$(BUILD)/coverage/%: tests/unit/%.c $$(call test_links,tests/unit/$$*.c) $$(call test_includes,tests/unit/$$*.c) $(wildcard tests/unit/*.h include/torii/*.h)
	@mkdir -p $(@D)
	$(say) COVER $@
	$(Q)rm -f $@-*.gcno $@-*.gcda
	$(Q)gcc $(COVERAGE_CFLAGS) $(filter-out $(call test_includes,$<),$(filter %.c,$^)) -o $@ -lcmocka $(call test_libs,$<)

.PHONY: coverage
coverage: deps-check $(COVERAGE_BINS)
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tools/coverage.py --build $(BUILD) --start $(COVERAGE_START)
