"""An operator with a PBX, a folder and the command `atende import fusionpbx`."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from msgspec.structs import replace

from base.secret import Secret
from control.cli.context import Program
from control.cli.import_fusionpbx import import_command
from control.settings import Settings
from tests.tenants.fusionpbx.pbx import Dialect, FusionPbx, fill, fusionpbx


def run(settings: Settings, *arguments: str) -> Result:
    def unused(*_: Any, **__: Any) -> Any:
        raise AssertionError("this command opens no service")

    program = Program(settings=settings, open_service=unused, open_trial=unused, create_app=unused)
    return CliRunner().invoke(import_command, ["fusionpbx", *arguments], obj=program)


class Desk:
    """An operator's: a PBX, a folder, and the command."""

    def __init__(self, pbx: FusionPbx, folder: Path) -> None:
        self.pbx = pbx
        self.tenants = folder / "tenants"
        self.settings = Settings(
            data_dir=folder / "data", tenants_dir=self.tenants, fusionpbx_database_url=pbx.url
        )  # fmt: skip

    async def run(self, *arguments: str, **changes: Any) -> Result:
        return await asyncio.to_thread(run, replace(self.settings, **changes), *arguments)

    async def told(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """What `--json` tells, by domain."""
        done = await self.run("--json", *arguments)
        assert done.exit_code == 0, done.output
        return {one["domain"].partition(".")[0]: one for one in json.loads(done.stdout)["tenants"]}

    async def statuses(self, *arguments: str) -> dict[str, str]:
        return {name: one["status"] for name, one in (await self.told(*arguments)).items()}

    def file(self, slug: str) -> Path:
        return self.tenants / f"{slug}.yaml"


def on(
    server: Secret, folder: Path, scene: Callable[[Desk], Awaitable[None]], dialect: Dialect = "boolean", **how: Any
) -> None:
    """Play a scene with a PBX of three companies."""

    async def play() -> None:
        async with fusionpbx(server, dialect) as pbx:
            await fill(pbx)
            await scene(Desk(pbx, folder))

    asyncio.run(play())
