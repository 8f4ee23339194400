# SPDX-License-Identifier: BSD-2-Clause
"""A stock kernel reaches its shell, with all CPUs and the memory it was given."""
import re
import time

import pytest


def test_shell_takes_input_and_answers(boot):
    vm = boot().shell()
    assert vm.run("echo $((6 * 7))") == "42\n"
    vm.send("read word; echo \"got $word\"\n")
    vm.expect(r"got \$word.*\n")
    vm.send("words\n")
    vm.expect(r"^got words$")
    assert "Linux" in vm.run("uname -a")


def test_shell_has_job_control(boot):
    vm = boot().shell()
    vm.send("echo as'leep'; sleep 1000\n")
    vm.expect(r"^asleep\n")
    time.sleep(1)
    vm.send("\x03")
    vm.expect(r"dom0# ", 10)
    assert vm.run("echo still here") == "still here\n"


@pytest.mark.parametrize("cpus", [1, 2, 4])
def test_all_cpus_come_up(boot, cpus):
    vm = boot(cpus=cpus).shell()
    assert vm.run("nproc").strip() == str(cpus)
    # each takes work, and each has its local timer ticking
    for cpu in range(cpus):
        assert vm.run(f"taskset -p {1 << cpu:x} $$ >/dev/null; cut -d' ' -f39 /proc/self/stat").strip() == str(cpu)
    assert "RCU" in vm.run("grep RCU /proc/softirqs")


@pytest.mark.parametrize("mem", [512, 2048, 6144])
def test_dom0_finds_its_memory(boot, mem):
    vm = boot(mem=mem).shell()
    total = int(re.search(r"MemTotal:\s+(\d+) kB", vm.run("cat /proc/meminfo")).group(1)) // 1024
    share = mem // 2 if vm.config.hv == "xen" else mem
    # the kernel's own image, page structs, and what the hypervisor and the firmware keep
    assert share - 160 - share // 16 < total < share


@pytest.mark.torii
def test_dom0_mem_limits_memory(boot):
    vm = boot(mem=2048, args="dom0_mem=768M").shell()
    total = int(re.search(r"MemTotal:\s+(\d+) kB", vm.run("cat /proc/meminfo")).group(1)) // 1024
    assert 580 < total < 768


@pytest.mark.torii
def test_dom0_max_vcpus_limits_cpus(boot):
    vm = boot(cpus=4, args="dom0_max_vcpus=3").shell()
    assert vm.run("nproc").strip() == "3"


def test_cpu_goes_offline_and_comes_back(boot):
    vm = boot(cpus=2).shell()
    online = "/sys/devices/system/cpu/cpu1/online"
    vm.run(f"echo 0 >{online}")
    assert vm.run("nproc").strip() == "1"
    vm.run(f"echo 1 >{online}")
    assert vm.run("nproc").strip() == "2"
