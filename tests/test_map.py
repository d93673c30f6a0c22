"""The map of the tests: each module has its file, and no test is a library of another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
TESTS = sorted(
    path
    for folder in ("tests", "integration")
    for path in (CHECKOUT / folder).rglob("*.py")
    # What integration/prepare has unpacked.
    if ".cache" not in path.parts
)

# The folder of a package, and that of its tests.
HOUSES = {"noidchecks": "tests", "lb": "tests/lb"}
# Modules without a file of their own: the file that tests them instead, the modules, and why they are tested there.
# A star stands for a whole folder.
ELSEWHERE = (
    # Nothing happens in these: they declare what others make, fill and judge.
    ("test_fields.py", "noidchecks/contract noidchecks/timings noidchecks/server", "fields of all probes at once"),
    ("test_portable.py", "noidchecks/errors lb/errors", "all errors at once, copied and pickled"),
    (
        "ftp/test_options_login.py",
        "noidchecks/ftp/active noidchecks/files/options noidchecks/ftp/login_options",
        "rows and values of the command line",
    ),
    ("ftp/test_options.py", "noidchecks/ftp/tls_options", "more rows of the same table"),
    ("ftp/test_verdict.py", "noidchecks/ftp/findings noidchecks/ftp/deep_findings", "the judged"),
    ("ftp/test_verdict.py", "noidchecks/files/judge noidchecks/files/findings", "the judgement needs its findings"),
    ("ssh/test_verdict.py", "noidchecks/ssh/findings noidchecks/ssh/facts noidchecks/ssh/transfer", "the judged"),
    ("ssh/test_judge.py", "noidchecks/judging", "what all judgements share"),
    ("tftp/test_steps.py", "noidchecks/tftp/findings noidchecks/tftp/facts noidchecks/tftp/file", "the judged"),
    ("ssh/test_login_options.py", "noidchecks/ssh/sftp_options noidchecks/ssh/identity", "rows of both plugins"),
    (
        "surveys/report/test_journal.py",
        "noidchecks/surveys/report/record noidchecks/surveys/destination",
        "what is kept",
    ),
    ("surveys/report/test_standard_output.py", "noidchecks/surveys/report/choose", "chooses by a word"),
    ("surveys/test_runner.py", "noidchecks/surveys/progress", "a process shows it on a terminal"),
    ("lb/test_farm.py", "lb/guard lb/address", "parts of a farm"),
    ("lb/config/test_load.py", "lb/config/schema", "a file for each rule is read whole"),
    # What a dialogue asks for is seen by whoever grants it, under each driver.
    (
        "drivers/test_session.py",
        "noidchecks/dialogue/operations noidchecks/dialogue/stream_operations "
        "noidchecks/drivers/perform noidchecks/drivers/perform_more noidchecks/drivers/running",
        "asked and granted",
    ),
    ("drivers/test_datagrams_wire.py", "noidchecks/drivers/sockets", "sockets alone are no test"),
    ("drivers/test_workers.py", "noidchecks/drivers/fork_server", "it is a process, which workers start"),
    # A server that misbehaves is the test.
    ("ftp/test_probe_wire.py", "noidchecks/ftp/dialogue", "greetings"),
    ("ftp/test_ways_wire.py", "noidchecks/ftp/opening", "each way to a data connection"),
    ("ftp/test_canary_wire.py", "noidchecks/files/canary", "names and bytes are random"),
    ("ssh/test_sftp_session.py", "noidchecks/ssh/filexfer noidchecks/ssh/delegation", "answers"),
    (
        "ssh/paramiko_/test_connection.py",
        "noidchecks/ssh/paramiko_/transport noidchecks/ssh/paramiko_/sockets noidchecks/ssh/paramiko_/worker",
        "paramiko is what they speak to",
    ),
    (
        "ssh/test_login_wire.py",
        "noidchecks/ssh/paramiko_/authentication noidchecks/ssh/paramiko_/questions",
        "a server decides what is asked",
    ),
    ("ssh/test_login_keys_wire.py", "noidchecks/ssh/paramiko_/keys", "a server is shown them"),
    (
        "exporter/test_web_wire.py",
        "noidchecks/exporter/errors noidchecks/exporter/history noidchecks/exporter/pages noidchecks/exporter/prober",
        "an HTTP request is answered by all of it",
    ),
    ("exporter/test_metrics.py", "noidchecks/exporter/telemetry", "the exporter's own metrics"),
    ("exporter/test_clients_wire.py", "noidchecks/exporter/service", "the daemon behind the clients"),
    # They are run as commands.
    ("test_cli.py", "noidchecks/command_group", "the base of both commands"),
    ("demo/test_demo.py", "noidchecks/demo/*", "the demonstration is one thing"),
    (
        "lb/cli/test_main.py",
        "lb/cli/apply lb/cli/check lb/cli/codes lb/cli/commands lb/cli/diff lb/cli/findings "
        "lb/cli/options lb/cli/output",
        "commands of a few lines, and what declares them",
    ),
    ("lb/cli/test_guard.py", "lb/cli/events lb/cli/speak", "they need a guardian that runs"),
    ("lb/cli/test_overrides.py", "lb/cli/operate", "the commands drain, up, down and stop"),
    ("lb/cli/test_status.py", "lb/status lb/farm_status", "the command prints what it puts together"),
    (
        "lb/doctor/test_machine.py",
        "lb/doctor/host lb/doctor/routes",
        "a machine is examined with all that is read of it",
    ),
    (
        "lb/doctor/test_firewall.py",
        "lb/doctor/packet lb/doctor/packet_path lb/doctor/probe_packets",
        "rules are judged by the packets that they turn away",
    ),
    # The table is one text, and the kernel what takes it.
    ("lb/nft/test_compile.py", "lb/nft/skeleton lb/nft/table", "they are what is compiled"),
    ("lb/nft/test_listing.py", "lb/nft/shape", "what is listed has a shape"),
    ("lb/nft/test_nft.py", "lb/nft/run lb/nft/progress", "nft is the program that is run"),
    (
        "lb/pair/test_files.py",
        "lb/pair/conntrackd lb/pair/keepalived lb/pair/rules",
        "the files of one node fit together",
    ),
    # The guardian and its service, which run as a whole.
    ("lb/guardian/test_checks.py", "lb/guardian/worker", "a thread for what may take long"),
    ("lb/service/test_server.py", "lb/service/client lb/service/protocol lb/service/places", "both ends of one socket"),
    ("lb/service/test_service.py", "lb/service/requests lb/service/operations lb/service/observer", "parts of it"),
    ("lb/service/test_verbs.py", "lb/service/lookup", "what a verb names is looked up"),
    ("lb/service/test_page.py", "lb/service/badges lb/service/page_farm", "rows and words of one page"),
)
# Tests that go over the modules of the whole house, or over what is no module.
OF_NO_MODULE = {
    *("test_imports.py", "test_layers.py", "test_map.py", "test_new_protocol.py", "test_portable.py"),
    *("lb/test_imports.py", "plugin/test_executables.py"),
    # The public name noidlb.Guardian.
    "lb/test_library.py",
    # The unit for systemd.
    "lb/service/test_unit.py",
}
# What is in these folders is about more than one module.
ROOMS_OF_NO_MODULE = {"bench", "demo", "docs", "fuzz", "nagios", "packaging", "properties"}


def modules() -> list[Path]:
    """Returns the modules of both packages from the checkout's root, but for the files of the packages themselves."""
    found = (path for house in HOUSES for path in (CHECKOUT / house).rglob("*.py"))
    return sorted(path.relative_to(CHECKOUT) for path in found if not path.name.startswith("__"))


