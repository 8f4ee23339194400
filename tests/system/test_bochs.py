# SPDX-License-Identifier: BSD-2-Clause
"""
Bochs has what QEMU's TCG has not: VMX with EPT, and SVM without next-RIP and decode assists. It is slow, so few boots are in
make check; `make check-bochs` does the others as well.
"""
import struct
import sys

import pytest

from lib import elf
from lib.bochs import BOOT, Bochs
from lib.vm import ROOT

sys.path.insert(0, str(ROOT / "tests" / "guests"))
import conformance  # noqa: E402

pytestmark = [pytest.mark.torii, pytest.mark.xdist_group("bochs")]
MIB = 1 << 20
VMX = "corei7_sandy_bridge_2600k"
TROUBLE = r"\*\*\* Torii panic|Call Trace|Kernel panic"


def start(name, model, **settings):
    return Bochs(name, model, TORII_ARGS="loglvl=all exit-stats noreboot", **settings)


def to_power_off(vm):
    """Dom0 has been told to: the machine ends, and Torii says what it did."""
    vm.expect(r"reboot: Power down", BOOT, fatal=TROUBLE)
    vm.expect(r"exits of domain 0 by reason", BOOT)
    assert vm.wait_exit(BOOT) == "guest-shutdown", vm.errors
    vm.never(TROUBLE)


def converse(name, model, features, cpus=1, words=""):
    """Linux to its shell, which answers; then off."""
    with start(name, model, CPUS=cpus, CMDLINE=words) as vm:
        vm.expect(features, BOOT)
        vm.shell(2 * BOOT)
        assert vm.run("echo $((6 * 7))", BOOT) == "42\n"
        assert vm.run("nproc", BOOT) == f"{cpus}\n"
        # the clock goes on, and the timer's interrupts arrive
        vm.run("sleep 1", BOOT)
        vm.send("poweroff\n")
        to_power_off(vm)


def test_dom0_on_vmx_to_its_shell_and_s5():
    converse("vmx", VMX, r"VMX: EPT.*unrestricted guest.*VPID.*TPR shadow")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A kernel that never runs, so that GRUB has little to load."""
    path = tmp_path_factory.mktemp("bochs") / "kernel"
    note = elf.note(elf.NOTE_SUPPORTED_FEATURES, struct.pack("<I", 1 << 11))
    path.write_bytes(elf.image([(32 * MIB, elf.SLEEP, 4096)], elf.entry_note(32 * MIB) + note))
    return str(path)


@pytest.mark.parametrize("model, line", [
    ("core2_penryn_t9600", r"VMX: not usable: VMX has no nested paging \(EPT\)"),
    ("corei5_lynnfield_750", r"VMX: not usable: VMX has no unrestricted guest"),
    ("turion64_tyler", r"SVM: not usable: SVM has no nested paging \(NPT\)"),
])
def test_processor_is_refused_and_what_is_missing_named(tiny, model, line):
    with start(f"refuse-{model}", model, KERNEL=tiny, INITRD=tiny) as vm:
        vm.expect(rf"^\(torii\) {line}$", 120)
        vm.expect(r"Torii cannot start", 120)
        vm.never(r"Dom0: \d+ vCPU|\*\*\* Torii panic")
        assert vm.wait_exit(120) == "halted"


# The model with AVX-512 contradicts itself about the size of XSAVEC's area (docs/intel.md).
@pytest.mark.slow
@pytest.mark.parametrize("model, words", [
    ("corei5_arrandale_m520", ""), ("corei7_ivy_bridge_3770k", ""), ("corei7_haswell_4770", ""),
    ("corei7_skylake_x", "clearcpuid=xsavec,xsaves"),
])
def test_dom0_on_more_processors_with_vmx(model, words):
    converse(model, model, r"^\(torii\) VMX: EPT", words=words)


@pytest.mark.slow
def test_dom0_on_vmx_with_two_processors():
    converse("vmx-2", VMX, r"^\(torii\) VMX: EPT", cpus=2)


@pytest.mark.slow
@pytest.mark.parametrize("model, features, words", [
    ("ryzen", r"SVM: \d+ ASIDs, nRIP", ""),
    # The model announces POPCNT and raises #UD for it.
    ("phenom_8650_toliman", r"SVM: \d+ ASIDs$", "clearcpuid=popcnt"),
])
def test_dom0_on_svm_with_and_without_nrip(model, features, words):
    converse(model, model, features, words=words)
