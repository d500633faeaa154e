"""How fast, how frugal and how close to Klaviyo's limits the connector is, beside Airbyte's own: `make bench`."""
