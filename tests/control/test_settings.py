"""Settings: defaults that start, precedence, every fault at once, nothing secret in a message."""

import wave
from ipaddress import ip_network
from pathlib import Path

import pytest
from msgspec.structs import fields, replace

from base.http import Endpoint
from base.secret import Secret
from control.server_facts import server_facts
from control.setting_values import endpoint_of
from control.settings import _PARSERS as PARSERS
from control.settings import PortRange, Settings, SettingsError, load


def test_without_anything_the_defaults_are_safe() -> None:
    settings, warnings = load({})
    assert settings == Settings()
    assert settings.esl_host == settings.http_host == "127.0.0.1"
    assert settings.media_host is None, "audio comes to where the event socket came in: loopback, or what was opened"
    assert settings.database_url is None
    assert settings.models == Path(".atende/models")
    assert warnings == []


def test_every_field_can_be_set() -> None:
    assert set(PARSERS) == {field.name for field in fields(Settings)}


def test_values_are_read_and_blank_means_default() -> None:
    settings, _ = load(
        {
            "ATENDE_DATA_DIR": "/var/lib/atende",
            "ATENDE_DATABASE_URL": "postgresql://owner:hush@db/atende",
            "ATENDE_ESL_HOST": "10.0.0.9",
            "ATENDE_ESL_ALLOWED_CIDRS": "10.0.0.5/32, 2001:db8::/64",
            "ATENDE_MEDIA_NETWORK": "10.0.0.0/24",
            "ATENDE_MEDIA_PORTS": "50000-50099",
            "ATENDE_LOG_FORMAT": "JSON",
            "ATENDE_RECORDINGS": "off",
            "ATENDE_HTTP_PORT": "  ",
            "ATENDE_OUTBOUND_ALLOW": "Ollama.lan:11434,[::1]:8000",
            "PATH": "/bin",
        }
    )
    assert settings.database_url == Secret("postgresql://owner:hush@db/atende")
    assert settings.esl_allowed_cidrs == (ip_network("10.0.0.5/32"), ip_network("2001:db8::/64"))
    assert settings.media_ports == PortRange(50000, 50099)
    assert settings.log_format == "json"
    assert settings.recordings is False
    assert settings.http_port == 8080
    assert settings.outbound_allow == (Endpoint("ollama.lan", 11434), Endpoint("::1", 8000))
    assert "hush" not in repr(settings)


def test_the_environment_beats_the_file_and_the_file_expands_nothing(tmp_path: Path) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("ATENDE_HTTP_PORT=9000\nATENDE_ESL_PORT=9001\nATENDE_DATA_DIR='${HOME}/x'\nOTHER=1\n")
    settings, _ = load({"ATENDE_HTTP_PORT": "9100"}, dotenv)
    assert (settings.http_port, settings.esl_port, settings.data_dir) == (9100, 9001, Path("${HOME}/x"))
    assert load({}, tmp_path / "absent")[0] == Settings()


def test_all_faults_are_told_at_once_with_variable_and_fix_but_no_secret() -> None:
    with pytest.raises(SettingsError) as caught:
        load(
            {
                "ATENDE_HTTP_PORT": "eighty",
                "ATENDE_ESL_PORT": "70000",
                "ATENDE_DATABASE_URL": "mysql://owner:hush@db",
                "ATENDE_MEDIA_PORTS": "5000-4000",
                "ATENDE_LOG_LEVEL": "loud",
                "ATENDE_ESL_ALLOWED_CIDRS": "10.0.0.5/24",
                "ATENDE_MEDIA_HOST": "10.0.0.1:4000",
            }
        )
    named = {problem.partition(":")[0] for problem in caught.value.problems}
    assert named == {
        "ATENDE_HTTP_PORT",
        "ATENDE_ESL_PORT",
        "ATENDE_DATABASE_URL",
        "ATENDE_MEDIA_PORTS",
        "ATENDE_LOG_LEVEL",
        "ATENDE_ESL_ALLOWED_CIDRS",
        "ATENDE_MEDIA_HOST",
    }
    assert "hush" not in str(caught.value)
    assert "0 to 65535" in str(caught.value)


def test_what_api_keys_are_digested_with_is_long_and_not_shown() -> None:
    assert load({})[0].api_key_secret is None
    assert load({"ATENDE_API_KEY_SECRET": "k" * 32})[0].api_key_secret == Secret("k" * 32)
    with pytest.raises(SettingsError, match=r"ATENDE_API_KEY_SECRET: has 31 characters, 32 are needed") as caught:
        load({"ATENDE_API_KEY_SECRET": "hush" + "k" * 27})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.9", "pbx.lan"])
