"""Airbyte's side: command-line inputs, the engine, messages and stdout."""
