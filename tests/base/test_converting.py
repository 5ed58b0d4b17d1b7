"""A type that several threads use for the first time, in a process of its own: what is feared ends it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
THREADS = """
import sys
import threading
from typing import Annotated

from msgspec import Meta, defstruct

from base.converting import convert, type_info

sys.setswitchinterval(1e-6)
for number in range(100):
    fields = [(f"f{place}", Annotated[int, Meta(ge=0, le=9)] | None, 1) for place in range(20)]
    kind = defstruct(f"C{number}", fields, frozen=True, forbid_unknown_fields=True, kw_only=True)
    together = threading.Barrier(4)

    def use():
        together.wait()
        assert len(type_info(kind).fields) == 20  # as documents are read: what is known of a type, then all of it
        assert convert({"f3": 3}, kind).f3 == 3

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
print("all were converted")
"""


def test_threads_may_use_a_type_for_the_first_time_together() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", THREADS], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, b"all were converted\n"), ran.stderr.decode()


MANIFEST = """
import sys
import threading

from processors.models.manifest import builtin_manifest

sys.setswitchinterval(1e-6)
together = threading.Barrier(8)


def use():
    together.wait()
    assert builtin_manifest.__wrapped__().models


threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("all have read it")
"""


def test_stages_that_are_prepared_on_threads_may_read_the_manifest_of_models_together() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", MANIFEST], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False
    )
    assert (ran.returncode, ran.stdout) == (0, b"all have read it\n"), ran.stderr.decode()
