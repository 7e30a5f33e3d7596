"""What is deployed beside the service speaks of metrics, pages and files that exist."""

import configparser
import importlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from payops.infra.metrics import Metrics
from payops.infra.settings import Settings

yaml: Any = importlib.import_module("yaml")  # comes with uvicorn, without types

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
PROMTOOL = shutil.which("promtool")

# What Prometheus itself adds; a label ``job`` of ours is moved out of its way.
OF_PROMETHEUS = {"up": {"job", "instance"}}
TARGET = {"instance", "job"}
WORDS = {"and", "or", "unless", "by", "without", "on", "ignoring", "vector", "time", "absent"}


def loaded(name: str) -> Any:
    return yaml.safe_load((DEPLOY / "prometheus" / name).read_text())


def alerts() -> list[dict[str, Any]]:
    return [rule for group in loaded("alerts.yml")["groups"] for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    dashboard = json.loads((DEPLOY / "grafana" / "payops.json").read_text())
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def queries() -> list[tuple[str, str]]:
    """Where each query is, and what it says."""
    return [
        *((rule["alert"], rule["expr"]) for rule in alerts()),
        *((panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]),
    ]


def exposed() -> dict[str, set[str]]:
    """The samples of ``/metrics`` with their labels, once everything has happened once."""
    metrics = Metrics()
    for metric in vars(metrics).values():
        names = getattr(metric, "_labelnames", ())
        if names:
            metric.labels(*("x" for _ in names))
    return {
        sample.name: set(sample.labels)
        for family in text_string_to_metric_families(metrics.render().decode())
        for sample in family.samples
    }


EXPOSED = exposed() | OF_PROMETHEUS


def selectors(expression: str) -> Iterator[tuple[str, set[str]]]:
    """Each metric of a PromQL expression, with the labels it is narrowed by."""
    bare = re.sub(r"\b(?:by|without)\s*\([^)]*\)", "", expression)
    strings: list[str] = re.findall(r"\{[^}]*\}", bare)
    for match in re.finditer(r"\b([a-z][a-z0-9_]*)\b(?!\s*\()(\{[^}]*\})?", _blanked(bare)):
        name, narrowed = match[1], match[2]
        if name in WORDS:
            continue
        inside = strings.pop(0) if narrowed else ""
        yield name, set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", inside))


def _blanked(expression: str) -> str:
    """Without durations and with nothing between braces: only names are left."""
    return re.sub(r"\{[^}]*\}", "{}", re.sub(r"\[[^\]]*\]", "", expression))


def faults(expression: str) -> list[str]:
    found = []
    allowed_by = set(TARGET)
    for name, narrowed in selectors(expression):
        if name not in EXPOSED:
            found.append(f"no metric {name}")
            continue
        own = EXPOSED[name]
        renamed = (
            own if name in OF_PROMETHEUS else {re.sub("^job$", "exported_job", x) for x in own}
        )
        allowed = renamed | ({"instance"} if "exported_job" in renamed else TARGET)
        allowed_by |= renamed
        found += [f"{name} has no label {label}" for label in sorted(narrowed - allowed)]
    for group in re.findall(r"\bby\s*\(([^)]*)\)", expression):
        named = {label.strip() for label in group.split(",")}
        found += [f"no label {label} to group by" for label in sorted(named - allowed_by)]
    return found


@pytest.mark.parametrize(("where", "expression"), queries(), ids=lambda value: value[:40])
def test_a_query_asks_for_what_metrics_shows(where: str, expression: str) -> None:
    """Names and labels are those of a rendered registry: a wrong one would be silent for ever."""
    assert list(selectors(expression)), where
    assert [] == faults(expression), where


@pytest.mark.parametrize(
    ("expression", "fault"),
    [
        ("max(payops_withdrawal)", "no metric payops_withdrawal"),
        ('payops_withdrawals{status="x"}', "payops_withdrawals has no label status"),
        ('payops_job_runs_total{job="x"}', "payops_job_runs_total has no label job"),
        ("sum by (rial) (rate(payops_rail_answers_total[5m]))", "no label rial to group by"),
        ("rate(payops_callbacks[5m])", "no metric payops_callbacks"),
        ("histogram_quantile(0.5, payops_job_seconds_sum{le='1'})", "has no label le"),
    ],
)
def test_a_query_that_asks_for_nothing_is_noticed(expression: str, fault: str) -> None:
    """The check sees a wrong name, a wrong label, and what Prometheus renames."""
    assert fault in "; ".join(faults(expression))


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alerting_rule_leads_to_a_page(rule: dict[str, Any]) -> None:
    """With a severity, a sentence, what is the case, and the runbook, which names the rule."""
    notes = rule["annotations"]
    page = ROOT / notes["runbook_url"]

    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert {"summary", "description", "runbook_url"} == set(notes)
    assert (ROOT / "docs" / "runbooks") == page.parent
    assert f"`{rule['alert']}`" in page.read_text()


def test_every_alerting_rule_is_tried_both_ways() -> None:
    """A story in which it is quiet and then fires."""
    tried = {
        story["name"]: [
            bool(one["exp_alerts"])
            for one in story["alert_rule_test"]
            if one["alertname"] == story["name"]
        ]
        for story in loaded("alerts.test.yml")["tests"]
    }

    assert {rule["alert"]: [False, True] for rule in alerts()} == tried


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not on this machine")
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
    ids=" ".join,
)
def test_prometheus_agrees(arguments: tuple[str, ...]) -> None:
    """Its own tool reads the files, and the stories end as they say."""
    done = subprocess.run(
        [str(PROMTOOL), *arguments],
        cwd=DEPLOY / "prometheus",
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert 0 == done.returncode, done.stdout + done.stderr


def test_the_dashboard_is_whole() -> None:
    """Every panel says what it is, asks something, and lies beside the others, not on them."""
    cells: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        assert not cells & mine, panel["title"]
        assert place["x"] + place["w"] <= 24
        cells |= mine
    ids = [panel["id"] for panel in panels()]
    assert len(ids) == len(set(ids))


def test_what_compose_mounts_is_there() -> None:
    """Prometheus and Grafana start only when asked for, with the files of this repository."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    watching = {n: s for n, s in compose["services"].items() if "profiles" in s}
    mounted = [
        volume.split(":")[0]
        for service in watching.values()
        for volume in service["volumes"]
        if volume.startswith("./")
    ]

    assert {"prometheus": ["observability"], "grafana": ["observability"]} == {
        name: service["profiles"] for name, service in watching.items()
    }
    assert all(port.startswith("127.0.0.1:") for s in watching.values() for port in s["ports"])
    assert mounted
    assert [] == [path for path in mounted if not (ROOT / path).exists()]


def test_systemd_waits_until_the_service_has_drained() -> None:
    """It kills later than any drain that can be set, and writes down no memory."""
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # as configparser's text says
    unit.read(DEPLOY / "systemd" / "payops.service")
    service = dict(unit["Service"])
    drain = Settings.model_fields["worker"].annotation.model_fields["drain_seconds"]  # type: ignore[union-attr]
    longest = next(limit.le for limit in drain.metadata if hasattr(limit, "le"))

    assert int(service["TimeoutStopSec"]) > longest + 10
    assert ("SIGTERM", "0", "yes") == (
        service["KillSignal"],
        service["LimitCORE"],
        service["NoNewPrivileges"],
    )
    assert service["ExecStart"].endswith("/payops serve")
