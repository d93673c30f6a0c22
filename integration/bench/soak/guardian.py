"""The guardian of the soak: `noidlb guard` as a process, what its operator says, and whether it is right."""

from __future__ import annotations

import random
import re
import time
from collections import Counter, deque
from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from noidlb.config.load import parse
from noidlb.errors import GuardError
from noidlb.events import Event
from noidlb.farm import BackendState, Condition
from noidlb.nft import nft as kernel
from noidlb.nft.compile import compile_table
from noidlb.nft.plan import compare
from noidlb.overrides import from_json
from noidlb.service.client import ask
from noidlb.service.places import socket_path
from noidlb.service.protocol import Answer, Request, RequestError

from integration.bench.soak.lab import BACKENDS, FARMS, SPARE, STEADY, SoakLab, farms_text, is_sticky
from integration.bench.soak.ledger import AS_CONFIGURED, Place, Words
from integration.lb_service.serving import Serving

METRICS = 9464
PATIENCE = 600.0
"""Seconds after which the guardian counts as wrong, and not as slow."""
# As its unit starts it.
_UNIT = Path(__file__).parents[3] / "lb" / "noidlb-guard.service"
_ENVIRONMENT = " ".join(re.findall(r"^Environment=(.*)", _UNIT.read_text(encoding="utf-8"), re.MULTILINE)).split()
_OUT_MOST = 3
_STATE = {"words.json", "farms.toml", "lock", "control"}
_ANSWER = 300.0
# Events that are kept for the story of what went wrong; how many seconds it goes back, and how many it tells.
_LATELY, _STORY, _TOLD = 5000, 30.0, 40
# The exit code of what the kernel refuses, and the guardian tries again.
_REFUSED = 2


class Gone(Exception):
    """The guardian has ended, or ends, so that it does not answer."""