def test_a_door_open_to_others_needs_to_know_whom(host: str) -> None:
    near = {"ATENDE_ESL_HOST": host, "ATENDE_WIRES": "audio_fork"}
    with pytest.raises(SettingsError, match="ATENDE_ESL_ALLOWED_CIDRS"):
        load(near)
    assert load(near | {"ATENDE_ESL_ALLOWED_CIDRS": "10.0.0.5/32"})[0].esl_host == host


LAN = {"ATENDE_ESL_HOST": "10.77.0.2", "ATENDE_ESL_ALLOWED_CIDRS": "10.77.0.1/32"}


@pytest.mark.parametrize(
    "away",
    [
        LAN,
        LAN | {"ATENDE_ESL_HOST": "0.0.0.0"},
        LAN | {"ATENDE_WIRES": "audio_fork,unicast"},
        LAN | {"ATENDE_MEDIA_HOST": "10.77.0.2"},
        LAN | {"ATENDE_MEDIA_HOST": "127.0.0.1"},
        {"ATENDE_MEDIA_HOST": "10.77.0.2"},
    ],
)
def test_audio_that_leaves_the_machine_needs_to_know_where_it_may_go(away: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match=r"ATENDE_MEDIA_NETWORK: must be given .* WireGuard"):
        load(away)


def test_audio_goes_where_it_may() -> None:
    assert load(LAN | {"ATENDE_MEDIA_NETWORK": "10.77.0.0/24"})[0].media_network == (ip_network("10.77.0.0/24"),)
    everywhere = LAN | {"ATENDE_ESL_HOST": "0.0.0.0", "ATENDE_MEDIA_NETWORK": "10.77.0.0/24, 10.78.0.0/24"}
    assert len(load(everywhere)[0].media_network) == 2
    assert load(LAN | {"ATENDE_WIRES": "audio_fork"})[0].media_network == ()
    assert load({"ATENDE_MEDIA_HOST": "127.0.0.9"})[0].media_network == ()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (LAN | {"ATENDE_MEDIA_NETWORK": "10.78.0.0/24"}, "ATENDE_ESL_HOST: 10.77.0.2 is no address in"),
        (LAN | {"ATENDE_MEDIA_NETWORK": "10.77.0.0/24", "ATENDE_MEDIA_HOST": "192.0.2.1"}, "ATENDE_MEDIA_HOST: 192"),
        (LAN | {"ATENDE_MEDIA_NETWORK": "10.77.0.0/24", "ATENDE_MEDIA_HOST": "atende.lan"}, "ATENDE_MEDIA_HOST: ate"),
        (LAN | {"ATENDE_MEDIA_NETWORK": "10.77.0.0/24", "ATENDE_MEDIA_HOST": "0.0.0.0"}, "could send to"),
        (LAN | {"ATENDE_MEDIA_NETWORK": "everywhere"}, "ATENDE_MEDIA_NETWORK: 'everywhere' is not a network"),
    ],
)
def test_a_media_network_in_which_we_are_not_stops_the_start(given: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load(given)


@pytest.mark.parametrize("ports", ["16000-16400", "20000-20099", "32768-40000", "10000-60000"])
def test_audio_keeps_clear_of_the_switch_s_own_ports(ports: str) -> None:
    with pytest.raises(SettingsError, match=r"ATENDE_MEDIA_PORTS: .* overlaps"):
        load({"ATENDE_MEDIA_PORTS": ports})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "localhost"])
def test_loopback_needs_no_list(host: str) -> None:
    assert load({"ATENDE_ESL_HOST": host})[0].esl_host == host


def test_a_misspelt_variable_is_warned_about_with_the_nearest_name() -> None:
    _, warnings = load({"ATENDE_HTTP_PROT": "1", "ATENDE_QQQQQQQQ": "1"})
    assert warnings == [
        "ATENDE_HTTP_PROT is unknown and ignored; did you mean ATENDE_HTTP_PORT?",
        "ATENDE_QQQQQQQQ is unknown and ignored",
    ]