def files_of(module: Path) -> set[Path]:
    """Returns the files of a module: test_<module>.py and test_<module>_<topic>.py."""
    house, *room = module.parent.parts
    folder = CHECKOUT.joinpath(HOUSES[house], *room)
    return {folder / f"test_{module.stem}.py", *folder.glob(f"test_{module.stem}_*.py")} & set(TESTS)


def test_every_module_has_its_tests() -> None:
    elsewhere = {name for _, names, _ in ELSEWHERE for name in names.split()}
    for module in modules():
        listed = {str(module.with_suffix("")), f"{module.parent}/*"} & elsewhere
        found = files_of(module)
        assert found or listed, (
            f"{module} has no tests/.../test_{module.stem}.py: write it, or say in ELSEWHERE why not"
        )
        assert not (found and str(module.with_suffix("")) in elsewhere), (
            f"{module} has its own file: take it off the list"
        )


def test_the_list_names_files_and_modules_that_there_are() -> None:
    known = {str(module.with_suffix("")) for module in modules()} | {f"{module.parent}/*" for module in modules()}
    for test, names, reason in ELSEWHERE:
        assert CHECKOUT / "tests" / test in TESTS, test
        assert set(names.split()) <= known, names
        assert reason


def test_the_name_of_a_test_says_what_it_tests() -> None:
    """test_<module>.py mirrors a module; test_<topic>_wire.py uses sockets; all others are listed."""
    mirrors = {path for module in modules() for path in files_of(module)}
    for path in TESTS:
        place = path.relative_to(CHECKOUT).parts
        if place[0] != "tests" or not path.name.startswith("test_") or place[1] in ROOMS_OF_NO_MODULE:
            continue
        known = path.stem.endswith("_wire") or "/".join(place[1:]) in OF_NO_MODULE | {test for test, _, _ in ELSEWHERE}
        assert path in mirrors or known, f"{'/'.join(place)} mirrors no module: call it test_<module>_<topic>.py"


def imported_tests(path: Path, text: str) -> set[str]:
    """Returns the names of the modules of tests that a file imports, wherever in its text."""
    found = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {word for alias in node.names for word in alias.name.split(".")}
        elif isinstance(node, ast.ImportFrom):
            words = node.module.split(".") if node.module else []
            found |= set(words)
            folder = path.parents[node.level - 1] if node.level else CHECKOUT
            # What is imported from a package may be a module, from a module it is none.
            found |= {alias.name for alias in node.names if folder.joinpath(*words, f"{alias.name}.py").exists()}
    return {name for name in found if name.startswith("test_")}


def test_no_test_imports_a_test() -> None:
    """What two tests need stands in tests/support, or beside the tests of integration/."""
    for path in TESTS:
        assert not imported_tests(path, path.read_text(encoding="utf-8")), path.relative_to(CHECKOUT)


@pytest.mark.parametrize(
    "text",
    [
        "from tests.test_layers import LAYERS",
        "from tests import test_layers",
        "import tests.test_layers",
        "from . import test_layers",
        "from .test_layers import LAYERS",
    ],
)
def test_an_import_of_a_test_is_found(text: str) -> None:
    assert imported_tests(Path(__file__), text) == {"test_layers"}
