"""Critical work: a process that ends waits for it, since half of it would lose a token."""

from __future__ import annotations

import threading

TOKEN_EXCHANGE = threading.Lock()
"""Held from sending a refresh token until the platform has been given the one that replaces it.

A process acquires it before it ends, and never releases it.
"""
