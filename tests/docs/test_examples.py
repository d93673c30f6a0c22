"""Every example of the documentation does what the page says; how they are written is in CONTRIBUTING.md."""

from __future__ import annotations

import configparser
import contextlib
import io
import re
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from noidlb.cli.commands import commands as lb_commands
from noidlb.config.load import parse as parse_farms

from noidchecks.address import literal
from noidchecks.cli import commands
from noidchecks.drivers import perform as grants
from noidchecks.exporter.configuration import read_configuration
from noidchecks.exporter.web_config import WebConfigFile
from noidchecks.plugin.main import run
from noidchecks.plugin.plugin import PLUGINS, parse_line
from tests.support.certificates import Chain
from tests.support.docs_balancer import FARMS, InterruptingKernel
from tests.support.docs_blocks import PAGES, ROOT, Block, blocks_of
from tests.support.docs_hosts import SFTP_LOGIN, Ask, example_hosts

BLOCKS = [block for page in PAGES for block in blocks_of(page)]
# A page has thresholds of seconds, which a busy machine may exceed now and then.
ATTEMPTS = 5
GROUPS = {"noidchecks": commands, "noidlb": lb_commands}
# What differs from run to run: seconds, bytes in a second, and the dates of certificates.
VARIABLE = (
    (re.compile(r"(?<=throughput=)\d+"), "N"),
    (re.compile(r"\d+\.\d+(?= seconds?\b|s\b)"), "N"),
    (re.compile(r"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} \+0000"), "DATE"),
)


@pytest.fixture(scope="session")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ask, Path]]:
    """The servers behind the names of the examples."""
    with example_hosts(tmp_path_factory.mktemp("examples")) as running:
        yield running


