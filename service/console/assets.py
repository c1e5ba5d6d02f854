"""The console's stylesheet, scripts and icons on their way to a browser."""

from litestar import Response
from litestar.params import FromPath

from service.console.browser import AnyRequest
from service.console.compression import COMPRESSED, PLAIN, takes_gzip
from service.console.routes import page
from service.console.static_files import FILES
from service.front import CONTENT_SECURITY_POLICY
from service.routes import Open
from tenants.errors import NotFound

# What says how long it may be kept has its own word on the policy too: the front adds what an answer does not say itself.
_FOR_GOOD = {"cache-control": "public, max-age=31536000, immutable", "content-security-policy": CONTENT_SECURITY_POLICY}


@page("/static/{name:str}", right=Open.TO_ANYONE, sync_to_thread=False)
def asset(name: FromPath[str], request: AnyRequest) -> Response[bytes]:
    """One file of the folder, and nothing else. Under the address of this content it may be kept; under its bare name it may not."""
    if name not in FILES:
        raise NotFound
    file, smaller = FILES[name], takes_gzip(request)
    headers = COMPRESSED if smaller else PLAIN
    if request.query_params.get("v") == file.version:
        headers = headers | _FOR_GOOD
    return Response(file.compressed if smaller else file.content, media_type=file.media_type, headers=headers)


routes = [asset]
