"""How long a recording's container says that it is, and how much of it is there.

libsndfile reads a truncated file without a word, and one whose header was never finished as empty, so the chunks of RIFF, RF64,
W64, AIFF, CAF, AU, VOC and Ogg are looked at here first. FLAC, MP3 and NIST give a number of frames, which is counted later.

Sources: Microsoft/IBM RIFF 1.0; EBU Tech 3306 (RF64); Sony W64; Apple AIFF-C and CAF 1.0; Sun audio(4); RFC 3533 (Ogg).
"""

import os
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

SLACK = 64  # bytes that a header may ask too much, or that may lie behind the sound, as careless programs leave them
# Programs that write into a pipe put a size at or above this into the header.
_UNKNOWN_SIZE = {"I": 0x7FFFF000, "Q": 0x7FFFFFFFFFFFF000, "q": 0x7FFFFFFFFFFFF000}
_MOST_CHUNKS = 10_000  # before the sound; a file with more is no recording


@dataclass
class Look:
    """What a container says."""

    error: str = ""
    warnings: list[str] = field(default_factory=list)
    patches: list[tuple[int, bytes]] = field(default_factory=list)  # (position, bytes) that make the header true


def look(file: BinaryIO) -> Look:
    """Look at a file's chunks. Raises: OSError when it cannot be read."""
    size = os.fstat(file.fileno()).st_size
    if not size:
        return Look(error="is empty (0 bytes)")
    start = file.read(16)
    walker = next((walk for magic, walk in _WALKERS.items() if start.startswith(magic)), None)
    if walker is None:
        return Look()
    try:
        return walker(file, size, start)
    except struct.error:  # the header itself ends too early: the decoder says so
        return Look()


@dataclass(frozen=True)
class _Form:
    """How a family of containers writes its chunks."""

    name: str  # struct of a chunk's name
    length: str  # struct of its length
    first: int  # position of the first chunk
    sound: tuple[bytes, ...]  # names of the chunk that holds the samples
    align: int = 2
    inclusive: int = 0  # bytes of the chunk's head that its length counts


def _chunks(form: _Form) -> Callable[[BinaryIO, int, bytes], Look]:
    def walk(file: BinaryIO, size: int, start: bytes) -> Look:
        order = ">" if start.startswith((b"FORM", b"caff", b"RIFX")) else "<"
        head = struct.Struct(order + form.name + form.length)
        width = struct.calcsize(order + form.length)
        position, wide, wide_at = form.first, None, 0
        for _ in range(_MOST_CHUNKS):
            file.seek(position)
            if len(chunk := file.read(head.size)) < head.size:
                return Look()
            name, length = head.unpack(chunk)
            length -= form.inclusive
            begin = position + head.size
            if name == b"ds64":  # the sizes of an RF64
                wide, wide_at = struct.unpack("<Q", file.read(16)[8:])[0], begin + 8
            if name.startswith(form.sound):
                if wide is not None and length == 0xFFFFFFFF:
                    return _sound(file, size, begin, wide, wide_at, "<Q", 0, form)
                return _sound(file, size, begin, length, begin - width, order + form.length, form.inclusive, form)
            if length < 0:
                return Look()
            position = begin + length + -length % form.align
        return Look(error=f"has more than {_MOST_CHUNKS} chunks before its sound")

    return walk


def _sound(
    file: BinaryIO, size: int, begin: int, length: int, length_at: int, length_as: str, inclusive: int, form: _Form
) -> Look:
    """Whether the chunk of `length` bytes of sound from `begin` on is there."""
    present = size - begin
    true = [(length_at, struct.pack(length_as, present + inclusive))] if _fits(present + inclusive, length_as) else []
    if length < 0 or (length > present and length >= _UNKNOWN_SIZE[length_as[-1]]):
        return Look()  # not known when it was written
    if length > present + SLACK:
        return Look(error=f"is truncated: {present} of {length} bytes are there")
    if length > present:
        return Look(warnings=[f"its header asks for {length - present} bytes more than there are"], patches=true)
    rest = present - length - length % form.align
    if rest <= 0 or _is_chunk(file, begin + length + length % form.align, rest, form):
        return Look()
    if not length:
        sentence = f"has a header that was never finished: {present} bytes of sound are read to the end of the file"
        return Look(warnings=[sentence], patches=[*true, *_whole(size, form)])
    if rest > SLACK:
        return Look(warnings=[f"holds {rest} bytes behind the {length} of sound that its header gives, which are not read"])
    return Look()


