# SPDX-License-Identifier: BSD-2-Clause
"""A machine under test in Bochs, started by tools/run-bochs.sh."""
import re
import signal
import subprocess
import time

from lib.line import LOGS, ROOT, SCALE, Failure, Line, environment

# Exit statuses of tools/run-bochs.sh, in QMP's words.
ENDS = {0: "guest-shutdown", 3: "guest-reset", 4: "halted"}
BOOT = 400


class Bochs(Line):
    """with Bochs(name, model, CPUS=2, CMDLINE="...") as vm: settings are those of tools/run-bochs.sh."""

    END = signal.SIGTERM  # the script ends Bochs

    def __init__(self, name, model, limit=900, **settings):
        super().__init__(f"bochs-{name}")
        self.model = model
        self._directory = LOGS / self.name
        self._env = environment()
        self._env.update(MODEL=model, LIMIT=str(int(limit * SCALE)), DIR=str(self._directory))
        self._env.update({k: str(v) for k, v in settings.items()})

    def __enter__(self):
        self._start([ROOT / "tools" / "run-bochs.sh"], self._env)
        return self

    def __exit__(self, *_):
        self._stop()

    def wait_exit(self, timeout=60):
        """The machine's end: guest-shutdown, guest-reset, or halted for all processors asleep for good."""
        try:
            status = self._process.wait(timeout * SCALE)
        except subprocess.TimeoutExpired:
            raise Failure(f"still running after {timeout * SCALE:.0f} s; last words:\n{self.tail()}") from None
        self._reader.join(10)
        return ENDS.get(status, "none")

    def still_running(self, seconds):
        """True if the machine has not ended within that time."""
        time.sleep(seconds)
        return self._process.poll() is None

    def triple_fault(self):
        """Whether a physical CPU ended in a triple fault."""
        return "3rd (" in (self._directory / "bochs.log").read_text(errors="replace")

    def host_seconds(self):
        """CPU time the run took, known after its end: the second line of `times` is that of the script's children."""
        line = (self._directory / "times").read_text().splitlines()[1]
        return sum(60 * int(m) + float(s) for m, s in re.findall(r"(\d+)m([\d.]+)s", line))
