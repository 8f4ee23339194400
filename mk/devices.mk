# SPDX-License-Identifier: BSD-2-Clause
# The long tests of real devices: kernels, CPUs, affinity, hot-plugged cards and CPUs, virtual functions.

.PHONY: devices
devices: deps-run deps-check deps-debian guests
	@$(MAKE) --no-print-directory all $(BUILD)/initrd.gz
	DEVICES=1 $(PYTHON) -m pytest -n 1 $(PYTEST_ARGS) \
	  $(addprefix tests/system/test_,devices.py hotplug.py virtual_functions.py debian.py cpus.py acpi.py suspend.py)

# The same Debian on bare QEMU, Torii and Xen: docs/devices.md. COMPARE_ARGS="--hv none,torii --seconds 5"
.PHONY: compare
compare: deps-run deps-debian
	@$(MAKE) --no-print-directory all
	$(PYTHON) tools/compare-debian.py $(COMPARE_ARGS)
