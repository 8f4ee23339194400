# SPDX-License-Identifier: BSD-2-Clause
# make bench: bare QEMU, Debian's Xen and Torii side by side -> terminal, docs/bench/*.csv, *.svg

$(BUILD)/bench/plugin.so: bench/plugin.c
	@mkdir -p $(@D)
	$(Q)$(HOSTCC) -O2 -g -Wall -Wextra -Werror -std=gnu17 -fPIC -shared -fvisibility=hidden -o $@ $< -lpthread

.PHONY: bench
bench: deps-run deps-check deps-bench guests $(BUILD)/bench/plugin.so
	@$(MAKE) --no-print-directory all $(BUILD)/initrd.gz
	@$(PYTHON) bench/bench.py $(BENCH_ARGS)
