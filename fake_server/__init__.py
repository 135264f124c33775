"""The scriptable TGI server: a pure engine, a thin asyncio edge, its own process, and a client for it.

Suites import :mod:`tgi_conformance.fake_server.client`; scripts are written with
:mod:`tgi_conformance.contracts.script`.
"""
