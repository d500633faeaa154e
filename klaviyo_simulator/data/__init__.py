"""The made-up data of the account: records, their storage, filters and relationships."""