def test_hold_music_is_looked_at_when_the_process_starts(tmp_path: Path) -> None:
    music = tmp_path / "hold.wav"
    with wave.open(str(music), "wb") as file:
        file.setparams((2, 2, 44100, 0, "NONE", ""))
        file.writeframes(bytes(4 * 44100))
    assert load({})[0].hold_music is None
    assert load({"ATENDE_HOLD_MUSIC": str(music)})[0].hold_music == music
    with pytest.raises(SettingsError, match=r"ATENDE_HOLD_MUSIC: .*none.wav cannot be read"):
        load({"ATENDE_HOLD_MUSIC": str(tmp_path / "none.wav")})
    music.write_bytes(b"RIFF")
    with pytest.raises(SettingsError, match=r"ATENDE_HOLD_MUSIC: .*; give a WAV of 16-bit PCM"):
        load({"ATENDE_HOLD_MUSIC": str(music)})


@pytest.mark.parametrize("host", ["::", "::1"])
def test_a_door_that_no_audio_can_follow_is_refused(host: str) -> None:
    with pytest.raises(SettingsError, match="IPv4"):
        load({"ATENDE_ESL_HOST": host, "ATENDE_ESL_ALLOWED_CIDRS": "::/0"})


def test_wires_are_named_in_order_of_preference() -> None:
    assert load({})[0].wires == ("unicast",)
    found, _ = load({"ATENDE_WIRES": "audio_fork, unicast, audio_fork", "ATENDE_MEDIA_SOCKET_PORT": "9090"})
    assert (found.wires, found.media_socket_port) == (("audio_fork", "unicast"), 9090)


def test_g711_is_decoded_by_the_switch_unless_it_is_wanted_as_it_comes() -> None:
    assert load({})[0].unicast_native is False
    assert load({"ATENDE_UNICAST_NATIVE": "on"})[0].unicast_native is True
    with pytest.raises(SettingsError, match="ATENDE_UNICAST_NATIVE"):
        load({"ATENDE_UNICAST_NATIVE": "PCMU"})


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"ATENDE_WIRES": "pigeon"}, "none of unicast, audio_fork, audio_stream"),
        ({"ATENDE_WIRES": ","}, "at least one"),
        ({"ATENDE_WIRES": "audio_fork", "ATENDE_MEDIA_SOCKET_PORT": "8084"}, "is also ATENDE_ESL_PORT"),
    ],
)
def test_wires_that_cannot_be(given: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load(given)


def test_endpoints_have_names_and_stand_open_for_documents(tmp_path: Path) -> None:
    written = "gpu=http://10.0.0.7:8000/v1, crm = https://crm.example.com/mcp?x=1"
    settings, _ = load({"ATENDE_ENDPOINTS": written})
    assert settings.endpoints == {"gpu": "http://10.0.0.7:8000/v1", "crm": "https://crm.example.com/mcp?x=1"}
    assert [endpoint_of(url) for url in settings.endpoints.values()] == [
        Endpoint("10.0.0.7", 8000),
        Endpoint("crm.example.com", 443),
    ]
    facts = server_facts(replace(settings, data_dir=tmp_path / "absent", wires=("unicast", "audio_stream")))
    assert (facts.endpoints, facts.has_secret, facts.streaming) == (settings.endpoints, None, False)
    assert server_facts(Settings(data_dir=tmp_path)).streaming
    assert server_facts(settings, lambda _tenant, name: name == "llm").has_secret is not None


@pytest.mark.parametrize(
    "bad", ["gpu", "gpu=10.0.0.7", "GPU=http://a", "gpu=file:///x", "gpu=http://me:hush@a/", "a=http://b:0", "a=http://b,a=http://c"]
)  # fmt: skip
def test_endpoints_that_no_document_could_name_are_refused_without_showing_them(bad: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({"ATENDE_ENDPOINTS": bad})
    assert str(caught.value).count("ATENDE_ENDPOINTS: ") == 1
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ({"ATENDE_VECTORS": "chroma-server"}, "ATENDE_CHROMA_URL: must be given"),
        (
            {"ATENDE_VECTORS": "chroma-server", "ATENDE_CHROMA_URL": "http://10.0.0.7:8000"},
            "ATENDE_CHROMA_URL: must be https",
        ),
        (
            {"ATENDE_VECTORS": "chroma-server", "ATENDE_CHROMA_URL": "https://vectors.example.net"},
            "ATENDE_CHROMA_TOKEN: must be given",
        ),
        ({"ATENDE_VECTORS": "qdrant"}, "ATENDE_VECTORS: 'qdrant' is none of chroma, pgvector, chroma-server"),
        *[
            ({"ATENDE_CHROMA_URL": bad}, "ATENDE_CHROMA_URL: is not https://host:port")
            for bad in ("http://user:hush@host", "ftp://hush", "http://host/hush", "https://", "http://h:99999", "h:1")
        ],
        *[
            ({"ATENDE_OTLP_ENDPOINT": bad}, "ATENDE_OTLP_ENDPOINT: is not https://host:port")
            for bad in ("http://user:hush@host", "grpc://hush", "http://host?token=hush")
        ],
        ({"ATENDE_CHROMA_TOKEN": "hush\nX-Evil: 1"}, "ATENDE_CHROMA_TOKEN: has characters"),
    ],
)
def test_servers_of_ours_are_named_whole_and_reached_in_private(written: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(written)
    assert told in str(caught.value)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "written",
    [
        {"ATENDE_CHROMA_URL": "http://127.0.0.1:8000"},
        {"ATENDE_CHROMA_URL": "http://localhost:8000/"},
        {"ATENDE_CHROMA_URL": "https://vectors.example.net", "ATENDE_CHROMA_TOKEN": "let-me-in"},
    ],
)
def test_a_chroma_server_on_this_machine_or_behind_a_proxy_is_fine(written: dict[str, str]) -> None:
    settings, _ = load({"ATENDE_VECTORS": "chroma-server", **written})
    assert (settings.vectors, settings.chroma_url) == ("chroma-server", written["ATENDE_CHROMA_URL"].rstrip("/"))
    assert "let-me-in" not in repr(settings)


