"""The migrated schema is the one that the code believes in."""

from __future__ import annotations

from services.scoring.tables import METADATA
from tests.integration.scoring.conftest import Scoring


class TestTables:
    def test_are_what_the_migrations_made(self, scoring_without_model: Scoring) -> None:
        made = scoring_without_model.rows(
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'scoring' ORDER BY 1, 2"
        )
        for table in METADATA.tables.values():
            declared = {(column.name, column.nullable) for column in table.columns}
            found = {(row["column_name"], row["is_nullable"] == "YES") for row in made if row["table_name"] == table.name}
            assert found == declared, table.name
