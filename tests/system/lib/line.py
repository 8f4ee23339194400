# SPDX-License-Identifier: BSD-2-Clause
"""An emulated machine's serial line as expect(), and the shell of Dom0 on it."""
import ctypes
import os
import pathlib
import re
import signal
import subprocess
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


def environment():
    """What a runner inherits; its settings are added to it."""
    env = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "TMPDIR", "LANG", "USER")}
    env["BUILD"] = str(BUILD)
    return env


def die_with_parent(sign):
    """In the child: no emulator outlives a test run that was killed."""
    LIBC.prctl(PR_SET_PDEATHSIG, sign)


class Failure(AssertionError):
    """Something expected did not come; the message ends with the last lines of the serial log."""


class Line:
    """Standard input and output of a runner script (tools/run-*.sh) are the serial line of the machine it starts."""

    END = signal.SIGKILL  # how a runner is stopped

    def __init__(self, name):
        self.name = re.sub(r"[^A-Za-z0-9.=+-]+", "_", name).strip("_")
        self.started = time.monotonic()
        self._buffer = ""
        self._seen = 0
        self._commands = 0
        self._changed = threading.Condition()
        self._eof = False
        self._process = None

    def _start(self, command, env):
        LOGS.mkdir(parents=True, exist_ok=True)
        self._errors = open(LOGS / f"{self.name}.stderr.log", "wb")
        self._log = open(LOGS / f"{self.name}.serial.log", "wb")
        self._process = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                         stderr=self._errors, preexec_fn=lambda: die_with_parent(self.END))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _stop(self):
        if not self._process:
            return
        if self._process.poll() is None:
            self._process.send_signal(self.END)
        self._process.wait()
        self._reader.join(5)
        for file in (self._errors, self._log):
            file.close()

    @property
    def errors(self):
        """What the runner said, after the end."""
        return (LOGS / f"{self.name}.stderr.log").read_text(errors="replace")

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
