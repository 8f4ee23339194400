# SPDX-License-Identifier: BSD-2-Clause
# Check Torii. The system tests run at most two emulators at a time.

PYTHON := /usr/bin/python3
JOBS ?= 2
SOAK_MINUTES ?= 60
PYTEST := $(PYTHON) -m pytest -n $(JOBS)

.PHONY: check
check: deps
	@$(PYTHON) tools/check.py

.PHONY: system
system: deps
	@$(MAKE) --no-print-directory all $(BUILD)/initrd.gz
	$(PYTEST) tests/system $(PYTEST_ARGS)

.PHONY: matrix
matrix: deps-run deps-check
	@$(MAKE) --no-print-directory all $(BUILD)/initrd.gz
	$(PYTHON) tools/matrix.py $(MATRIX_ARGS)

.PHONY: soak
soak: deps-run deps-check
	@$(MAKE) --no-print-directory all $(BUILD)/initrd.gz
	SOAK_MINUTES=$(SOAK_MINUTES) $(PYTEST) -n 0 -s tests/system/test_soak.py --soak

.PHONY: size
size: all
	@size $(BUILD)/torii
	@echo "lines of C and assembly: $$(cat $$(git ls-files 'src/*.[chS]' 'include/*.h') | wc -l) in" \
		"$$(git ls-files 'src/*.[chS]' 'include/*.h' | wc -l) files"

.PHONY: distclean
distclean: clean
	rm -rf $(BUILD)-clang