@pytest.mark.parametrize(
    ("written", "url", "server"),
    [
        ("", None, None),
        ("own", "own", None),
        ("unix:///run/atende/models.sock", "unix:///run/atende/models.sock", "unix:///run/atende/models.sock"),
        ("http://10.0.0.7:8000/v1/", "http://10.0.0.7:8000", "http://10.0.0.7:8000"),
    ],
)
def test_the_models_are_this_processs_or_a_servers(written: str, url: str | None, server: str | None) -> None:
    settings, _ = load({"ATENDE_MODELS_URL": written, "ATENDE_MODELS_KEY": "let-me-in"})
    assert (settings.models_url, settings.model_server) == (url, server)
    assert "let-me-in" not in repr(settings)


@pytest.mark.parametrize("bad", ["unix:models.sock", "unix://models.sock", "models.sock", "http://u:p@h", "ftp://h"])
def test_a_model_server_that_nobody_could_ask_is_refused(bad: str) -> None:
    with pytest.raises(SettingsError, match="ATENDE_MODELS_URL: "):
        load({"ATENDE_MODELS_URL": bad})


def test_the_master_keys_come_from_one_place() -> None:
    assert load({})[0].secrets_keys is None
    for name, value in (("KEYS", "a:hush"), ("KEYS_FILE", "/run/ring"), ("KEYS_COMMAND", "kms decrypt ring")):
        load({f"ATENDE_SECRETS_{name}": value})
    both = {"ATENDE_SECRETS_KEYS": "a:hush", "ATENDE_SECRETS_KEYS_COMMAND": "kms decrypt ring"}
    with pytest.raises(
        SettingsError, match="ATENDE_SECRETS_KEYS, ATENDE_SECRETS_KEYS_COMMAND: give one of them"
    ) as told:
        load(both)
    assert "hush" not in str(told.value)


def test_a_node_without_workers_is_asked_where_its_http_door_listens() -> None:
    node = {"ATENDE_TENANTS": "database", "ATENDE_INTERNAL_HOST": "10.0.0.12"}
    with pytest.raises(SettingsError, match=r"ATENDE_INTERNAL_HOST: nothing listens at 10\.0\.0\.12"):
        load(node)
    for more in ({"ATENDE_HTTP_HOST": "10.0.0.12"}, {"ATENDE_HTTP_HOST": "0.0.0.0"}, {"ATENDE_WORKERS": "2"}):
        assert load(node | more)[0].internal_host == "10.0.0.12"
    with pytest.raises(SettingsError, match=r"0\.0\.0\.0 is no address that others could ask"):
        load(node | {"ATENDE_INTERNAL_HOST": "0.0.0.0", "ATENDE_HTTP_HOST": "0.0.0.0"})
    assert load({"ATENDE_TENANTS": "database"})[0].http_host == "127.0.0.1", "one node alone may stay at loopback"
