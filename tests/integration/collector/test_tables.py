"""The migrated schema is the one that the code believes in, and it refuses to forget."""

from __future__ import annotations

import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege
from sqlalchemy.exc import DBAPIError

from deploy.local.postgres import PostgresServer
from services.collector.tables import APPEND_ONLY, METADATA
from services.common.database import sqlstate
from tests.integration.collector.conftest import Collector
from tests.unit.collector.submissions import reported

# insufficient_privilege: what both the missing right and the trigger answer with.
REFUSED = "42501"


def set_up_rows(collector: Collector) -> None:
    collector.send(("eco-sx", reported("1", "2", record_number="1")))
    collector.rebuild()


class TestTables:
    def test_are_what_the_migrations_made(self, collector: Collector) -> None:
        made = collector.rows(
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'collector' ORDER BY 1, 2"
        )
        for table in METADATA.tables.values():
            declared = {(column.name, column.nullable) for column in table.columns}
            found = {(row["column_name"], row["is_nullable"] == "YES") for row in made if row["table_name"] == table.name}
            assert found == declared, table.name

    def test_have_their_columns_in_the_order_of_copy(self, collector: Collector) -> None:
        for table in METADATA.tables.values():
            rows = collector.rows(
                "SELECT column_name FROM information_schema.columns WHERE table_schema = 'collector' AND table_name = :name "
                "ORDER BY ordinal_position",
                name=table.name,
            )
            if table.name == "submission":
                assert [row["column_name"] for row in rows] == table.columns.keys()


class TestWhatWasWrittenOnce:
    def test_cannot_be_changed_by_the_service(self, collector: Collector) -> None:
        for table in APPEND_ONLY:
            column = table.columns.keys()[0]
            for change in (f"UPDATE {table.name} SET {column} = {column}", f"DELETE FROM {table.name}", f"TRUNCATE {table.name}"):
                with pytest.raises(DBAPIError) as refused:
                    collector.run(change)
                assert sqlstate(refused.value) == REFUSED, change

    def test_cannot_be_changed_by_an_administrator_in_passing(self, collector: Collector, postgres_server: PostgresServer) -> None:
        """Even who has every right is stopped by the trigger: to get past it, it has to be taken away on purpose."""
        set_up_rows(collector)
        database = collector.url.rpartition("/")[2]
        with postgres_server.connect_as_admin(database=database) as admin:
            for table in APPEND_ONLY:
                column = sql.Identifier(table.columns.keys()[0])
                statement = sql.SQL("UPDATE {} SET {} = {}").format(sql.Identifier("collector", table.name), column, column)
                with pytest.raises(InsufficientPrivilege, match="append-only"):
                    admin.execute(statement)

    def test_is_reversed_at_most_once(self, collector: Collector) -> None:
        set_up_rows(collector)
        copy = """
            INSERT INTO posting SELECT gen_random_uuid(), subject_id, 2, posting_id, content_sha256, facility_id, period_start, period_end,
                period_zone, scope, treatment, category, gas, energy_carrier, -amount_tco2e, method_code, factor_codes, evidence,
                data_quality, standard_uncertainty_percent, recorded_at
            FROM posting WHERE reverses IS NULL
        """
        collector.run(copy)
        with pytest.raises(DBAPIError, match="posting_reversed_once"):
            collector.run(copy)
