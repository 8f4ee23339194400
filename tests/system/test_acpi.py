# SPDX-License-Identifier: BSD-2-Clause
"""ACPI as Dom0 sees it, and processors that come and go with it."""
import fcntl
import os
import re
import shutil
import subprocess
import time

import pytest

from lib.vm import BUILD, ROOT
from test_suspend import cycle

HOTPLUG = "device_add EPYC-x86_64-cpu,id=cpu{0},socket-id=0,core-id={0},thread-id=0"
MODULES = "xen-privcmd xen-acpi-processor button"
PROGRAMS = ["/usr/bin/acpidump", "/usr/bin/iasl", "/usr/bin/lscpu"]
XEN_CPU = "/sys/devices/system/xen_cpu/xen_cpu{}/online"
CPU = "/sys/devices/system/cpu/cpu{}/online"

long = pytest.mark.skipif("DEVICES" not in os.environ, reason="long: make devices")
PC = pytest.param("pc", marks=long)

pytestmark = [pytest.mark.torii, pytest.mark.xdist_group("acpi")]


def fill(tree):
    """Programs of the host with their libraries, and torii-cpu, each behind a script of its name."""
    (tree / "bin").mkdir(parents=True)
    (tree / "lib").mkdir()
    subprocess.run(["gcc", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-static", "-o", tree / "bin/torii-cpu",
                    ROOT / "tools/dom0/torii-cpu.c"], check=True)
    for program in PROGRAMS:
        name = os.path.basename(program)
        shutil.copy(program, tree / "lib" / f"{name}.real")
        libraries = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
        for library in re.findall(r"(?:=> )?(/\S+) \(", libraries):
            shutil.copy(library, tree / "lib")
        script = tree / "bin" / name
        script.write_text(f'exec /tests/lib/ld-linux-x86-64.so.2 --library-path /tests/lib /tests/lib/{name}.real "$@"\n')
        script.chmod(0o755)


