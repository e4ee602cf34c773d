"""The wheel carries what an installed DES needs beside its code."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, files, tracked


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Names of the files in the wheel."""
    folder: Path = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return set(zipfile.ZipFile(path).namelist())


def test_the_wheel_has_all_of_des(wheel: set[str]) -> None:
    assert {path for path in tracked() if path.startswith("des/")} <= wheel


def test_the_wheel_has_the_migrations(wheel: set[str]) -> None:
    assert {f"des/{path}" for path in files("migrations", suffix=".sql")} <= wheel


def test_the_wheel_has_nothing_else(wheel: set[str]) -> None:
    assert {name.partition("/")[0] for name in wheel} == {"des", "data_enrichment_service-0.1.0.dist-info"}
