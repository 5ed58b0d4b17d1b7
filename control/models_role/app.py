"""The application of the process `models`."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from litestar import Litestar
from litestar.logging.config import LoggingConfig

from base.tasks import beside
from control.models_role.hearing import hearing
from control.models_role.ledger import Ledger
from control.models_role.refusals import HANDLERS
from control.models_role.shelf import OwnShelf, Shelf
from control.models_role.speaking import speaking
from control.models_role.telling import embedding, telling
from control.settings import Settings
from processors.compute import ComputeLanes
from processors.models.store import ModelStore
from processors.served.protocol import MAX_BODY_BYTES


def models_app(
    found: Settings,
    announce: Callable[[], None] = lambda: None,
    *,
    shelf_of: Callable[[Ledger], Shelf] | None = None,
) -> Litestar:
    """Serves in its lifespan, and `announce` is told when it does. It needs no database and knows no tenant.

    `shelf_of` is another shelf than the embedded models.
    """
    lanes = ComputeLanes()
    ledger = Ledger(lanes)
    own = OwnShelf(ModelStore(found.data_dir, root=found.models_dir), ledger)
    shelf = own if shelf_of is None else shelf_of(ledger)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        try:
            async with beside(look_at_the_lanes=ledger.keep_looking()):
                announce()
                yield
        finally:
            own.close()
            lanes.close()

    return Litestar(
        [hearing(shelf), speaking(shelf), embedding(shelf), *telling(shelf, ledger, str(uuid.uuid4()))],
        lifespan=[lifespan],
        exception_handlers=HANDLERS,
        request_max_body_size=MAX_BODY_BYTES,
        openapi_config=None,
        logging_config=LoggingConfig(configure_root_logger=False, log_exceptions="never"),
    )
