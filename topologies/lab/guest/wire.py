"""What travels between a client, the keeper and the guest's first process: frames on a byte stream.

A frame is 7 bytes of head (kind, session, length; big-endian) and its payload. A session is one command: the keeper
numbers them, a client always calls its own 0. Standard library only.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = struct.Struct(">BHI")
# The most that may be on its way into the guest. A serial line of a user-mode kernel whose 4096 bytes of buffer fill up
# is throttled and never wakes again: line_throttle deactivates its descriptor, line_unthrottle does not activate it
# (Linux 7.3, arch/um/drivers/line.c).
WINDOW = 2048


class Kind(IntEnum):
    """READY: the guest is up. RUN: JSON of what `serving.Server.run` takes. EXIT: JSON `status`, `message`.

    HANGUP: the client is gone. TAKEN: so many bytes were read from the line.
    """

    READY = 1
    RUN = 2
    INPUT = 3
    INPUT_END = 4
    SIGNAL = 5
    SIZE = 6
    OUTPUT = 7
    ERRORS = 8
    EXIT = 9
    HANGUP = 10
    TAKEN = 11


class Frame(NamedTuple):
    """One frame."""

    kind: Kind
    session: int
    payload: bytes = b""

    def __bytes__(self) -> bytes:
        return HEAD.pack(self.kind, self.session, len(self.payload)) + self.payload


@dataclass(slots=True)
class Reader:
    """Puts frames together again from whatever pieces a stream gives."""

    rest: bytearray = field(default_factory=bytearray)

    def feed(self, piece: bytes) -> Iterator[Frame]:
        """The frames that are whole now; ValueError on a kind nobody knows."""
        self.rest += piece
        while len(self.rest) >= HEAD.size:
            kind, session, length = HEAD.unpack_from(self.rest)
            end = HEAD.size + length
            if len(self.rest) < end:
                return
            payload = bytes(self.rest[HEAD.size : end])
            del self.rest[:end]
            yield Frame(Kind(kind), session, payload)
