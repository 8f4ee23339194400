# SPDX-License-Identifier: BSD-2-Clause
"""A machine under test: QEMU started by tools/run-qemu.sh, its serial line as expect(), its monitor as QMP."""
import ctypes
import dataclasses
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[3]
BUILD = (ROOT / os.environ.get("BUILD", "build")).resolve()
LOGS = BUILD / "test-logs"
# Emulated machines on a busy host are slow, not wrong: one knob stretches every timeout.
SCALE = float(os.environ.get("TIMEOUT_SCALE", "1"))
BOOT = 150
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)
PROMPT = "dom0# "


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
    image: str = ""
    iso: str = ""
    firmware: str = ""

    def environment(self):
        env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG", "USER")}
        values = dict(
            BUILD=BUILD, HV=self.hv, KERNEL=self.kernel, INITRD=self.initrd, CMDLINE=self.cmdline,
            TORII_ARGS=self.args, CPUS=self.cpus, MEM=self.mem, CPU=self.cpu, MACHINE=self.machine, QEMU=self.qemu,
            QEMU_ARGS=self.qemu_args, IMAGE=self.image, ISO=self.iso, FIRMWARE=self.firmware)
        env.update({k: str(v) for k, v in values.items()})
        return env


def die_with_parent():
    """In the child: no emulator outlives a test run that was killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Failure(AssertionError):
    """Something expected did not come; the message ends with the last lines of the serial log."""


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

    def wait_closed(self, timeout):
        with self._changed:
            return self._changed.wait_for(lambda: self.closed, timeout)

    def end(self):
        self._socket.close()


class VM:
    """with VM(Config(...), name) as vm: vm.shell(); vm.run("uname -r"); ..."""

    def __init__(self, config, name):
        self.config = config
        self.name = re.sub(r"[^A-Za-z0-9.=+-]+", "_", name).strip("_")
        self.started = time.monotonic()
        self._buffer = ""
        self._seen = 0
        self._commands = 0
        self._changed = threading.Condition()
        self._eof = False
        self._dir = None
        self._process = None
        self.qmp = None

    def __enter__(self):
        LOGS.mkdir(parents=True, exist_ok=True)
        self._dir = tempfile.mkdtemp(prefix="torii-")
        qmp = os.path.join(self._dir, "qmp")
        env = self.config.environment()
        env.update(SERIAL="stdio", QMP=qmp)
        self.trace = LOGS / f"{self.name}.qemu.log"
        env["QEMU_ARGS"] += f" -d cpu_reset,guest_errors -D {self.trace}"
        self._errors = open(LOGS / f"{self.name}.stderr.log", "wb")
        self._log = open(LOGS / f"{self.name}.serial.log", "wb")
        self._process = subprocess.Popen(
            [ROOT / "tools" / "run-qemu.sh"], env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, preexec_fn=die_with_parent)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.qmp = Qmp(qmp)
        except OSError:
            self.__exit__()
            errors = (LOGS / f"{self.name}.stderr.log").read_text(errors="replace")
            raise Failure(f"QEMU did not start: {errors}") from None
        self.started = time.monotonic()
        return self

    def __exit__(self, *_):
        if self._process and self._process.poll() is None:
            self._process.kill()
        if self._process:
            self._process.wait()
            self._reader.join(5)
        if self.qmp:
            self.qmp.end()
        for file in (self._errors, self._log):
            file.close()
        shutil.rmtree(self._dir, ignore_errors=True)

    def _read(self):
        stream = self._process.stdout.fileno()
        while True:
            try:
                data = os.read(stream, 65536)
            except OSError:
                data = b""
            with self._changed:
                if not data:
                    self._eof = True
                    self._changed.notify_all()
                    return
                self._log.write(data)
                self._log.flush()
                self._buffer += data.decode("utf-8", "replace").replace("\r", "")
                self._changed.notify_all()

    @property
    def text(self):
        """Everything the serial line has said."""
        return self._buffer

    def tail(self, lines=25):
        return "\n".join(self._buffer.splitlines()[-lines:])

    def elapsed(self):
        return time.monotonic() - self.started

    def expect(self, pattern, timeout=60, fatal=r"\Zx"):
        """Wait for a regular expression behind what was matched before; fail at once where `fatal` matches first."""
        regex, bad = re.compile(pattern, re.M), re.compile(fatal, re.M)
        deadline = time.monotonic() + timeout * SCALE
        with self._changed:
            while True:
                match = regex.search(self._buffer, self._seen)
                stop = bad.search(self._buffer, self._seen)
                if stop and (not match or stop.start() < match.start()):
                    raise Failure(f"{stop.group(0)!r} came, not {pattern!r}; the line's last words:\n{self.tail()}")
                if match:
                    self._seen = match.end()
                    return match
                left = deadline - time.monotonic()
                if self._eof or left <= 0:
                    why = "the machine ended" if self._eof else f"waited {timeout * SCALE:.0f} s"
                    raise Failure(f"no {pattern!r}: {why}; the line's last words:\n{self.tail()}")
                self._changed.wait(min(left, 1.0))

    def never(self, pattern):
        match = re.search(pattern, self._buffer, re.M)
        if match:
            raise Failure(f"{match.group(0)!r} on the line; its last words:\n{self.tail()}")

    def send(self, text):
        self._process.stdin.write(text.encode())
        self._process.stdin.flush()

    def shell(self, timeout=BOOT, quiet=True):
        """To the prompt of Dom0's shell; `quiet` keeps kernel messages off the line from here on."""
        self.expect(r"torii-dom0: shell", timeout, fatal=r"Kernel panic|\*\*\* Torii panic")
        self.expect(re.escape(PROMPT), 30)
        if quiet:
            self.run("dmesg -n 1; stty cols 500")
        return self

    def run(self, command, timeout=60, check=True):
        """A command line in the shell; what it printed."""
        self._commands += 1
        n = self._commands
        # The line is echoed: quotes keep the echo from looking like the answer.
        self.send(f"echo @'begin'{n}; {command}; echo @'end'{n} $?\n")
        self.expect(rf"^@begin{n}\n", timeout)
        start = self._seen
        match = self.expect(rf"@end{n} (\d+)\n", timeout)
        if check and match.group(1) != "0":
            raise Failure(f"{command!r} ended with status {match.group(1)}:\n{self._buffer[start:match.start()]}")
        return self._buffer[start:match.start()]

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

    def triple_fault(self):
        """Whether the physical CPU, not a guest's, ended in a triple fault."""
        return self.trace.exists() and "Triple fault" in self.trace.read_text(errors="replace")

    def halted_cpus(self):
        return sum("halted" in line for line in self.qmp.hmp("info cpus").splitlines())
