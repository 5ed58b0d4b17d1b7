"""Keys are made once, kept whole, and readable by the owner alone."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from base.secret import Secret
from tenants.keys import API_KEY_FILE, KEY_FILE, KeyFileError, api_key_pepper, kept_secret, signing_keys
from tenants.signing import new_key, write_keys


def test_a_ring_is_made_once_and_kept_for_the_owner_alone(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    ring = signing_keys(data_dir, None)
    assert signing_keys(data_dir, None) == ring
    assert stat.S_IMODE((data_dir / KEY_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700
    assert [file.name for file in data_dir.iterdir()] == [KEY_FILE]


def test_the_operators_ring_goes_before_and_writes_nothing(tmp_path: Path) -> None:
    ring = (new_key(), new_key())
    assert signing_keys(tmp_path, write_keys(ring)) == ring
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_others_can_read_is_refused_with_the_fix(tmp_path: Path) -> None:
    signing_keys(tmp_path, None)
    (tmp_path / KEY_FILE).chmod(0o640)
    with pytest.raises(KeyFileError, match="chmod 600"):
        signing_keys(tmp_path, None)


def test_starters_at_the_same_time_agree_on_one_secret(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    with ThreadPoolExecutor(8) as pool:
        held = list(pool.map(lambda n: kept_secret(path, Secret(f"s{n}")), [0] * 4 + [1] * 4))
    assert len(set(held)) == 1


def test_the_pepper_of_api_keys_is_the_operators_or_one_that_is_kept(tmp_path: Path) -> None:
    given = Secret("g" * 32)
    assert api_key_pepper(tmp_path, given) == given
    assert list(tmp_path.iterdir()) == []
    made = api_key_pepper(tmp_path, None)
    assert len(made.reveal()) >= 43
    assert api_key_pepper(tmp_path, None) == made
    assert stat.S_IMODE((tmp_path / API_KEY_FILE).stat().st_mode) == 0o600


def test_a_pepper_that_was_emptied_is_no_pepper(tmp_path: Path) -> None:
    made = api_key_pepper(tmp_path, None).reveal()
    (tmp_path / API_KEY_FILE).write_text(made[:20])
    with pytest.raises(KeyFileError, match="damaged") as caught:
        api_key_pepper(tmp_path, None)
    assert made[:20] not in str(caught.value)
