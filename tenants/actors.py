"""Who acts, in which account, with which rights and departments."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
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
class Visiting:
    """Under which visit somebody works in an account that is not theirs, from which one they come, why, and who allowed it."""

    id: UUID
    account_id: UUID
    account_name: str
    reason: str
    ends_at: datetime
    allowed_by: str


@dataclass(frozen=True, slots=True)
class Actor:
    """A person at work in one account, as their session says. `departments` is None for all of them.

    `giving` is what they may give to others, where that is more than they may do themselves at this moment: when a licence no longer
    runs, its administrators can only read in the vendor's sections, and still manage whoever could do more before.

    With a `visit`, the person is no user of the account: `user_id` is theirs in the account that they come from. With `management`
    they hold no seat, because all are taken, and their rights are those to make room.
    """

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
    giving: frozenset[str] | None = None
    account_name: str | None = None
    visit: Visiting | None = None
    management: bool = False

    def may(self, right: str) -> bool:
        """Whether the actor has the right in some department."""
        return right in self.rights

    def must(self, right: str) -> None:
        """Raise Forbidden without the right."""
        if right not in self.rights:
            raise Forbidden(right=right)

    def must_belong_here(self) -> None:
        """Raise Forbidden for a visitor: some things are for the account's own people alone."""
        if self.visit is not None:
            raise Forbidden(closed_to="visitors")

    def must_be_another(self, identity_id: UUID) -> None:
        """Raise Forbidden for a visitor about to change their own place here, or to make one: a visit leaves none behind."""
        if identity_id == self.identity_id:
            self.must_belong_here()

    def may_give(self, rights: Iterable[str], departments: Iterable[UUID] | None) -> bool:
        """Whether every right and department given is also the actor's own. Sets, never names of roles."""
        inside = self.departments is None or (departments is not None and self.departments.issuperset(departments))
        return inside and (self.rights if self.giving is None else self.giving).issuperset(rights)

    def must_cover(self, rights: Iterable[str], departments: Iterable[UUID] | None) -> None:
        """Raise BeyondOwnRights unless the actor has at least these: before giving them, and before changing whoever has them."""
        if not self.may_give(rights, departments):
            raise BeyondOwnRights
