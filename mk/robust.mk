# SPDX-License-Identifier: BSD-2-Clause
# Campaigns against Torii: docs/robustness.md. Each says what failed, and with which seed or number to repeat it.

TIME ?= 600
SEED ?= 1
N ?= 200
ROBUST = $(PYTHON) tools/robust.py $(if $(IMAGE),--image $(abspath $(IMAGE)))

# make hostile TIME=600 SEED=1
.PHONY: hostile
hostile: deps-run deps-check guests
	@$(MAKE) --no-print-directory all
	$(ROBUST) hostile --time $(TIME) --seed $(SEED)

# A debug build is what counts and fails allocations. FAULTS="--first 1 --last 50", "--kernel linux --step 20"
.PHONY: faults
faults: deps-run deps-check guests
	@$(MAKE) --no-print-directory all $(BUILD)/initrd.gz
	@$(MAKE) --no-print-directory all DEBUG=1 BUILD=$(BUILD)/debug
	$(PYTHON) tools/robust.py --image $(abspath $(BUILD)/debug/torii) faults $(FAULTS)

# make boots N=200 BOOTS="--kernel smallest"
.PHONY: boots
boots: deps-run deps-check guests
	@$(MAKE) --no-print-directory all $(BUILD)/initrd.gz
	$(ROBUST) boots -n $(N) $(BOOTS)
