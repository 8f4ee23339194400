# SPDX-License-Identifier: BSD-2-Clause
"""A native console: the kernel's own 16550 driver on the line that Torii, hvc0 and the debug console share."""
import re

import pytest

LINE = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ."


@pytest.mark.parametrize("cpus", [1, 2])
def test_serial_driver_is_a_console(boot, cpus):
    vm = boot(cpus=cpus, cmdline="earlycon=uart8250,io,0x3f8,115200 console=ttyS0")
    vm.shell()
    # from the first lines on, before any driver
    assert re.search(r"earlycon: uart8250 at I/O port 0x3f8", vm.text)
    assert vm.run("tty") == "/dev/ttyS0\n"
    assert "ttyS0 at I/O 0x3f8 (irq = 4" in vm.run("dmesg")
    count = r"(?m)^ *4:((?: +\d+)+) .*4-edge +ttyS0$"
    before, bulk = vm.run("cat /proc/interrupts"), vm.run(f"yes {LINE} | head -n 1024", 120)
    assert bulk == f"{LINE}\n" * 1024
    after = vm.run("cat /proc/interrupts; dmesg | grep -c 'nobody cared'", check=False)
    total = lambda text: sum(map(int, re.search(count, text).group(1).split()))  # noqa: E731
    assert total(after) > total(before)
    assert after.endswith("\n0\n")
    # and input that comes faster than the FIFO is deep
    assert vm.run(f"echo {LINE * 3}") == f"{LINE * 3}\n"
    vm.send("poweroff\n")
    assert vm.wait_exit() == "guest-shutdown"
