"""What deploy/ says fits the program: variables, commands, files and metrics that exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from stepwell.conf import cli_parser
from tests.architecture import source

DEPLOY = source.ROOT / "deploy"
VARIABLE = re.compile(r"^\| `([A-Z][A-Z0-9_]+)`", re.MULTILINE)


def known_variables() -> set[str]:
    listed = set(VARIABLE.findall((source.ROOT / "docs/settings.md").read_text(encoding="utf-8")))
    return listed | {f"{name}_FILE" for name in listed}


def compose() -> dict:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_every_variable_of_the_compose_file_and_the_example_is_one_we_read() -> None:
    services = compose()["services"]
    named = {name for service in ("web", "runner") for name in services[service]["environment"]}
    example = (DEPLOY / "stepwell.env.example").read_text(encoding="utf-8")
    named |= set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE))

    assert named - known_variables() == set()


def test_the_compose_file_names_only_what_it_defines() -> None:
    whole = compose()
    for name, service in whole["services"].items():
        assert set(service.get("secrets", [])) <= set(whole["secrets"]), name
        assert set(service.get("depends_on", [])) <= set(whole["services"]), name
        volumes = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert {volume for volume in volumes if not volume.startswith(".")} <= set(whole["volumes"]), name
        assert "ports" not in service or name == "proxy", "only the proxy is reached from outside"


def test_what_asks_whether_the_web_server_lives_uses_a_name_that_is_answered(client, settings) -> None:
    web = compose()["services"]["web"]
    host = re.search(r"http://([^:/]+):8321/healthz", web["healthcheck"]["test"][-1])[1]
    settings.ALLOWED_HOSTS = web["environment"]["STEPWELL_HOSTS"].split(",")

    assert client.get("/healthz", headers={"Host": f"{host}:8321"}).status_code == 200


def test_every_command_of_units_and_containers_parses() -> None:
    commands = [service["command"] for name, service in compose()["services"].items() if name in {"web", "runner"}]
    for unit in (DEPLOY / "systemd").glob("*.service"):
        started = re.findall(r"^ExecStart=\S*/(stepwell .*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
        commands += [line.split() for line in started]

    assert len(commands) >= 5
    for command in commands:
        assert command[0] == "stepwell"
        cli_parser.make_parser().parse_args(command[1:])


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_systemd_takes_the_units_and_finds_the_services_shut_in(tmp_path) -> None:
    #: what its own scale from 0 to 10 may say, times ten; where steps run, what steps may need stays open
    most = {"stepwell-web": 20, "stepwell-backup": 20, "stepwell": 51, "stepwell-runner@1": 51}
    for unit in (DEPLOY / "systemd").iterdir():
        # The program is not installed here.
        text = unit.read_text(encoding="utf-8").replace("/opt/stepwell/bin/stepwell", "/bin/true")
        (tmp_path / unit.name.replace("@", "@1")).write_text(text)

    told = analyze("verify", *(str(path) for path in tmp_path.iterdir()))
    assert (told.returncode, told.stdout) == (0, "")
    for name, limit in most.items():
        told = analyze("security", "--offline=true", f"--threshold={limit}", str(tmp_path / f"{name}.service"))
        assert told.returncode == 0, told.stdout.splitlines()[-1]


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["systemd-analyze", "--no-pager", *arguments]
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)


def test_the_dashboard_shows_only_metrics_that_exist() -> None:
    board = json.loads((DEPLOY / "grafana/stepwell.json").read_text(encoding="utf-8"))
    page = (source.ROOT / "docs/how-to/metrics.md").read_text(encoding="utf-8")
    code = (source.ROOT / "apps/stepwell/api/metrics.py").read_text(encoding="utf-8")
    shown = {
        name
        for panel in board["panels"]
        for target in panel["targets"]
        for name in re.findall(r"stepwell_\w+", target["expr"])
    }

    assert len(board["panels"]) >= 8
    for name in shown:
        general = name.replace("_step_", "_run_").replace("recent_steps", "recent_runs")
        assert name in page or general in page, name
        assert name in code or name.removeprefix("stepwell_") in code or "recent" in name, name


@pytest.mark.parametrize(("tls", "code"), [("true", 0), ("false", 1)])
def test_the_settings_of_the_example_pass_the_deploy_check_and_those_without_tls_do_not(tmp_path, tls, code) -> None:
    example = dict(
        line.split("=", 1)
        for line in (DEPLOY / "stepwell.env.example").read_text(encoding="utf-8").splitlines()
        if re.match(r"[A-Z]", line)
    )
    done = subprocess.run(
        [sys.executable, "-m", "stepwell", "check", "--deploy"],
        env={**os.environ, **example, "STEPWELL_HOME": str(tmp_path), "STEPWELL_TLS": tls},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == code, done.stderr


def test_every_dependency_is_pinned_by_its_hash() -> None:
    for name in ("requirements.lock", "requirements-test.lock"):
        text = (source.ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        wrong = [line[:60] for line in lines if "==" not in line or "--hash=sha256:" not in line]
        assert len(lines) > 20
        assert wrong == [], name
