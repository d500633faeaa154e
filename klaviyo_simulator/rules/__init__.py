"""The rules of the API: endpoints, parameters and filters, derived from the facts with a few exceptions."""
