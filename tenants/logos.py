"""Logos: small pictures whose type, size and every byte are checked before they are kept, and shown to anyone."""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, UnidentifiedImageError

from tenants.errors import Invalid

LARGEST = 200_000  # bytes
SIDES = range(16, 2001)  # pixels
_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
TYPES = tuple(_TYPES.values())
_FIELD = "logo"
# Padding, a stuffed 0xff in the data of a scan, and the restarts between them (ITU T.81, B.1.1.3).
_WITHOUT_LENGTH = frozenset(bytes([marker]) for marker in (0x00, 0xFF, *range(0xD0, 0xD8)))
_BROKEN = (UnidentifiedImageError, OSError, EOFError, SyntaxError, ValueError, TypeError, IndexError, struct.error)
# The sides are looked at below, before a pixel is decoded; the library's own alarm would go off in the log instead.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Logo:
    """A picture that was checked, with its media type."""

    content: bytes
    media_type: str


def checked_logo(content: bytes) -> Logo:
    """A picture and its type, by what it contains. Raises Invalid for whatever is not exactly one whole, still picture.

    Nothing may stand after the picture: a file that is two things at once is shown as the one and run as the other.
    """
    if len(content) > LARGEST:
        raise Invalid(_FIELD, "too_long", max=LARGEST)
    kind = _decoded(content)
    if _END_OF[kind](content) != len(content):
        raise Invalid(_FIELD, "not_an_image")
    return Logo(content, _TYPES[kind])


def _decoded(content: bytes) -> str:
    try:
        with Image.open(BytesIO(content), formats=list(_TYPES)) as picture:
            if not (picture.width in SIDES and picture.height in SIDES):
                raise Invalid(_FIELD, "wrong_size", min=SIDES.start, max=SIDES.stop - 1)
            if getattr(picture, "n_frames", 1) > 1 or picture.format not in _TYPES:
                raise Invalid(_FIELD, "not_still")
            picture.load()
            return picture.format
    except _BROKEN as error:
        raise Invalid(_FIELD, "not_an_image") from error


def _end_of_png(content: bytes) -> int:
    # PNG, 5.3: length, type, data, checksum; IEND is the last.
    at = 8
    while at + 12 <= len(content):
        kind = content[at + 4 : at + 8]
        at += 12 + int.from_bytes(content[at : at + 4], "big")
        if kind == b"IEND":
            return at
    return -1


def _end_of_webp(content: bytes) -> int:
    # RFC 9649, 2.4: the size of everything after the first eight bytes, padded to even.
    size = int.from_bytes(content[4:8], "little")
    return 8 + size + size % 2


def _end_of_jpeg(content: bytes) -> int:
    # Segments say their length; data of a scan go on until a marker that is neither stuffed nor a restart.
    at = 2
    while at + 4 <= len(content):
        at = content.find(b"\xff", at)
        marker = content[at + 1 : at + 2]
        if marker == b"\xd9" or at < 0:
            return at + 2
        if marker in _WITHOUT_LENGTH:
            at += 1 if marker == b"\xff" else 2
        else:
            at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")
    return -1


_END_OF: dict[str, Callable[[bytes], int]] = {"PNG": _end_of_png, "WEBP": _end_of_webp, "JPEG": _end_of_jpeg}
