"""`atende import fusionpbx`, as an operator runs it on a PBX of either age."""

import json
import logging
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from base.secret import Secret
from tenants.document import parse_document
from tenants.fusionpbx.written import MEMORY_FILE
from tests.control.cli.desk import Desk, on
from tests.tenants.conftest import postgres
from tests.tenants.fusionpbx.pbx import CLINIC, GARAGE, Dialect, add_domain, add_extension, add_inbound

__all__ = ["postgres"]

pytestmark = pytest.mark.postgres


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("dialect", ["text", "boolean"])
def test_three_companies_are_seen_written_and_seen_again(postgres: Secret, tmp_path: Path, dialect: Dialect) -> None:
    async def scene(desk: Desk) -> None:
        dry = await desk.run()
        assert dry.exit_code == 0, dry.output
        assert not desk.tenants.exists(), "a dry run changes nothing"
        assert not desk.settings.data_dir.exists()
        assert "skipped: padaria.pbx.example.net (it has no inbound number, and no assistant" in dry.stdout
        assert "+slug: sorriso\n" in dry.stdout
        assert "2 new, 1 skipped; nothing was written, --write does" in dry.stderr
        assert "sip-hush" not in dry.output
        assert "2468" not in dry.output

        written = await desk.run("--write")
        assert written.exit_code == 0, written.output
        assert sorted(file.name for file in desk.tenants.iterdir()) == ["oficina.yaml", "sorriso.yaml"]
        clinic = parse_document(desk.file("sorriso").read_bytes(), "sorriso").spec
        garage = parse_document(desk.file("oficina").read_bytes(), "oficina").spec
        assert (clinic.id, clinic.name, clinic.domain) == (str(CLINIC), "Clínica Sorriso", "sorriso.pbx.example.net")
        assert clinic.enabled
        [sofia] = clinic.assistants
        assert (sofia.name, sofia.id, sofia.numbers) == ("sofia", str(uuid.UUID(int=9)), ("8000",))
        assert sofia.transfer is not None
        assert (sofia.transfer.to, sofia.transfer.mode) == ("1001", "ring")
        assert sofia.business_info == {"vagas": "nos fundos"}
        [ana] = clinic.destinations
        assert (ana.name, ana.ring_s, ana.default, ana.fallback.do) == ("ana-souza", 25, True, "voicemail")
        [reception] = garage.assistants
        assert (reception.numbers, reception.hours) == (("551133334444",), "horario-comercial")
        assert garage.time_zone == "America/Manaus"
        assert [(one.open, one.close, len(one.days)) for one in garage.hours[0].weekly] == [("09:00", "18:00", 5)]
        assert {one.name: one.type for one in garage.destinations} == {"balcao": "ring_group", "orcamentos": "queue"}

        assert await desk.statuses("--write") == {"oficina": "same", "padaria": "skipped", "sorriso": "same"}

    on(postgres, tmp_path, scene, dialect)


def test_what_changes_in_the_pbx_is_shown_and_written_and_what_changed_by_hand_is_kept(
    postgres: Secret, tmp_path: Path
) -> None:
    async def scene(desk: Desk) -> None:
        await desk.run("--write")
        await add_extension(desk.pbx, GARAGE, "1002", "Zé", "Silva")
        file = desk.file("oficina")
        before = file.read_bytes()
        told = await desk.told()
        assert (told["oficina"]["status"], told["oficina"]["by_hand"]) == ("changed", False)
        assert "+  - name: ze-silva\n" in told["oficina"]["diff"]
        assert file.read_bytes() == before

        file.chmod(0o640)
        assert (await desk.told("--write"))["oficina"]["written"]
        assert file.stat().st_mode & 0o777 == 0o640
        assert b"ze-silva" in file.read_bytes()

        by_hand = file.read_bytes().replace("Oficina do Zé".encode(), b"Oficina")
        file.write_bytes(by_hand)
        dry = await desk.run()
        assert dry.stderr.endswith("1 skipped; --write would write nothing: 1 changed by hand\n")
        kept = await desk.run("--write")
        assert file.read_bytes() == by_hand
        assert "changed by hand since the last import, and kept" in kept.stdout
        assert "-name: Oficina\n" in kept.stdout
        assert (await desk.told("--write"))["oficina"]["written"] is False
        assert file.read_bytes() == by_hand

        assert (await desk.told("--write", "--force"))["oficina"]["written"]
        assert "name: Oficina do Zé\n" in file.read_text(encoding="utf-8")
        assert await desk.statuses() == {"oficina": "same", "padaria": "skipped", "sorriso": "same"}

    on(postgres, tmp_path, scene)


