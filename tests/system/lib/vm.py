# SPDX-License-Identifier: BSD-2-Clause
"""A machine under test: QEMU started by tools/run-qemu.sh, its serial line as expect(), its monitor as QMP."""
import dataclasses
import json
import os
import shutil
import socket
import tempfile
import threading
import time

from lib.line import BOOT, BUILD, LOGS, ROOT, SCALE, Failure, Line, environment  # noqa: F401

# What no kernel may say under Torii, in whatever test: a register, an interrupt or a device it took for granted is not there.
# Not kernel 7.2's clocksource watchdog, which gives up on another CPU within microseconds: the emulator's thread of that CPU
# may not be running.
COMPLAINTS = (r"^\[ *\d+\.\d+\] (?!clocksource: Watchdog remote CPU \d+ read timed out)"
              r".*(unchecked MSR access|nobody cared|Failed to add - passthrough|timed out)")


@dataclasses.dataclass(frozen=True)
class Config:
    """What run-qemu.sh is told. Empty strings mean its defaults."""

    hv: str = "torii"
    kernel: str = ""
    initrd: str = ""
    cmdline: str = ""
    args: str = ""  # the hypervisor's command line
    cpus: int = 2
    mem: int = 1024  # MiB
    cpu: str = ""
    machine: str = ""
    qemu: str = ""
    qemu_args: str = ""
    threads: str = ""
    image: str = ""
    iso: str = ""
    firmware: str = ""

    def environment(self):
        env = environment()
        values = dict(
            HV=self.hv, KERNEL=self.kernel, INITRD=self.initrd, CMDLINE=self.cmdline,
            TORII_ARGS=self.args, CPUS=self.cpus, MEM=self.mem, CPU=self.cpu, MACHINE=self.machine, QEMU=self.qemu,
            QEMU_ARGS=self.qemu_args, THREADS=self.threads, IMAGE=self.image, ISO=self.iso, FIRMWARE=self.firmware)
        env.update({k: str(v) for k, v in values.items()})
        return env


class Qmp:
    def __init__(self, path):
        self.events = []
        self._replies = []
        self._changed = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + 30 * SCALE
        while True:
            try:
                self._socket.connect(path)
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        self._file = self._socket.makefile("rw")
        self._file.readline()  # the greeting
        self.closed = False
        threading.Thread(target=self._read, daemon=True).start()
        self("qmp_capabilities")

    def _read(self):
        try:
            for line in self._file:
                message = json.loads(line)
                with self._changed:
                    (self.events if "event" in message else self._replies).append(message)
                    self._changed.notify_all()
        except (OSError, ValueError):
            pass
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def __call__(self, command, **arguments):
        with self._changed:
            self._replies.clear()
            self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            self._file.flush()
            if not self._changed.wait_for(lambda: self._replies or self.closed, 30 * SCALE) or not self._replies:
                raise Failure(f"no answer to {command}")
            reply = self._replies.pop(0)
        if "error" in reply:
            raise Failure(f"{command}: {reply['error']['desc']}")
        return reply["return"]

    def hmp(self, line):
        return self("human-monitor-command", **{"command-line": line})

    def wait_event(self, name, since, timeout, **data):
        """An event of this name, with this data, that came after the first `since`."""
        def came():
            return [e for e in self.events[since:] if e["event"] == name and data.items() <= e["data"].items()]

        with self._changed:
            if not self._changed.wait_for(lambda: came() or self.closed, timeout * SCALE) or not came():
                raise Failure(f"no {name} event")

    def wait_closed(self, timeout):
        with self._changed:
            return self._changed.wait_for(lambda: self.closed, timeout)

    def end(self):
        self._socket.close()


class VM(Line):
    """with VM(Config(...), name) as vm: vm.shell(); vm.run("uname -r"); ..."""

    def __init__(self, config, name):
        super().__init__(name)
        self.config = config
        self._dir = None
        self.qmp = None

    def __enter__(self):
        self._dir = tempfile.mkdtemp(prefix="torii-")
        qmp = os.path.join(self._dir, "qmp")
        env = self.config.environment()
        env.update(SERIAL="stdio", QMP=qmp)
        self.trace = LOGS / f"{self.name}.qemu.log"
        env["QEMU_ARGS"] += f" -d cpu_reset,guest_errors -D {self.trace}"
        self._start([ROOT / "tools" / "run-qemu.sh"], env)
        try:
            self.qmp = Qmp(qmp)
        except OSError:
            self.__exit__()
            raise Failure(f"QEMU did not start: {self.errors}") from None
        self.started = time.monotonic()
        return self

    def __exit__(self, kind=None, *_):
        self._stop()
        if self.qmp:
            self.qmp.end()
        shutil.rmtree(self._dir, ignore_errors=True)
        if kind is None and self.config.hv == "torii":
            self.never(COMPLAINTS)

    def wait_exit(self, timeout=60):
        """The machine's end: QMP's reason, such as guest-shutdown, guest-reset, guest-panic."""
        if not self.qmp.wait_closed(timeout * SCALE):
            raise Failure(f"still running after {timeout * SCALE:.0f} s; the line's last words:\n{self.tail()}")
        self._process.wait(30)
        self._reader.join(10)
        reasons = [e["data"].get("reason", "") for e in self.qmp.events if e["event"] == "SHUTDOWN"]
        return reasons[-1] if reasons else "none"

    def still_running(self, seconds):
        """True if the machine has not ended within that time."""
        return not self.qmp.wait_closed(seconds)

    def emulator_crashed(self):
        """Whether QEMU was ended by a signal: an assertion or a fault of its own, whatever the guest did."""
        return self.qmp.wait_closed(0) and not 0 <= self._process.wait(30) < 128

    def triple_fault(self):
        """Whether the physical CPU, not a guest's, ended in a triple fault."""
        return self.trace.exists() and "Triple fault" in self.trace.read_text(errors="replace")

    def halted_cpus(self):
        return sum("halted" in line for line in self.qmp.hmp("info cpus").splitlines())