@pytest.fixture(scope="module")
def initrd_acpi(base):
    path = BUILD / "initrd-acpi.gz"
    env = {**os.environ, "BUILD": str(BUILD)}
    with open(BUILD / ".lock-acpi", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        tree = BUILD / "acpi-tree"
        shutil.rmtree(tree, ignore_errors=True)
        fill(tree)
        kernel = subprocess.run([ROOT / "tools/fetch-kernel.sh", "6.1"], check=True, stdout=subprocess.PIPE, text=True, env=env)
        subprocess.run([ROOT / "tools/make-initramfs.sh", path, "-k", kernel.stdout.strip(), "-m", MODULES, "-t", tree],
                       check=True, env=env)
    return str(path)


@pytest.fixture
def machine(boot, initrd_acpi):
    """As boot, at the shell of a Dom0 that has the tools."""
    def start(**changes):
        vm = boot(initrd=initrd_acpi, **changes).shell(timeout=240)
        vm.run("PATH=$PATH:/tests/bin")
        return vm

    return start


def keys(vm, letters):
    """Keys of the debug console."""
    for text in ("\x01\x01\x01", letters, "\x01\x01\x01"):
        vm.send(text)
        time.sleep(1)


def wait_for(vm, command, expected, seconds=30):
    for _ in range(seconds):
        got = vm.run(command, check=False).strip()
        if got == expected:
            return
        time.sleep(1)
    raise AssertionError(f"{command!r} says {got!r}, not {expected!r}")


def leaves(vm, cpu):
    """After device_del: Torii has stopped the CPU, and the emulator has taken it away."""
    vm.expect(rf"\(torii\) CPU {cpu} has stopped")
    wait_for(vm, f"test -e {XEN_CPU.format(cpu)} || echo gone", "gone")
    assert len(vm.qmp("query-cpus-fast")) == 2
    assert vm.run("nproc").strip() == "3"


@pytest.mark.parametrize("board", ["q35", PC])
def test_a_processor_plugged_into_the_machine_runs_vcpus(boot, board):
    """
    device_add: SCI, Dom0's AML, Torii starts it; a vCPU that comes then runs on it; offline and online by sysfs. device_del:
    it stops and leaves the machine. QEMU 7.2's heap does not survive that for long, under bare Linux neither.
    """
    xen_cpu = XEN_CPU.format(2)
    vm = boot(machine=board, cpus="2,maxcpus=4", args="dom0_max_vcpus=2-4 loglvl=all", qemu="10.0", threads="multi").shell()
    assert vm.run("nproc").strip() == "2"
    vm.qmp.hmp(HOTPLUG.format(2))
    vm.expect(r"\(torii\) CPU 2, APIC id 2, is there")
    vm.expect(r"\(torii\) CPU 2: memory types set as the boot CPU has them")
    vm.expect(r"\(torii\) CPU 2 is in use")
    wait_for(vm, f"cat {xen_cpu}", "1")
    keys(vm, "+")
    wait_for(vm, "test -d /sys/devices/system/cpu/cpu2 && echo yes", "yes")
    vm.run("echo 1 >/sys/devices/system/cpu/cpu2/online")
    assert vm.run("nproc").strip() == "3"
    keys(vm, "d")
    vm.expect(r"d0v2 on CPU 2:")
    vm.run(f"echo 0 >{xen_cpu}")
    assert vm.run("taskset 4 sh -c 'cut -d\" \" -f39 /proc/self/stat'").strip() == "2"
    keys(vm, "d")
    vm.expect(r"d0v2 on CPU 0:")
    vm.run(f"echo 1 >{xen_cpu}")
    keys(vm, "d")
    vm.expect(r"d0v2 on CPU 2:")
    vm.qmp.hmp("device_del cpu2")
    leaves(vm, 2)
    keys(vm, "d")
    vm.expect(r"d0v2 on CPU 0:")
    vm.never(r"\*\*\* Torii panic")
    assert not re.search(r"Call Trace|BUG:", vm.run("dmesg"))


@long
def test_a_processor_comes_and_goes_again_and_again(boot):
    """
    With the vCPU that runs on it, and with a sleep while it is out. QEMU has as many processors as maxcpus in its life.
    """
    vm = boot(cpus="2,maxcpus=8", args="dom0_max_vcpus=2-4 loglvl=all", qemu="10.0", threads="multi").shell()
    for n in range(4):
        vm.qmp.hmp(HOTPLUG.format(2).replace("id=cpu2", f"id=cpu2-{n}"))
        vm.expect(r"\(torii\) CPU 2 is in use")
        wait_for(vm, f"cat {XEN_CPU.format(2)}", "1")
        if n == 0:
            keys(vm, "+")
            wait_for(vm, "test -d /sys/devices/system/cpu/cpu2 && echo yes", "yes")
            vm.run("echo 1 >/sys/devices/system/cpu/cpu2/online")
        keys(vm, "d")
        vm.expect(r"d0v2 on CPU 2:")
        vm.qmp.hmp(f"device_del cpu2-{n}")
        leaves(vm, 2)
        if n == 2:
            cycle(vm)
        keys(vm, "d")
        vm.expect(r"d0v2 on CPU 0:")
    vm.never(r"\*\*\* Torii panic|does not come back")
    assert not re.search(r"Call Trace|BUG:", vm.run("dmesg"))


def test_a_processor_can_be_reported_by_hypercall(machine):
    """With the event's GPE masked nobody but the companion knows."""
    vm = machine(cpus="2,maxcpus=4", args="dom0_max_vcpus=2-4")
    vm.run("echo mask >/sys/firmware/acpi/interrupts/gpe02")
    assert "File exists" in vm.run("torii-cpu add 1 2>&1", check=False)
    assert "Invalid argument" in vm.run("torii-cpu add 77 2>&1", check=False)
    assert "Input/output error" in vm.run("torii-cpu add 3 >/dev/null; torii-cpu online 2 2>&1", check=False)
    vm.qmp.hmp(HOTPLUG.format(2))
    assert vm.run("torii-cpu add 2").splitlines()[-1] == "3"  # Torii's log is on the same line
    wait_for(vm, f"cat {XEN_CPU.format(3)}", "0")
    vm.run("torii-cpu online 3")
    wait_for(vm, f"cat {XEN_CPU.format(3)}", "1")
    vm.qmp.hmp(HOTPLUG.format(3))
    vm.run("torii-cpu online 2; torii-cpu keys ++")
    wait_for(vm, "cat /sys/devices/system/cpu/present", "0-3")
    vm.run(f"echo 1 >{CPU.format(2)}; echo 1 >{CPU.format(3)}")
    assert vm.run("nproc").strip() == "4"
    for cpu in range(4):
        assert vm.run(f"taskset {1 << cpu:x} sh -c 'cut -d\" \" -f39 /proc/self/stat'").strip() == str(cpu)
    state = vm.run("torii-cpu keys d")
    assert "d0v2 on CPU 2:" in state and "d0v3 on CPU 3:" in state
    vm.run("torii-cpu park 2")
    assert vm.run("cat /sys/devices/system/xen_cpu/*/online").split() == ["1", "0", "0"]
    assert vm.run("nproc").strip() == "4"
    vm.run("torii-cpu park 0")
    assert vm.run("cat /sys/devices/system/xen_cpu/*/online").split() == ["1", "1", "1"]
    assert "not supported" in vm.run("torii-cpu offline 0 2>&1", check=False)
    assert "Invalid argument" in vm.run("torii-cpu online 9 2>&1", check=False)


@long
def test_a_program_brings_vcpus_and_takes_them_away(machine):
    vm = machine(cpus=2, args="dom0_max_vcpus=2-3")
    vm.run("torii-cpu keys +")
    wait_for(vm, "cat /sys/devices/system/cpu/present", "0-2")
    vm.run(f"echo 1 >{CPU.format(2)}")
    assert vm.run("nproc").strip() == "3"
    assert "no vCPU to add" in vm.run("torii-cpu keys +")
    vm.run("torii-cpu keys -")
    wait_for(vm, "cat /sys/devices/system/cpu/present", "0-1")
    assert vm.run("nproc").strip() == "2"


def topology(vm, cpus):
    said = dict(re.findall(r"(?m)^ *(.+?): +(.*)$", vm.run("lscpu")))
    assert said["CPU(s)"] == str(cpus) and said["Thread(s) per core"] == "1" and said["Socket(s)"] == "1"
    assert said["Core(s) per socket"] == str(cpus)
    assert vm.run("cat /sys/devices/system/cpu/online /sys/devices/system/cpu/present").split() == (
        ["0-%d" % (cpus - 1)] * 2 if cpus > 1 else ["0", "0"])
    info = vm.run("cat /proc/cpuinfo")
    assert re.findall(r"(?m)^processor\s+: (\d+)$", info) == [str(n) for n in range(cpus)]
    assert re.findall(r"(?m)^apicid\s+: (\d+)$", info) == [str(n) for n in range(cpus)]
    assert re.findall(r"(?m)^cpu cores\s+: (\d+)$", info) == [str(cpus)] * cpus
    assert vm.run("ls -d /sys/bus/acpi/devices/ACPI0007:*").split() == [
        f"/sys/bus/acpi/devices/ACPI0007:{n:02x}" for n in range(cpus)]


@pytest.mark.parametrize("cpus,vcpus", [(4, 2)] + [pytest.param(n, n, marks=long) for n in (1, 2, 4, 8)])
def test_dom0_sees_the_topology_of_its_vcpus(machine, cpus, vcpus):
    vm = machine(cpus=cpus, args="" if vcpus == cpus else f"dom0_max_vcpus={vcpus}")
    topology(vm, vcpus)
    assert len(vm.run("ls -d /sys/devices/system/xen_cpu/xen_cpu*").split()) == cpus


def disassemble_all(vm):
    """acpidump in Dom0, and iasl of every table with the others at hand: their names."""
    vm.run("mkdir /tmp/tables; cd /tmp/tables; acpidump -b")
    tables = vm.run("ls").split()
    assert {"apic.dat", "dsdt.dat", "facp.dat", "ssdt.dat", "stao.dat"} <= set(tables)
    for table in tables:
        others = ",".join(t for t in tables if t != table and t[:4] in ("dsdt", "ssdt"))
        code = f"-e {others}" if table[:4] in ("dsdt", "ssdt") and others else ""
        said = vm.run(f"iasl {code} -d {table} 2>&1", 120)
        assert not re.search(r"(?i)error|warning", said), f"{table}: {said}"
    return tables


@long
@pytest.mark.parametrize("board", ["q35", "pc"])
def test_every_table_is_disassembled_without_a_remark(machine, board):
    vm = machine(machine=board, args="dom0_max_vcpus=2-4")
    disassemble_all(vm)
    assert "ncorrect" not in vm.run("grep -l Incorrect /tmp/tables/*.dsl", check=False)


@long
@pytest.mark.parametrize("board", ["q35", "pc"])
def test_tables_of_uefi_as_well(machine, initrd_acpi, base, board):
    path = BUILD / "test-acpi.iso"
    env = dict(os.environ, BUILD=str(BUILD), KERNEL="6.1", CMDLINE="", TORII_ARGS="dom0_max_vcpus=2-4", INITRD=initrd_acpi,
               IMAGE=base.image)
    subprocess.run([ROOT / "tools/make-iso.sh", path], check=True, env=env, capture_output=True)
    vm = machine(iso=str(path), firmware="uefi", machine=board)
    disassemble_all(vm)


@long
@pytest.mark.parametrize("board", ["q35", "pc"])
def test_the_power_button_reaches_dom0(machine, board):
    vm = machine(machine=board)
    count = "cut -c1-8 /sys/firmware/acpi/interrupts/ff_pwr_btn"
    assert vm.run(count).strip() == "0"
    vm.qmp("system_powerdown")
    wait_for(vm, count, "1")


@long
def test_power_data_of_the_machine_is_used(machine):
    """The stock driver sends up what an SSDT of QEMU's has: C2's counter moves; P-states are kept, and nothing is set."""
    aml = BUILD / "power.aml"
    subprocess.run(["iasl", "-p", aml, ROOT / "tests/system/asl/power.asl"], check=True, capture_output=True)
    vm = machine(cpus=2, qemu_args=f"-acpitable file={aml}")
    assert "xen_acpi_processor" in vm.run("lsmod")
    assert "idle port 0x614 is watched from now on" in vm.text

    def entries():
        return [int(line.split()[1]) for line in vm.run("torii-cpu idle 0").splitlines()]

    before = entries()
    time.sleep(2)
    after = entries()
    assert len(after) == 3 and after[0] > before[0] and after[2] > before[2]
    assert "No such device" in vm.run("torii-cpu freq 0 2>&1", check=False)
    state = vm.run("torii-cpu keys P")
    assert "P-states: the processor has no MSRs to set them" in state and "CPU 1 P1 1200 MHz, 15000 mW" in state