def test_a_file_that_was_there_before_keeps_its_slug_and_its_words(postgres: Secret, tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        desk.tenants.mkdir()
        own = desk.tenants / "clinica.yaml"
        own.write_text(f"slug: dentista\nid: {str(CLINIC).upper()}\n")
        desk.file("oficina").write_text("slug: [broken\n")
        told = await desk.told("--write")
        assert (told["sorriso"]["slug"], told["sorriso"]["file"], told["sorriso"]["by_hand"]) == (
            "dentista",
            str(own),
            True,
        )
        assert own.read_text().startswith("slug: dentista\nid: ")
        assert told["oficina"]["slug"] == "oficina-2", "the name is taken, whoever has it"

        (desk.tenants / "twice.yaml").write_text(f"slug: x\nid: {CLINIC}\n")
        done = await desk.run()
        assert done.exit_code == 1
        assert "not importable: sorriso.pbx.example.net (clinica.yaml and twice.yaml have its id" in done.stdout

    on(postgres, tmp_path, scene)


def test_names_that_collide_are_numbered_and_stay(postgres: Secret, tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        others = {uuid.uuid4(): name for name in ("sorriso.b.example.net", "10.0.0.1", "x y", "a" * 300)}
        for key, name in others.items():
            await add_domain(desk.pbx, key, name)
            await add_inbound(desk.pbx, key, "1190", "1001")
        done = await desk.run("--write", "--json")
        told = {one["domain"]: one for one in json.loads(done.stdout)["tenants"]}
        assert (done.exit_code, told["x y"]["status"]) == (1, "not importable")
        assert "a domain name such as" in told["x y"]["why"]
        assert told["10.0.0.1"]["slug"] == "tenant-10-0-0-1"
        assert told["sorriso.b.example.net"]["slug"] == "sorriso"
        assert told["sorriso.pbx.example.net"]["slug"] == "sorriso-2"
        only = await desk.told("--domain", "sorriso.pbx.example.net")
        assert only["sorriso"]["slug"] == "sorriso-2"
        assert only["sorriso"]["status"] == "same"

    on(postgres, tmp_path, scene)


def test_one_domain_alone_and_one_that_is_not_there(postgres: Secret, tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        assert await desk.statuses("--domain", "oficina.pbx.example.net", "--write") == {"oficina": "new"}
        assert [file.name for file in desk.tenants.iterdir()] == ["oficina.yaml"]
        done = await desk.run("--domain", "oficina.pbx.example.com")
        assert (done.exit_code, done.stdout) == (1, "")
        assert "no domain 'oficina.pbx.example.com' (did you mean 'oficina.pbx.example.net'?)" in done.stderr

    on(postgres, tmp_path, scene)


def test_a_domain_that_goes_or_falls_silent_leaves_its_file_alone(postgres: Secret, tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await desk.run("--write")
        before = {file: file.read_bytes() for file in desk.tenants.iterdir()}
        await desk.pbx.execute("DELETE FROM v_destinations")
        await desk.pbx.execute("DELETE FROM v_domains WHERE domain_uuid = $1", CLINIC)
        done = await desk.run("--write")
        assert done.exit_code == 0, done.output
        assert "no assistant with an extension; oficina.yaml stays as it is)" in done.stdout
        assert "sorriso.yaml: FusionPBX has its domain no more; it stays as it is" in done.stderr
        assert {file: file.read_bytes() for file in desk.tenants.iterdir()} == before

    on(postgres, tmp_path, scene)


def test_a_domain_that_is_disabled_has_its_document_disabled(postgres: Secret, tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await desk.run("--write")
        await desk.pbx.execute("UPDATE v_domains SET domain_enabled = false WHERE domain_uuid = $1", GARAGE)
        told = await desk.told("--write", "--domain", "oficina.pbx.example.net")
        assert "+enabled: false\n" in told["oficina"]["diff"]
        assert parse_document(desk.file("oficina").read_bytes(), "x").spec.enabled is False

    on(postgres, tmp_path, scene)


def test_a_memory_that_cannot_be_read_overwrites_nothing(postgres: Secret, tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await desk.run("--write")
        await add_extension(desk.pbx, GARAGE, "1002", "Zé", "Silva")
        (desk.settings.data_dir / MEMORY_FILE).write_text("{broken")
        assert (await desk.told("--write"))["oficina"]["by_hand"]
        assert "ze-silva" not in desk.file("oficina").read_text(encoding="utf-8")

    on(postgres, tmp_path, scene)


@pytest.mark.no_cover
def test_five_hundred_domains_are_read_in_batches_and_told_of(postgres: Secret, tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        await desk.pbx.execute(
            "INSERT INTO v_domains SELECT gen_random_uuid(), 'c' || n || '.example.net', true, 'Empresa ' || n "
            "FROM generate_series(1, 500) AS n"
        )
        await desk.pbx.execute(
            "INSERT INTO v_destinations (destination_uuid, domain_uuid, destination_type, destination_number, "
            "destination_enabled) SELECT gen_random_uuid(), domain_uuid, 'inbound', '1133334444', true FROM v_domains"
        )
        await desk.pbx.execute(
            "INSERT INTO v_extensions (extension_uuid, domain_uuid, extension, directory_first_name, enabled) "
            "SELECT gen_random_uuid(), domain_uuid, (1000 + n)::text, 'Pessoa ' || n, true "
            "FROM v_domains, generate_series(1, 20) AS n"
        )
        started = time.perf_counter()
        done = await desk.run("--json", "--write")
        assert done.exit_code == 0, done.output
        print(f"{time.perf_counter() - started:.1f} s")
        told = json.loads(done.stdout)["tenants"]
        assert (len(told), {one["status"] for one in told}) == (503, {"new"})
        assert len({one["slug"] for one in told}) == len(list(desk.tenants.iterdir())) == 503
        assert "50 of 503 domains read" in done.stderr
        assert "503 of 503 domains read" in done.stderr

    on(postgres, tmp_path, scene)
