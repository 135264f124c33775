"""Collection: which tests are cases, of which backend, under which id, in which order."""

import gc
import json
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Final, cast

import pytest

from tgi_conformance import late_imports
from tgi_conformance.contracts.requirements.sets import read_set
from tgi_conformance.contracts.script.whole import NATIVE_PERSONA
from tgi_conformance.plugin.collected import Collected, CollectedCase
from tgi_conformance.plugin.ids import (
    BACKEND_FIXTURE,
    BACKEND_WORD,
    NO_CLAUSE,
    MarkerProblem,
    case_id,
    doubled,
    parameters_of,
    read_marker,
    ways_tried,
)
from tgi_conformance.plugin.locks import share_of
from tgi_conformance.plugin.options import cases_named
from tgi_conformance.plugin.quick.choice import Candidate, chosen
from tgi_conformance.plugin.selection import Selection, names_clause, unknown_case
from tgi_conformance.plugin.shards.dealing import dealt, parse_shard
from tgi_conformance.plugin.shards.durations import usual_durations
from tgi_conformance.suites.harness.session import CASE_ID, SETTINGS, CaseId, CaseRecord, Settings
from tgi_conformance.suites.ways.words import Way

SUITES: Final = "tgi_conformance.suites"
DURATIONS: Final = "durations.json"
#: Backend name of a user's own tests that ask for no backend.
OWN_TESTS: Final = "own-tests"
#: Seconds assumed for a case that was never timed: before the quick ones, after the slow ones.
_UNTIMED: Final = 1.0
#: Packages whose fixtures may touch suite cases.
_OWN_PLUGINS: Final = (
    "tgi_conformance",
    "_pytest",
    "xdist",
    "_hypothesis_pytestplugin",
    "hypothesis",
    "_hypothesis_globals",
)

#: The backend of a case, by its label: what it calls itself is known only once it runs.
BACKEND: Final = pytest.StashKey[str]()
#: The ways on which a case tries its clause.
WAYS_TRIED: Final = pytest.StashKey[frozenset[Way]]()
#: What is wrong with a test's marker or id; it is ruled a kit fault when its turn comes.
PROBLEM: Final = pytest.StashKey[str]()
#: Key of xdist's ``workerinput``: how the controller hands out tests.
DIST_KEY: Final = "tgi_dist"
#: The shares that the cases were dealt into, one a worker; none where workers get them in another way.
HANDS: Final = pytest.StashKey[tuple[tuple[pytest.Item, ...], ...]]()
#: Marker of the cases that mostly wait (:mod:`tgi_conformance.plugin.ahead`).
AHEAD: Final = "ahead"


