"""Every failure of a request becomes a problem document in the reader's language; nothing of the request is echoed."""

import logging
import re
from typing import Any

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException, SerializationException, ValidationException
from litestar.types import ExceptionHandlersMap
from sqlalchemy.exc import IntegrityError

from service.problems import FIELD_WORDS, MEDIA_TYPE, FieldError, of_domain_error, problem, say
from service.sign_in_address import sign_in_address
from tenants.database import is_away
from tenants.errors import AlreadyExists, DomainError, NotSignedIn, Unavailable
from tenants.languages import chosen_language
from tenants.settings import Settings

log = logging.getLogger("portillon")

_BY_STATUS = {404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "not_acceptable_media_type"}
_UNIQUE_VIOLATION = "23505"
# Parameters whose names are words of Python: whoever called knows them by these.
_CALLED = {"since": "from", "until": "to"}


class CodedError(Exception):
    """A refusal of the edge itself, by a code of the table."""

    def __init__(self, code: str) -> None:
        """Take the code."""
        super().__init__(code)
        self.code = code


def language_of(request: Request[Any, Any, Any], settings: Settings) -> str:
    """The reader's language: what they ask for, else the installation's."""
    return chosen_language(request.headers.get("accept-language"), default=settings.language)


def exception_handlers(settings: Settings) -> ExceptionHandlersMap:
    """For the API: every exception to a problem document."""

    def answer(request: Request[Any, Any, Any], error: Exception) -> Response[dict[str, Any]]:
        document = document_of(request, error, settings)
        headers = {"retry-after": str(document["retry_after"])} if "retry_after" in document else {}
        if document["status"] == 401:
            headers["www-authenticate"] = "Bearer"
        return Response(document, status_code=document["status"], media_type=MEDIA_TYPE, headers=headers)

    return {Exception: answer, HTTPException: answer}


def document_of(request: Request[Any, Any, Any], error: Exception, settings: Settings) -> dict[str, Any]:
    """The problem document for whatever was raised."""
    known = {
        "language": language_of(request, settings),
        "request_id": request.scope["state"].get("request_id", ""),
        "public_url": settings.public_url,
    }
    found = _meant(error)
    if isinstance(found, NotSignedIn) and "ended" in found.facts:
        document = of_domain_error(found, **known)
        return {**document, "sign_in": sign_in_address(settings, found.facts["ended"])}
    if isinstance(found, DomainError):
        return of_domain_error(found, **known)
    if isinstance(found, CodedError):
        return problem(found.code, **known)
    if isinstance(found, ValidationException | SerializationException):
        return problem("invalid", errors=_field_errors(found, known["language"]), **known)
    if isinstance(found, HTTPException) and found.status_code < 500:
        code = _BY_STATUS.get(found.status_code)
        return problem(code, **known) if code else problem("invalid", errors=[], **known)
    log.error("request failed", exc_info=found)
    return problem("internal", **known)


def _meant(error: Exception) -> Exception:
    # A transaction that rolls back may say more than the statement that failed in it.
    if isinstance(error, ExceptionGroup):
        return next((each for each in error.exceptions if isinstance(each, DomainError)), error.__cause__ or error)  # type: ignore[return-value]  # causes here are ordinary exceptions
    if isinstance(error, IntegrityError) and getattr(error.orig, "sqlstate", None) == _UNIQUE_VIOLATION:
        return AlreadyExists()
    return Unavailable() if is_away(error) else error


def _field_errors(error: ValidationException | SerializationException, language: str) -> list[FieldError]:
    extra = getattr(error, "extra", None)
    if isinstance(extra, list) and extra:
        return [_said(str(item.get("message", "")), _place(item), language) for item in extra if isinstance(item, dict)]
    cause = error.__cause__
    text = str(cause) if isinstance(cause, msgspec.ValidationError) else ""
    return [_said(text, "body", language) if text else _field("body", "malformed_json", language)]


def _place(item: dict[str, Any]) -> str:
    key = str(item.get("key", "")) or "body"
    return _CALLED.get(key, key) if item.get("source") == "query" else key


# What msgspec says, told apart without repeating it: its texts name fields and types, never values.
_PATTERNS = (
    (re.compile(r"unknown field `([^`]{1,60})`"), "unknown_field"),
    (re.compile(r"missing required field `([^`]{1,60})`"), "required"),
    (re.compile(r"Expected .* (matching regex|with a timezone)"), "malformed"),
    (re.compile(r"Expected .* of length <= (\d+)"), "too_long"),
    (re.compile(r"Expected .* of length >= (\d+)"), "too_short"),
    (re.compile(r"Expected .* >= (-?\d+)"), "too_low"),
    (re.compile(r"Expected .* <= (-?\d+)"), "too_high"),
    (re.compile(r"Invalid enum value"), "unknown"),
    (re.compile(r"Invalid (uuid|UUID|date|datetime|RFC3339)", re.IGNORECASE), "malformed"),
    (re.compile(r"JSON is malformed|Input data was truncated|invalid utf-8", re.IGNORECASE), "malformed_json"),
)


def _said(message: str, key: str, language: str) -> FieldError:
    path = re.search(r"- at `\$\.?([^`]{0,80})`", message)
    name = path[1] if path and path[1] else key
    for pattern, code in _PATTERNS:
        if found := pattern.search(message):
            if code in {"unknown_field", "required"}:
                # Of a list it matters which one; elsewhere the name alone says it.
                return _field(f"{name}.{found[1]}" if "[" in name else found[1], code, language)
            number = found[1] if code.startswith("too_") else ""
            return _field(name, code, language, max=number, min=number)
    return _field(name, "wrong_type" if message.startswith("Expected") else "malformed", language)


def _field(name: str, code: str, language: str, **facts: str) -> FieldError:
    clean = re.sub(r"[^\w.\[\]-]", "", name)[:60]
    # Only one bound is known here, and the sentence names that one; the code is that of both.
    said = "out_of_range" if code in {"too_low", "too_high"} else code
    return FieldError(field=clean, code=said, message=say(language, FIELD_WORDS[code], **facts))
