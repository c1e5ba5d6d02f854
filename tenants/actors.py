"""Who acts, in which account, with which rights and departments."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from tenants.catalogue import AccountKind
from tenants.errors import BeyondOwnRights, Forbidden


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request came from; frozen into every activity line that it causes."""

    ip: str | None = None
    device: str | None = None
    request_id: str | None = None


NOWHERE = Origin()


@dataclass(frozen=True, slots=True)
class Person:
    """Someone known by their identity who is not at work in the account: a link's holder, a person signing in."""

    user_id: UUID | None
    identity_id: UUID | None
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A person at work in one account, as their session says. `departments` is None for all of them."""

    account_id: UUID
    account_kind: AccountKind
    user_id: UUID
    identity_id: UUID
    session_id: UUID
    name: str
    email: str
    role: str
    rights: frozenset[str]
    departments: frozenset[UUID] | None
    language: str

    def may(self, right: str) -> bool:
        """Whether the actor has the right in some department."""
        return right in self.rights

    def must(self, right: str) -> None:
        """Raise Forbidden without the right."""
        if right not in self.rights:
            raise Forbidden(right=right)

    def may_give(self, rights: Iterable[str], departments: Iterable[UUID] | None) -> bool:
        """Whether every right and department given is also the actor's own. Sets, never names of roles."""
        inside = self.departments is None or (departments is not None and self.departments.issuperset(departments))
        return inside and self.rights.issuperset(rights)

    def must_cover(self, rights: Iterable[str], departments: Iterable[UUID] | None) -> None:
        """Raise BeyondOwnRights unless the actor has at least these: before giving them, and before changing whoever has them."""
        if not self.may_give(rights, departments):
            raise BeyondOwnRights
