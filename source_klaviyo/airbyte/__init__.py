"""Airbyte's side: command-line inputs, the CDK's engine, stdout."""
