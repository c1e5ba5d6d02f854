"""Pictures for tests: whole ones of any size and type, and what is not one."""

from io import BytesIO
from typing import Any

from PIL import Image, PngImagePlugin

TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}


def picture(kind: str = "PNG", *, width: int = 120, height: int = 40, colour: str = "#7a2e8e", **given: Any) -> bytes:
    """A picture of one colour."""
    file = BytesIO()
    Image.new("RGB", (width, height), colour).save(file, kind, **given)
    return file.getvalue()


def of_bytes(size: int) -> bytes:
    """A whole PNG of exactly so many bytes: a comment fills it up."""
    bare = len(_with_comment(0))
    found = _with_comment(size - bare)
    assert len(found) == size
    return found


def moving(kind: str) -> bytes:
    """A picture of two frames."""
    file = BytesIO()
    first, second = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue"))
    first.save(file, kind, save_all=True, append_images=[second], duration=100)
    return file.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with hardly any data behind it."""
    whole = picture()
    header = bytearray(whole)
    header[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    import zlib

    header[29:33] = zlib.crc32(bytes(header[12:29])).to_bytes(4, "big")
    return bytes(header)


def _with_comment(length: int) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * length)
    return picture(pnginfo=info)
