# SPDX-License-Identifier: BSD-2-Clause
"""The debug console behind Ctrl-A three times: it answers, and Dom0 goes on living."""
import pytest

pytestmark = pytest.mark.torii
SWITCH = "\x01\x01\x01"


@pytest.fixture
def vm(boot):
    return boot().shell()


def test_switch_to_torii_and_back(vm):
    vm.send(SWITCH)
    vm.expect(r"(?i)input.*torii", 10)
    vm.send(SWITCH)
    vm.expect(r"(?i)input.*dom0", 10)
    vm.send("\n")
    assert vm.run("echo back") == "back\n"


def test_help_lists_the_keys(vm):
    vm.send(SWITCH)
    vm.expect(r"(?i)input.*torii", 10)
    vm.send("h")
    listing = []
    for _ in range(5):
        listing.append(vm.expect(r"^.*?\W(\w)\W.*\w{4}.*$", 10).group(1))
    assert len(set(listing)) >= 5


def test_every_key_but_reset_leaves_dom0_alive(vm):
    vm.send(SWITCH)
    vm.expect(r"(?i)input.*torii", 10)
    vm.send("h")
    vm.expect(r"\n.*\n.*\n", 10)
    for key in "0acdeghimqrstuvzDEHIMNPQSTVZ*?\x00\x1b~":
        vm.send(key)
    vm.send(SWITCH)
    vm.expect(r"(?i)input.*dom0", 60)
    vm.send("\n")
    assert vm.run("echo alive") == "alive\n"


def test_reboot_key_resets_the_machine(vm):
    vm.send(SWITCH)
    vm.expect(r"(?i)input.*torii", 10)
    vm.send("R")
    assert vm.wait_exit(20) == "guest-reset"


def test_two_ctrl_a_belong_to_dom0(vm):
    vm.send("\x01\x01")
    assert vm.run("echo mine") == "mine\n"
