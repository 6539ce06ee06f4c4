"""Shows on one screen what runs where. Reads the state directory only; changes nothing."""

from __future__ import annotations

from deploy.local import processes
from deploy.local.plan import OutsideServer, Plan, entries
from deploy.local.processes import Process
from deploy.local.state import State

COLUMNS = ("NAME", "STATE", "PORTS", "PID", "LOG")


def table(state: State, plan: Plan) -> str:
    """Give the table of everything in the plan that stays: name, state, ports, pid, log file."""
    records = state.processes()
    ports = state.ports()
    rows = [COLUMNS]
    for entry in entries(plan):
        if isinstance(entry, OutsideServer):
            rows.append((entry.name, "outside", "-", "-", "-"))
        elif entry.port_names:
            record = records.get(entry.name)
            running = record is not None and Process(name=entry.name, record=record).alive()
            shown_ports = " ".join(_port(entry.name, name, ports[name]) for name in entry.port_names if name in ports)
            rows.append(
                (
                    entry.name,
                    "running" if running else "dead" if record is not None else "stopped",
                    shown_ports or "-",
                    str(record.pid) if record is not None and running else "-",
                    str(state.log_file(entry.name)),
                )
            )
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)


def all_running(state: State, plan: Plan) -> bool:
    """Tell whether everything in the plan that should stay is alive."""
    return all(processes.alive(state, entry.name) for entry in entries(plan) if entry.port_names and not isinstance(entry, OutsideServer))


def _port(entry: str, name: str, port: int) -> str:
    """Show the first port bare and the others with what they are for: `24405 controller=21999`."""
    label = name.removeprefix(entry).lstrip("-")
    return f"{label}={port}" if label else str(port)