@pytest.fixture
def _names(hosts: tuple[Ask, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    look_up, certificate = hosts
    monkeypatch.setattr("noidchecks.drivers.resolver.look_up", look_up)
    # An address is looked up like a name: no example may reach a machine that is not ours.
    monkeypatch.setattr(grants, "literal", lambda host, *_: literal(host, *_) if host.startswith("/") else None)
    # The system's authorities, as far as the examples are concerned.
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    monkeypatch.setenv("SFTP_PASSWORD", SFTP_LOGIN[1])


@pytest.fixture
def _farms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of farms in the current folder, and a kernel that is not this machine's."""
    (tmp_path / "farms.toml").write_text(FARMS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("noidlb.guardian.guardian.NftApplier", InterruptingKernel)
    monkeypatch.setattr(InterruptingKernel, "told", [])
    monkeypatch.setattr("noidlb.guardian.lock.take", contextlib.nullcontext)
    monkeypatch.setattr("noidlb.nft.nft.read", lambda: None)
    monkeypatch.setattr("noidlb.nft.nft.run", lambda text: None)
    monkeypatch.setattr("noidlb.nft.conntrack.end", lambda ending: 0)


@pytest.mark.usefixtures("_names", "_farms")
@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_the_example_is_true(block: Block) -> None:
    """A block of any language that has no test is a mistake too."""
    try_out = KINDS.get(block.language)
    assert try_out, f"{block}: no test knows what to do with this block; the languages are {', '.join(KINDS)}"
    try_out(block)


def test_there_are_examples() -> None:
    """The pages are found at all."""
    assert {"README.md", "library.md", *(f"{name}.md" for name in PLUGINS)} <= {block.page.name for block in BLOCKS}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text(encoding="utf-8")):
        assert target.startswith("https://") or (page.parent / target).is_file(), target


def _try_python(block: Block) -> None:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        try:
            exec(compile("\n".join(block.lines), str(block), "exec"), {"__name__": "__main__"})
        except KeyboardInterrupt:
            if not InterruptingKernel.told:
                raise
        else:
            assert "run()" not in "".join(block.lines), f"{block}: its guardian has ended by itself"
    if block.output is not None:
        assert _masked(said.getvalue().splitlines()) == _masked(block.output)


def _try_console(block: Block) -> None:
    assert block.lines[0].startswith("$ "), f"{block}: a console block begins with a command, `$ check_ftp ...`"
    code = 0
    for command, shown in _dialogue(block.lines):
        if command == "echo $?":
            assert [f"{code:d}"] == shown, f"{block}: the exit code is {code:d}"
            continue
        for _ in range(ATTEMPTS):
            code, said = _execute(command)
            # A page may show the first lines only.
            lines = said.splitlines()[: len(shown)] if shown else []
            if _masked(lines) == _masked(shown):
                break
        assert _masked(lines) == _masked(shown), f"{block}: {command}"


def _try_shell(block: Block) -> None:
    text = "\n".join(block.lines)
    syntax = subprocess.run(["sh", "-n"], input=text, text=True, capture_output=True)
    assert syntax.returncode == 0, f"{block}: {syntax.stderr}"
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for line in text.replace("\\\n", "").splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert set(words[1:]) <= set(targets), f"{block}: {line}"
        elif words and words[0] in PLUGINS:
            parse_line(shlex.join(words))
        elif words and words[0].rpartition("/")[2] in GROUPS:
            # Parsed and not run: most of these commands change the machine.
            group = GROUPS[words[0].rpartition("/")[2]]
            if words[1].startswith("-"):
                group.make_context(words[0], words[1:], resilient_parsing=True)
            else:
                group.commands[words[1]].make_context(words[1], words[2:])


def _try_toml(block: Block) -> None:
    text = "\n".join(block.lines)
    if "[modules]" not in block.lines:
        assert parse_farms(text)
        return
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "ftp-password").write_text("secret\n")
        path = Path(folder) / "modules.toml"
        path.write_text(text.replace("/etc/noidchecks", folder))
        assert read_configuration(str(path)).allowed.entries


def _try_yaml(block: Block) -> None:
    """Reads the web configuration of Prometheus' exporters, but for the files that it names."""
    with tempfile.TemporaryDirectory() as folder:
        chain = Chain(Path(folder), 100, 100)
        path = Path(folder) / "web.yml"
        path.write_text(re.sub(r"(?<=_file: )\S+", str(chain.pem), "\n".join(block.lines)))
        found = WebConfigFile(str(path), pytest.fail).current()
    assert found.tls
    assert found.users


def _try_ini(block: Block) -> None:
    reader = configparser.ConfigParser(allow_no_value=True, interpolation=None)
    reader.read_string("\n".join(block.lines))
    assert reader.sections()


def _only_show(block: Block) -> None:
    """Lines of somebody else's configuration: shown, and nothing of ours to try."""


def _refuse_text(block: Block) -> None:
    pytest.fail(f"{block}: a text block stands right behind the python block whose output it is")


KINDS: dict[str, Callable[[Block], None]] = {
    "console": _try_console,
    "python": _try_python,
    "sh": _try_shell,
    "ini": _try_ini,
    "toml": _try_toml,
    "yaml": _try_yaml,
    "conf": _only_show,
    "text": _refuse_text,
}


def _dialogue(lines: tuple[str, ...]) -> Iterator[tuple[str, list[str]]]:
    command = ""
    shown: list[str] = []
    for line in lines:
        if not line.startswith("$ "):
            shown.append(line)
            continue
        if command:
            yield command, shown
        command, shown = line.removeprefix("$ "), []
    yield command, shown


def _execute(command: str) -> tuple[int, str]:
    words = shlex.split(command, comments=True)
    if words[0] in PLUGINS:
        return run(words[0], words)
    assert words[0] == "noidchecks", f"only our own commands can be tried out: {command}"
    outcome = CliRunner().invoke(commands, words[1:])
    return outcome.exit_code, outcome.output


def _masked(lines: list[str] | tuple[str, ...]) -> list[str]:
    masked = []
    for line in lines:
        for pattern, word in VARIABLE:
            line = pattern.sub(word, line)
        masked.append(line.rstrip())
    return masked
