"""Codes below, words above: one table gives every refusal its status and its sentence, in French and English (RFC 9457)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from service.advice import ADVICE
from service.problem_cases import CASES, HELD, TELLING
from tenants.errors import DomainError, Invalid
from tenants.languages import translations, written_day

LOCALE = Path(__file__).with_name("locale")
MEDIA_TYPE = "application/problem+json"
_DAY_OR_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?")
_DAY_ALONE = len("2026-11-30")
_TIMES = frozenset({"from", "since", "starts_at", "min", "max"})


class FieldError(msgspec.Struct, omit_defaults=True):
    """One value that breaks a rule. `facts` depend on the code, such as `min` of `too_short`."""

    field: str
    code: str
    message: str
    facts: dict[str, Any] = msgspec.field(default_factory=dict)


class Problem(msgspec.Struct, omit_defaults=True):
    """RFC 9457. The facts of the case follow as further members, by the code."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[FieldError] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Words:
    """Status, title and what to do next; `{names}` are facts."""

    status: int
    title: str
    detail: str


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


TABLE: dict[str, Words] = {
    "invalid": Words(
        422, _("Some values cannot be accepted"), _("Nothing was changed. Correct the fields listed and send it again.")
    ),
    "not_found": Words(404, _("Not found"), _("There is nothing here by that name. Check the address, or go back to the list.")),
    "method_not_allowed": Words(
        405, _("Method not allowed"), _("This address exists, but not for that method. See the API's description.")
    ),
    "forbidden": Words(
        403, _("Not allowed"), _("Your role does not include this. Ask an administrator of your account for the right.")
    ),
    "beyond_own_rights": Words(
        403,
        _("More than your own rights"),
        _("Nobody can give rights or departments they do not have, nor change someone who has more. Ask an administrator."),
    ),
    "not_signed_in": Words(401, _("Not signed in"), _("Sign in first; the session is missing or over.")),
    "invalid_key": Words(
        401, _("No valid API key"), _("Send an API key of the account; an administrator makes one with POST /api/v1/api-keys.")
    ),
    "invalid_credentials": Words(
        401,
        _("Wrong address or password"),
        _("Check both and try again, or ask for a new password with the link for forgotten ones."),
    ),
    "user_suspended": Words(403, _("Access suspended"), _("Your access to this account is suspended. Contact its administrator.")),
    "password_needed": Words(
        403, _("Choose your own password"), _("The first password was right, and works no further. Set your own with the token.")
    ),
    "account_unavailable": Words(
        403, _("Account not available"), _("This account is suspended or its licence has ended. Contact its administrator.")
    ),
    "visit_not_allowed": Words(
        403,
        _("No visit is allowed"),
        _(
            "The administrators of the account {account} have not allowed a visit, or the one that they allowed was made. They allow one"
            " with POST /api/v1/account/visits."
        ),
    ),
    "account_choice": Words(409, _("Choose an account"), _("You work in several accounts. Sign in again and name one of them.")),
    "seats_full": Words(
        409,
        _("All places are taken"),
        _("{in_use} of {seats} places are in use. Try again when a colleague leaves, or ask for more places."),
    ),
    "quota_reached": Words(
        409,
        _("The licence's limit is reached"),
        _("The licence allows {limit}; {used} are in use. Free one, or ask your reseller for more."),
    ),
    "pool_exceeded": Words(
        409,
        _("The pool is too small"),
        _(
            "The pool holds {pool}: {given} are given already, {free} are free, {asked} are asked for. Give fewer, or have it enlarged."
        ),
    ),
    "boost_overlaps": Words(
        409,
        _("Another boost at the same time"),
        _("Another boost of this client begins on {starts_at} (places: {seats}). End it first, or choose other dates."),
    ),
    "option_missing": Words(
        403, _("Not in the licence"), _("The licence lacks the option {option}. Ask your reseller to add it, or do without.")
    ),
    "in_use": Words(
        409, _("Still in use"), _("{users} users still have it. Give them something else first, or name a replacement.")
    ),
    "already_exists": Words(409, _("Already exists"), _("This exists already. Look for it in the list, or choose another name.")),
    "last_administrator": Words(
        409, _("The last administrator"), _("An account keeps at least one active administrator. Name another one first.")
    ),
    "export_too_large": Words(
        409,
        _("Too many lines for one answer"),
        _(
            "{lines} lines fit these filters, and one answer carries {limit}. Ask for a file with POST /api/v1/activity/exports: you get a"
            " mail once it is written. Or choose a shorter period."
        ),
    ),
    "not_in_state": Words(409, _("Not possible in this state"), _("Its present state ({state}) does not allow this.")),
    "version_conflict": Words(412, _("Changed by somebody else"), _("Read it again, and send your change with its new version.")),
    "version_required": Words(
        428, _("A version is required"), _("Send If-Match with the ETag that you read, or * to overwrite whatever is there.")
    ),
    "link_expired": Words(
        410, _("The link has expired"), _("Ask for a new one: an expired invitation can be renewed, a reset asked for again.")
    ),
    "link_used": Words(
        410,
        _("The link no longer works"),
        _("It was used, withdrawn, or replaced by a newer one. Use the link of the latest mail."),
    ),
    "link_invalid": Words(410, _("Not a valid link"), _("Copy the whole link from the mail, or ask for a new one.")),
    "too_many_attempts": Words(
        429, _("Too many attempts"), _("Wait {retry_after} seconds, then try again or ask for a new password.")
    ),
    "documents_refused": Words(
        409,
        _("Events about documents are refused"),
        _(
            "Nothing was written: this account refuses events about documents. Stop sending them for it, or have an administrator set"
            " activity_documents to kept or dropped with PATCH /api/v1/account."
        ),
    ),
    "too_many_events": Words(
        429,
        _("Too many events"),
        _("Nothing was written: this API key may send {limit} events a minute. Send the batch again in {retry_after} seconds."),
    ),
    "unavailable": Words(503, _("Temporarily unavailable"), _("Nothing was changed. Try again in {retry_after} seconds.")),
    "busy": Words(503, _("Very busy"), _("Many people are signing in. Try again in {retry_after} seconds.")),
    "too_large": Words(413, _("Too large"), _("The request is larger than this address accepts. Send less.")),
    "not_acceptable_media_type": Words(415, _("Not JSON"), _("Send the body as application/json.")),
    "neither_json_nor_csv": Words(415, _("Neither JSON nor CSV"), _("Send the body as application/json or text/csv.")),
    "not_a_form": Words(415, _("Not a form"), _("Send the body as application/x-www-form-urlencoded.")),
    "not_a_picture": Words(415, _("Not a picture"), _("Send the body as image/png, image/jpeg or image/webp.")),
    "key_reused": Words(
        422, _("Idempotency key used for something else"), _("This Idempotency-Key was sent with another request. Use a new one.")
    ),
    "still_running": Words(
        409, _("Still running"), _("The first request with this Idempotency-Key is not finished. Try again in a moment.")
    ),
    "answer_lost": Words(
        409,
        _("Already carried out"),
        _("The first request with this Idempotency-Key was carried out, but its answer is lost. Read the object again."),
    ),
    "form_expired": Words(
        403, _("The form is no longer valid"), _("Nothing was changed. Load the page again and send the form once more.")
    ),
    "internal": Words(
        500, _("An error on our side"), _("Nothing was changed as far as we know. Report the request's number if it happens again.")
    ),
}

