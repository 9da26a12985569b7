"""deploy/kuberay.yaml: what Kubernetes, Ray and our command say of it, and its night on a real cluster."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import typer
import yaml

from indexer.executors.choosing import ExecutorChoice
from indexer.indexing import LABELLED_CODECS
from tests.lamps import lamp_clip
from tests.ray_cluster import ray_cluster

ROOT = Path(__file__).parents[3]
KUBERNETES = "1.34"


def manifest() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((ROOT / "deploy/kuberay.yaml").read_text()))


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [document for document in manifest() if document["kind"] == kind]


def groups() -> list[dict[str, Any]]:
    """The head's group and the workers' of the Ray cluster."""
    (cluster,) = of_kind("RayCluster")
    return [cluster["spec"]["headGroupSpec"], *cluster["spec"]["workerGroupSpecs"]]


def night() -> dict[str, Any]:
    """The pod of the nightly job."""
    (cron_job,) = of_kind("CronJob")
    pod: dict[str, Any] = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return pod


def pods() -> list[dict[str, Any]]:
    return [*(group["template"]["spec"] for group in groups()), night()]


def command_lines() -> tuple[list[str], list[str]]:
    """What the night's pod runs: `ray start ...`, then `proofreel ...`."""
    (container,) = night()["containers"]
    assert container["command"] == ["/bin/sh", "-c"]
    (line,) = container["args"]
    first, second = line.split(" && exec ")
    return shlex.split(first), shlex.split(second)


def test_kubernetes_takes_every_document_and_every_pod_of_the_ray_cluster() -> None:
    """There is no package with KubeRay's own schema: of the RayCluster the pods' templates are checked."""
    for document in manifest():
        if document["kind"] != "RayCluster":
            kubernetes_validate.validate(document, KUBERNETES, strict=True)
    for group in groups():
        template = {"apiVersion": "v1", "kind": "PodTemplate", "template": group["template"]}
        kubernetes_validate.validate(template, KUBERNETES, strict=True)


def test_what_is_mounted_and_named_is_there_and_footage_has_one_path_everywhere() -> None:
    names = {(document["kind"], document["metadata"]["name"]) for document in manifest()}
    paths: dict[str, set[str]] = {}
    for pod in pods():
        (container,) = pod["containers"]
        volumes = {volume["name"]: volume for volume in pod.get("volumes", ())}
        mounts = container.get("volumeMounts", ())
        assert {mount["name"] for mount in mounts} == set(volumes)
        for mount in mounts:
            paths.setdefault(mount["name"], set()).add(mount["mountPath"])
        for volume in volumes.values():
            if "persistentVolumeClaim" in volume:
                assert ("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]) in names
            if "configMap" in volume:
                assert ("ConfigMap", volume["configMap"]["name"]) in names
    assert all(len(found) == 1 for found in paths.values()), paths
    assert len({pod["containers"][0]["image"] for pod in pods()}) == 1


def test_every_machine_runs_the_ray_that_is_tested() -> None:
    (version,) = re.findall(r"^ray==(.+)$", (ROOT / "constraints.txt").read_text(), flags=re.MULTILINE)
    (cluster,) = of_kind("RayCluster")
    assert cluster["spec"]["rayVersion"] == version
    assert f"FROM rayproject/ray:{version}-" in (ROOT / "deploy/Dockerfile.ray").read_text()


def test_ray_knows_every_parameter_and_each_label_is_one_that_is_asked_for() -> None:
    from ray.scripts.scripts import start

    labels: set[str] = set()
    for group in groups():
        # As the operator does it: the value stands in the command line as it is written.
        text = " ".join(f"--{name}={value}" for name, value in group["rayStartParams"].items())
        params = start.make_context("start", shlex.split(text)).params
        labels |= set(json.loads(params["resources"]))
    assert labels == set(LABELLED_CODECS)
    program, verb, *arguments = command_lines()[0]
    assert (program, verb) == ("ray", "start")
    params = start.make_context("start", arguments).params
    (cluster,) = of_kind("RayCluster")
    assert params["address"] == f"{cluster['metadata']['name']}-head-svc:6379"
    assert params["num_cpus"] == 0


def test_our_command_has_every_flag_and_the_settings_are_a_settings_file(tmp_path: Path) -> None:
    from proofreel import cli
    from proofreel.settings import load

    program, verb, *arguments = command_lines()[1]
    command: Any = typer.main.get_command(cli.app)
    params = command.commands[verb].make_context(verb, arguments).params
    assert program == "proofreel"
    assert ExecutorChoice(executor=params["executor"], address=params["address"]).workers is None
    (settings,) = of_kind("ConfigMap")
    (mount,) = (m for m in night()["containers"][0]["volumeMounts"] if m["name"] == "settings")
    (name,) = settings["data"]
    assert params["config"] == Path(mount["mountPath"]) / name
    path = tmp_path / name
    path.write_text(settings["data"][name])
    loaded = load(path, environment={})
    mounted = {mount["mountPath"] for mount in night()["containers"][0]["volumeMounts"]}
    assert str(loaded.home) in mounted
    for library in loaded.libraries_of(path):
        assert set(library.paths) <= mounted
        assert library.model is not None and str(Path(library.model).parent) in mounted


@pytest.mark.slow
def test_the_nights_very_command_indexes_on_a_cluster(tmp_path: Path) -> None:
    """With the engine that is in the package, and a home of SQLite."""
    (tmp_path / "footage").mkdir()
    lamp_clip(tmp_path / "footage/a.mp4")
    settings = tmp_path / "proofreel.toml"
    settings.write_text('home = "home"\n[libraries.docks]\npaths = ["footage"]\n')
    _, *arguments = command_lines()[1]
    arguments[arguments.index("--config") + 1] = str(settings)
    with ray_cluster([{}, {}]) as (cluster, _):
        done = subprocess.run(
            [sys.executable, "-m", "proofreel", *arguments, "--json"],
            cwd=ROOT,
            env={**os.environ, "RAY_ADDRESS": cluster.address},  # "auto" is this one
            capture_output=True,
            text=True,
            timeout=300,
        )
    assert done.returncode == 0, done.stderr
    (library,) = json.loads(done.stdout)["libraries"]
    assert [file["status"] for file in library["files"]] == ["indexed"]
