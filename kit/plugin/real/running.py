"""A run against a real endpoint, begun: the egress started, the endpoint looked at; and what was spent."""

import os
import secrets
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Final

import pytest

from tgi_conformance.fake_server.egress.client import EgressError, RunningEgress
from tgi_conformance.plugin.options import ENDPOINT_UNUSABLE, asks_for_real
from tgi_conformance.plugin.real.given import Given, RealProblem, read_given, take_keys
from tgi_conformance.plugin.real.preflight import Looked, asking_by, look
from tgi_conformance.reports.run import RealInfo
from tgi_conformance.suites.harness.session import RealEndpoints, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class RealRun:
    """What the process that controls a run knows of its real endpoints."""

    given: Given
    egress: RunningEgress
    looked: Looked

    def told(self) -> RealInfo:
        """What was asked of them so far, for the reports."""
        orders = self.given.orders
        info = RealInfo(
            url=self.given.shown,
            endpoints=len(orders.endpoints),
            model=self.looked.model,
            version=self.looked.version,
            max_requests=orders.max_requests,
            max_tokens=orders.max_tokens,
            dry_run=orders.dry_run,
            remarks=self.looked.remarks,
        )
        try:
            spent = self.egress.spent()
        except EgressError as error:
            return replace(info, remarks=(*info.remarks, str(error)))
        return replace(
            info,
            requests=spent["requests"],
            tokens=spent["tokens"],
            refused=spent["refused"],
            limited=spent["limited"],
            remarks=(*info.remarks, *spent["notes"]),
        )


REAL_RUN: Final = pytest.StashKey[RealRun]()


def with_real_endpoints(
    config: pytest.Config, settings: Settings, environment: MutableMapping[str, str] = os.environ
) -> Settings:
    """Give the settings of a run that goes to real endpoints, where it is asked for; else as they are.

    The egress is started and the first endpoint looked at; one that cannot be used ends the session with 14.
    """
    if config.option.collectonly or not asks_for_real(config, environment):
        return settings
    try:
        given = read_given(config.option, environment, secrets.token_urlsafe(24))
    except RealProblem as problem:
        raise pytest.UsageError(str(problem)) from None
    model = environment.get("HF_MODEL_ID", "")
    take_keys(environment)
    try:
        egress = RunningEgress.start(given.orders)
    except EgressError as error:
        pytest.exit(f"{given.shown}: {error}", returncode=ENDPOINT_UNUSABLE)
    config.add_cleanup(egress.close)
    looked = Looked()
    if not given.orders.dry_run:
        wait_ready = float(config.option.tgi_wait_ready or 0.0)
        looked = look(
            asking_by(egress.url, egress.token),
            model=model,
            wait_ready=wait_ready,
            any_server=config.option.tgi_any_server,
        )
    if looked.problem:
        pytest.exit(f"{given.shown}: {looked.problem}", returncode=ENDPOINT_UNUSABLE)
    config.stash[REAL_RUN] = RealRun(given=given, egress=egress, looked=looked)
    real = RealEndpoints(egress_url=egress.url, egress_token=egress.token, count=len(given.orders.endpoints))
    return replace(settings, real=real)
