"""Puts a verdict's labels on allure-pytest's result of the test, where allure-pytest is at work."""

from typing import Any

import allure

from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.allure import allure_labels


def label(verdict: Verdict) -> None:
    """Label the result that is open now; allure-pytest closes it after the last report of the test."""
    labels = allure_labels(verdict)
    dynamic: Any = allure.dynamic  # its functions carry no types
    dynamic.title(labels.title)
    dynamic.description(labels.description)
    dynamic.epic(labels.epic)
    dynamic.feature(labels.feature)
    dynamic.story(labels.story)
    dynamic.severity(labels.severity)
    dynamic.tag(*labels.tags)
    for name, value in labels.parameters:
        dynamic.parameter(name, value)
    for link in labels.links:
        dynamic.link(link.url, link_type=link.kind, name=link.name)
