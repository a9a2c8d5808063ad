"""`python -m interpchannels bench` as a process: one cheap row, its JSON and its files. No figure is asserted."""

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

from support import HANG, search_path

ROW = "pair, int"


def bench(*arguments, check=True):
    done = subprocess.run(
        [sys.executable, "-m", "interpchannels", "bench", *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(search_path())},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=HANG,
    )
    if check:
        assert done.returncode == 0, done.stderr
    return done


def test_one_row_with_all_its_files(tmp_path):
    data, picture, table = (tmp_path / name for name in ("bench.json", "bench.svg", "bench.md"))
    done = bench(*("--quick", "--row", ROW, "--json", data, "--plot", picture, "--markdown", table))

    assert ROW in done.stdout
    assert "promises hold" in done.stdout
    assert "samples" in done.stderr  # the progress, in plain lines
    assert "\r" not in done.stderr

    written = json.loads(data.read_text("utf-8"))
    assert written["quick"] is True
    assert written["seconds"] > 0
    for key in (
        "cpu",
        "cores",
        "python",
        "interpchannels",
        "commit",
        "system",
        "waited for a core",
    ):
        assert key in written["machine"]
    (row,) = written["rows"]
    assert row["name"] == ROW
    assert row["ratio"] == row["ours"]["median"] / row["peer"]["median"]
    assert row["holds"] is (row["ratio"] <= row["commit"])
    assert row["moonshot"] < row["commit"]
    assert set(written["cases"]) == {row["ours"]["case"], row["peer"]["case"]}
    for samples in written["cases"].values():
        assert len(samples["time"]) == 3
        assert all(sample > 0 for sample in samples["time"])

    assert ElementTree.parse(picture).getroot().tag.endswith("svg")
    assert f"| {ROW} |" in table.read_text("utf-8")


def test_the_list_names_each_row_once():
    names = bench("--list").stdout.splitlines()
    assert ROW in names
    assert len(names) == len(set(names)) > 40


def test_a_row_that_there_is_not():
    done = bench("--row", "nonsense", check=False)
    assert done.returncode == 2
    assert "'nonsense'" in done.stderr
    assert len(done.stderr.splitlines()) == 1
