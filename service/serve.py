"""One API process: uvicorn on a socket that is bound before anything else is built."""

import gc
import signal
import sys

import uvicorn
from litestar.types import ASGIApp

from service.app import create_app
from service.ports import bind
from service.terminal import Screen, _
from tenants.settings import Settings

# Together under the 30 seconds that an orchestrator waits before it kills.
DRAIN_SECONDS = 25


def _settled(app: ASGIApp) -> ASGIApp:
    # What is built at start stays for good: the collector need not walk through it in the middle of somebody's request.
    gc.collect()
    gc.freeze()
    return app


def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or Ctrl-C, then finish those that have begun. Raises Refusal when the port is taken."""
    listener = bind(settings.host, settings.port, again="PORTILLON_PORT={port} portillon serve")
    port = listener.getsockname()[1]
    config = uvicorn.Config(
        lambda: _settled(create_app(settings)),
        factory=True,
        host=settings.host,
        port=port,
        http="httptools",
        lifespan="on",
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=bool(settings.trusted_proxies.strip()),
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    Screen().line(_("Listening on http://{host}:{port}").format(host=settings.host, port=port))
    # When all is finished, uvicorn raises the signal again: an end that was asked for is a success.
    signal.signal(signal.SIGTERM, lambda *signalled: sys.exit(0))
    uvicorn.Server(config).run(sockets=[listener])
