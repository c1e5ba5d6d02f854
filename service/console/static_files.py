"""The console's own files: the same for everybody, each under an address that changes with its content."""

from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from service.console.compression import file_compressed

_FOLDER = Path(__file__).with_name("static")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class File(NamedTuple):
    """One file, and the word for this content of it."""

    content: bytes
    compressed: bytes
    media_type: str
    version: str


def _read(path: Path) -> File:
    content = path.read_bytes()
    return File(content, file_compressed(content), _TYPES[path.suffix], sha256(content).hexdigest()[:12])


FILES = {path.name: _read(path) for path in _FOLDER.iterdir() if path.suffix in _TYPES}


def address_of(name: str) -> str:
    """Where the file is, as it is now: a browser may keep for good what it finds there."""
    return f"/static/{name}?v={FILES[name].version}"
