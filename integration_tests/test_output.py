"""Each line of the output is a message, whatever threads have to say while records are written."""

from __future__ import annotations

import json
import subprocess
import sys

from integration_tests.connector import ROOT

BUSY = """
import logging, threading
from airbyte_cdk.logger import PRINT_BUFFER, init_logger
from source_klaviyo.output import Output

output, logger, done = Output(), init_logger("airbyte"), threading.Event()

def chat():
    while not done.is_set():
        logger.info("Asking again. " * 30)

with PRINT_BUFFER:
    for _ in range(3):
        threading.Thread(target=chat, daemon=True).start()
    line = [b'{"type": "RECORD", "record": {"data": {"text": "', b"x" * 500, b'"}}}', b"\\n"]
    for _ in range(100):
        output.write(*line * 1_001)
    done.set()
output.leave(0)
"""


def test_log_lines_of_other_threads_never_break_a_record() -> None:
    done = subprocess.run([sys.executable, "-c", BUSY], cwd=ROOT, capture_output=True, check=True, timeout=60)

    kinds = [json.loads(line)["type"] for line in done.stdout.splitlines()]

    assert kinds.count("RECORD") == 100_100
    assert "LOG" in kinds
