"""The database that the tests of tenants share."""

from tests.tenants.conftest import postgres

__all__ = ["postgres"]