class Operated:
    """A running guardian; `words` are what it has confirmed, `wrong` has a line for each promise that it broke."""

    def __init__(self, lab: SoakLab, seed: int, before: tuple[str, ...] = ()) -> None:
        self._lab = lab
        self._chance = random.Random(seed)
        self.text = farms_text()
        self.words = Words()
        self.wrong: list[str] = []
        self.events: Counter[str] = Counter()
        self._lately: deque[tuple[float, Event]] = deque(maxlen=_LATELY)
        self.said: Counter[str] = Counter()
        state = lab.folder / "state"
        state.mkdir()
        # A disk of its own, which can be full.
        lab.balancer.run(("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(state)))
        words = ("env", *_ENVIRONMENT, *before)
        self.serving = Serving(lab, lab.folder, self.text, "--metrics", f"127.0.0.1:{METRICS}", before=words)
        self._socket = socket_path(state)

    def stop(self) -> None:
        """Ends it."""
        self.serving.stop()
        self._lab.balancer.run(("umount", "-l", str(self.serving.state)))

    def ask(self, request: Request) -> Answer:
        """Returns its answer; Gone."""
        try:
            answer = ask(self._socket, request, timeout=_ANSWER)
        except RequestError:
            raise
        except GuardError as error:
            raise Gone(str(error)) from error
        if answer is None:
            raise Gone("no guardian runs")
        return answer

    def ask_again(self, request: Request) -> Answer:
        """Returns its answer, and asks again while the kernel refuses; Gone."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.ask(request)
            except RequestError as error:
                if error.exit_code != _REFUSED or time.monotonic() > end:
                    raise
                self.said["(refused by the kernel at first)"] += 1
                time.sleep(0.2)

    def await_answer(self) -> None:
        """Waits until it answers after a start."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                self.ask({"do": "events", "limit": 0})
            except Gone as error:
                if self.serving.process.poll() is not None or time.monotonic() > end:
                    raise Gone(f"{error}; it said last: {[*map(str, self.serving.events[-3:])]}") from error
                time.sleep(0.05)
            else:
                return

    def say_something(self) -> None:
        """Says one word by chance: about a backend of any farm, or about the farm that may be stopped; Gone."""
        place, word = self._choice()
        self.words.ask(place, word, time.monotonic())
        farm, backend = place
        if backend:
            cut = farm != STEADY and self._chance.random() < 0.2
            self.ask_again({"do": "say", "farm": farm, "backend": backend, "state": word, "cut": cut})
        else:
            self.ask_again({"do": "start" if word == AS_CONFIGURED else "stop", "farm": farm})
        self.words.confirm(place, time.monotonic())
        self.said[word] += 1

    def reload(self, *, by_signal: bool) -> None:
        """Has it read another file; Gone."""
        self.text = farms_text(self._chance)
        self.serving.file.write_text(self.text)
        if by_signal:
            self.serving.process.send_signal(1)
        else:
            self.ask_again({"do": "reload"})

    def settled_after(self, patience: float = PATIENCE) -> float | None:
        """Returns after how many seconds the kernel's table was what the guardian wants; None when it never was.

        The backends must be frozen: between their changes and the kernel's there is a time that is no fault. Gone.
        """
        begin = time.monotonic()
        while time.monotonic() < begin + patience:
            # It starts what runs, and so carries out what is still to be coalesced.
            self.ask_again({"do": "start", "farm": STEADY})
            if not self.ask_again({"do": "diff", "text": self.text})["found"]:
                return time.monotonic() - begin
            time.sleep(0.2)
        return None

    def serves_everywhere(self) -> bool:
        """Waits until no farm refuses its clients; returns whether that came; Gone."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            farms = self.ask_again({"do": "status"})["status"]["farms"]
            if all(farm["state"] in ("serving", "stopped") for farm in farms):
                return True
            time.sleep(0.3)
        return False

    def compare_words(self, what: str) -> int:
        """Compares its words, and what the kernel does, with the confirmed ones; returns how many are wrong; Gone."""
        found: dict[Place, str] = {}
        wrong = []
        for farm in self.ask_again({"do": "status"})["status"]["farms"]:
            if farm["state"] == "stopped":
                found[farm["name"], ""] = "stop"
            for one in farm["backends"]:
                if one["word"]:
                    found[farm["name"], one["name"]] = one["word"]
                if one["word"] in ("drain", "down") and (one["share"] or one["state"] == "up"):
                    wrong.append(f"{farm['name']}/{one['name']} gets clients in spite of {one['word']}")
        wrong += self.words.compare(found, time.monotonic())
        self.wrong += [f"{what}: {line}" for line in wrong]
        return len(wrong)

    def compare_disk(self, what: str, patience: float = 0.0) -> int:
        """Compares what is written for the next start with the confirmed words; 1 if it is wrong for so long."""
        end = time.monotonic() + patience
        while (wrong := self._disk_trouble()) and time.monotonic() < end:
            time.sleep(0.1)
        if wrong:
            self.wrong.append(f"{what}: {wrong}")
        return bool(wrong)

    def compare_kernel(self) -> int:
        """Compares the kernel's table with the farms and the confirmed words alone; all backends must be well."""
        farms = parse(self.text).farms
        conditions = {place: Condition(BackendState(word)) for place, word in self.words.confirmed.items() if place[1]}
        stopped = frozenset(farm for farm, backend in self.words.confirmed if not backend)
        with self._lab.balancer.entered():
            change = compare(kernel.read(), compile_table(farms, conditions, stopped))
        return len(change.batches)

    def scrape(self) -> None:
        """Reads its metrics as Prometheus does; Gone."""
        connection = HTTPConnection("127.0.0.1", METRICS, timeout=_ANSWER)
        try:
            with self._lab.balancer.entered():
                connection.connect()
            connection.request("GET", "/metrics")
            connection.getresponse().read()
        except (OSError, HTTPException) as error:
            raise Gone(f"its metrics: {error}") from error
        finally:
            connection.close()

    def count_events(self) -> None:
        """Counts its events by kind, and forgets them."""
        count = len(self.serving.events)
        events = self.serving.events[:count]
        # Its reader appends meanwhile.
        del self.serving.events[:count]
        self.serving.told.clear()
        self.events.update(event.kind for event in events)
        now = time.monotonic()
        self._lately.extend((now, event) for event in events)
        self.events["down of a steady backend"] += sum(
            event.kind == "down" and event.farm in (STEADY, SPARE) for event in events
        )

    def story(self, farm: str) -> str:
        """Tells what it has said lately of a farm or of itself, how many seconds ago, and what is overridden."""
        now, clock = time.monotonic(), time.time()
        said = [
            f"{clock - event.time:.2f} s ago {event.kind} {event.backend}: {event.reason}"
            for when, event in self._lately
            if event.farm in (farm, "") and now - when < _STORY
        ]
        words = ", ".join(f"{backend} {word}" for (of, backend), word in self.words.confirmed.items() if of == farm)
        return "; ".join(said[-_TOLD:] or ["it has said nothing of it"]) + f"; overridden: {words or 'none'}"

    def pids(self) -> Mapping[str, int]:
        """Returns the ids of the guardian and of the nft that it keeps."""
        if self.serving.process.poll() is not None:
            return {}
        try:
            children = self.serving.children()
        except OSError:
            children = []
        return {"guardian": self.serving.process.pid} | ({"its nft": children[0]} if children else {})

    def _disk_trouble(self) -> str:
        try:
            written = from_json((self.serving.state / "words.json").read_bytes())
        except (OSError, ValueError) as error:
            return f"the words on the disk: {error}"
        found: dict[Place, str] = {place: state.value for place, state in written.states.items()}
        found |= {(farm, ""): "stop" for farm in written.stopped}
        different = sorted(set(found.items()) ^ set(self.words.confirmed.items()))
        return f"on the disk, other words than confirmed: {different[:5]}" if different else ""

    def left_behind(self) -> list[str]:
        """Returns the names of what it has left in its state folder, beyond what belongs there."""
        return sorted(one.name for one in self.serving.state.iterdir() if one.name not in _STATE)

    def _choice(self) -> tuple[Place, str]:
        farm = self._chance.choice([STEADY, SPARE, *(f"f{number:02}" for number in range(FARMS))])
        if farm == SPARE:
            is_stopped = (SPARE, "") in self.words.confirmed
            return (SPARE, ""), AS_CONFIGURED if is_stopped else "stop"
        out = [place for place in self.words.confirmed if place[0] == farm]
        if len(out) >= _OUT_MOST or (out and self._chance.random() < 0.4):
            return self._chance.choice(out), AS_CONFIGURED
        place = farm, f"b{self._chance.randint(1, 6 if farm == STEADY else BACKENDS):02}"
        words = ("down",) if is_sticky(farm) else ("drain", "down")
        return place, self._chance.choice(words)
