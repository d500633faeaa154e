"""A shutdown waits for what must not be left half done, and for nothing else."""

from __future__ import annotations

import threading

from source_klaviyo.api.critical import CriticalSection


def test_closing_waits_until_all_have_left() -> None:
    section, left = CriticalSection(), threading.Event()
    entered = threading.Event()

    def work() -> None:
        with section:
            entered.set()
            left.wait(10)

    worker = threading.Thread(target=work)
    worker.start()
    entered.wait(10)

    assert not section.close(0.01)
    left.set()
    assert section.close(10)
    worker.join(10)


def test_nobody_enters_once_it_is_closed() -> None:
    section, inside = CriticalSection(), threading.Event()

    def work() -> None:
        with section:
            inside.set()

    assert section.close(0)
    threading.Thread(target=work, daemon=True).start()
    assert not inside.wait(0.2)


def test_those_who_fail_leave_too() -> None:
    section = CriticalSection()
    try:
        with section:
            raise ValueError
    except ValueError:
        pass
    assert section.close(0)
