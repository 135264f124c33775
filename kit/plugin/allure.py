"""Labels allure-pytest's results where that is at work, and keeps lone surrogates from ending its run.

allure-pytest writes UTF-8 and takes digests of parameters. A lone surrogate has no UTF-8: the run would end.
What allure-pytest is given is therefore made visible first.
"""

from collections.abc import Generator
from typing import Any, Final, cast

import allure
import allure_commons
import attr
import pytest

from tgi_conformance.contracts.verdict import Verdict
from tgi_conformance.reports.allure.labels import allure_labels
from tgi_conformance.reports.readable import visible

_NAME: Final = "tgi-allure"


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


def guard(config: pytest.Config) -> None:
    """Stand between the tests of this process and allure-pytest until the session ends."""
    results = _VisibleResults()
    allure_commons.plugin_manager.register(results, _NAME)
    config.add_cleanup(lambda: allure_commons.plugin_manager.unregister(results))
    config.pluginmanager.register(_VisibleItems(), _NAME)


class _VisibleResults:
    """Sees what is to be written before the writer does."""

    @allure_commons.hookimpl(tryfirst=True)
    def report_result(self, result: Any) -> None:
        """Mend the texts of a result in place."""
        _mend(result)

    @allure_commons.hookimpl(tryfirst=True)
    def report_container(self, container: Any) -> None:
        """Mend the texts of a test's fixtures in place."""
        _mend(container)


class _VisibleItems:
    """Mends what allure-pytest reads off pytest's items and reports."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """While allure-pytest takes the digest of the parameters, show it texts that have UTF-8."""
        params: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
        whole = dict(params)
        params.update({name: visible(value) for name, value in whole.items() if isinstance(value, str)})
        try:
            return (yield)
        finally:
            params.update(whole)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """What was captured becomes attachments."""
        report = yield
        report.sections = [(name, visible(text)) for name, text in report.sections]
        return report


def _mend(item: Any) -> None:
    for field in attr.fields(type(item)):
        setattr(item, field.name, _mended(getattr(item, field.name)))


def _mended(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, list):
        return [_mended(each) for each in cast("list[object]", value)]
    if attr.has(type(value)):
        _mend(value)
    return value
