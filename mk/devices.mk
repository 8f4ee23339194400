# SPDX-License-Identifier: BSD-2-Clause
# The long tests of real devices: kernels, CPUs, affinity, CPU hotplug, virtual functions, the interrupt storm.

.PHONY: devices
devices: deps-run deps-check deps-debian guests
	@$(MAKE) --no-print-directory all $(BUILD)/initrd.gz
	DEVICES=1 $(PYTHON) -m pytest -n 1 tests/system/test_devices.py tests/system/test_debian.py tests/system/test_cpus.py $(PYTEST_ARGS)

# The same Debian on bare QEMU, Torii and Xen: docs/devices.md. COMPARE_ARGS="--hv none,torii --seconds 5"
.PHONY: compare
compare: deps-run deps-debian
	@$(MAKE) --no-print-directory all
	$(PYTHON) tools/compare-debian.py $(COMPARE_ARGS)
