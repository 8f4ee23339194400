# SPDX-License-Identifier: BSD-2-Clause
# Start Torii: `make run`, `make iso`. Variables are those of tools/run-qemu.sh.

KERNEL ?= 6.1
CPUS ?= 2
MEM ?= 2048
export BUILD KERNEL INITRD CMDLINE CPUS MEM CPU MACHINE QEMU QEMU_ARGS THREADS TORII_ARGS HV ISO FIRMWARE

INITRAMFS := tools/make-initramfs.sh $(wildcard tools/initramfs/*)
GUEST_TESTS := $(wildcard tests/system/guest/*)

$(BUILD)/initrd.gz: $(INITRAMFS) $(GUEST_TESTS)
	tools/make-initramfs.sh $@ -t tests/system/guest

.PHONY: run
run: deps-run
	@$(MAKE) --no-print-directory $(if $(INITRD),,$(BUILD)/initrd.gz) $(if $(filter torii,$(or $(HV),torii)),all)
	@tools/run-qemu.sh

.PHONY: iso
iso: deps-run deps-iso
	@$(MAKE) --no-print-directory $(if $(INITRD),,$(BUILD)/initrd.gz) all
	tools/make-iso.sh $(BUILD)/torii.iso

.PHONY: deps
deps: deps-run deps-iso deps-check deps-lint deps-bochs
deps-%:
	@tools/deps.sh $*

.PHONY: help
help:
	@echo 'make            build/torii, the hypervisor'
	@echo 'make run        boot a Debian kernel as Dom0 in QEMU, to a shell; Ctrl-] x ends it'
	@echo '                KERNEL=6.1|6.12|7.2|FILE INITRD=FILE CMDLINE= TORII_ARGS= CPUS=2 MEM=2048'
	@echo '                CPU=EPYC MACHINE=q35|pc QEMU=7.2|10.0|FILE THREADS=single|multi QEMU_ARGS= HV=torii|xen|none'
	@echo 'make iso        build/torii.iso: GRUB for BIOS and UEFI; KERNEL= INITRD= CMDLINE= TORII_ARGS='
	@echo 'make run-bochs  the same in Bochs, which has VMX: MODEL=corei7_sandy_bridge_2600k CPUS=1 MEM=1024'
	@echo 'make check      both compilers, static analysis, unit tests, fuzz corpora, system tests; one line of counts at the end'
	@echo 'make unit       the unit tests alone'
	@echo 'make system     the system tests alone; PYTEST_ARGS="-k poweroff --hv=xen"'
	@echo 'make fuzz       fuzz every target of tests/fuzz for TIME=60 seconds, or those of TARGETS='
	@echo 'make lint       gcc -fanalyzer, clang-tidy and cppcheck: no finding'
	@echo 'make coverage   which lines of the pure core the unit tests reach: a table per file, build/coverage/lines.txt'
	@echo 'make devices    the long tests of real devices: kernels, CPUs, moving interrupts, virtual functions, a storm'
	@echo 'make compare    the same Debian on bare QEMU, Torii and Xen, side by side -> docs/devices.md'
	@echo 'make matrix     kernels x QEMUs x CPUs x machines x sizes -> build/matrix.md'
	@echo 'make hostile, make faults, make boots N=200: campaigns of docs/robustness.md'
	@echo 'make soak       idle and under load, SOAK_MINUTES=60'
	@echo 'make deps       install the Debian packages all this needs (tools/packages.txt)'
	@echo 'make format     lay the sources out with clang-format'
	@echo 'make size       text, data and lines of code'
	@echo 'make clean      remove build/; make distclean: also the other compiler'"'"'s'
