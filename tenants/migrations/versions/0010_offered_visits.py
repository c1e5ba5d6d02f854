"""Accounts that let one in are found without reading every permission there is: the operator may be let in by thousands."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the index."""
    op.execute(
        "CREATE INDEX ix_visit_permissions_offered ON visit_permissions (visitor_account_id, given_at, id) WHERE revoked_at IS NULL"
    )
