# SPDX-License-Identifier: BSD-2-Clause
"""The GRUB image starts on both firmwares, to the shell and back out."""
import fcntl
import os
import subprocess

import pytest

from lib.vm import BUILD, ROOT

pytestmark = [pytest.mark.hypervisor, pytest.mark.xdist_group("iso")]


@pytest.fixture(scope="module")
def iso(base):
    env = dict(os.environ, BUILD=str(BUILD), KERNEL=base.kernel, CMDLINE="", TORII_ARGS="", INITRD="", IMAGE=base.image)
    if base.hv == "xen":
        xen = subprocess.run([ROOT / "tools/fetch-xen.sh"], check=True, capture_output=True, text=True, env=env)
        env.update(IMAGE=xen.stdout.strip(), TORII_ARGS="dom0=pvh dom0_mem=512M")
    path = BUILD / f"test-{base.hv}.iso"
    with open(BUILD / ".lock-iso", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([ROOT / "tools/make-iso.sh", path], check=True, env=env, capture_output=True)
    return str(path)


@pytest.mark.parametrize("machine", ["q35", "pc"])
@pytest.mark.parametrize("firmware", ["bios", "uefi"])
def test_iso_boots_to_the_shell(boot, base, iso, firmware, machine):
    if base.hv == "xen" and machine == "pc":
        pytest.skip("the peer's IOMMU is on q35")
    vm = boot(iso=iso, firmware=firmware, machine=machine).shell(timeout=240)
    efi = vm.run("ls /sys/firmware", check=False).split()
    assert ("efi" in efi) == (firmware == "uefi")
    vm.send("poweroff\n")
    assert vm.wait_exit() == "guest-shutdown"
