"""The catalogue: sections, rights, built-in roles and plans, parsed from TOML and checked at start."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal, get_args

import msgspec

from tenants.licence_phases import OPEN_TO_ALL, Phase

AccountKind = Literal["operator", "reseller", "client"]
ACCOUNT_KINDS: tuple[AccountKind, ...] = get_args(AccountKind)
LANGUAGES = ("fr", "en")
OPTIONS = ("custom_roles", "activity_documents", "api", "branding")
ADMINISTRATOR = "administrator"
CUSTOM_ROLES = "custom_roles"
# The measure of an account's own roles while its licence lacks the option for them.
FALLBACK = "user"
# Sections of whoever entered a full pool to manage (seat rule 10).
_MAKING_ROOM = ("users", "sessions", "licence")
_MOST_MASKS = 10_000

#: Portillon's own routes name these; a catalogue that lacks one cannot be served.
OWN_RIGHTS = frozenset({
    "users.view", "users.manage", "roles.view", "roles.manage", "departments.view", "departments.manage",
    "sessions.view", "sessions.end", "activity.view", "activity.export", "licence.view", "licence.manage",
    "account.view", "account.manage", "integrations.view", "integrations.manage",
    "clients.view", "clients.manage", "platform.view", "platform.manage",
})  # fmt: skip


class CatalogueError(Exception):
    """The catalogue cannot be used; the text names the file, the entry and what is wrong."""


class _Action(msgspec.Struct, forbid_unknown_fields=True):
    fr: str = ""
    en: str = ""
    reads: bool = False

    @property
    def labels(self) -> dict[str, str]:
        return {"fr": self.fr, "en": self.en}


class _Section(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    label: dict[str, str]
    actions: list[str]
    account_kinds: list[AccountKind] = msgspec.field(default_factory=lambda: list(ACCOUNT_KINDS))
    administration: bool = False


class _Role(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    label: dict[str, str]
    help: dict[str, str]
    rights: list[str]
    except_: list[str] = msgspec.field(default_factory=list, name="except")
    allowance: Literal["accountant_seats"] | None = None


class _Plan(msgspec.Struct, forbid_unknown_fields=True):
    key: str
    label: dict[str, str]
    help: dict[str, str]
    seats: int
    options: list[str]
    users: int | None = None
    departments: int | None = None
    accountant_seats: int = 0


class _File(msgspec.Struct, forbid_unknown_fields=True):
    actions: dict[str, _Action]
    sections: list[_Section]
    roles: list[_Role]
    plans: list[_Plan]


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the vendor's application, or (`administration`) of Portillon's own."""

    key: str
    label: Mapping[str, str]
    actions: tuple[str, ...]
    account_kinds: tuple[AccountKind, ...]
    administration: bool = False

    @property
    def rights(self) -> tuple[str, ...]:
        """`section.action` for each action."""
        return tuple(f"{self.key}.{action}" for action in self.actions)


