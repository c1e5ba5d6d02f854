"""Shapes that several requests share: lengths are refused before anything is computed."""

from typing import Annotated
from uuid import UUID

import msgspec

Email = Annotated[str, msgspec.Meta(min_length=3, max_length=254, description="One address", examples=["claire@example.com"])]
Password = Annotated[str, msgspec.Meta(min_length=1, max_length=128, description="8 to 128 characters")]
Token = Annotated[str, msgspec.Meta(min_length=1, max_length=200, description="The token of a mailed link")]
Ticket = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, description="Of a `seats_full` answer, for ten minutes")]
PersonName = Annotated[str, msgspec.Meta(max_length=120)]
AccountName = Annotated[str, msgspec.Meta(min_length=1, max_length=120)]
Slug = Annotated[str, msgspec.Meta(min_length=1, max_length=63, pattern="^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
Key = Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
Reason = Annotated[str, msgspec.Meta(max_length=300)]
Departments = Annotated[list[UUID], msgspec.Meta(max_length=1000)] | None
Sections = Annotated[list[Annotated[str, msgspec.Meta(max_length=60)]], msgspec.Meta(max_length=500)]
Rights = Annotated[list[Annotated[str, msgspec.Meta(max_length=120)]], msgspec.Meta(max_length=2000)]
