"""Answers kept for requests that are sent twice are forgotten after a day: the worker finds those of every account, and sees no others."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The day of `tenants.idempotency.KEPT_FOR`: even there, answers that still count stay behind their wall.
_OVER = "current_setting('app.sorting_room', true) = 'on' AND created_at < now() - interval '24 hours'"


def upgrade() -> None:
    """Add the index, and the doors for what is over."""
    op.execute("CREATE INDEX ix_idempotency_keys_created_at ON idempotency_keys (created_at)")
    op.execute(f"CREATE POLICY sorting_room ON idempotency_keys FOR SELECT USING ({_OVER})")
    op.execute(f"CREATE POLICY sorting_room_forgets ON idempotency_keys FOR DELETE USING ({_OVER})")
