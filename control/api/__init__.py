"""The operators' REST API, `/api/v1`: one file for each kind of thing."""
