"""Decides under which account the servers run, and makes sure that account can reach what it needs.

PostgreSQL refuses to run as root, and Kafka has no business to. Started by root, both run as `nobody`; started by anyone else, as
that person. Root's own folders are often closed to others (`/root`, a 0700 temporary folder), and opening them would be worse than
the problem, so what cannot be reached is placed under `/var/tmp` instead: data by its own folder, programs by a copy.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.errors import CannotRunError

UNPRIVILEGED_NAME = "nobody"
# Survives a restart of the machine, unlike /tmp, and every account may enter it.
OUTSIDE = Path("/var/tmp")  # noqa: S108 - _outside refuses a folder that is not ours alone


@dataclass(frozen=True, kw_only=True)
class Account:
    """The operating-system account of the servers. `switch` is false when we already run under it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def popen_arguments(self) -> dict[str, object]:
        """Give the keyword arguments that make `subprocess` start a process under this account."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.switch else {}

    def give(self, path: Path) -> None:
        """Hand `path` and all below it to the account."""
        if not self.switch:
            return
        for folder, _, files in os.walk(path):
            os.chown(folder, self.uid, self.gid, follow_symlinks=False)
            for name in files:
                os.chown(os.path.join(folder, name), self.uid, self.gid, follow_symlinks=False)
        os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def make_folder(self, path: Path) -> None:
        """Make a folder that only the account may enter; an existing one is handed over as it is."""
        path.mkdir(mode=0o700, exist_ok=True)
        self.give(path)


def of_servers() -> Account:
    """Give the account under which the servers run. Raises `CannotRunError` when root has no `nobody` to become."""
    if os.geteuid() != 0:
        return Account(name=str(os.geteuid()), uid=os.geteuid(), gid=os.getegid(), switch=False)
    try:
        entry = pwd.getpwnam(UNPRIVILEGED_NAME)
    except KeyError:
        raise CannotRunError(
            f"root may not run the servers and there is no account '{UNPRIVILEGED_NAME}': start as an ordinary user"
        ) from None
    return Account(name=entry.pw_name, uid=entry.pw_uid, gid=entry.pw_gid, switch=True)


def reaches(account: Account, path: Path, *, mode: str = "-r") -> bool:
    """Tell whether the account may open `path`; asked of the kernel under that account, since ACLs and mounts decide too."""
    if not account.switch:
        return True
    # `test` is in every POSIX system's /bin; our own interpreter may itself be out of the account's reach.
    try:
        result = subprocess.run(
            ["/bin/sh", "-c", f'test {mode} "$0"', str(path)],
            cwd="/",
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            **account.popen_arguments(),  # type: ignore[call-overload]
        )
    except PermissionError:
        raise CannotRunError(f"root may not become '{account.name}' here (no CAP_SETUID): start as an ordinary user") from None
    return bool(result.returncode == 0)


def home_of_data(account: Account, state_dir: Path) -> Path:
    """Give the folder for the servers' data: `state_dir`, or one under `/var/tmp` when the account cannot enter that.

    The stand-in's name is derived from the state directory, so the next start finds it again; `state_dir/outside` points to it.
    """
    if reaches(account, state_dir, mode="-x"):
        return state_dir
    home = _outside(state_dir)
    pointer = state_dir / "outside"
    if not pointer.is_symlink():
        pointer.symlink_to(home)
    return home


def programs_within_reach(account: Account, root: Path, *, parts: Sequence[str], probes: Sequence[str]) -> Path:
    """Give a folder whose `parts` hold programs that the account can use: `root`, or a copy when one of `probes` cannot be read.

    Parts keep their places below the root, since programs find their libraries by relative paths.
    """
    if all(reaches(account, root / probe) for probe in probes):
        return root
    copy = _outside(root) / f"programs-{_signature(root, probes)}"
    if not copy.is_dir():
        unfinished = copy.with_name(f"unfinished.{os.getpid()}")
        shutil.rmtree(unfinished, ignore_errors=True)
        for part in (part for part in parts if (root / part).is_dir()):
            shutil.copytree(root / part, unfinished / part, symlinks=True, dirs_exist_ok=True)
        for folder, _, files in os.walk(unfinished):
            os.chmod(folder, 0o755)  # noqa: S103 - the servers' account must enter; programs are no secret
            for path in (Path(folder, name) for name in files):
                if not path.is_symlink():
                    path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        try:
            unfinished.rename(copy)
        except OSError:  # another start was faster; its copy is as good
            shutil.rmtree(unfinished, ignore_errors=True)
    return copy


def _signature(root: Path, probes: Sequence[str]) -> str:
    """Tell one release of the programs from the next, by size and time of the probes."""
    facts = [(found.st_size, found.st_mtime_ns) for found in ((root / probe).stat() for probe in probes)]
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:12]


def remove_outside(state_dir: Path) -> None:
    """Remove the stand-in folder of a state directory, if it has one."""
    pointer = state_dir / "outside"
    if pointer.is_symlink():
        shutil.rmtree(_outside(state_dir), ignore_errors=True)
        pointer.unlink()


def _outside(inside: Path) -> Path:
    """Make the stand-in for `inside`, ours alone to write: anyone may create names in /var/tmp, so a squatter's folder is refused."""
    folder = OUTSIDE / f"carbonbureau-{hashlib.sha256(str(inside).encode()).hexdigest()[:16]}"
    folder.mkdir(mode=0o711, exist_ok=True)
    found = folder.lstat()
    if folder.is_symlink() or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise CannotRunError(f"{folder} belongs to someone else: remove it, or keep the state directory where other accounts can enter")
    folder.chmod(0o711)  # mkdir is subject to the umask
    return folder
