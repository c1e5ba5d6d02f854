"""Refused mail is found without reading all that was ever sent: the operator looks at the newest."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute("CREATE INDEX ix_outbox_refused ON outbox (settled_at) WHERE state = 'refused'")
