"""The files for machines: what systemd, Kubernetes, HAProxy and Docker are told fits the program and each other."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec.structs import fields

from control.settings import Settings, load

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kubernetes" / "base"


class Unit(configparser.RawConfigParser):
    """A unit file: keys keep their case, and may come again."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit(name: str) -> Unit:
    read = Unit(strict=False, comment_prefixes=("#",), delimiters=("=",))
    read.read_string((DEPLOY / "systemd" / name).read_text(encoding="utf-8"))
    return read


def objects() -> list[dict[str, Any]]:
    """Every object of the base."""
    kustomization = yaml.safe_load((BASE / "kustomization.yaml").read_text(encoding="utf-8"))
    named = set(kustomization["resources"])
    assert named == {file.name for file in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    return [one for name in sorted(named) for one in yaml.safe_load_all((BASE / name).read_text(encoding="utf-8"))]


def of_kind(kind: str) -> dict[str, Any]:
    [found] = [one for one in objects() if one["kind"] == kind]
    return found


def pod() -> dict[str, Any]:
    spec: dict[str, Any] = of_kind("StatefulSet")["spec"]["template"]["spec"]
    return spec


@pytest.mark.parametrize("file", sorted(DEPLOY.rglob("*.yaml")), ids=lambda file: str(file.relative_to(DEPLOY)))
def test_every_yaml_can_be_read(file: Path) -> None:
    assert all(one for one in yaml.safe_load_all(file.read_text(encoding="utf-8")))


def test_the_unit_gives_live_calls_their_time_and_one_signal() -> None:
    service = unit("atende.service")["Service"]
    assert service["KillMode"] == "mixed"
    assert "ExecStop" not in service
    assert "ExecReload" not in service, "SIGHUP ends the one process of the plain unit"
    assert int(service["TimeoutStopSec"]) >= Settings().drain_s + 15
    assert service["ExecStart"].endswith("/atende serve")
    assert service["NoNewPrivileges"] == "true"
    assert service["ProtectSystem"] == "strict"
    long_calls = (DEPLOY / "systemd" / "atende.service.d" / "long-calls.conf").read_text(encoding="utf-8")
    drain_s = int(re.search(r"ATENDE_DRAIN_S=(\d+)", long_calls)[1])  # type: ignore[index]
    assert int(unit("atende.service.d/long-calls.conf")["Service"]["TimeoutStopSec"]) >= drain_s + 15
    workers = unit("atende.service.d/workers.conf")["Service"]
    assert workers["ExecStart"].startswith("/opt/atende/.venv/bin/atende serve --workers ")
    assert workers["ExecReload"] == "/bin/kill -HUP $MAINPID"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_the_unit_right(tmp_path: Path) -> None:
    # The program is not at its place here.
    text = (DEPLOY / "systemd" / "atende.service").read_text(encoding="utf-8")
    text = re.sub("^ExecStart=.*$", "ExecStart=/bin/true", text, flags=re.MULTILINE)
    for name in ("workers.conf", "long-calls.conf"):
        drop_in = (DEPLOY / "systemd" / "atende.service.d" / name).read_text(encoding="utf-8")
        (tmp_path / "atende.service.d").mkdir(exist_ok=True)
        written = drop_in.replace("/opt/atende/.venv/bin/atende serve --workers 4", "/bin/true")
        (tmp_path / "atende.service.d" / name).write_text(written)
    (tmp_path / "atende.service").write_text(text)
    judged = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / "atende.service"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (judged.returncode, "atende.service" in judged.stderr) == (0, False), judged.stderr


def known_settings(names: set[str]) -> None:
    assert names - {f"ATENDE_{field.name.upper()}" for field in fields(Settings)} == set()


def test_the_environment_of_the_unit_is_of_settings_that_there_are() -> None:
    text = (DEPLOY / "systemd" / "atende.env.example").read_text(encoding="utf-8")
    names = set(re.findall(r"^#?(ATENDE_\w+)=", text, re.MULTILINE))
    assert {"ATENDE_DATA_DIR", "ATENDE_SECRETS_KEYS", "ATENDE_TENANTS"} <= names
    known_settings(names)


def test_a_pods_settings_are_good_together_with_those_of_its_machine() -> None:
    container = pod()["containers"][0]
    environ = dict(of_kind("ConfigMap")["data"])
    environ |= {
        one["name"]: one["value"].replace("$(POD_IP)", "10.77.0.2") for one in container["env"] if "value" in one
    }
    assert {one["name"] for one in container["env"]} >= {"ATENDE_NODE", "ATENDE_INTERNAL_HOST"}
    readme = (DEPLOY / "README.md").read_text(encoding="utf-8")
    secret = set(re.findall(r"--from-literal=(ATENDE_\w+)=", readme))
    assert secret == {f"ATENDE_{name}" for name in ("DATABASE_URL", "SIGNING_KEYS", "API_KEY_SECRET", "SECRETS_KEYS")}
    environ |= {"ATENDE_DATABASE_URL": "postgresql://o:p@db/atende", "ATENDE_DATA_DIR": "/var/lib/atende"}
    known_settings(set(environ))
    settings, warnings = load(environ)
    assert warnings == []
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": settings.http_port, "esl": settings.esl_port}
    assert settings.vectors == "pgvector", "a folder's Chroma is for one process"
    assert (settings.shared, settings.internal_host) == (True, settings.http_host), "the pods know of each other"
    assert pod()["terminationGracePeriodSeconds"] >= settings.drain_s + 45
    scaled = of_kind("HorizontalPodAutoscaler")["spec"]
    [metric] = scaled["metrics"]
    assert metric["pods"]["metric"]["name"] == "atende_live_calls"
    assert int(metric["pods"]["target"]["averageValue"]) <= settings.max_calls * 0.8
    assert scaled["scaleTargetRef"]["name"] == of_kind("StatefulSet")["metadata"]["name"]


def test_a_pod_is_ready_while_it_takes_calls_and_drains_by_one_signal() -> None:
    container = pod()["containers"][0]
    assert container["readinessProbe"]["httpGet"] == {"path": "/health/ready", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/health/live", "port": "http"}, "a drain kills no pod"
    assert container["lifecycle"]["preStop"] == {"exec": {"command": ["sleep", "5"]}}, (
        "a signal here would be the first"
    )
    assert (pod()["hostNetwork"], pod()["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    [apart] = pod()["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    labels = {"app.kubernetes.io/name": "atende"}
    assert (apart["topologyKey"], apart["labelSelector"]["matchLabels"]) == ("kubernetes.io/hostname", labels)
    budget = of_kind("PodDisruptionBudget")["spec"]
    assert (budget["maxUnavailable"], budget["selector"]["matchLabels"]) == (1, labels)
    assert {one["image"] for one in (*pod()["containers"], *pod()["initContainers"])} == {"atende"}, "and no registry"
    for one in (*pod()["containers"], *pod()["initContainers"]):
        assert one["securityContext"]["allowPrivilegeEscalation"] is False
        assert one["securityContext"]["readOnlyRootFilesystem"] is True


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kustomize_joins_the_base() -> None:
    built = subprocess.run(["kubectl", "kustomize", BASE], capture_output=True, text=True, check=True, timeout=60)
    found = {one["kind"]: one for one in yaml.safe_load_all(built.stdout)}
    assert set(found) == {one["kind"] for one in objects()}
    assert found["StatefulSet"]["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": "atende"}
    assert "image: atende:unset" in built.stdout


def haproxy() -> dict[str, list[str]]:
    """Its sections, without comments."""
    sections: dict[str, list[str]] = {}
    for line in (DEPLOY / "haproxy" / "haproxy.cfg").read_text(encoding="utf-8").splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            section = sections.setdefault(line, [])
        elif line.strip() and not line.strip().startswith("#"):
            section.append(line.strip())
    return sections


def test_the_balancer_counts_calls_and_looks_whether_they_are_let_in() -> None:
    sections, settings = haproxy(), Settings()
    assert "mode tcp" in sections["defaults"]
    assert sections["frontend event_socket"] == [f"bind 127.0.0.1:{settings.esl_port}", "default_backend atende"]
    backend = sections["backend atende"]
    assert backend[0] == "balance leastconn"
    assert any(line.startswith("http-check send meth GET uri /health/ready ") for line in backend)
    [default] = [line for line in backend if line.startswith("default-server")]
    assert f"port {settings.http_port} " in default
    assert "shutdown-sessions" not in default, "live calls go on"
    servers = [line for line in backend if line.startswith("server ")]
    assert all(re.fullmatch(rf"server \w+ [\d.]+:{settings.esl_port} check", line) for line in servers)


@pytest.mark.skipif(shutil.which("haproxy") is None, reason="haproxy is not installed")
def test_haproxy_itself_finds_it_right() -> None:
    subprocess.run(["haproxy", "-c", "-f", DEPLOY / "haproxy" / "haproxy.cfg"], check=True, timeout=60)


def test_the_image_is_made_of_what_is_here_and_all_that_is_needed() -> None:
    text = (DEPLOY / "Dockerfile").read_text(encoding="utf-8")
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE) for source in line.split()
    }
    assert all((ROOT / source).exists() for source in copied)
    wheel = re.search(r"^only-include = \[(.+)\]", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert wheel is not None
    assert set(re.findall(r'"([^"]+)"', wheel[1])) <= copied
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert "-c constraints.txt" in text
    assert "USER 10001" in text
    known_settings(set(re.findall(r"(ATENDE_\w+)=", text)))
    assert str(pod()["securityContext"]["runAsUser"]) == "10001"
