"""FusionPBX's database as it is read, and the tenants' documents that are drafted of it. It is never written to."""
