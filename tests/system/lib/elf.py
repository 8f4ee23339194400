# SPDX-License-Identifier: BSD-2-Clause
"""Small ELF64 kernels for loaders to take or refuse: segments, and the notes a PVH kernel carries."""
import struct

NOTE_PHYS32_ENTRY, NOTE_SUPPORTED_FEATURES = 18, 17  # XEN_ELFNOTE_*, xen/elfnote.h
PT_LOAD, PT_NOTE = 1, 4
# cli; hlt; jmp back
SLEEP = b"\xfa\xf4\xeb\xfd"


def note(kind, desc, name=b"Xen\0"):
    pad = lambda b: b + b"\0" * (-len(b) % 4)  # noqa: E731
    return struct.pack("<III", len(name), len(desc), kind) + pad(name) + pad(desc)


def entry_note(entry):
    return note(NOTE_PHYS32_ENTRY, struct.pack("<Q", entry))


def image(segments, notes=b"", machine=62, entry=0):
    """segments: (paddr, bytes, memsz) or (paddr, bytes, memsz, file size claimed)."""
    count = len(segments) + bool(notes)
    offset = 64 + 56 * count
    headers, body = b"", b""

    def header(kind, paddr, data, filesz, memsz):
        nonlocal headers, body
        headers += struct.pack("<IIQQQQQQ", kind, 7, offset + len(body), paddr, paddr, filesz, memsz, 4)
        body += data + b"\0" * (-len(data) % 4)

    for paddr, data, memsz, *filesz in segments:
        header(PT_LOAD, paddr, data, filesz[0] if filesz else len(data), memsz)
    if notes:
        header(PT_NOTE, 0, notes, len(notes), len(notes))
    ident = b"\x7fELF\x02\x01\x01" + b"\0" * 9
    return ident + struct.pack("<HHIQQQIHHHHHH", 2, machine, 1, entry, 64, 0, 0, 64, 56, count, 0, 0, 0) + headers + body
