"""The report of a run: its sections, in order."""

from __future__ import annotations

from twt_core.report.blocks import Page
from twt_core.report.confidence import confidence_section
from twt_core.report.examples import queries_section, questions_section
from twt_core.report.funnel import funnel_section
from twt_core.report.overview import marks, overview_section
from twt_core.report.reading import Material
from twt_core.report.scores import headline, scores_section
from twt_core.report.training import cost_section, lengths_section, losses_section
from twt_core.run import engine_version


def run_page(material: Material) -> Page:
    """The page of a run folder."""
    sections = [
        overview_section(material),
        scores_section(material),
        funnel_section(material),
        confidence_section(material),
        lengths_section(material),
        losses_section(material),
        cost_section(material.summary),
        queries_section(material),
        questions_section(material),
    ]
    summary = material.summary
    subtitle = headline(summary) if summary else "Not finished: what there is so far."
    colophon = (
        f"Made by twt report (TwT {engine_version()}) from the files of the run folder {material.name}, which have "
        "every number and every text in full. This page loads nothing and sends nothing."
    )
    return Page("Report of a run", material.name, subtitle, marks(material), sections, colophon)
