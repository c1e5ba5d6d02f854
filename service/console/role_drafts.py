"""A role as a form has it, beside the role as it is kept: what differs, and whether somebody else changed it meanwhile."""

from dataclasses import dataclass, replace
from typing import Any

import msgspec

from service.console.forms import Fields
from service.console.role_matrix import rights_to_give
from service.etags import etag, must_match
from tenants.actors import Actor
from tenants.custom_roles import must_exist
from tenants.roles import Palette

#: The field by which a form says that it has the name and the boxes of the rights: without it, both stay as they are.
WHOLE_FORM = "with_rights"


class _Version(msgspec.Struct):
    """What a change must have seen: somebody who joins or leaves the role makes no change wrong."""

    name: str
    rights: list[str]
    hidden: list[str]


@dataclass(frozen=True, slots=True)
class Draft:
    """Name, rights and hidden sections of a role; `version` is that of the role as it was when the form was shown."""

    name: str
    rights: frozenset[str]
    hidden: frozenset[str]
    version: str

    def differs(self, now: "Draft") -> dict[str, Any]:
        """What differs from the role as it is kept, as `custom_roles.change_role` takes it."""
        found: dict[str, Any] = {}
        if self.name.strip() != now.name:
            found["name"] = self.name
        if self.rights != now.rights:
            found["rights"] = self.rights
        if self.hidden != now.hidden:
            found["restrictions"] = self.hidden
        return found

    def must_be_current(self, now: "Draft") -> None:
        """Raise VersionConflict when somebody changed the role since the form was shown."""
        must_match(self.version, now.version)


def kept_draft(palette: Palette, key: str) -> Draft:
    """The role as it is kept. Raises NotFound."""
    must_exist(palette, key)
    name, rights = palette.name_of(key, "en"), palette.rights(key)
    hidden = palette.hidden_for.get(key, frozenset())
    return Draft(name, rights, hidden, etag(_Version(name, sorted(rights), sorted(hidden))))


def typed_draft(fields: Fields, palette: Palette, actor: Actor, key: str) -> Draft:
    """The role as the form has it. Raises NotFound."""
    now, version = kept_draft(palette, key), fields.text("version")
    hidden = frozenset(fields.several("hide"))
    if not fields.text(WHOLE_FORM):
        return replace(now, hidden=hidden, version=version)
    # Boxes that the reader may not tick are not sent: they stay as they are.
    untouched = now.rights - rights_to_give(actor, palette.catalogue)
    return Draft(fields.text("name"), frozenset(fields.several("right")) | untouched, hidden, version)