#: What is wrong with one value.
FIELD_WORDS: dict[str, str] = {
    "required": _("is required"),
    "unknown_field": _("is not a field of this request"),
    "wrong_type": _("has the wrong type"),
    "malformed": _("is not well-formed"),
    "malformed_json": _("the body is not valid JSON"),
    "look_alike": _("mixes alphabets that look alike"),
    "too_short": _("is too short (at least {min})"),
    "too_long": _("is too long (at most {max})"),
    "out_of_range": _("is out of range ({min} to {max})"),
    "too_low": _("is too low (at least {min})"),
    "too_high": _("is too high (at most {max})"),
    "control_characters": _("contains control or invisible characters"),
    "unknown": _("is not known"),
    "reserved": _("is reserved; choose another one"),
    "too_deep": _("would stand too far down: there are at most {max} levels below the operator, and the last one is for clients"),
    "repeated": _("is given more than once"),
    "no_lines": _("names nobody: at least one line is needed"),
    "too_many_lines": _("has too many lines (at most {max})"),
    "not_text": _("is not text in UTF-8 or Windows-1252"),
    "unbalanced_quotes": _("has a quotation mark that is missing or misplaced, from line {line} on"),
    "unknown_column": _("has a column that is not known: “{given}”"),
    "column_twice": _("has the column “{given}” twice"),
    "column_missing": _("has a header without a column for the address"),
    "in_the_past": _("lies in the past"),
    "too_old": _("lies more than {days} days back"),
    "ahead": _("lies more than {minutes} minutes ahead"),
    "too_nested": _("has objects or lists inside each other too deeply (at most {max} levels)"),
    "before_start": _("ends before it starts"),
    "never_happens": _("never happens before the end"),
    "children_without_limit": _("needs a limit for every account below first"),
    "guessable": _("is too easy to guess"),
    "first_password": _("is the first password that was set for you; choose one that nobody else knows"),
    "not_possible": _("is not possible here"),
    "cursor": _("is not a cursor of this list"),
    "neither_day_nor_moment": _("is neither a day (2026-11-30) nor a moment with its time zone (2026-11-30T08:00:00Z)"),
    "not_an_actor": _("is neither the id of a user or an API key nor “system”"),
    "not_an_action": _("is neither an event (user.suspended) nor a family of events (user)"),
    "not_an_ip_address": _("is not an IP address"),
    "too_much_to_search": _("leaves too much to search through; choose a shorter period, or add a filter"),
    "needs_status": _("goes only with the status suspended"),
    "like_an_address": _("reads like an e-mail address"),
    "domain_unproven": _("is not in a domain in which an active administrator of this account has their address ({domains})"),
    "not_an_image": _("is not one whole picture as PNG, JPEG or WebP, with nothing before or after it"),
    "wrong_size": _("is too small or too large: each side has {min} to {max} pixels"),
    "not_still": _("is not a still picture"),
}


