"""The report of a batch in words: why a line is refused, and what its writer can do about it."""

from service.problems import FIELD_WORDS, TABLE, say
from tenants.batches import Refusal


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


#: By field and problem; `{names}` are facts.
LINE_WORDS: dict[tuple[str, str], str] = {
    ("email", "required"): _("The address is missing."),
    ("email", "malformed"): _("This is not one well-formed address."),
    ("email", "too_long"): _("The address is longer than {max} characters."),
    ("email", "look_alike"): _("The address mixes letters of different alphabets that look alike."),
    ("email", "duplicate"): _("This address stands on line {first} already."),
    ("name", "too_long"): _("The name is longer than {max} characters."),
    ("name", "control_characters"): _("The name contains control or invisible characters."),
    ("message", "too_long"): _("The message is longer than {max} characters."),
    ("message", "control_characters"): _("The message contains control or invisible characters."),
    ("language", "unknown"): _("The language is neither fr nor en."),
    ("role", "required"): _("No role is given, neither on this line nor for the whole list."),
    ("role", "unknown"): _("“{given}” is not the name of one role."),
    ("departments", "required"): _("Name at least one department, or leave it out for all of them."),
    ("departments", "unknown"): _("“{given}” is not the name of one department in use. Separate several with |."),
    ("departments", "too_long"): _("More than {max} departments are named."),
    ("line", "too_many_cells"): _("The line has more cells than the list has columns."),
    ("line", "several_addresses"): _("The line holds several addresses. Put each on a line of its own."),
}

#: An address that is known here already, by the status of its user.
KNOWN_WORDS: dict[str, str] = {
    "invited": _("This person is invited already. The list of users sends the invitation again."),
    "active": _("This person is a user of the account already."),
    "suspended": _("This person is a user of the account already, and suspended."),
    "struck_off": _("This person is a user of the account already, and struck off. The list of users brings them back."),
}


def reason_of(language: str, refusal: Refusal) -> str:
    """Why nobody is invited for the line, as a sentence in the reader's language."""
    facts = dict(refusal.facts)
    if refusal.code == "already_exists":
        return say(language, KNOWN_WORDS[facts["status"]])
    if refusal.field is None:
        return say(language, TABLE[refusal.code].detail, **facts)
    known = LINE_WORDS.get((refusal.field, refusal.code))
    if known is not None:
        return say(language, known, **facts)
    return f"{refusal.field}: {say(language, FIELD_WORDS.get(refusal.code, FIELD_WORDS['not_possible']), **facts)}"
