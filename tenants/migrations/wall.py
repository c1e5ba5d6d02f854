"""The wall around a table, as every migration builds it."""

_WALL = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY wall ON {table}
    USING (account_id = nullif(current_setting('app.account_id', true), '')::uuid)
    WITH CHECK (account_id = nullif(current_setting('app.account_id', true), '')::uuid);
"""


def walls(tables: tuple[str, ...]) -> list[str]:
    """SQL that makes rows of these tables visible only inside their account. FORCE: the owner is walled in as well."""
    return [_WALL.format(table=table) for table in tables]


def statements(*parts: str) -> list[str]:
    """The single statements of these scripts; each ends with a semicolon at the end of its line."""
    return [statement for part in parts for statement in part.split(";\n") if statement.strip()]