def say(language: str, text: str, **facts: Any) -> str:
    """A text of this room in the reader's language, with its facts; days and moments, which facts give as ISO 8601, as people write them."""
    translated = translations(LOCALE, language).gettext(text)
    return re.sub(r"\{(\w+)\}", lambda found: _written(language, found[1], str(facts.get(found[1], ""))), translated)


def _written(language: str, name: str, text: str) -> str:
    # By name as well: a client may be called like a day.
    if name not in _TIMES or not _DAY_OR_MOMENT.fullmatch(text):
        return text
    at = datetime.fromisoformat(text)
    day = written_day(at, language)
    return day if len(text) == _DAY_ALONE else f"{day}, {at.astimezone(UTC):%H:%M} UTC"


def field_error(language: str, error: Invalid) -> FieldError:
    """A refusal of one value, in words."""
    message = say(language, FIELD_WORDS.get(error.problem, FIELD_WORDS["not_possible"]), **error.facts)
    facts = dict(error.facts)
    if error.problem == "guessable":
        named = [name for name in (facts.get("warning"), *facts.get("advice", ())) if name in ADVICE]
        facts["advice"] = [say(language, ADVICE[name]) for name in dict.fromkeys(named)] or [say(language, ADVICE["Weak"])]
        facts.pop("warning", None)
    return FieldError(field=error.field, code=error.problem, message=message, facts=facts)


def detail_of(code: str, facts: dict[str, Any]) -> str:
    """What to do next, for the case that the facts tell; yet to be said in the reader's language."""
    cases = [(code, str(facts.get(name))) for name in TELLING]
    if facts.get("held"):
        cases.append((code, HELD))
    return next((CASES[case] for case in cases if case in CASES), TABLE[code].detail)


def problem(
    code: str,
    *,
    language: str,
    request_id: str,
    public_url: str,
    facts: dict[str, Any] | None = None,
    errors: list[FieldError] | None = None,
) -> dict[str, Any]:
    """The document of a refusal, facts included."""
    words, facts = TABLE[code], facts or {}
    document: dict[str, Any] = {
        "type": f"{public_url}/api/docs#problem-{code}",
        "title": say(language, words.title),
        "status": words.status,
        "detail": say(language, detail_of(code, facts), **facts),
        "code": code,
        "request_id": request_id,
    }
    if errors is not None:
        document["errors"] = errors
    return {**facts, **document}


def of_domain_error(error: DomainError, *, language: str, request_id: str, public_url: str) -> dict[str, Any]:
    """The document of a refusal by the domain."""
    if isinstance(error, Invalid):
        errors = [field_error(language, error)]
        return problem("invalid", language=language, request_id=request_id, public_url=public_url, errors=errors)
    return problem(error.code, language=language, request_id=request_id, public_url=public_url, facts=error.facts)
