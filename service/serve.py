"""One API process: uvicorn on a socket that is bound before anything else is built."""

import gc
import resource
import signal
import socket
import sys
from contextlib import suppress

import uvicorn

from service.app import create_app
from service.front import Front
from service.ports import bind
from service.terminal import Screen, _
from tenants.settings import Settings

# Together under the 30 seconds that an orchestrator waits before it kills.
DRAIN_SECONDS = 25


class _Server(uvicorn.Server):
    """Waits for answers that have begun when it is told to stop, as every uvicorn does; those that never end, it ends first."""

    front: Front | None = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Finish what has begun."""
        if self.front is not None:
            self.front.leave()
        await super().shutdown(sockets)


def _take_all_files_allowed() -> None:
    # Each listener of events is an open file, and many systems begin with a thousand.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _settled(app: Front) -> Front:
    # What is built at start stays for good: the collector need not walk through it in the middle of somebody's request.
    gc.collect()
    gc.freeze()
    return app


def serve(settings: Settings) -> None:
    """Answer requests until SIGTERM or Ctrl-C, then finish those that have begun. Raises Refusal when the port is taken."""
    listener = bind(settings.host, settings.port, again="PORTILLON_PORT={port} portillon serve")
    port = listener.getsockname()[1]
    _take_all_files_allowed()

    def built() -> Front:
        server.front = _settled(create_app(settings))
        return server.front

    config = uvicorn.Config(
        built,
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
    server = _Server(config)
    server.run(sockets=[listener])
