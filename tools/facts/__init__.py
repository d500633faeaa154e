"""Keep ``facts/`` true: what Klaviyo's API offers for reading, in our own form and words.

    python -m tools.facts [--check] [document …]

``facts/<revision>/<area>.yaml`` holds each operation (resources, scopes, rate limits, page sizes, filters, sorts,
includes) and each resource (attributes with type, known values and description). The folder of a later
revision holds only what differs from the one before. The command takes over what is new in Klaviyo's OpenAPI
documents and leaves the descriptions to be written; ``--check`` writes nothing, lists the differences and fails
if there are any.
"""
