"""Surveys, blocking or on asyncio, as their callers use them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Any

from noidchecks import Result, survey, survey_async

Outcome = tuple[Any, Result]


class Survey:
    """survey(), or its asyncio twin on a loop of its own, with what a caller does with them."""

    def __init__(self, *, blocking: bool) -> None:
        self.blocking = blocking

    def all(self, probes: Iterable[Any], **options: Any) -> list[Outcome]:
        """Returns all outcomes."""
        if self.blocking:
            return list(survey(probes, **options))

        async def collect() -> list[Outcome]:
            return [outcome async for outcome in survey_async(probes, **options)]

        return asyncio.run(collect())

    def first(self, probes: Iterable[Any], then: Callable[[], None], **options: Any) -> Outcome:
        """Returns the first outcome and leaves the rest; then() is called before it does."""
        if self.blocking:
            iterator = survey(probes, **options)
            outcome = next(iterator)
            then()
            iterator.close()  # type: ignore[attr-defined]  # a generator is promised by none but the tests
            return outcome

        async def take_one() -> Outcome:
            async with aclosing(survey_async(probes, **options)) as iterator:  # type: ignore[type-var]  # as above
                outcome: Outcome = await anext(iterator)
                then()
                return outcome

        return asyncio.run(take_one())
