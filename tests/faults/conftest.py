"""A system of its own to break, the load on it, and the summary of what came of each row.

``FAULTS=full`` runs every row as often as it says; ``FAULTS_K`` says how often instead, ``FAULTS_SEED``
with which seeds. Without them the most telling rows run once.
"""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from chassis.testing import eventually
from tests.faults.load import Bystander, Driver, Load, Run
from tests.faults.rows import IS_FULL, Summary
from tests.faults.system import FOLDER, RELAYS, System, started

MOST_SECONDS = 900
HASTE = 1.0 if IS_FULL else 0.2
_outcomes: dict[str, Counter[str]] = {}
_summary = Summary()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "row(number): the row of the fault matrix that a test stands for")
    config.addinivalue_line("markers", "full_form: left out of the short form, `make faults SHORT=1`")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """There is one system to break, so one worker does it; and it takes long, so it comes first."""
    left_out = [item for item in items if not IS_FULL and item.get_closest_marker("full_form")]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: not breaks(item))
    for item in filter(breaks, items):
        item.add_marker(pytest.mark.xdist_group("faults"))
        item.add_marker(pytest.mark.timeout(MOST_SECONDS))


def breaks(item: pytest.Item) -> bool:
    return "system" in getattr(item, "fixturenames", ())


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    mark = item.get_closest_marker("row")
    if mark and (report.when == "call" or report.failed):
        _outcomes.setdefault(mark.args[0], Counter())[report.outcome] += 1


def pytest_sessionfinish() -> None:
    if _outcomes:
        _summary.write(FOLDER, {number: dict(outcome) for number, outcome in _outcomes.items()})


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    with started(System, FOLDER / "instance") as broken:
        yield broken


@pytest.fixture(scope="session")
def driver(system: System) -> Iterator[Driver]:
    one = Driver(system)
    yield one
    one.close()


@pytest.fixture(scope="module")
def load(driver: Driver) -> Iterator[Load]:
    with Load(driver, haste=HASTE) as talking:
        yield talking


@pytest.fixture
def bystander(system: System, driver: Driver, load: Load) -> Bystander:
    """Somebody who has a conversation without a socket."""
    return Bystander.arrived(system, driver)


@pytest.fixture(autouse=True)
def whole(request: pytest.FixtureRequest) -> Iterator[None]:
    """Each test begins with a system that is whole, and leaves no line broken."""
    if "system" not in request.fixturenames:
        yield
        return
    system: System = request.getfixturevalue("system")
    eventually(lambda: all(map(system.is_ready, RELAYS)), timeout=120, every=0.2)
    yield
    for line in system.lines:
        line.heal()


@pytest.fixture
def note(request: pytest.FixtureRequest) -> Callable[[Run], Run]:
    """Keeps what a repetition gave, and fails it unless everything that must be 0 is."""
    number = request.node.get_closest_marker("row").args[0]
    seed = request.node.callspec.params["seed"]

    def keep(run: Run) -> Run:
        _summary.add(number, request.node.originalname, seed, run)
        print(f"row {number}, seed {seed}: {run.verdict}; longest wait {run.longest_wait:.1f} s; {dict(run.troubles)}")
        assert run.verdict.is_clean, {kind: found[:5] for kind, found in run.verdict.findings.items() if found}
        assert not run.unanswered
        return run

    return keep
