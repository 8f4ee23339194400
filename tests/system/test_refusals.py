# SPDX-License-Identifier: BSD-2-Clause
"""What cannot be booted is refused with one clear line, and the machine does not just hang without a word."""
import struct

import pytest

from lib import elf
from lib.vm import BUILD

pytestmark = pytest.mark.torii
MIB = 1 << 20
DOM0 = elf.note(elf.NOTE_SUPPORTED_FEATURES, struct.pack("<I", 1 << 11))
DOMU_ONLY = elf.note(elf.NOTE_SUPPORTED_FEATURES, struct.pack("<I", 1))
GOOD_SEGMENT = (32 * MIB, elf.SLEEP, 4096)
ENTRY = elf.entry_note(32 * MIB)

IMAGES = {
    "no_note": (elf.image([GOOD_SEGMENT]), r"PHYS32_ENTRY|PVH"),
    "no_dom0_feature": (elf.image([GOOD_SEGMENT], ENTRY + DOMU_ONLY), r"dom0"),
    "overlapping_segments": (
        elf.image([(32 * MIB, elf.SLEEP, 8192), (32 * MIB + 4096, elf.SLEEP, 4096)], ENTRY + DOM0), r"overlap"),
    "segment_beyond_the_file": (
        elf.image([(32 * MIB, elf.SLEEP, 1 * MIB, 1 * MIB)], ENTRY + DOM0), r"beyond|past|truncated|outside"),
    "no_memory_at_the_address": (
        elf.image([(0xFD000000, elf.SLEEP, 4096)], elf.entry_note(0xFD000000) + DOM0), r"(fd000000|no (RAM|memory))"),
    "entry_outside_the_image": (elf.image([GOOD_SEGMENT], elf.entry_note(512 * MIB) + DOM0), r"entry"),
    "another_architecture": (elf.image([GOOD_SEGMENT], ENTRY + DOM0, machine=183), r"machine|architecture|x86"),
    "not_a_kernel": (b"just some text\n" * 400, r"neither|not a|unknown|unrecogni|no kernel"),
    "empty": (b"\0", r"neither|not a|unknown|unrecogni|too (small|short)|truncated|empty|no kernel"),
}


def refused(vm, pattern):
    """A line that gives the reason, and nothing runs afterwards."""
    vm.expect(rf"^(?=.*(?i:dom0|kernel|module|image)).*(?i:{pattern}).*$", 60, fatal=r"Linux version|torii-dom0")
    assert vm.still_running(1) or vm.wait_exit() in ("guest-reset", "guest-shutdown")
    vm.never(r"Linux version")
    assert not vm.triple_fault()


@pytest.mark.parametrize("name", IMAGES)
def test_kernel_is_refused(boot, tmp_path, name):
    data, pattern = IMAGES[name]
    (tmp_path / "kernel").write_bytes(data)
    refused(boot(kernel=str(tmp_path / "kernel"), mem=512), pattern)


@pytest.fixture(scope="module")
def stock():
    return (BUILD / "kernels/6.1/vmlinuz").read_bytes()


@pytest.mark.parametrize("part", [0.02, 0.5, 0.98])
def test_truncated_kernel_is_refused(boot, tmp_path, stock, part):
    (tmp_path / "kernel").write_bytes(stock[:int(len(stock) * part)])
    refused(boot(kernel=str(tmp_path / "kernel"), mem=512), r"truncated|corrupt|beyond|ends|short|damaged|decompress")


def test_damaged_kernel_is_refused(boot, tmp_path, stock):
    data = bytearray(stock)
    middle = len(data) // 2
    data[middle:middle + 64] = bytes(64)
    (tmp_path / "kernel").write_bytes(data)
    refused(boot(kernel=str(tmp_path / "kernel"), mem=512), r"corrupt|damaged|decompress|xz|data")


def test_cloud_kernel_is_refused_for_lack_of_dom0_support(boot):
    refused(boot(kernel="6.1-cloud", mem=512), r"dom0")


def test_no_module_is_refused(boot):
    vm = boot(kernel="none", mem=512)
    vm.expect(r"(?i)no (dom0 )?(kernel|module)|without a (kernel|module)", 60)
    assert not vm.triple_fault()


def test_cpu_without_svm_is_refused(boot):
    vm = boot(cpu="qemu64,-svm", mem=512)
    vm.expect(r"no SVM", 60)
    vm.never(r"Linux version")
    assert not vm.triple_fault()


def test_cpu_without_nested_paging_is_refused(boot):
    vm = boot(cpu="qemu64,+svm,-npt", mem=512)
    vm.expect(r"no nested paging", 60)
    vm.never(r"Linux version")


@pytest.mark.parametrize("words", [
    "com1 com1= dom0_mem dom0_max_vcpus= loglvl",
    "dom0_mem=-1 dom0_mem=99999999T dom0_max_vcpus=0 dom0_max_vcpus=4000000000",
    "=x == console===== \x01\x7f %s%n%x " + "y" * 1500,
], ids=["options_without_values", "values_out_of_range", "not_even_options"])
def test_garbage_on_the_command_line_does_not_stop_the_boot(boot, words):
    vm = boot(args=words, cmdline="torii.run=poweroff")
    assert vm.wait_exit(150) == "guest-shutdown"
