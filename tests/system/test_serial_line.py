# SPDX-License-Identifier: BSD-2-Clause
"""tools/serial-line.py: the terminal end of a serial line that comes as a TCP connection, as Bochs' does."""
import os
import pty
import socket
import subprocess
import termios
import time

import pytest

from lib.line import ROOT, SCALE

TOOL = ROOT / "tools" / "serial-line.py"


class Ends:
    """The tool, with a machine at one end and a terminal, or a pipe, at the other."""

    def __init__(self, directory, terminal):
        self.log = directory / "log"
        port = directory / "port"
        if terminal:
            self.near, far = pty.openpty()
            self.tool = subprocess.Popen([TOOL, port, self.log], stdin=far, stdout=far)
            os.close(far)
        else:
            self.tool = subprocess.Popen([TOOL, port, self.log], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self.near = self.tool.stdout.fileno()
        deadline = time.monotonic() + 20 * SCALE
        while not port.exists():
            assert time.monotonic() < deadline, "no port"
            time.sleep(0.02)
        self.machine = socket.create_connection(("127.0.0.1", int(port.read_text())), 20 * SCALE)

    def type(self, keys):
        os.write(self.near if self.tool.stdin is None else self.tool.stdin.fileno(), keys)

    def machine_gets(self, want):
        got = b""
        while len(got) < len(want):
            got += self.machine.recv(4096)
        assert got == want

    def terminal_shows(self, want):
        got = b""
        while len(got) < len(want):
            got += os.read(self.near, 4096)
        assert got == want

    def status(self):
        return self.tool.wait(20 * SCALE)


@pytest.fixture(params=["terminal", "pipe"])
def ends(request, tmp_path):
    both = Ends(tmp_path, request.param == "terminal")
    yield both
    both.machine.close()
    both.tool.kill()
    both.tool.wait()


@pytest.fixture
def terminal(tmp_path):
    both = Ends(tmp_path, True)
    yield both
    both.machine.close()
    both.tool.kill()
    both.tool.wait()


def test_both_directions_pass_every_byte(ends):
    every = bytes(range(256)).replace(b"\x1d", b"")
    ends.machine.sendall(every)
    ends.terminal_shows(every)
    ends.type(b"\x00\x03\x04\x1a\x7f\r\n\xff")
    ends.machine_gets(b"\x00\x03\x04\x1a\x7f\r\n\xff")
    assert ends.log.read_bytes() == every


def test_it_ends_with_the_machine(ends):
    ends.machine.sendall(b"last words")
    ends.machine.close()
    ends.terminal_shows(b"last words")
    assert ends.status() == 0


def test_the_machine_goes_on_when_nobody_types_any_more(tmp_path):
    ends = Ends(tmp_path, False)
    ends.tool.stdin.close()
    ends.machine.sendall(b"still here")
    ends.terminal_shows(b"still here")
    ends.machine.close()
    assert ends.status() == 0


def test_the_escape_sequence_ends_it(terminal):
    terminal.type(b"ls\r\x1dx")
    terminal.machine_gets(b"ls\r")
    assert terminal.status() == 2


def test_a_kill_leaves_the_terminal_as_it_was(terminal):
    raw = termios.tcgetattr(terminal.near)
    assert not raw[3] & termios.ECHO
    terminal.tool.terminate()
    terminal.status()
    assert termios.tcgetattr(terminal.near)[3] & termios.ECHO


def test_the_escape_key_alone_is_a_key(terminal):
    terminal.type(b"\x1da\x1d\x1db")
    terminal.machine_gets(b"\x1da\x1db")


def test_from_a_pipe_it_is_a_byte_like_any(tmp_path):
    ends = Ends(tmp_path, False)
    ends.type(b"\x1dx")
    ends.machine_gets(b"\x1dx")
    ends.machine.close()
    assert ends.status() == 0
