"""The warehouse: a PostgreSQL whose tables follow from the contracts, its ledger, and the marts made of it."""