@dataclass(frozen=True, slots=True)
class BuiltInRole:
    """A named set of rights that no account can edit, only copy."""

    key: str
    label: Mapping[str, str]
    help: Mapping[str, str]
    rights: frozenset[str]
    allowance: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a licence starts from; `None` is no limit."""

    key: str
    label: Mapping[str, str]
    help: Mapping[str, str]
    users: int | None
    departments: int | None
    seats: int
    accountant_seats: int
    options: frozenset[str]


@dataclass(frozen=True)
class Catalogue:
    """All of it, immutable, shared by every process that reads the same file."""

    actions: Mapping[str, Mapping[str, str]]
    #: Actions that only read: they outlast the licence.
    reads: frozenset[str]
    sections: tuple[Section, ...]
    roles: Mapping[str, BuiltInRole]
    plans: Mapping[str, Plan]
    digest: str

    @cached_property
    def rights(self) -> tuple[str, ...]:
        """Every right in the file's order; a right's position is its bit in a hot copy."""
        return tuple(right for section in self.sections for right in section.rights)

    def rights_of(self, kind: AccountKind) -> frozenset[str]:
        """Every right that exists in an account of this kind."""
        return self._by_kind[kind]

    def role_rights(self, role: str, kind: AccountKind) -> frozenset[str]:
        """Rights of a built-in role in an account of this kind; empty when the role does not exist."""
        return self._by_role.get((role, kind), frozenset())

    def rights_in(self, sections: Iterable[str]) -> frozenset[str]:
        """Every right of these sections; of those that do not exist, none."""
        return frozenset(right for section in self.sections if section.key in sections for right in section.rights)

    @cached_property
    def read_only(self) -> frozenset[str]:
        """Rights that remain when the licence does not run: what only reads, and Portillon's own administration."""
        return frozenset(
            f"{section.key}.{action}"
            for section in self.sections
            for action in section.actions
            if section.administration or action in self.reads
        )

    @cached_property
    def making_room(self) -> frozenset[str]:
        """Rights of whoever entered a full pool to manage: people, sessions and the licence."""
        return self.rights_in(_MAKING_ROOM)

    def wants(self, role: str) -> Literal["pool", "allowance"]:
        """Which seats a role takes first: the accountants' allowance or the pool."""
        found = self.roles.get(role)
        return "allowance" if found is not None and found.allowance else "pool"

    def effective(
        self,
        kind: AccountKind,
        role: str,
        own: Iterable[str] | None,
        *,
        options: Iterable[str],
        hidden: Iterable[str],
        phase: Phase = "running",
    ) -> frozenset[str]:
        """What a role gives in an account of this kind: `own` are the rights of one that the account made, None of a built-in one.

        Without the licence's option an own role gives only what is also in `user`. Sections that are `hidden` give nothing,
        except to administrators. In any other `phase` of the licence than `running`, what changes something in the vendor's sections
        is gone for everybody; while it is closed to all but administrators, nobody else has anything.
        """
        rights = self._in_role(kind, role, own, options=options, hidden=hidden)
        if phase == "running":
            return rights
        return rights & self.read_only if lets_in(phase, role) else frozenset()

    def _in_role(
        self, kind: AccountKind, role: str, own: Iterable[str] | None, *, options: Iterable[str], hidden: Iterable[str]
    ) -> frozenset[str]:
        if role == ADMINISTRATOR:
            return self.role_rights(role, kind)
        rights = self.role_rights(role, kind) if own is None else self.rights_of(kind).intersection(own)
        if own is not None and CUSTOM_ROLES not in options:
            rights &= self.role_rights(FALLBACK, kind)
        return rights - self.rights_in(hidden) if hidden else rights

    def mask(self, rights: frozenset[str]) -> str:
        """The rights as hexadecimal bits, for the hot copy of a session."""
        return _masked(self.rights, rights)

    def unmask(self, mask: str) -> frozenset[str]:
        """The inverse of `mask`."""
        return _unmasked(self.rights, mask)

    @cached_property
    def _by_kind(self) -> dict[str, frozenset[str]]:
        return {kind: frozenset(r for s in self.sections if kind in s.account_kinds for r in s.rights) for kind in ACCOUNT_KINDS}

    @cached_property
    def _by_role(self) -> dict[tuple[str, str], frozenset[str]]:
        return {(key, kind): role.rights & self._by_kind[kind] for key, role in self.roles.items() for kind in ACCOUNT_KINDS}


# A sign-in would spend more on bits than on its row, and thousands at work would keep kilobytes each: the same few sets come again.
@lru_cache(maxsize=_MOST_MASKS)
def _masked(every: tuple[str, ...], rights: frozenset[str]) -> str:
    return f"{sum(1 << bit for bit, right in enumerate(every) if right in rights):x}"


@lru_cache(maxsize=_MOST_MASKS)
def _unmasked(every: tuple[str, ...], mask: str) -> frozenset[str]:
    bits = int(mask, 16)
    return frozenset(right for bit, right in enumerate(every) if bits >> bit & 1)


def lets_in(phase: Phase, role: str) -> bool:
    """Whether a licence in this phase lets somebody with the role in: before it begins and once it is over, administrators alone."""
    return phase in OPEN_TO_ALL or role == ADMINISTRATOR


