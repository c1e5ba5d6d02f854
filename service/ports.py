"""Listening sockets, and what to do when a port is not to be had."""

import errno
import socket

from service.terminal import Refusal, _

BACKLOG = 2048


def bind(host: str, port: int, *, again: str) -> socket.socket:
    """A listening socket. Raises Refusal with what to do; `again` is the command to try, with `{port}` in it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Refusal(_why_not(error, host, port, again.format(port=port + 1))) from error


def _why_not(error: OSError, host: str, port: int, again: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return _("Another program already uses port {port}. Stop it, or take another port:\n  {again}").format(
            port=port, again=again
        )
    if error.errno == errno.EACCES:
        return _("Port {port} is reserved for the administrator of this machine. Take one above 1023:\n  {again}").format(
            port=port, again=again.replace(str(port + 1), "8000")
        )
    return _("{host}:{port} cannot be listened on: {why}.").format(host=host, port=port, why=error.strerror)
