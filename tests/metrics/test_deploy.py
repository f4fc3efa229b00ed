"""What is deployed names only what there is: metrics, labels, settings, paths, anchors."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from governor.config import load_policy
from governor.config.settings import variables
from governor.metrics import Metrics
from tests.metrics.promql import family_of, names_in

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROMETHEUS = DEPLOY / "prometheus"
DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "governor.json").read_text())
RULES = [
    rule
    for group in yaml.safe_load((PROMETHEUS / "alerts.yml").read_text())["groups"]
    for rule in group["rules"]
]
PROMTOOL = os.environ.get("PROMTOOL") or shutil.which("promtool")
# Given by Prometheus to every series.
TARGET = {"instance", "job"}


def panels() -> Iterator[dict[str, Any]]:
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            yield panel


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for annotation in DASHBOARD["annotations"]["list"]:
        yield annotation["name"], annotation["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        for name in re.findall(r"label_values\((\w+), \w+\)", json.dumps(variable["query"])):
            yield variable["name"], name


@pytest.fixture(scope="module")
def exported() -> dict[str, set[str]]:
    """Give the labels of every name that a worker exports."""
    metrics = Metrics()
    metrics.prepare(load_policy(ROOT / "config" / "policy.yaml"), ["outreach.candidates"])
    metrics.set_policy("a")
    metrics.set_lag({("outreach.candidates", 0): 0})
    found: dict[str, set[str]] = {"up": set(), "ALERTS": set()}
    for family in metrics.registry.collect():
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


@pytest.mark.parametrize(("place", "expression"), sorted(set(expressions())))
def test_every_expression_names_metrics_and_labels_that_are_exported(
    place: str, expression: str, exported: dict[str, set[str]]
) -> None:
    names = names_in(expression)
    assert names.matched, f"{place}: no metric found in {expression}"
    for name, labels in names.matched:
        assert name in exported, f"{place}: `{name}` is not exported"
        assert labels <= exported[name] | TARGET, f"{place}: labels of `{name}`"
    together = set().union(*(exported[name] for name in names.metrics))
    assert names.grouped <= together | TARGET, f"{place}: grouped by {set(names.grouped)}"


def test_the_values_that_are_matched_on_exist() -> None:
    metrics = Metrics()
    metrics.prepare(load_policy(ROOT / "config" / "policy.yaml"), ["outreach.candidates"])
    metrics.set_policy("a", "b")
    values: dict[tuple[str, str], set[str]] = {}
    for family in metrics.registry.collect():
        for sample in family.samples:
            for label, value in sample.labels.items():
                values.setdefault((sample.name, label), set()).add(value)
    for place, expression in expressions():
        for name, inside in re.findall(r"(governor_\w+)\{([^{}]*)\}", expression):
            for label, wanted in re.findall(r'(\w+)=~?"([^"$]+)"', inside):
                known = values[name, label]
                for one in wanted.split("|"):
                    assert any(re.fullmatch(one, value) for value in known), f"{place}: {one}"


def test_the_parts_of_an_expression_are_found() -> None:
    names = names_in(
        'sum by (le, topic) (rate(a_bucket{x="by (no)", y=~"1|2"}[5m])) > 1e3 * on () group_left ()'
        " histogram_quantile(0.9, b{} offset 5m) unless c"
    )
    assert names.matched == (
        ("a_bucket", frozenset({"x", "y"})),
        ("b", frozenset()),
        ("c", frozenset()),
    )
    assert names.grouped == {"le", "topic"}
    assert family_of("a_bucket") == "a"


def test_the_dashboard_shows_every_metric_of_the_gate() -> None:
    shown = {family_of(name) for _, each in expressions() for name in names_in(each).metrics}
    exported = set(
        re.findall(r'"(governor_\w+)"', (ROOT / "governor/metrics/catalogue.py").read_text())
    )
    assert exported - shown == {"governor_build_info", "governor_record_clock_seconds"}


def test_every_panel_says_what_it_shows_and_none_covers_another() -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in panels():
        assert len(panel["description"]) > 20, panel["title"]
        assert panel["targets"], panel["title"]
        place = panel["gridPos"]
        for x in range(place["x"], place["x"] + place["w"]):
            for y in range(place["y"], place["y"] + place["h"]):
                assert x < 24
                assert (x, y) not in taken, f"{panel['title']} covers {taken.get((x, y))}"
                taken[x, y] = panel["title"]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_every_alert_says_what_is_wrong_and_what_to_do() -> None:
    headings = re.findall(r"^#+ (.+)$", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    anchors = {heading.lower().replace(" ", "-") for heading in headings}
    for rule in RULES:
        notes = rule["annotations"]
        assert set(notes) == {"summary", "description", "runbook_url"}, rule["alert"]
        file, _, anchor = notes["runbook_url"].partition("#")
        assert file == "docs/operations.md"
        assert anchor in anchors, f"{rule['alert']}: no heading for #{anchor}"
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_every_alert_is_tested_to_fire_and_to_stay_silent() -> None:
    tests = yaml.safe_load((PROMETHEUS / "alerts.test.yml").read_text())["tests"]
    cases = [case for test in tests for case in test["alert_rule_test"]]
    for rule in RULES:
        mine = [case["exp_alerts"] for case in cases if case["alertname"] == rule["alert"]]
        assert any(mine), f"{rule['alert']} is not tested to fire"
        assert not all(mine), f"{rule['alert']} is not tested to stay silent"


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not here")
@pytest.mark.parametrize(
    "command", [("check", "config", "prometheus.yml"), ("test", "rules", "alerts.test.yml")]
)
def test_promtool_agrees(command: tuple[str, ...]) -> None:
    ran = subprocess.run(
        [str(PROMTOOL), *command], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def compose() -> dict[str, Any]:
    loaded = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert isinstance(loaded, dict)
    return loaded


def test_compose_sets_only_settings_that_there_are() -> None:
    used = set()
    for service in compose()["services"].values():
        used |= {name for name in service.get("environment", {}) if name.startswith("GOVERNOR_")}
    used |= set(re.findall(r"\$\{(GOVERNOR_[A-Z_]+)", (ROOT / "docker-compose.yml").read_text()))
    assert {"GOVERNOR_BROKERS", "GOVERNOR_PSEUDONYM_KEY", "GOVERNOR_INSTANCE"} <= used
    assert used <= set(variables())


def test_compose_mounts_and_waits_for_what_there_is() -> None:
    document = compose()
    services = document["services"]
    for name, service in services.items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            there = (
                (ROOT / source).exists()
                if source.startswith(".")
                else (source in document["volumes"])
            )
            assert there, f"{name}: {mount}"
        for needed, how in service.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[needed], f"{name} waits for {needed}"
        image = service.get("image", "")
        assert image == "governor" or re.search(r":v?\d", image), f"{name}: {image}"


def test_the_image_is_made_of_locked_packages_and_what_the_build_may_see() -> None:
    lines = (DEPLOY / "Dockerfile").read_text()
    assert "--require-hashes" in lines
    assert re.search(r"^USER governor$", lines, re.MULTILINE)
    allowed = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"
    }
    for line in re.findall(r"^COPY (?!--from)(.+) \S+$", lines, re.MULTILINE):
        for source in line.split():
            assert source in allowed, f"{source} is kept out by .dockerignore"
            assert (ROOT / source).exists(), source


def test_kubernetes_sets_only_settings_that_there_are_and_probes_what_answers() -> None:
    folder = DEPLOY / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert sorted(listed) == sorted(
        path.name for path in folder.iterdir() if path.name != "kustomization.yaml"
    )
    text = "\n".join((folder / name).read_text() for name in listed)
    known = set(variables())
    for name in re.findall(r"GOVERNOR_[A-Z_]+", text):
        assert name.removesuffix("_FILE") in known, name
    stateful = yaml.safe_load((folder / "statefulset.yaml").read_text())
    (worker,) = stateful["spec"]["template"]["spec"]["containers"]
    assert worker["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert worker["readinessProbe"]["httpGet"]["path"] == "/health/ready"