def _fits(value: int, length_as: str) -> bool:
    return value < 1 << (8 * struct.calcsize(length_as) - (length_as[-1] == "q"))


def _whole(size: int, form: _Form) -> list[tuple[int, bytes]]:
    """The patch of the size that stands in the first lines of a RIFF, which an unfinished header lacks too."""
    return [(4, struct.pack("<I", size - 8))] if form is _RIFF and size - 8 < 1 << 32 else []


def _is_chunk(file: BinaryIO, position: int, rest: int, form: _Form) -> bool:
    """Whether a chunk follows: a printable name, and a length that ends within the file."""
    file.seek(position)
    head = file.read(struct.calcsize("<" + form.name + form.length))
    if len(head) < 8 or rest <= 0:
        return False
    order = "<" if form in (_RIFF, _W64) else ">"
    name, length = struct.unpack(order + form.name + form.length, head)
    return all(32 <= letter < 127 for letter in name[:4]) and -1 <= length - form.inclusive <= rest - len(head) + SLACK


_RIFF = _Form("4s", "I", 12, (b"data",))
_W64 = _Form("16s", "Q", 40, (b"data",), align=8, inclusive=24)
_AIFF = _Form("4s", "I", 12, (b"SSND", b"BODY"))
_CAF = _Form("4s", "q", 8, (b"data",), align=1)


def _au(file: BinaryIO, size: int, start: bytes) -> Look:
    order = ">" if start.startswith(b".snd") else "<"
    offset, length = struct.unpack(order + "II", start[4:12])
    present = size - offset
    if length == 0xFFFFFFFF or present <= 0:
        return Look()
    if not length:
        sentence = f"has a header that was never finished: {present} bytes of sound are read to the end of the file"
        return Look(warnings=[sentence], patches=[(8, struct.pack(order + "I", min(present, 0xFFFFFFFF)))])
    if length > present + SLACK:
        return Look(error=f"is truncated: {present} of {length} bytes are there")
    if length > present:
        return Look(warnings=[f"its header asks for {length - present} bytes more than there are"])
    if present - length > SLACK:
        sentence = f"holds {present - length} bytes behind the {length} of sound that its header gives, which are not read"
        return Look(warnings=[sentence])
    return Look()


def _voc(file: BinaryIO, size: int, start: bytes) -> Look:
    file.seek(20)
    position = struct.unpack("<H", file.read(2))[0]
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(4)
        if not head or head[0] == 0:
            return Look()
        length = int.from_bytes(head[1:4], "little")
        if position + 4 + length > size:
            return Look(error=f"is truncated: {max(size - position - 4, 0)} of {length} bytes of a block are there")
        position += 4 + length
    return Look()


def _ogg(file: BinaryIO, size: int, start: bytes) -> Look:
    """The last page of a whole stream carries a mark (RFC 3533, section 6, header type 4)."""
    tail = 1 << 17  # more than the largest page, 65,307 bytes
    file.seek(max(size - tail, 0))
    end = file.read(tail)
    at = end.rfind(b"OggS")
    page = end[at:]
    if at < 0 or len(page) < 27 or not page[5] & 4 or len(page) < 27 + page[26] + sum(page[27 : 27 + page[26]]):
        return Look(error="is truncated: its last page is missing")
    return Look()


_WALKERS: dict[bytes, Callable[[BinaryIO, int, bytes], Look]] = {
    **dict.fromkeys((b"RIFF", b"RIFX", b"RF64", b"BW64"), _chunks(_RIFF)),
    b"riff\x2e\x91\xcf\x11": _chunks(_W64),
    b"FORM": _chunks(_AIFF),
    b"caff": _chunks(_CAF),
    **dict.fromkeys((b".snd", b"dns."), _au),
    b"Creative Voice F": _voc,
    b"OggS": _ogg,
    b"\xf0\x7e": lambda file, size, start: Look(error="is a MIDI sample dump: convert it to wav"),  # its reader prints
}
