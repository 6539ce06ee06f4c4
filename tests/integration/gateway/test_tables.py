"""The migrated schema is the one that the code believes in, and its records are only added to."""

from __future__ import annotations

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from services.gateway.domain.listing import ListCall
from services.gateway.tables import METADATA
from tests.integration.gateway.conftest import Bank, Gateway
from tests.unit.gateway.examples import CHANGZHI, report_revised


class TestTables:
    def test_are_what_the_migrations_made(self, gateway: Gateway) -> None:
        made = gateway.rows(
            "SELECT table_name, column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'gateway' ORDER BY 1, 2"
        )
        for table in METADATA.tables.values():
            declared = {(column.name, column.nullable) for column in table.columns}
            found = {(row["column_name"], row["is_nullable"] == "YES") for row in made if row["table_name"] == table.name}
            assert found == declared, table.name

    @pytest.mark.parametrize("table", ["inquiry", "inquiry_outcome", "portal_inquiry", "report_revision"])
    @pytest.mark.parametrize("statement", ["DELETE FROM {}", "TRUNCATE {} CASCADE", "UPDATE {} SET {} = {}"])
    def test_refuse_to_be_rewritten(self, gateway: Gateway, bank: Bank, table: str, statement: str) -> None:
        gateway.take(report_revised())
        bank.grade()
        call = ListCall(parent=f"subjects/{CHANGZHI}", page_size=0, page_token="")
        gateway.portal.list_report_revisions(authorization=[f"Bearer {gateway.provider.token()}"], peer="test", call=call)
        column = {"inquiry": "peer", "inquiry_outcome": "outcome", "portal_inquiry": "caller", "report_revision": "key_id"}[table]
        with pytest.raises(IntegrityError, match="only ever added to"), gateway.database.transaction("test.forbidden") as transaction:
            transaction.execute(text(statement.format(table, column, column)))
