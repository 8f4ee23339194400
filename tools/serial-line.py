#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""serial-line.py PORTFILE LOG: the other end of an emulated serial line that comes as a TCP connection.

Listens on a free local port, writes its number to PORTFILE, and joins the first connection to standard input and output,
until the connection ends. What comes from it also goes to LOG. At a terminal, Ctrl-] x ends it.
"""
import os
import pathlib
import select
import signal
import socket
import sys
import termios
import tty

ESCAPE = 0x1D


class Keys:
    """What is typed, with the escape sequence taken out."""

    def __init__(self):
        self.escaped = False
        self.ended = False

    def feed(self, data):
        out = bytearray()
        for byte in data:
            if self.escaped:
                self.escaped = False
                if byte == ord("x"):
                    self.ended = True
                    break
                if byte != ESCAPE:
                    out.append(ESCAPE)
                out.append(byte)
            elif byte == ESCAPE:
                self.escaped = True
            else:
                out.append(byte)
        return bytes(out)


def write_all(fd, data):
    while data:
        data = data[os.write(fd, data):]


def relay(line, log, terminal):
    """False if the escape sequence ended it."""
    keys, sources = Keys(), [line, 0]
    while True:
        ready, _, _ = select.select(sources, [], [])
        if line in ready:
            try:
                data = line.recv(65536)
            except ConnectionError:
                data = b""
            if not data:
                return True
            log.write(data)
            write_all(1, data)
        if 0 in ready:
            data = os.read(0, 4096)
            if not data:
                sources.remove(0)
            try:
                line.sendall(keys.feed(data) if terminal else data)
            except ConnectionError:
                pass
            if keys.ended:
                return False


def connection(port_file):
    with socket.create_server(("127.0.0.1", 0)) as server:
        partial = port_file.with_suffix(".new")
        partial.write_text(f"{server.getsockname()[1]}\n")
        partial.rename(port_file)
        line, _ = server.accept()
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return line


def main():
    port_file, log_file = map(pathlib.Path, sys.argv[1:3])
    # The terminal is as it was, whatever ends this.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    terminal = os.isatty(0)
    before = termios.tcgetattr(0) if terminal else None
    try:
        if terminal:
            tty.setraw(0)
        with connection(port_file) as line, open(log_file, "wb", buffering=0) as log:
            return 0 if relay(line, log, terminal) else 2
    finally:
        if terminal:
            termios.tcsetattr(0, termios.TCSADRAIN, before)


if __name__ == "__main__":
    sys.exit(main())
