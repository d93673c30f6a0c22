"""Assigns the slots of a farm to its backends: weights, backup tiers and source hashing as a table of names.

A rule of nft can pick a number (a counter, a random number, a hash of the client's address) but knows no weights. So
each farm has a fixed number of slots, a backend owns slots in proportion to its weight, and the kernel picks a slot:

    weights b1 = 2, b2 = 1      b1 b2 b1 b1 b2 b1 ...      60 slots, 40 of b1 and 20 of b2

The number of slots depends on the configuration alone, because it stands in the rule of the farm's pick chain. Every
slot is always filled: the slots of a backend that goes down are given to the others, which changes map elements and no
rule. With source-hash each slot has an owner, to which it belongs while that backend serves, so that clients of other
backends keep theirs. A backend in slow start has a part of its slots, and the others are still where they went when it
was down: each of its clients moves back once.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial, wraps
from hashlib import blake2b
from heapq import heappush, heappushpop
from itertools import islice
from math import ceil, gcd, log
from struct import iter_unpack
from typing import ParamSpec, TypeVar

from ..farm import Backend, Farm, Scheduler

# 12 divides evenly by 1 to 4 backends, whichever are down, and 60 also by 5 and 6.
_FEW = 12
_MANY = 60
# Weights that have no common divisor make many slots; from here on they are exact to a 4096th.
_MOST = 4096
# The size of each cache in words of 8 bytes: the slots of some thousand small farms, or of a few large ones.
_REMEMBERED = 1 << 18
# Words of a backend in the arguments: a pair of pointers, and a name that, after a reload, only the cache may hold.
_BACKEND = 16
# Words of a cache entry: the tuples of the arguments, and the node that holds them and the result.
_ENTRY = 40

P = ParamSpec("P")
T = TypeVar("T")
Members = tuple[tuple[str, int], ...]


def _remembered(make: Callable[P, tuple[T, ...]]) -> Callable[P, tuple[T, ...]]:
    """Caches the latest results (LRU), about 2 MiB with their arguments, which must be hashable and positional.

    Farms that flap request ever new results. Everything that is kept counts, or the guardian's memory grows for days.
    """
    known: OrderedDict[tuple[object, ...], tuple[T, ...]] = OrderedDict()
    size = 0

    def words(args: tuple[object, ...], made: tuple[T, ...]) -> int:
        return _ENTRY + len(made) + sum(_BACKEND * len(one) for one in args if isinstance(one, tuple))

    @wraps(make)
    def remembering(*args: P.args, **kwargs: P.kwargs) -> tuple[T, ...]:
        nonlocal size
        found = known.get(args)
        if found is not None:
            known.move_to_end(args)
            return found
        made = known[args] = make(*args, **kwargs)
        size += words(args, made)
        while size > _REMEMBERED and known:
            size -= words(*known.popitem(last=False))
        return made

    return remembering


def slot_count(farm: Farm) -> int:
    """Returns the number of slots of a farm: a multiple of its total weight, so that weights are exact."""
    unit = gcd(*(backend.weight for backend in farm.backends))
    total = max(_weight_of(farm, backup=False), _weight_of(farm, backup=True)) // unit
    even = {backend.weight for backend in farm.backends} == {unit}
    if even and total <= 4 and farm.scheduler in (Scheduler.ROUND_ROBIN, Scheduler.RANDOM):
        return _FEW
    return min(total * ceil(_MANY / total), _MOST)


def fill(farm: Farm, weights: Mapping[str, int], version: int) -> tuple[str, ...]:
    """Returns the backend of each slot; () when no backend serves.

    weights holds the current weights of the serving backends of one tier that have an address of the IP version.
    """
    serving = {name: weight for name, weight in weights.items() if weight > 0}
    if not serving:
        return ()
    if farm.scheduler is Scheduler.SOURCE_HASH:
        tier = next(backend.backup for backend in farm.backends if backend.name in serving)
        members = tuple(
            (backend.name, backend.weight)
            for backend in farm.backends
            if backend.backup is tier and backend.address_of(version)
        )
        return _hashed(members, tuple(serving.items()), slot_count(farm))
    # Numbers instead of names, so that farms whose serving backends have the same weights share a cache entry.
    names = tuple(serving)
    return tuple(names[number] for number in _interleaved(tuple(serving.values()), slot_count(farm)))


def serving_weights(backends: Sequence[Backend], weights: Mapping[str, int]) -> dict[str, int]:
    """Returns the weights of the tier that serves: the backups only while no other backend serves."""
    for backup in (False, True):
        tier = {one.name: weights[one.name] for one in backends if one.backup is backup and weights.get(one.name)}
        if tier:
            return tier
    return {}


def _weight_of(farm: Farm, *, backup: bool) -> int:
    return sum(backend.weight for backend in farm.backends if backend.backup is backup)


def _shares(weights: Sequence[int], count: int) -> list[int]:
    """Splits count by largest remainder; each gets at least one slot if there are as many slots as backends."""
    total = sum(weights)
    exact = [weight * count / total for weight in weights]
    shares = [int(share) for share in exact]
    numbers = range(len(weights))
    by_remainder = sorted(numbers, key=lambda number: shares[number] - exact[number])
    for number in by_remainder[: count - sum(shares)]:
        shares[number] += 1
    if len(shares) <= count:
        for number in numbers:
            if shares[number] == 0:
                shares[max(numbers, key=shares.__getitem__)] -= 1
                shares[number] = 1
    return shares


@_remembered
def _interleaved(weights: tuple[int, ...], count: int) -> tuple[int, ...]:
    """Smooth weighted round robin (nginx's): spreads the slots of each backend as evenly as possible."""
    shares = _shares(weights, count)
    numbers = range(len(shares))
    credit = [0] * len(shares)
    slots = []
    for _ in range(count):
        for number in numbers:
            credit[number] += shares[number]
        chosen = max(numbers, key=credit.__getitem__)
        credit[chosen] -= count
        slots.append(chosen)
    return tuple(slots)


@_remembered
def _hashed(members: Members, serving: Members, count: int) -> tuple[str, ...]:
    """Rendezvous hashing with exact shares; a slot whose owner is down goes to the best-scored backend that serves.

    A backend that goes down or recovers therefore moves no client of the others, and gets its own clients back. serving
    has the current weights: an owner whose weight is reduced has the first of its slots, in proportion.
    """
    owners = _owners(members, count)
    able, weights = dict(serving), dict(members)
    parts = {name: weight / weights[name] for name, weight in serving}
    whole = max(parts.values())
    if len(able) == len(members) and min(parts.values()) == whole:
        return owners
    left = {name: max(1, round(owners.count(name) * part / whole)) for name, part in parts.items()}
    logs = {name: _logarithms(name, count) for name in able}
    slots = []
    for slot, owner in enumerate(owners):
        if left.get(owner):
            left[owner] -= 1
            slots.append(owner)
        else:
            others = (name for name in able if name != owner)
            slots.append(max(others, key=lambda name: -able[name] / logs[name][slot]))
    return tuple(slots)


@_remembered
def _owners(members: Members, count: int) -> tuple[str, ...]:
    """Gives each backend its share of the slots, where it scores best against the others.

    Deferred acceptance (Gale and Shapley): a slot asks one backend after another, the one with its best score first,
    and a backend that has its share keeps the best of those that ask, so that the worst asks elsewhere. The result is
    stable: no slot and backend would prefer each other to what they have. Going through all scores in descending order
    gives the same result, but sorting a list of a million scores would block the guardian.
    """
    shares = _shares([weight for _, weight in members], count)
    logs = [_logarithms(name, count) for name, _ in members]
    kept: list[list[tuple[float, int]]] = [[] for _ in members]

    def score(slot: int, number: int) -> float:
        return -members[number][1] / logs[number][slot]

    wishes = [sorted(range(len(members)), key=partial(score, slot)) for slot in range(count)]
    for first in range(count):
        slot: int | None = first
        while slot is not None:
            number = wishes[slot].pop()
            asks = score(slot, number), slot
            if len(kept[number]) < shares[number]:
                heappush(kept[number], asks)
                slot = None
            else:
                _, slot = heappushpop(kept[number], asks)
    owners = {slot: name for (name, _), ones in zip(members, kept, strict=True) for _, slot in ones}
    return tuple(owners[slot] for slot in range(count))


def _logarithms(name: str, count: int) -> array[float]:
    """Returns the logarithm of a number between 0 and 1 for each slot, which follows from the name of the backend.

    Weight / -logarithm is the score: of many backends each is the best in proportion to its weight (Efraimidis and
    Spirakis).
    """
    # Eight numbers of 8 bytes in each digest.
    digests = b"".join(blake2b(f"{name}/{block}".encode()).digest() for block in range(ceil(count / 8)))
    return array("d", (log((number + 1) / (2**64 + 1)) for (number,) in islice(iter_unpack(">Q", digests), count)))
