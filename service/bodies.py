"""Request bodies: JSON, decoded strictly into the shape that the handler asks for. `"6"` is not a number, nor 7 a date."""

from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import ValidationException


class StrictRequest(Request[Any, Any, Any]):
    """A request whose body is read in one pass, without the framework's conversions between types."""

    async def json(self) -> Any:
        """The body as the handler's `data`. Raises ValidationException, caused by what the decoder said."""
        shape = self.route_handler.parsed_data_field
        try:
            return msgspec.json.decode(await self.body(), type=shape.annotation if shape else Any)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValidationException from error
