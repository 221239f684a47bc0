"""Ways to damage bytes that no format is known of."""

from __future__ import annotations

from random import Random

ODD = (b"\0", b"\xff", b"\x80", b"\r", b"\n", b"\r\n", b"\xed\xa0\x80", b"\x1b[2J", b" ", b"\\", b'"', b"%")


def damaged(random: Random, content: bytes, times: int = 1) -> bytes:
    """Bits flipped, bytes set, cut out, put in, copied from elsewhere; or the end is missing."""
    found = bytearray(content)
    for _ in range(random.randint(1, times)):
        at = random.randrange(len(found) + 1)
        length = min(random.choice((1, 1, 2, 4, 8, 30, 200)), len(found) - at)
        match random.randrange(8):
            case 0 | 1 if at < len(found):
                found[at] ^= 1 << random.randrange(8)
            case 2 if at < len(found):
                found[at] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))
            case 3:
                del found[at : at + length]
            case 4:
                found[at:at] = random.choice(ODD)
            case 5:
                found[at : at + length] = random.randbytes(length)
            case 6:
                source = random.randrange(len(found) + 1)
                found[at : at + length] = found[source : source + length]
            case _:
                if random.random() < 0.3:
                    del found[at:]
    return bytes(found)
