"""The closing lines and the JSON file that every bench leaves, in one form."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import psutil

from deploy.local.state import DEFAULT_STATE


@dataclass(frozen=True, kw_only=True)
class Goal:
    """One measured figure and what was aimed at, e.g. `<=2.0`."""

    name: str
    value: float
    goal: str


def close(bench: str, goals: Sequence[Goal], details: Mapping[str, Any]) -> None:
    """Write `.state/bench/<bench>.json` and print one line per goal. Whatever the values, a bench that measured has done its work."""
    folder: Path = DEFAULT_STATE / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    figures = [{"name": goal.name, "value": goal.value if isfinite(goal.value) else None, "goal": goal.goal} for goal in goals]
    result = {"bench": bench, "goals": figures, **details}
    (folder / f"{bench}.json").write_text(json.dumps(result, indent=2, allow_nan=False) + "\n")
    for goal in goals:
        print(f"{goal.name} value={goal.value:.2f} goal={goal.goal}", flush=True)


def cpu_seconds(processes: Mapping[str, int]) -> dict[str, float]:
    """Give the CPU time that each named process has used so far, in seconds; PostgreSQL's with that of its backends, ended ones too."""
    used = {}
    for name, pid in processes.items():
        root = psutil.Process(pid)
        own = root.cpu_times()
        used[name] = own.user + own.system
        if name == "postgres":
            used[name] += own.children_user + own.children_system
            for child in root.children(recursive=True):
                # One that ends just now is among the ended ones the next time.
                with contextlib.suppress(psutil.NoSuchProcess):
                    time = child.cpu_times()
                    used[name] += time.user + time.system
    return used


def percentile(values: Sequence[float], share: float) -> float:
    """Give the smallest value that `share` of all values do not exceed (nearest rank)."""
    ordered = sorted(values)
    rank = max(1, -(-len(ordered) * share // 1))
    return ordered[int(rank) - 1]
