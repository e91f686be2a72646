"""Tables in LaTeX: booktabs, and nothing in a name that LaTeX takes for a command."""

from __future__ import annotations

from presented import block, report, row, worse_row

from tlml.reports.latex import _literal, to_latex


def test_a_block_is_a_table_of_booktabs() -> None:
    text = to_latex(report(block(row("scratch"), row("a_b", 0.6, best=True), worse_row("full"))))
    lines = text.splitlines()
    start = lines.index(r"\begin{table}")
    assert lines[start : lines.index(r"\end{table}") + 1] == [
        r"\begin{table}",
        r"\centering",
        r"\small",
        r"\caption{glyphs, 5 shots: accuracy (higher is better)}",
        r"\label{tab:glyphs-5-shots}",
        r"\begin{tabular}{@{}lrrrrrrrrr@{}}",
        r"\toprule",
        r"method & accuracy & 95\% interval & IQM & to scratch & 95\% interval & fit s & adapt s"
        r" & steps & labels \\",
        r"\midrule",
        r"scratch & .500 & .480 to .520 & .500 & baseline & - & 10.5 & 1.0 & 50 & 5 \\",
        r"\textbf{a\_b} & \textbf{.600} & .580 to .620 & .600 & - & - & 10.5 & 1.0 & 50 & 5 \\",
        r"full & .400 & .380 to .420 & .400 & \textit{$-$.100} & $-$.120 to $-$.080 & 10.5 & 1.0"
        r" & 50 & 5 \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par full: worse",
        r"\end{table}",
    ]


def test_whatever_is_around_the_tables_is_a_comment() -> None:
    text = to_latex(report(block(row("scratch")), name="quick\n\\input{secrets}"))
    inside = False
    for line in text.splitlines():
        inside = inside or line == r"\begin{table}"
        assert inside or not line or line.startswith("% ")
        inside = inside and line != r"\end{table}"


def test_special_characters_are_characters() -> None:
    assert _literal(r"50% of $x_1 & {y} #~^\ <|>") == (
        r"50\% of \$x\_1 \& \{y\} \#\textasciitilde{}\textasciicircum{}\textbackslash{}"
        r" \textless{}\textbar{}\textgreater{}"
    )
    assert _literal("5-shot -.5 to -2") == "5-shot $-$.5 to $-$2"
