"""Seats, humanely: when a long idle seat may be taken, and sessions that only manage while the pool is full."""

from alembic import op

from tenants.migrations.wall import statements

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

COLUMNS = """
ALTER TABLE accounts ADD COLUMN reclaim_after INTEGER;
ALTER TABLE accounts ADD CONSTRAINT ck_accounts_reclaim_after CHECK (reclaim_after BETWEEN 1 AND 240);
COMMENT ON COLUMN accounts.reclaim_after IS 'minutes without a request after which a seat may be taken; none = never';

ALTER TABLE sessions ADD COLUMN management BOOLEAN DEFAULT false NOT NULL;
COMMENT ON COLUMN sessions.management IS 'began with the pool full: holds no seat, and may only make room';
"""


def upgrade() -> None:
    """Add the columns; the release before runs on."""
    for statement in statements(COLUMNS):
        op.execute(statement)
