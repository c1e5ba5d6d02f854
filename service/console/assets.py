"""The console's stylesheet, script and icon."""

from pathlib import Path

from litestar import Response
from litestar.params import FromPath

from service.console.routes import page
from service.routes import Open
from tenants.errors import NotFound

_FOLDER = Path(__file__).with_name("static")
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_ASSETS = {path.name: (path.read_bytes(), _TYPES[path.suffix]) for path in _FOLDER.iterdir() if path.suffix in _TYPES}


@page("/static/{name:str}", right=Open.TO_ANYONE, sync_to_thread=False)
def asset(name: FromPath[str]) -> Response[bytes]:
    """One file of the folder, and nothing else."""
    if name not in _ASSETS:
        raise NotFound
    content, media_type = _ASSETS[name]
    return Response(content, media_type=media_type)


routes = [asset]
