"""Run the connector as a forked child of a process that has imported it, which saves the second that a start takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from integration_tests.connector import ROOT, Output

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE = 60
"""Seconds after which a child is killed, which shows in its exit code."""

IMPATIENT = """
from source_klaviyo.api.budget import _Bucket
from source_klaviyo.api.client import KlaviyoClient
_Bucket.delay = lambda bucket, now: 0.0
KlaviyoClient.__init__.__kwdefaults__["sleep"] = lambda seconds: None
"""
_PARENT = f"""
import json, os, signal, sys
import source_klaviyo.entrypoint
from source_klaviyo.run import run

for line in sys.stdin:
    job = json.loads(line)
    child = os.fork()
    if not child:
        signal.alarm({PATIENCE})
        os.environ.update(job["environ"])
        os.chdir(job["folder"])
        for number, name in enumerate(("stdout", "stderr"), start=1):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv[1:] = job["arguments"]
        try:
            run()
        finally:
            sys.stdout.flush()
            os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def impatient(command: list[str]) -> list[str]:
    """Return the same command, without waits for limits and before retries; run it in the project's folder."""
    return [sys.executable, "-c", f"{IMPATIENT}\nfrom source_klaviyo.run import run\nrun()", *command[2:]]


class Forks:
    """Runs commands of the connector one after another, each in its own child process.

    Args:
        folder: the working directory of each child, with its output in the files `stdout` and `stderr`.
        patient: whether they obey limits and wait before retries.
    """

    def __init__(self, folder: Path, *, patient: bool = True) -> None:
        self.folder = folder
        self._parent = subprocess.Popen(
            [sys.executable, "-c", _PARENT if patient else IMPATIENT + _PARENT],
            cwd=ROOT,
            env={name: value for name, value in os.environ.items() if name not in {"LOG_LEVEL", "KLAVIYO_API_URL"}},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, **environ: str) -> Output:
        """Run one command; return its messages, which must be all that it prints."""
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        job = {"arguments": arguments, "environ": environ, "folder": str(self.folder)}
        self._parent.stdin.write(json.dumps(job) + "\n")
        self._parent.stdin.flush()
        code = int(self._parent.stdout.readline())
        return Output.parse((self.folder / "stdout").read_bytes(), code, (self.folder / "stderr").read_text("utf-8"))

    @property
    def printed(self) -> str:
        """Return everything that the last command printed."""
        return "".join((self.folder / name).read_text("utf-8") for name in ("stdout", "stderr"))

    def close(self) -> None:
        """End the process that waits for commands."""
        self._parent.communicate(timeout=PATIENCE)