def load_catalogue(path: Path | None = None) -> Catalogue:
    """Read and check the catalogue (the default one without a path); raises CatalogueError with a precise sentence."""
    source = path or Path(__file__).with_name("catalogue.toml")
    try:
        content = source.read_bytes()
        parsed = msgspec.convert(tomllib.loads(content.decode()), _File)
    except OSError as error:
        raise CatalogueError(f"{source}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(f"{source}: {error}") from error
    try:
        return _checked(parsed, hashlib.sha256(content).hexdigest()[:12])
    except ValueError as error:
        raise CatalogueError(f"{source}: {error}") from error


def _checked(file: _File, digest: str) -> Catalogue:
    for name, action in file.actions.items():
        _both_languages(f"action {name!r}", action.labels)
    if not any(action.reads for action in file.actions.values()):
        raise ValueError("no action has reads = true: nothing could be looked at after a licence's last day")
    _unique("section", [s.key for s in file.sections])
    _unique("role", [r.key for r in file.roles])
    _unique("plan", [p.key for p in file.plans])
    sections = tuple(_section(s, file.actions) for s in file.sections)
    every = frozenset(right for section in sections for right in section.rights)
    if missing := OWN_RIGHTS - every:
        raise ValueError(f"lacks rights that Portillon's own pages need: {', '.join(sorted(missing))}")
    for section in sections:
        if OWN_RIGHTS.intersection(section.rights) and not section.administration:
            raise ValueError(f"section {section.key!r}: is Portillon's own and needs administration = true")
    roles = {r.key: _role(r, every) for r in file.roles}
    if roles.get(ADMINISTRATOR) is None or roles[ADMINISTRATOR].rights != every:
        raise ValueError(f'needs a role {ADMINISTRATOR!r} with rights = ["*"]')
    if not file.plans:
        raise ValueError("has no plan: nothing could be sold")
    plans = {p.key: _plan(p) for p in file.plans}
    return Catalogue(
        actions={name: action.labels for name, action in file.actions.items()},
        reads=frozenset(name for name, action in file.actions.items() if action.reads),
        sections=sections,
        roles=roles,
        plans=plans,
        digest=digest,
    )


def _section(section: _Section, actions: Mapping[str, Any]) -> Section:
    where = f"section {section.key!r}"
    _both_languages(where, section.label)
    if not section.key.isidentifier() or not section.key.islower():
        raise ValueError(f"{where}: a key is lower-case letters, digits and _")
    _unique(f"{where}: action", section.actions)
    for action in section.actions:
        if action not in actions:
            raise ValueError(f"{where}: action {action!r} is not declared under [actions]")
    kinds = tuple(section.account_kinds)
    return Section(section.key, section.label, tuple(section.actions), kinds, administration=section.administration)


def _role(role: _Role, every: frozenset[str]) -> BuiltInRole:
    where = f"role {role.key!r}"
    _both_languages(where, role.label)
    _both_languages(f"{where}: help", role.help)
    rights = _expanded(where, role.rights, every) - _expanded(f"{where}: except", role.except_, every)
    return BuiltInRole(role.key, role.label, role.help, rights, role.allowance)


def _expanded(where: str, patterns: list[str], every: frozenset[str]) -> frozenset[str]:
    found: set[str] = set()
    for pattern in patterns:
        section, _, action = pattern.partition(".")
        matches = every if pattern == "*" else {r for r in every if r == pattern or (action == "*" and r.startswith(f"{section}."))}
        if not matches:
            raise ValueError(f"{where}: {pattern!r} matches no right")
        found |= matches
    return frozenset(found)


def _plan(plan: _Plan) -> Plan:
    where = f"plan {plan.key!r}"
    _both_languages(where, plan.label)
    _both_languages(f"{where}: help", plan.help)
    for name in ("users", "departments", "seats", "accountant_seats"):
        value = getattr(plan, name)
        if value is not None and value < (0 if name == "accountant_seats" else 1):
            raise ValueError(f"{where}: {name} = {value} is too small")
    if unknown := set(plan.options) - set(OPTIONS):
        raise ValueError(f"{where}: unknown option {min(unknown)!r}; known are {', '.join(OPTIONS)}")
    return Plan(
        plan.key, plan.label, plan.help, plan.users, plan.departments, plan.seats, plan.accountant_seats, frozenset(plan.options)
    )


def _both_languages(where: str, labels: Mapping[str, str]) -> None:
    for language in LANGUAGES:
        if not labels.get(language, "").strip():
            raise ValueError(f"{where}: has no text in {language!r}")


def _unique(what: str, keys: list[str]) -> None:
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{what} {key!r} appears twice")
