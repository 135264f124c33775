"""How well causes fit defects, held on recorded red cases (tests/helpers/causes_measured.py)."""

from causes_measured import (
    FACES,
    causes_of_mutant,
    measured,
    mixed_in_pairs,
    recorded,
    recorded_mutants,
    share_in_largest,
)

from tgi_conformance.reports.causes.grouping import causes_of
from tgi_conformance.reports.run import Run, RunInfo


def test_nine_of_ten_defects_of_published_clients_are_one_cause_and_few_causes_mix_two() -> None:
    found = [measured(face) for face in FACES]
    defects, split = sum(len(m.defects) for m in found), sum(len(m.split) for m in found)
    causes, mixed = sum(len(m.causes) for m in found), sum(len(m.mixed) for m in found)
    assert defects > 120
    assert split <= 0.1 * defects, [m.split for m in found]
    assert mixed <= 0.05 * causes, [m.mixed for m in found]


def test_two_of_three_mutants_are_one_cause_and_the_largest_explains_most_of_the_others() -> None:
    each = [causes_of_mutant(verdicts) for verdicts in recorded_mutants().values()]
    assert len(each) >= 60
    assert sum(len(found) == 1 for found in each) >= 0.65 * len(each)
    assert sum(map(share_in_largest, each)) >= 0.85 * len(each)


def test_two_mistakes_in_one_area_of_a_client_are_kept_apart() -> None:
    mixed, causes = mixed_in_pairs()
    assert causes > 300
    assert mixed <= 0.05 * causes


def test_a_real_red_run_begins_with_few_causes() -> None:
    said = {
        face: causes_of(Run(RunInfo(started="", ended="", seed=0), recorded(face)), face).headline
        for face in ("hub", "text-generation")
    }
    assert said == {
        "hub": "29 causes explain 188 failures",
        "text-generation": "31 causes explain 206 failures and 234 blocked cases",
    }
