"""Allure: labels for allure-pytest's results, and results of our own, made from the verdicts of a run."""
