"""The parts of the bench that only compute: percentiles, what is promised and whether it holds, the table, the plot."""

import xml.etree.ElementTree as ElementTree

import pytest

from interpchannels._bench import plot, report
from interpchannels._bench.measure import TIME, Case, Cell, Effort, percentiles, run_in_turns
from interpchannels._bench.rows import Row, Section, cases_of, matching

SVG = "{http://www.w3.org/2000/svg}"


def cell(name, *samples, figure=TIME):
    return Cell(Case(name, lambda effort: {}, samples={figure: list(samples)}), figure)


def row(name, ours, *theirs, **promises):
    peers = [cell(f"{name}: peer {number}", time) for number, time in enumerate(theirs)]
    return Row(name, cell(f"{name}: package", ours), peers, **promises)


# Percentiles --------------------------------------------------------------------------------------


def test_percentiles_are_the_least_values_that_so_many_do_not_exceed():
    found = percentiles(range(1_000, 0, -1))
    assert found == {"p50": 500e-9, "p90": 900e-9, "p99": 990e-9, "p99.9": 999e-9}


def test_percentiles_of_few_values_are_among_them():
    assert percentiles([7]) == dict.fromkeys(("p50", "p90", "p99", "p99.9"), 7e-9)
    assert percentiles([1, 2, 3]) == {"p50": 2e-9, "p90": 3e-9, "p99": 3e-9, "p99.9": 3e-9}


def test_percentiles_of_nothing_are_refused():
    with pytest.raises(ValueError):
        percentiles([])


# Samples in turns ---------------------------------------------------------------------------------


def test_cases_take_turns_in_both_orders_and_long_ones_less_often():
    order = []
    cases = [
        Case(name, lambda effort, name=name: order.append(name) or {TIME: 1.0}, most)
        for name, most in (("a", None), ("b", 2), ("c", None))
    ]
    steps = []
    run_in_turns(cases, Effort(3, 2, 0.1, 1.0), lambda: steps.append(None))
    assert "".join(order) == "abc" + "cba" + "ac"
    assert len(steps) == len(order)
    assert [len(case.samples[TIME]) for case in cases] == [3, 2, 3]


# Promises -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "holds", "moonshot"), [(0.5, True, True), (1.0, True, False), (1.001, False, False)]
)
def test_a_ratio_holds_up_to_its_limit(ours, holds, moonshot):
    judged = row("r", 2 * ours, 2.0, commit=1.0, moonshot=0.5)
    assert judged.value == ours
    assert (judged.holds, judged.moonshot_holds) == (holds, moonshot)


def test_the_best_of_several_peers_counts():
    judged = row("r", 3.0, 6.0, 2.0, 9.0, commit=1.0)
    assert judged.peer.case.name == "r: peer 1"
    assert judged.value == 1.5
    assert judged.holds is False


def test_without_a_peer_the_figure_itself_is_judged():
    judged = Row("memory", cell("memory", 500.0, 600.0, 400.0), commit=512, unit="B")
    assert judged.value == 500.0
    assert judged.holds is True


def test_what_was_not_measured_or_promised_is_not_judged():
    unmeasured = Row("r", Cell(Case("r: package", lambda effort: {})), [cell("r: peer", 1.0)], 1.0)
    assert unmeasured.value is None
    assert unmeasured.holds is None
    assert row("r", 1.0, 2.0).holds is None


# Names --------------------------------------------------------------------------------------------

SECTIONS = [
    Section("one", [row("pair, int", 1.0, 2.0), row("drop-in pair, int", 1.0, 2.0)]),
    Section("two", [row("import", 1.0)]),
]


def names(sections):
    return [row.name for section in sections for row in section.rows]


def test_a_whole_name_is_that_row_alone():
    assert names(matching(SECTIONS, ["pair, int"])) == ["pair, int"]


def test_a_part_of_a_name_is_all_that_have_it():
    assert names(matching(SECTIONS, ["PAIR"])) == ["pair, int", "drop-in pair, int"]
    assert names(matching(SECTIONS, ["import", "drop-in"])) == ["drop-in pair, int", "import"]


def test_a_name_that_no_row_has_is_refused():
    with pytest.raises(LookupError, match="nonsense"):
        matching(SECTIONS, ["pair", "nonsense"])


def test_cases_that_rows_share_are_sampled_once():
    ours = cell("x: package", 1.0)
    rows = [Row("a", ours, [cell("x: a", 1.0)]), Row("b", ours, [cell("x: b", 1.0)])]
    assert [case.name for case in cases_of(rows)] == ["x: package", "x: a", "x: b"]


# What is printed and written ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (1 / 15, "1/15"),
        (1 / 2.3, "1/2.3"),
        (1 / 3000, "1/3000"),
        (0.97, "0.97"),
        (1.5, "1.5"),
        (120, "120"),
    ],
)
def test_ratios_below_1_are_fractions(ratio, text):
    assert report.show_ratio(ratio) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (36.24e-9, "s", "36.2 ns"),
        (0.05, "s", "50 ms"),
        (0.0, "s", "0 ns"),
        (512, "B", "512 B"),
        (2e8, "B", "200 MB"),
    ],
)
def test_figures_have_three_digits_and_a_unit(value, unit, text):
    assert report.show(value, unit) == text


MIXED = [
    Section(
        "all",
        [
            row("kept", 1e-9, 2e-9, commit=1.0, moonshot=0.4),
            row("missed", 3e-9, 2e-9, commit=1.0),
            row("open <&>", 1e-9, 4e-9),
            Row("memory", cell("memory", 600.0), commit=512, unit="B"),
            Row("nothing promised, no peer", cell("alone", 1e-6)),
            Row("never run", Cell(Case("x", lambda effort: {})), [cell("y", 1.0)], 1.0),
        ],
    )
]


def test_the_table_says_what_holds():
    lines = report.table(MIXED)
    assert [line.split()[-1] for line in lines[1:7]] == ["yes", "NO", "-", "NO", "-", "-"]
    assert lines[-1] == "1 of 3 promises hold; not: missed; memory"


def test_the_markdown_table_has_the_same_number_of_cells_everywhere():
    table = [line for line in report.markdown(MIXED, "a machine") if line.startswith("|")]
    assert len(table) == 2 + 6
    assert len({line.count("|") for line in table}) == 1


def test_the_plot_has_a_bar_for_each_row_that_was_measured():
    root = ElementTree.fromstring(plot.plot(MIXED, "a <machine>"))
    assert root.tag == f"{SVG}svg"
    text = "\n".join("".join(t.itertext()) for t in root.iter(f"{SVG}text"))
    for name in ("kept", "missed", "open <&>", "memory", "a <machine>"):
        assert name in text
    assert "never run" not in text
    # The page, three boxes that explain the colours, and a bar for each: three ratios, one figure with a limit.
    assert len(list(root.iter(f"{SVG}rect"))) == 1 + 3 + 4


def test_longer_is_slower_in_the_plot():
    def end(ours):
        sections = [
            Section("all", [row("r", ours, 1.0, commit=0.001), row("s", 1.0, 1.0, commit=10.0)])
        ]
        bar = list(ElementTree.fromstring(plot.plot(sections, "")).iter(f"{SVG}rect"))[4]
        return float(bar.get("x")), float(bar.get("x")) + float(bar.get("width"))

    assert end(0.01)[0] < end(0.1)[0] < end(0.5)[0]
    assert end(2.0)[1] < end(5.0)[1]
    assert end(0.1)[1] == end(2.0)[0]  # the peer's line


def test_a_plot_of_nothing_is_a_plot():
    ElementTree.fromstring(plot.plot([], ""))
