"""Words about users: how they stand, how far an invitation is, why something about them cannot be changed."""

from collections.abc import Mapping
from typing import Any

from service.console.view import View, status_of
from tenants.errors import DomainError, Invalid
from tenants.presence import SeatState
from tenants.users import Status


def _(text: str) -> str:
    # Marks a text for the catalogue; it is translated when the reader is known.
    return text


STATUSES: dict[Status, str] = {
    "active": _("Active"),
    "invited": _("Invited"),
    "suspended": _("Suspended"),
    "struck_off": _("Struck off"),
}

#: How far an invitation is; and the shape that stands for it.
INVITATION: dict[str, tuple[str, str]] = {
    "queued": ("none", _("Mail is waiting to leave")),
    "sent": ("invited", _("Handed to the mail server")),
    "refused": ("failed", _("Refused by the mail server")),
    "opened": ("invited", _("Link opened")),
    "accepted": ("active", _("Accepted")),
    "expired": ("failed", _("Expired")),
    "withdrawn": ("none", _("Withdrawn")),
}

#: What a session's seat is doing; and the shape that stands for it.
SEATS: dict[SeatState, tuple[str, str]] = {
    "working": ("active", _("At work")),
    "idle": ("suspended", _("Idle")),
    "lost": ("failed", _("No sign of life")),
    "lingering": ("none", _("Page closed")),
    "none": ("none", _("Holds no place")),
}

#: Why one person of several was left as they were: by a code of ours, or of the domain.
REASONS: dict[str, str] = {
    "self": _("This is you: nobody does this to themselves."),
    "visitor": _("This is you: whoever visits does not change their own place here."),
    "beyond_own_rights": _("Has rights or departments that you do not have."),
    "last_administrator": _("The last active administrator: name another one first."),
    "not_in_state": _("Not possible with this status."),
    "only_invited": _("Not invited any more: there is no invitation to send."),
    "not_yet_here": _("Has not accepted the invitation yet: withdraw it instead."),
    "quota_reached": _("The licence has no room for another user."),
    "option_missing": _("The licence does not include roles of your own."),
    "invalid": _("A department or role is no longer in use."),
    "forbidden": _("Your role does not include this."),
    "not_found": _("Is no longer a user of the account."),
    "unavailable": _("Could not be changed at this moment. Try again."),
}

# Where the sentence of the API would leave somebody who looks at a page without a next step.
_STATES: Mapping[str, str] = {
    "invited": _("This person has not accepted the invitation yet. Withdraw it, or strike the person off."),
    "invitation_over": _("The invitation has expired or was withdrawn. Invite the person again."),
    "never_accepted": _("This person never accepted an invitation. Delete them, and invite them anew."),
    "active": _("This person has accepted the invitation already."),
    "suspended": _("This person is suspended. Bring them back first."),
    "struck_off": _("This person is struck off. Bring them back first."),
}


def refusal_in_words(view: View, error: DomainError | None) -> dict[str, Any]:
    """What a page shows of a refusal, with its status: `complaints` beside the fields, or a `notice` with what can be done next."""
    if error is None:
        return {"status": 200, "complaints": [], "notice": None}
    if isinstance(error, Invalid):
        return {"status": status_of(error), "complaints": [view.complaint(error)], "notice": None}
    notice = view.notice(error)
    state = str(error.facts.get("state"))
    if error.code == "not_in_state" and state in _STATES:
        notice["text"] = view.say(_STATES[state])
    return {"status": status_of(error), "complaints": [], "notice": notice}
