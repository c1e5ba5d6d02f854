"""Request bodies: JSON, decoded strictly into the shape that the handler asks for. `"6"` is not a number, nor 7 a date.

A route that takes another type as well names its reader (`reads` in service/routes.py), which makes the same shape of it.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException

from service.routes import body_type


class StrictRequest(Request[Any, Any, Any]):
    """A request whose body is read in one pass, without the framework's conversions between types."""

    async def body(self) -> bytes:
        """The whole body. An empty file is a file without lines, which its reader refuses: nothing is what the framework takes it for."""
        return await super().body() or (b"" if self._reader is None else b"\n")

    async def json(self) -> Any:
        """The body as the handler's `data`. Raises ValidationException, caused by what the decoder said."""
        if self._reader is not None:
            # In a thread: thousands of lines must not hold up the requests of others.
            return await asyncio.to_thread(self._reader, await self.body())
        shape = self.route_handler.parsed_data_field
        try:
            return msgspec.json.decode(await self.body(), type=shape.annotation if shape else Any)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValidationException from error

    @property
    def _reader(self) -> Callable[[bytes], Any] | None:
        found: Callable[[bytes], Any] | None = self.route_handler.opt.get("reads", {}).get(body_type(self))
        return found
