"""Pages and files travel compressed, where that can tell nobody what is in them."""

import gzip
import re

from service.console.browser import AnyRequest

# How long a compressed page is tells somebody who listens and has words of their own put into it, as a search in the address is, which
# other words are in it, letter by letter (BREACH). So a page is compressed only for requests that no other site can make this browser
# send: it is the browser that writes this header, and a script cannot.
_OURS = frozenset({"same-origin", "none"})
# More than half of the way to the best for a third of its time: what a page costs is felt more than its last kilobyte.
_QUICKLY, _WELL = 3, 9
_SMALL = 1_000  # bytes; one packet holds it either way
_GZIP = re.compile(r"(?:^|[,\s])(?:x-)?gzip\s*(?:;\s*q\s*=\s*(?P<weight>[0-9.]+)\s*)?(?:,|$)", re.IGNORECASE)

COMPRESSED = {"content-encoding": "gzip", "vary": "accept-encoding"}
PLAIN = {"vary": "accept-encoding"}


def page_compressed(request: AnyRequest, page: str) -> bytes | None:
    """The page for the wire, or None if it goes as it is."""
    if request.headers.get("sec-fetch-site") not in _OURS or len(page) < _SMALL or not takes_gzip(request):
        return None
    return gzip.compress(page.encode(), _QUICKLY, mtime=0)


def file_compressed(content: bytes) -> bytes:
    """A file that is the same for everybody, compressed once for all."""
    return gzip.compress(content, _WELL, mtime=0)


def takes_gzip(request: AnyRequest) -> bool:
    """Whether whoever asks can read it."""
    offered = _GZIP.search(request.headers.get("accept-encoding", ""))
    return offered is not None and not re.fullmatch(r"0(\.0*)?", offered["weight"] or "1")
