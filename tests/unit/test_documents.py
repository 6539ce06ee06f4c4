"""Holds the documents against the code: what they name must exist."""

from __future__ import annotations

import ast
import re
import shlex
import tomllib

import pytest

from deploy.local.state import REPOSITORY
from services.collector.__main__ import _parser as collector_parser
from services.collector.directory_file import parse_directory
from services.collector.domain.rules import plausibility
from tests.unit.collector.submissions import plan, view_of

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PLACES = re.findall(r"`([a-z_/]+\.py):(\w+)`", README)


class TestReadme:
    @pytest.mark.parametrize(("file", "function"), PLACES)
    def test_names_functions_that_exist(self, file: str, function: str) -> None:
        tree = ast.parse((REPOSITORY / file).read_text(encoding="utf-8"))
        assert function in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

    def test_tells_the_life_of_a_report_from_end_to_end(self) -> None:
        assert len(PLACES) >= 10

    def test_says_why_each_dependency_is_there(self) -> None:
        project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
        needed = project["project"]["dependencies"] + [name for group in project["dependency-groups"].values() for name in group]
        names = {re.split(r"[=\[<>]", requirement)[0] for requirement in needed}
        unnamed = {name for name in names if not name.startswith(("types-", "opentelemetry-exporter")) and name not in README}
        assert unnamed == set()


class TestProvidersPage:
    PAGE = (REPOSITORY / "docs" / "providers.md").read_text(encoding="utf-8")

    def test_shows_commands_that_exist(self) -> None:
        commands = re.findall(r"^python -m services\.collector (.+)$", self.PAGE, flags=re.MULTILINE)
        assert len(commands) >= 4
        for command in commands:
            collector_parser().parse_args(shlex.split(command))

    def test_shows_entries_that_can_be_applied(self) -> None:
        entry, keys = (text.replace("\n   ", "\n") for text in re.findall(r"```toml\n(.*?)```", self.PAGE, flags=re.DOTALL))
        (applied,) = parse_directory(entry.replace("quota =", keys.partition("\n\n")[0] + "\nquota =") + keys.partition("\n\n")[2])
        assert (applied.provider.code, len(applied.provider.keys)) == ("grid-sx", 1)

    def test_names_files_that_exist(self) -> None:
        for file in re.findall(r"`((?:services|deploy|proto|docs)/[\w./-]+)`", self.PAGE):
            assert (REPOSITORY / file).exists(), file

    def test_is_found_from_both_readmes(self) -> None:
        assert "docs/providers.md" in README
        assert "docs/providers.md" in (REPOSITORY / "services" / "collector" / "README.md").read_text(encoding="utf-8")


class TestContributing:
    def test_shows_a_rule_that_works_as_it_stands(self) -> None:
        """Run the guide's own code in the rule module's namespace, on a planted case and on a harmless one."""
        guide = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n(.*?)```", guide, flags=re.DOTALL)
        namespace = dict(vars(plausibility))
        exec(compile(code, "CONTRIBUTING.md", "exec"), namespace)
        rule = namespace["plan_target_before_base_year"]
        planted, harmless = plan(), plan()
        planted.transition_plan.base_year, harmless.transition_plan.base_year = 2030, 2020
        assert [suspicion.about for suspicion in rule.check(view_of([("ndrc-sx", planted)]))] == ["2024"]
        assert list(rule.check(view_of([("ndrc-sx", harmless)]))) == []
