"""${message}."""

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Expand first; contract in a later release, once no process of the previous one runs."""
    ${upgrades if upgrades else "pass"}
