"""The room is light to import: every command loads its commands module, few need its libraries."""

import subprocess
import sys
from pathlib import Path

import storage

ROOT = Path(__file__).parents[3]


def test_the_commands_load_no_heavy_library() -> None:
    code = "import sys, storage, storage.commands\n"
    code += "print([m for m in ('sqlalchemy', 'alembic', 'faiss', 'numpy', 'scipy') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_opening_and_searching_load_no_alembic(tmp_path: Path) -> None:
    storage.Database.open(tmp_path, create=True).close()
    code = "import sys\nfrom pathlib import Path\nfrom storage import Database, open_index\n"
    code += "db = Database.open(Path(sys.argv[1]), create=True)\n"
    code += "open_index(db, db.home, embedder='x').stats()\n"
    code += "print([m for m in ('alembic', 'faiss') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_promised_name_is_there() -> None:
    assert all(getattr(storage, name).__name__ == name for name in storage.__all__)
    assert sorted(storage.__all__) == list(storage.__all__)
