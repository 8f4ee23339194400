# SPDX-License-Identifier: BSD-2-Clause
"""The debug console behind Ctrl-A three times: it answers, and Dom0 goes on living."""
import re
import time

import pytest

pytestmark = pytest.mark.torii
SWITCH = "\x01\x01\x01"


TO_TORII, TO_DOM0 = r"input goes to the debug console.*\n", r"input goes to Dom0.*\n"


@pytest.fixture
def vm(boot):
    return boot().shell()


def to_torii(vm):
    vm.send(SWITCH)
    vm.expect(TO_TORII, 10)


def to_dom0(vm, timeout=10):
    vm.send(SWITCH)
    vm.expect(TO_DOM0, timeout)
    vm.send("\n")


def keys(vm):
    """{key: help} of the debug console's listing."""
    vm.send("h")
    vm.expect(r"debug console; .*\n", 10)
    time.sleep(1)
    listing = dict(re.findall(r"^\(torii\) +(\S)  (.+)$", vm.text, re.M))
    assert listing
    return listing


def test_switch_to_torii_and_back(vm):
    to_torii(vm)
    to_dom0(vm)
    assert vm.run("echo back") == "back\n"


def test_help_lists_the_topics(vm):
    to_torii(vm)
    words = " ".join(keys(vm).values())
    for topic in ("help", "vCPU", "memory", "IO-APIC|interrupt", "exit", "reboot|reset"):
        assert re.search(topic, words, re.I), topic


def test_every_key_but_reset_leaves_dom0_alive(vm):
    to_torii(vm)
    ending = r"(?i)reboot|reset|crash|panic|stop"
    for key in [k for k, text in keys(vm).items() if not re.search(ending, text)] + ["~", "\x00", "\x1b", "\x7f"]:
        vm.send(key)
    to_dom0(vm, 60)
    assert vm.run("echo alive") == "alive\n"


def test_reboot_key_resets_the_machine(vm):
    to_torii(vm)
    vm.send("R")
    assert vm.wait_exit(20) == "guest-reset"
    assert not vm.triple_fault()


def test_two_ctrl_a_belong_to_dom0(vm):
    # Ctrl-A is "start of line" to the shell's editor, so the words come out in the other order
    vm.send("second\x01\x01echo first \n")
    vm.expect(r"^first second$", 10)