class Collection:
    """The plugin's hooks for collection; one a process."""

    def __init__(self, config: pytest.Config, scratch: Path, tell: Callable[[Collected], None]) -> None:
        self.settings: Settings = config.stash[SETTINGS]
        self._scratch = scratch
        self._tell = tell
        self.collected = Collected()
        self._deselected = 0
        self._left_out: list[pytest.Item] = []
        #: Cases of other shards.
        self._elsewhere: list[pytest.Item] = []
        self._remarks: list[str] = []
        self._unknown: list[str] = []

    @pytest.hookimpl
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test that takes a backend once for each backend of the run."""
        if BACKEND_FIXTURE not in metafunc.fixturenames:
            return
        specs = self.settings.backends
        ids = [pytest.HIDDEN_PARAM if len(specs) == 1 else f"{BACKEND_WORD}{spec.label}" for spec in specs]
        metafunc.parametrize(BACKEND_FIXTURE, specs, ids=ids, indirect=True, scope="session")

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]
    ) -> None:
        """Give each case its id, leave out what ``--tgi-case`` does not name, put long cases first."""
        for item in items:
            self._identify(config, item)
        if self.settings.server != NATIVE_PERSONA:
            import_module(late_imports.SHAPES).dress_parameters(items, self.settings.server)
        cases = [item for item in items if CASE_ID in item.stash]
        self._refuse_doubles(cases)
        self._select(session, config, items)
        self._shorten(config, items)
        self._keep_shard(config, items)
        self._order(config, items)
        self._remarks += foreign_fixtures(item for item in items if is_suite(item.path))

    @pytest.hookimpl
    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count what options or plugins leave out; profile and shard are no choice of cases."""
        if items is not self._left_out and items is not self._elsewhere:
            self._deselected += sum(item.get_closest_marker("clause") is not None for item in items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Tell which cases are to run, before xdist reports the end of collection."""
        self.collected = Collected(
            cases=tuple(_collected(item) for item in session.items if CASE_ID in item.stash),
            left_out=tuple(map(_collected, self._left_out)),
            elsewhere=tuple(map(_collected, self._elsewhere)),
            narrowed=bool(self._deselected)
            or not covers_suites(session, [*self._left_out, *self._elsewhere]),
            remarks=tuple(dict.fromkeys(self._remarks)),
            unknown=tuple(self._unknown),
        )
        self._tell(self.collected)
        if all(is_suite(item.path) for item in session.items):
            # What was collected lives to the end: the collector need not look through it again and again.
            # Not in a session with a user's own tests, whose garbage is theirs to count, and whose properties
            # keep their examples where the user has them.
            gc.collect()
            gc.freeze()
            import_module(late_imports.EXAMPLE_STORAGE).keep_in(self._scratch)

    def _identify(self, config: pytest.Config, item: pytest.Item) -> None:
        function = getattr(item, "originalname", None) or item.name
        problem = f"{item.nodeid}: a test of the suites without a clause marker"
        try:
            marked = read_marker(item)
        except MarkerProblem as error:
            marked, problem = None, str(error)
        else:
            if marked is None and not is_suite(item.path):
                return
        if marked is None:
            item.stash[PROBLEM] = problem
            item.stash[CASE_ID] = CaseId(clause=NO_CLAUSE, slug=function.replace("_", "-"))
        else:
            item.stash[CASE_ID] = case_id(marked, function=function, parameters=parameters_of(item))
            item.stash[WAYS_TRIED] = ways_tried(item, marked)
        item.stash[BACKEND] = self._backend(config, item)

    def _backend(self, config: pytest.Config, item: pytest.Item) -> str:
        callspec = getattr(item, "callspec", None)
        spec = callspec.params.get(BACKEND_FIXTURE) if callspec is not None else None
        if spec is not None:
            return str(spec.label)
        named = config.option.tgi_backend or is_suite(item.path)
        return self.settings.backends[0].label if named else OWN_TESTS

    def _refuse_doubles(self, cases: Sequence[pytest.Item]) -> None:
        problems = doubled((item.stash[CASE_ID].text, item.stash[BACKEND], item.nodeid) for item in cases)
        for problem in problems:
            for item in cases:
                if f" {item.nodeid};" in problem:
                    item.stash[PROBLEM] = problem

    def _select(self, session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
        if not cases_named(config):
            return
        selection = Selection(cases_named(config))
        kept: list[pytest.Item] = []
        left: list[pytest.Item] = []
        for item in items:
            case = item.stash.get(CASE_ID, None)
            (kept if case is None or selection.takes(case) else left).append(item)
        self._say_unused(session, selection.unused, items)
        items[:] = kept
        if left:
            config.hook.pytest_deselected(items=left)

    def _say_unused(
        self, session: pytest.Session, unused: Sequence[str], items: Sequence[pytest.Item]
    ) -> None:
        """A name that no case has is wrong use where all cases were there to have it, else a remark."""
        asked: list[str] = session.config.option.tgi_case or []
        known = [item.stash[CASE_ID].text for item in items if CASE_ID in item.stash]
        all_there = not self._deselected and covers_suites(session, items)
        for pattern in unused:
            if all_there and pattern in asked:
                self._unknown.append(unknown_case(pattern, known))
            else:
                self._remarks.append(f"--tgi-case {pattern}: no case that was collected has that name")

    def _shorten(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what profile quick does without; cases that the user named are all run.

        Of a requirement set, it chooses among the set's: one outside it would not be judged.
        """
        if self.settings.profile != "quick" or cases_named(config):
            return
        focus: list[str] = config.option.tgi_focus or []
        suites = [item for item in items if CASE_ID in item.stash and is_suite(item.path)]
        cases = [item for item in suites if self._is_required(item)]
        clauses = {item.stash[CASE_ID].clause for item in cases}
        self._remarks += [
            f"--tgi-focus {pattern}: no clause of that name has a case"
            for pattern in focus
            if not any(names_clause(pattern, clause) for clause in clauses)
        ]
        runs = chosen([self._candidate(item) for item in cases], focus)
        kept = {item for item, run in zip(cases, runs, strict=True) if run}
        self._left_out = [item for item in suites if item not in kept]
        left = set(self._left_out)
        items[:] = [item for item in items if item not in left]
        if self._left_out:
            config.hook.pytest_deselected(items=self._left_out)

    def _keep_shard(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Keep this shard's part of the cases, and of those that the profile leaves out."""
        if not self.settings.shard:
            return
        shard = parse_shard(self.settings.shard)
        cases = [item for item in items if CASE_ID in item.stash]
        others: set[pytest.Item] = set()
        for part in (cases, self._left_out):
            ids = [item.stash[CASE_ID].text for item in part]
            numbers = dealt(ids, shard.count, usual_durations())
            others |= {item for item in part if numbers[item.stash[CASE_ID].text] != shard.number}
        self._elsewhere = [item for item in (*cases, *self._left_out) if item in others]
        self._left_out = [item for item in self._left_out if item not in others]
        items[:] = [item for item in items if item not in others]
        if self._elsewhere:
            config.hook.pytest_deselected(items=self._elsewhere)

    def _is_required(self, item: pytest.Item) -> bool:
        name = self.settings.requirements
        return not name or read_set(name).holds(item.stash[CASE_ID].text)

    def _candidate(self, item: pytest.Item) -> Candidate:
        described = self.settings.described.get(item.stash[BACKEND])

        def applies() -> bool:
            asked = import_module(late_imports.APPLICABLE).is_applicable
            return described is None or bool(asked(item, described))

        return Candidate(
            case=item.stash[CASE_ID],
            backend=item.stash[BACKEND],
            load=share_of(item) == "alone",
            ways=item.stash.get(WAYS_TRIED, frozenset()),
            applies=applies,
        )

    def _order(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Longest first within each worker's share, or shuffled by the seed; one backend after the other."""
        given: Mapping[str, object] = getattr(
            config, "workerinput", {"workercount": 1, DIST_KEY: "worksteal"}
        )
        hands = cast("int", given["workercount"])
        recorded = read_durations(self.settings.folder)
        cases = [item for item in items if CASE_ID in item.stash]
        others = [item for item in items if CASE_ID not in item.stash]
        at_random = config.option.tgi_order == "random"
        if at_random:
            cases.sort(key=lambda item: item.stash[CASE_ID].text)
            random.Random(self.settings.seed).shuffle(cases)  # noqa: S311 - an order, not a secret
        else:
            cases.sort(key=lambda item: -recorded.get(item.stash[CASE_ID].text, _UNTIMED))
        by_backend = [[i for i in cases if i.stash[BACKEND] == name] for name in _names(cases)]
        deals = [_deal(mine, hands, arranged=not at_random) for mine in by_backend]
        dealt = [[item for deal in deals for item in deal[hand]] for hand in range(hands)]
        if not at_random:
            dealt = [_opened(hand, recorded) for hand in dealt]
        if given.get(DIST_KEY) == "worksteal":
            config.stash[HANDS] = tuple(map(tuple, dealt))
        items[:] = others + [item for hand in dealt for item in hand]


def _deal(cases: Sequence[pytest.Item], hands: int, *, arranged: bool) -> list[list[pytest.Item]]:
    """Deal one backend's cases out like cards, into hands as ``--dist worksteal`` will cut the list.

    Arranged, the cases that are started early stand behind the first half of each hand, so that they are over
    when their turn comes, and not at its end, where other workers take from. The load cases, which need all
    workers' timing cases to pause, stand behind those of one hand, so that they never wait for each other.
    """
    load = [item for item in cases if arranged and share_of(item) == "alone"]
    waiting = [item for item in cases if arranged and item not in load and item.get_closest_marker(AHEAD)]
    middle = [[*waiting[hand::hands], *(load if hand == 0 else ())] for hand in range(hands)]
    rooms = [size - len(mine) for size, mine in zip(_cut(len(cases), hands), middle, strict=True)]
    set_apart = {*load, *waiting}
    plain = _round([item for item in cases if item not in set_apart], rooms)
    return [
        [*mine[: len(mine) // 2], *apart, *mine[len(mine) // 2 :]]
        for mine, apart in zip(plain, middle, strict=True)
    ]


def _cut(count: int, hands: int) -> list[int]:
    """The sizes that ``--dist worksteal`` cuts a list into: each its part of what is left, rounded down."""
    sizes: list[int] = []
    for left in range(hands, 0, -1):
        sizes.append((count - sum(sizes)) // left)
    return sizes


def _round(cards: Sequence[pytest.Item], rooms: Sequence[int]) -> list[list[pytest.Item]]:
    """Deal cards in turn to hands of so much room each; what no hand has room for goes to the last."""
    dealt: list[list[pytest.Item]] = [[] for _ in rooms]
    turn = 0
    for card in cards:
        open_hands = [hand for hand, room in enumerate(rooms) if len(dealt[hand]) < room]
        turn = next((hand for hand in open_hands if hand >= turn), open_hands[0] if open_hands else -1)
        dealt[turn].append(card)
        turn += 1
    return dealt


def _opened(hand: Sequence[pytest.Item], recorded: Mapping[str, float]) -> list[pytest.Item]:
    """A worker's share with the case in front that took least time, so that a run soon shows that it lives.

    As it is where none was timed. A case that is started early is no first one: behind the first, the thread
    begins.
    """
    timed = [item for item in hand if item.stash[CASE_ID].text in recorded]
    timed = [item for item in timed if not item.get_closest_marker(AHEAD)]
    if not timed:
        return list(hand)
    first = min(timed, key=lambda item: recorded[item.stash[CASE_ID].text])
    return [first, *(item for item in hand if item is not first)]


def new_record(item: pytest.Item) -> CaseRecord:
    """The record of a case that has not run yet."""
    case = item.stash[CASE_ID]
    return CaseRecord(case=case.text, clause=case.clause, backend=item.stash[BACKEND])


def _collected(item: pytest.Item) -> CollectedCase:
    case = item.stash[CASE_ID]
    return CollectedCase(nodeid=item.nodeid, case=case.text, clause=case.clause, backend=item.stash[BACKEND])


def read_durations(folder: Path) -> Mapping[str, float]:
    """Return seconds by case of earlier runs; a file that is not there or not ours only costs the order."""
    try:
        value = json.loads((folder / DURATIONS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    if not isinstance(value, dict):
        return {}
    return {str(case): float(took) for case, took in value.items() if isinstance(took, int | float)}


def suites_folder() -> Path:
    """Where the suites stand."""
    return Path(str(files(SUITES)))


def dotted(path: Path) -> str | None:
    """Import name of a file or folder of the suites, else None."""
    folder = suites_folder()
    for root in (folder, folder.resolve()):
        if path.is_relative_to(root):
            return ".".join((SUITES, *path.relative_to(root).parts)).removesuffix(".py")
    return None


def is_suite(path: Path) -> bool:
    """Whether a file belongs to the suites."""
    return dotted(path) is not None


def covers_suites(session: pytest.Session, left_out: Sequence[pytest.Item] = ()) -> bool:
    """Whether all suite files were asked for whole; what the profile leaves out was asked for."""
    if any("::" in argument for argument in session.config.args):
        return False
    asked = [*session.items, *left_out]
    seen = {path.resolve() for path in {item.path for item in asked} if is_suite(path)}
    return bool(seen) and all(file.resolve() in seen for file in suites_folder().glob("test_*.py"))


def foreign_fixtures(items: Iterable[pytest.Item]) -> list[str]:
    """Return a remark for each fixture of the user's that touches suite cases."""
    touched: Counter[tuple[str, str]] = Counter()
    for item in items:
        info = getattr(item, "_fixtureinfo", None)
        for name, definitions in (info.name2fixturedefs if info else {}).items():
            module = str(getattr(definitions[-1].func, "__module__", ""))
            if module.partition(".")[0] not in _OWN_PLUGINS:
                touched[name, module] += 1
    return [
        f"fixture {name!r} of {module} touches {count} case{'s' if count > 1 else ''} of the suites; "
        "their verdicts may not be the backend's alone"
        for (name, module), count in sorted(touched.items())
    ]


def _names(cases: Sequence[pytest.Item]) -> list[str]:
    return list(dict.fromkeys(sorted(item.stash[BACKEND] for item in cases)))
