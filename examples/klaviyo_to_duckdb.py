"""Read a Klaviyo account into a DuckDB file: in full the first time, then what has changed.

    pip install airbyte
    export KLAVIYO_API_KEY=pk_…
    python examples/klaviyo_to_duckdb.py

With an OAuth app of Klaviyo, set KLAVIYO_CLIENT_ID, KLAVIYO_CLIENT_SECRET and KLAVIYO_REFRESH_TOKEN instead of the key.
The file is warehouse.duckdb in the current folder.
"""

import os
from pathlib import Path

import airbyte as ab
from airbyte.caches import DuckDBCache

CHECKOUT = Path(__file__).resolve().parent.parent  # the folder of this connector
STREAMS = ["profiles", "events", "metrics", "lists", "list_profiles", "campaigns"]

if "KLAVIYO_REFRESH_TOKEN" in os.environ:
    names = ("client_id", "client_secret", "refresh_token")
    tokens = {name: str(ab.get_secret(f"KLAVIYO_{name.upper()}")) for name in names}
    authentication = {"credentials": {"auth_type": "oauth2.0", **tokens}}
else:
    authentication = {"api_key": str(ab.get_secret("KLAVIYO_API_KEY"))}

source = ab.get_source(
    "source-klaviyo",
    pip_url=f"'{CHECKOUT}'",
    config={**authentication, "start_date": "2020-01-01"},
    streams=STREAMS,
)
source.check()

cache = DuckDBCache(db_path="warehouse.duckdb", schema_name="klaviyo")  # two names: DuckDB confuses equal ones
result = source.read(cache=cache)
print(f"{result.processed_records} records read")
for name, table in result.streams.items():
    print(f"{name}: {len(table)} rows")

print("What happened most in the last 30 days:")
query = """
    SELECT m.attributes->>'$.name' AS metric, count(*) AS events
    FROM klaviyo.events e
    JOIN klaviyo.metrics m ON m.id = (e.relationships->>'$.metric.data.id')
    WHERE e.datetime BETWEEN now() - INTERVAL 30 DAY AND now()
    GROUP BY 1 ORDER BY 2 DESC LIMIT 5
"""
for row in cache.run_sql_query(query):
    print(f"{row['metric']}: {row['events']} events")
