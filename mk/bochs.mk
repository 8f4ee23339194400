# SPDX-License-Identifier: BSD-2-Clause
# Bochs: VMX with EPT, and kinds of SVM that QEMU has not. `make run-bochs`; variables are those of tools/run-bochs.sh.

export MODEL LIMIT

IMAGE_INFO := tools/image-info.c src/domain/image.c src/domain/decompress.c src/domain/libc_shim.c src/domain/elf.c \
  src/core/refusal.c
$(BUILD)/image-info: $(IMAGE_INFO) include/torii/image.h
	@mkdir -p $(@D)
	$(HOSTCC) $(CFLAGS_COMMON) -DTORII_HOST $(IMAGE_INFO) -lz -llzma -lzstd -llz4 -o $@

.PHONY: run-bochs
run-bochs: deps-run deps-iso deps-bochs
	@$(MAKE) --no-print-directory $(if $(INITRD),,$(BUILD)/initrd.gz) all
	@CPUS=$(if $(filter file,$(origin CPUS)),1,$(CPUS)) MEM=$(if $(filter file,$(origin MEM)),1024,$(MEM)) \
	  tools/run-bochs.sh

.PHONY: check-bochs
check-bochs: deps
	@$(MAKE) --no-print-directory all $(BUILD)/initrd.gz
	$(PYTEST) tests/system/test_bochs.py --slow $(PYTEST_ARGS)

# The conformance kernels on MODEL, a few minutes each; docs/intel.md has the table of what the processors said last.
.PHONY: conformance-bochs
conformance-bochs: deps-run deps-iso deps-check deps-bochs guests
	@$(MAKE) --no-print-directory all
	@status=0; for model in $(or $(MODEL),corei7_sandy_bridge_2600k); do \
	  $(PYTHON) tests/guests/conformance.py --hv $(or $(HV),torii) --model $$model \
	    $(GUESTS) || status=1; done; \
	  $(PYTHON) tests/guests/conformance.py --document; exit $$status
