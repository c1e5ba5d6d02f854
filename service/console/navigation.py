"""Where one can go in the console: its parts in the order of the menu, and the right that opens each."""

from dataclasses import dataclass

from tenants.actors import Actor
from tenants.catalogue import AccountKind


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


@dataclass(frozen=True, slots=True)
class Place:
    """A part of the console. Without a `right` it is open to whoever is signed in; `kinds` are the accounts that have it, all without."""

    path: str
    label: str
    icon: str
    right: str | None = None
    kinds: frozenset[AccountKind] | None = None
    #: Whether somebody who visits the account, or is there only to manage, finds something there.
    visitors: bool = True
    management: bool = True
    #: Pages that lie in it, though their addresses do not.
    also: tuple[str, ...] = ()


_SELLERS: frozenset[AccountKind] = frozenset({"operator", "reseller"})
PLACES: tuple[Place, ...] = (
    Place("/", _("Overview"), "home"),
    Place("/connections", _("Connections"), "connections"),
    Place("/users", _("Users"), "users", "users.view", also=("/invite",)),
    Place("/roles", _("Roles"), "roles", "roles.view"),
    Place("/departments", _("Departments"), "departments", "departments.view"),
    Place("/licence", _("Licence and places"), "licence", "licence.view"),
    Place("/activity", _("Activity"), "activity", "activity.view"),
    Place("/settings", _("Settings"), "settings", "account.view"),
    Place("/clients", _("Clients"), "clients", "clients.view", _SELLERS, also=("/visits",)),
    Place("/requests", _("Requests"), "inbox", "clients.view", _SELLERS),
    Place("/pool", _("Pool"), "pool", "clients.view", _SELLERS),
    Place("/branding", _("Branding"), "brand", "account.view", _SELLERS),
    Place("/system", _("System"), "system", "platform.view", frozenset({"operator"})),
    Place("/me", _("My account"), "user", visitors=False, management=False, also=("/account/email",)),
)


def places_for(actor: Actor) -> list[Place]:
    """The parts that this person can open."""
    return [place for place in PLACES if _open(place, actor)]


def where(places: list[Place], path: str) -> str | None:
    """The place that a page lies in, by its address: the longest one that leads to it."""
    found = [(root, place.path) for place in places for root in (place.path, *place.also) if _lies_in(path, root)]
    return max(found, key=lambda each: len(each[0]), default=("", None))[1]


def _lies_in(path: str, root: str) -> bool:
    return path == root or (root != "/" and path.startswith(f"{root}/"))


def _open(place: Place, actor: Actor) -> bool:
    if place.kinds is not None and actor.account_kind not in place.kinds:
        return False
    if (actor.visit and not place.visitors) or (actor.management and not place.management):
        return False
    return place.right is None or actor.may(place.right)
