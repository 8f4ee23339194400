# SPDX-License-Identifier: BSD-2-Clause
"""SR-IOV: virtual functions are switched on, driven with interrupts of their own, switched off, and all that again."""
import os
import re

import pytest

from lib.devices import check_log, initrd, interrupts, power_off

# QEMU has igb from 8.0 on, and NVMe controllers with virtual functions a driver can use.
pytestmark = [pytest.mark.xdist_group("devices"),
              pytest.mark.skipif("DEVICES" not in os.environ, reason="long: make devices")]
QEMU = "10.0"


def counts(vm, pattern):
    rows = {name: row for name, row in interrupts(vm).items() if re.match(pattern, name)}
    assert rows and all("MSI" in chip for chip, _ in rows.values()), rows
    return sum(count for _, count in rows.values())


# With 6.1, or on the root bus, igb's virtual functions have no carrier on bare QEMU either.
IGB = ("-device pcie-root-port,id=rp,chassis=1,slot=1 -netdev user,id=igb,net=10.0.4.0/24 "
       "-device igb,netdev=igb,bus=rp")


def test_virtual_network_functions_pass_traffic(boot):
    vm = boot(kernel="6.12", initrd=initrd("6.12"), qemu=QEMU, qemu_args=IGB).shell()
    vm.run(". /tests/devices.sh; pf=$(readlink -f /sys/class/net/$(card igb)/device); set_net igb 10.0.4.15", 60)
    for round_ in range(2):
        # The physical function starts anew with them: until it has a link they have no address and no carrier.
        vm.run("echo 0 >$pf/sriov_drivers_autoprobe; echo 2 >$pf/sriov_numvfs; sleep 1; set_net igb 10.0.4.15; sleep 1", 120)
        vm.run("echo 1 >$pf/sriov_drivers_autoprobe; for vf in $pf/virtfn*; do "
               "echo $(basename $(readlink -f $vf)) >/sys/bus/pci/drivers/igbvf/bind; done; wait_card igbvf", 120)
        assert vm.run("ls -d /sys/bus/pci/drivers/igbvf/0000:* | wc -l").strip() == "2"
        # Through the virtual function alone: it has the address and the route.
        vm.run("ip addr flush dev $(card igb); set_net igbvf 10.0.4.16; vf=$(card igbvf)", 60)
        vf = vm.run("echo $vf").strip()
        before = counts(vm, rf"{vf}-(rx|tx)")
        assert "3 packets received" in vm.run("ping -c 3 10.0.4.2", 60)
        assert counts(vm, rf"{vf}-(rx|tx)") > before
        vm.run("echo 0 >$pf/sriov_numvfs; wait_no_card igbvf; set_net igb 10.0.4.15", 60)
        assert "2 packets received" in vm.run("ping -c 2 10.0.4.2", 60)
    check_log(vm)
    power_off(vm)


NVME = ("-device pcie-root-port,id=rp,chassis=1,slot=1 -device nvme-subsys,id=subsys -drive file={},if=none,id=disk,format=raw "
        "-device nvme,bus=rp,id=nvme,serial=torii,subsys=subsys,sriov_max_vfs=2,sriov_vq_flexible=6,sriov_vi_flexible=4,"
        "max_ioqpairs=8,msix_qsize=9 -device nvme-ns,bus=nvme,drive=disk,nsid=1")


def test_virtual_disk_controllers_move_data(boot, tmp_path):
    image = tmp_path / "disk.img"
    with open(image, "wb") as file:
        file.truncate(16 << 20)
    vm = boot(initrd=initrd("6.1"), qemu=QEMU, qemu_args=NVME.format(image)).shell()
    # Each controller shall be a disk of its own, not a path to one.
    vm.run(". /tests/devices.sh; rmmod nvme nvme_core; insmod $(grep /nvme-core.ko /etc/modules) multipath=N; "
           "insmod $(grep /nvme.ko /etc/modules); wait_card nvme", 60)
    vm.run("dd if=/dev/urandom of=/tmp/pattern bs=64k count=64 2>/dev/null; digest=$(md5sum </tmp/pattern)")
    vm.run("pf=$(readlink -f /sys/class/nvme/nvme0/device); virt() { /tests/nvme-virt /dev/nvme0 \"$@\"; }")
    # All resources that can be given away, from the physical function to the pool.
    vm.run("virt 0 0 1 0 && virt 0 1 1 0 && echo 1 >/sys/class/nvme/nvme0/reset_controller; wait_for /dev/nvme0n1", 60)
    for round_ in range(2):
        vm.run("echo 0 >$pf/sriov_drivers_autoprobe; echo 2 >$pf/sriov_numvfs; vf=$(readlink -f $pf/virtfn1)", 60)
        vm.run("virt 2 0 8 3 && virt 2 1 8 2 && virt 2 0 9 0", 60)
        vm.run("echo 1 >$pf/sriov_drivers_autoprobe; echo ${vf##*/} >/sys/bus/pci/drivers/nvme/bind; wait_for /dev/nvme1n1", 120)
        before = counts(vm, r"nvme1q\d+")
        assert vm.run(f'[ "$(copy /dev/nvme1n1 {4 * round_})" = "$digest" ] && echo same', 120).strip() == "same"
        assert counts(vm, r"nvme1q\d+") > before
        # What the virtual function wrote, read through the physical one.
        assert vm.run(f'[ "$(dd if=/dev/nvme0n1 bs=64k skip={64 * round_} count=64 iflag=direct 2>/dev/null | md5sum)" = '
                      '"$digest" ] && echo same', 120).strip() == "same"
        vm.run("echo ${vf##*/} >/sys/bus/pci/drivers/nvme/unbind; virt 2 0 7 0; echo 0 >$pf/sriov_numvfs", 60)
    check_log(vm)
    power_off(vm)
