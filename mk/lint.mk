# SPDX-License-Identifier: BSD-2-Clause
# Static analysis: gcc's -fanalyzer, clang-tidy (.clang-tidy) and cppcheck (tools/cppcheck.txt), any finding an error.

LINT_SRCS := $(SRCS) $(wildcard tests/guests/*.c tests/guests/rt/*.c) $(wildcard tools/*.c)
lint_cflags = $(if $(filter src/%,$(1)),$(CFLAGS),$(if $(filter tests/%,$(1)),$(GUEST_CFLAGS) \
  $(GUEST_CFLAGS_$(basename $(notdir $(1)))),$(CFLAGS_COMMON)))

$(BUILD)/lint/%.analyzer: %.c
	@mkdir -p $(@D)
	$(say) LINT "$< (gcc)"
	$(Q)gcc $(call lint_cflags,$<) -fanalyzer -Wno-error=analyzer-too-complex -MMD -MP -MT $@ -MF $@.d -c $< -o /dev/null
	$(Q)touch $@

$(BUILD)/lint/%.tidy: %.c .clang-tidy
	@mkdir -p $(@D)
	$(say) LINT "$< (clang-tidy)"
	$(Q)clang-tidy --quiet $< -- $(call lint_cflags,$<) -Wno-unknown-warning-option 2>/dev/null
	$(Q)clang -MM -MP -MT $@ -MF $@.d $(call lint_cflags,$<) $<
	$(Q)touch $@

.PHONY: lint-cppcheck
lint-cppcheck:
	$(say) LINT "src (cppcheck)"
	$(Q)cppcheck -q -j2 --std=c11 --enable=warning,performance,portability --inline-suppr --error-exitcode=1 -Iinclude \
	  -D__XEN_TOOLS__ -D__x86_64__ -D__GNUC__=12 -DTORII_DEBUG=1 --suppressions-list=tools/cppcheck.txt $(SRCS)

# Above src/hvm nothing asks the vendor: neither of the processor nor of an implementation.
.PHONY: lint-vendor
lint-vendor:
	$(say) LINT "src (vendor tests)"
	$(Q)! grep -rnE --include='*.[ch]' --exclude-dir=hvm '\b(svm|vmx)_[a-z]|_vendor_is|hvm/(svm|vmx)/|0x68747541|0x756e6547' src include

.PHONY: lint
lint: deps-lint lint-cppcheck lint-vendor $(foreach s,$(LINT_SRCS:.c=),$(BUILD)/lint/$(s).analyzer $(BUILD)/lint/$(s).tidy)

-include $(foreach s,$(LINT_SRCS:.c=),$(BUILD)/lint/$(s).analyzer.d $(BUILD)/lint/$(s).tidy.d)
