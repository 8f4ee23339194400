# SPDX-License-Identifier: BSD-2-Clause
"""
Bochs has what QEMU's TCG has not: VMX with EPT, and SVM without next-RIP and decode assists. It is slow, so few boots are in
make check; `make check-bochs` does the others as well.
"""
import os
import re
import struct
import subprocess

import pytest

from lib import elf
from lib.vm import BUILD, LOGS, ROOT, SCALE

pytestmark = [pytest.mark.torii, pytest.mark.xdist_group("bochs")]
MIB = 1 << 20
VMX = "corei7_sandy_bridge_2600k"


class Run:
    """One boot to its end: what the serial line said, and whether the machine powered itself off."""

    def __init__(self, name, model, limit=600, **settings):
        directory = LOGS / f"bochs-{name}"
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG", "USER")}
        env.update(BUILD=str(BUILD), MODEL=model, LIMIT=str(int(limit * SCALE)), DIR=str(directory),
                   TORII_ARGS="loglvl=all exit-stats noreboot", **settings)
        done = subprocess.run([ROOT / "tools/run-bochs.sh"], env=env, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=limit * SCALE + 120)
        self.errors = done.stderr.decode(errors="replace")
        self.text = done.stdout.decode(errors="replace").replace("\r", "")
        self.powered_off = done.returncode == 0

    def expect(self, pattern):
        match = re.search(pattern, self.text, re.M)
        assert match, f"no {pattern!r}; the line's last words:\n" + "\n".join(
            self.text.splitlines()[-25:] + self.errors.splitlines()[-5:])
        return match


def boots(name, model, cpus=1, words="", **settings):
    run = Run(name, model, CPUS=str(cpus), CMDLINE=f"torii.run=poweroff {words}", **settings)
    run.expect(r"torii-dom0: poweroff")
    run.expect(r"reboot: Power down")
    run.expect(r"exits of domain 0 by reason")
    assert run.powered_off, run.errors
    assert not re.search(r"\*\*\* Torii panic|Call Trace|Kernel panic", run.text)
    return run


def test_dom0_on_vmx_to_userspace_and_s5():
    run = boots("vmx", VMX)
    run.expect(r"VMX: EPT.*unrestricted guest.*VPID.*TPR shadow")
    run.expect(r"Run /init as init process")


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
    run = Run(f"refuse-{model}", model, limit=120, KERNEL=tiny, INITRD=tiny)
    run.expect(rf"^\(torii\) {line}$")
    run.expect(r"Torii cannot start")
    assert not re.search(r"Dom0: \d+ vCPU|\*\*\* Torii panic", run.text)
    assert not run.powered_off


@pytest.mark.slow
@pytest.mark.parametrize("model", ["corei5_arrandale_m520", "corei7_ivy_bridge_3770k", "corei7_haswell_4770",
                                   "corei7_skylake_x"])
def test_dom0_on_more_processors_with_vmx(model):
    boots(model, model).expect(r"^\(torii\) VMX: EPT")


@pytest.mark.slow
def test_dom0_on_vmx_with_two_processors():
    boots("vmx-2", VMX, cpus=2).expect(r"smp: Brought up 1 node, 2 CPUs")


@pytest.mark.slow
@pytest.mark.parametrize("model, features, words", [
    ("ryzen", r"SVM: \d+ ASIDs, nRIP", ""),
    # The model announces POPCNT and raises #UD for it.
    ("phenom_8650_toliman", r"SVM: \d+ ASIDs$", "clearcpuid=popcnt"),
])
def test_dom0_on_svm_with_and_without_nrip(model, features, words):
    boots(model, model, words=words).expect(features)
