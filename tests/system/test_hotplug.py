# SPDX-License-Identifier: BSD-2-Clause
"""Cards that come and go while Dom0 runs: by ACPI or PCI Express hot-plug, and by the guest's own removal and rescan."""
import os
import re

import pytest

from lib.devices import check_log, initrd, interrupts, power_off

pytestmark = pytest.mark.xdist_group("devices")
long = pytest.mark.skipif("DEVICES" not in os.environ, reason="long: make devices")

PORTS = " ".join(f"-device pcie-root-port,id=port{n},bus=pcie.0,chassis={n},slot={n}" for n in (1, 2))
# Q35 has its firmware do it, through ACPI; without that the ports do it themselves.
NATIVE = "-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"
CARDS = {
    "nvme": dict(driver="nvme", drive="hot", serial="hot"),
    "e1000e": dict(driver="e1000e", netdev="hot"),
}
ROWS = {"nvme": r"nvme0q[1-9]", "e1000e": r"eth\d+-(rx|tx)"}


class Slots:
    """Dom0 with two empty slots, and what may be put into them."""

    def __init__(self, boot, tmp_path, qemu_args="", **changes):
        image = tmp_path / "hot.img"
        with open(image, "wb") as file:
            file.truncate(16 << 20)
        back = (f"-blockdev driver=raw,node-name=hot,file.driver=file,file.filename={image} "
                "-netdev user,id=hot,net=10.0.2.0/24")
        self.vm = boot(initrd=initrd("6.1"), qemu_args=f"{PORTS} {back} {qemu_args}", **changes).shell()
        self.vm.run(". /tests/devices.sh; dd if=/dev/urandom of=/tmp/pattern bs=64k count=64 2>/dev/null")
        self.digest = self.vm.run("md5sum </tmp/pattern").split()[0]

    def insert(self, card, port):
        self.vm.qmp("device_add", id=card, bus=f"port{port}", **CARDS[card])
        self.vm.run(f"wait_card {card}", 60)

    def pull(self, card):
        since = len(self.vm.qmp.events)
        self.vm.qmp("device_del", id=card)
        self.vm.qmp.wait_event("DEVICE_DELETED", since, 60, device=card)
        self.vm.run(f"wait_no_card {card}", 60)

    def count(self, card):
        rows = {name: row for name, row in interrupts(self.vm).items() if re.match(ROWS[card], name)}
        assert rows and all("MSI" in chip for chip, _ in rows.values())
        return sum(count for _, count in rows.values())

    def use(self, card):
        if card == "nvme":
            before = self.count(card)
            assert self.vm.run("copy /dev/nvme0n1 0", 120).split()[0] == self.digest
        else:
            self.vm.run("set_net e1000e 10.0.2.15", 60)
            before = self.count(card)
            assert "2 packets received" in self.vm.run("ping -c 2 10.0.2.2", 60)
        assert self.count(card) > before

    def finish(self):
        check_log(self.vm)
        power_off(self.vm)


@pytest.mark.parametrize("how", ["acpi", pytest.param("pcie", marks=long)])
def test_cards_come_and_go_and_come_again(boot, tmp_path, how):
    m = Slots(boot, tmp_path, NATIVE if how == "pcie" else "")
    m.insert("nvme", 1)
    m.use("nvme")
    m.insert("e1000e", 2)
    m.use("e1000e")
    m.pull("nvme")
    m.pull("e1000e")
    # Each where the other was: the same bus numbers and, as far as they fit, the same addresses.
    m.insert("e1000e", 1)
    m.use("e1000e")
    m.insert("nvme", 2)
    m.use("nvme")
    m.pull("e1000e")
    m.use("nvme")
    m.finish()


@long
def test_cards_removed_by_the_guest_are_found_by_a_rescan(boot, tmp_path):
    m = Slots(boot, tmp_path)
    m.insert("nvme", 1)
    m.insert("e1000e", 2)
    for _ in range(3):
        for card in CARDS:
            m.use(card)
        m.vm.run("for driver in nvme e1000e; do echo 1 >$(readlink -f /sys/bus/pci/drivers/$driver/0*)/remove; done; "
                 "wait_no_card nvme; wait_no_card e1000e; echo 1 >/sys/bus/pci/rescan; wait_card nvme; wait_card e1000e", 60)
    # The port as well, with what is behind it.
    m.vm.run("port=$(dirname $(readlink -f /sys/bus/pci/drivers/nvme/0*)); echo 1 >$port/remove; wait_no_card nvme; "
             "echo 1 >/sys/bus/pci/rescan; wait_card nvme", 60)
    m.use("nvme")
    m.finish()
