"""What a refusal says instead of its usual sentence, where a fact tells cases of it apart."""


def _(text: str) -> str:
    # Marks a text for the catalogue, as in `service.problems`.
    return text


#: Seats are free, and kept for people who come first.
HELD = "held"
#: What is said instead, by the code and the fact that tells cases of it apart.
CASES: dict[tuple[str, str], str] = {
    ("account_unavailable", "licence_not_started"): _(
        "The licence of this account begins on {from}. Until then its administrators alone can sign in; ask one of them."
    ),
    ("account_unavailable", "licence_ended"): _(
        "The last day of this account's licence was {since}; its administrators alone can sign in. "
        "Nothing is lost: ask one of them to have it renewed, then sign in again."
    ),
    ("pool_exceeded", "seats"): _(
        "The pool holds {pool} places: {given} given to others, {free} free, {asked} asked for."
        " Give fewer, take some back from another client, or have the pool enlarged."
    ),
    ("pool_exceeded", "users"): _(
        "The pool holds {pool} users: {given} given to others, {free} free, {asked} asked for."
        " Give fewer, lower another client's limit, or have the pool enlarged."
    ),
    ("pool_exceeded", "pool_lowered"): _(
        "{given} are given from this pool already: it cannot become as small as {pool}. Choose {given} or more, or have some taken back first."
    ),
    ("already_exists", "seat_request"): _(
        "A request of this account is open already. Wait for the answer, or withdraw it and ask again."
    ),
    ("already_exists", "visit_permission"): _(
        "A visit from there is allowed already. Take that permission back first to allow another."
    ),
    ("already_exists", "slug"): _("The short name {slug} is taken. Choose another one: {proposed} is free."),
    ("not_in_state", "new_account"): _("It was closed more than 30 days ago, and cannot be reopened. Open a new account."),
    ("not_in_state", "closed"): _("The account is closed. Reopen it first: it can be set to active for 30 days."),
    ("not_in_state", "too_many_boosts"): _("{max} boosts of this client are planned or live already. End one of them first."),
    ("not_in_state", "too_many_exports"): _(
        "{max} exports of this account's history are being written already. Wait until one is ready, or cancel one."
    ),
    ("not_in_state", "too_many_files"): _("{max} of your files are kept already. Delete one that you no longer need."),
    ("not_in_state", "too_many_keys"): _("The account has {max} API keys already. Revoke one that is no longer needed."),
    ("invalid_key", "revoked"): _("This API key was revoked. Make another one with POST /api/v1/api-keys."),
    ("invalid_key", "expired"): _("This API key has expired. Make another one with POST /api/v1/api-keys."),
    ("forbidden", "departments"): _("This file holds lines of departments that you are not in any more. Ask for a new one."),
    ("forbidden", "scope"): _("This API key lacks the scope {scope}. Make one that has it with POST /api/v1/api-keys."),
    ("forbidden", "management"): _(
        "All places are taken: you came in without one, to look after people, sessions and the licence. The rest opens once you have a place."
    ),
    ("not_in_state", "ended"): _("It is over already. Give another boost where places are still needed."),
    ("not_in_state", "approved"): _("{by} accepted this request already. Give more places with the licence or with a boost."),
    ("not_in_state", "refused"): _(
        "{by} refused this request already. Places can still be given with the licence or with a boost."
    ),
    ("not_in_state", "withdrawn"): _("{by} withdrew this request. Places can still be given with the licence or with a boost."),
    ("not_in_state", "expired"): _(
        "Nobody answered this request in time. Give places with the licence or with a boost, or let the client ask again."
    ),
    ("not_in_state", "no_seller"): _("Nobody sells places to this account: there is nobody to ask."),
    ("not_in_state", "seated"): _("You have a place already: go on working, or sign in and it is yours."),
    ("not_in_state", "room"): _("A place is free at this moment: nobody needs to be asked. Sign in now."),
    ("not_in_state", "draining"): _(
        "The licence has fewer places now than are in use: one that comes free goes to nobody. Wait in line, or ask for more places."
    ),
    ("not_in_state", "answered"): _(
        "That was answered already, and whoever answered is left alone for 15 minutes. Until then, wait in line or ask somebody else."
    ),
    ("not_in_state", "own"): _("That place is your own. Sign in in its stead, or ask somebody else."),
    ("not_in_state", "nobody"): _("There is nobody to ask at this moment. Wait in line, or try again in a few minutes."),
    ("seats_full", HELD): _(
        "{in_use} of {seats} places are in use, and {held} held for whoever is first to get one. Try again in a minute, or ask for more places."
    ),
    ("not_in_state", "later_once"): _("“In a moment” can be said once. Give the place, or say no."),
}
#: The facts that tell cases apart, the most telling first.
TELLING = ("instead", "why", "what", "state", "closed_to")
