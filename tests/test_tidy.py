"""House rules that no linter knows: what exists is documented, used, and well named."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from catalog.settings import Settings
from server.app import create_app
from server.commands.settings_text import markdown_lines
from server.errors import TABLE

ROOT = Path(__file__).parents[1]
PACKAGES = ("catalog", "connectors", "engine", "server")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
SOURCES = sorted({*MODULES, *(ROOT / "tests").rglob("*.py"), *(ROOT / "bench").rglob("*.py")})
# Started by name: the entry point of the package, the worker's program, Alembic's scripts.
_ENTRIES = {
    "server.cli",
    "engine.workers.zygote",
    "engine.documents.child",
    "engine.sources.child",
    "engine.workers.child",
}
_LINES_MAX = 450


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_names(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def routes(tmp_path: Path) -> set[str]:
    app = create_app(Settings(data_dir=tmp_path))
    return {
        f"{verb.upper()} {prefix}{path}"
        for prefix, document in (("", app.state.document()), ("/api/v1", app.state.data_document()))
        for path, verbs in orjson.loads(document)["paths"].items()
        for verb in verbs
    }


def test_the_page_of_settings_is_the_one_the_program_makes() -> None:
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    assert page.endswith("\n".join(markdown_lines()) + "\n"), (
        "run: tidemill settings --markdown, and replace the table of docs/settings.md"
    )


def test_every_setting_has_a_meaning() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name


def test_every_error_code_is_documented() -> None:
    page = (ROOT / "docs/api-errors.md").read_text(encoding="utf-8")
    for wire in TABLE.values():
        assert f"| `{wire.code}` | {wire.status} |" in page, wire


def test_every_route_is_documented_and_every_documented_route_exists(tmp_path: Path) -> None:
    page = (ROOT / "docs/http-api.md").read_text(encoding="utf-8")
    documented = set(
        re.findall(r"^\| `((?:GET|HEAD|POST|PUT|PATCH|DELETE) /\S+)`", page, re.MULTILINE)
    )
    assert documented == routes(tmp_path)


def test_no_module_is_named_like_one_of_the_standard_library() -> None:
    for path in MODULES:
        assert path.stem not in sys.stdlib_module_names, path


def test_no_module_is_dead() -> None:
    used = {name for path in MODULES for name in imported_names(path)}
    for path in MODULES:
        name = dotted(path)
        if name in _ENTRIES or path.name == "__init__.py" or "migrations" in path.parts:
            continue
        assert name in used, f"{name} is imported by no module of the program"


@pytest.mark.parametrize("package", [*PACKAGES, "tests", "bench"])
def test_no_task_is_left_in_a_comment(package: str) -> None:
    word = "TO" + "DO"
    for path in (path for path in SOURCES if path.is_relative_to(ROOT / package)):
        assert word not in path.read_text(encoding="utf-8"), path


def test_no_file_is_long() -> None:
    for path in MODULES:
        lines = path.read_text(encoding="utf-8").count("\n")
        assert lines <= _LINES_MAX, f"{path.relative_to(ROOT)} has {lines} lines"


def test_every_module_says_what_it_is_for() -> None:
    for path in MODULES:
        text = path.read_text(encoding="utf-8")
        if text.strip():
            assert ast.get_docstring(ast.parse(text)), path


def test_only_the_settings_read_the_environment() -> None:
    for path in MODULES:
        if dotted(path) != "catalog.settings":
            assert not re.search(r"os\.(environ|getenv)\b", path.read_text(encoding="utf-8")), path


def test_the_server_does_not_load_what_only_its_workers_use() -> None:
    """Each costs every start of a server time and memory."""
    used = (
        "PIL",
        "datafusion",
        "mammoth",
        "pypdfium2",
        "semantic_text_splitter",
        "tesserocr",
        "usearch",
    )
    program = f"import sys, server.app; print([name for name in {used!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
