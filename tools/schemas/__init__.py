"""Write ``source_klaviyo/schemas/<stream>.json`` from the facts about the API.

    python -m tools.schemas [--check]

``facts/`` says what a resource looks like; ``streams.py`` says which resource a stream emits, and how the stream
differs from it. A new stream is one line there. ``--check`` writes nothing and fails if a file is stale.

The schemas describe, they do not judge: each property may be null, each object may hold more than is
declared, and the values of an enumeration are named in its description only, because Klaviyo may add any of
these within a revision.
"""
