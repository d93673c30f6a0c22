"""What the service sets for its whole process."""

from __future__ import annotations

import resource
import sys

from tests.support.lb.served import Served, running


async def test_it_may_open_as_many_files_as_it_is_allowed_to(served: Served) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, before[1]))
    try:
        async with running(served):
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_threads_that_compute_give_way_to_its_checks(served: Served) -> None:
    before = sys.getswitchinterval()
    try:
        async with running(served):
            # At each of a check's system calls; Python's own is 5 ms.
            assert sys.getswitchinterval() < 0.0001
    finally:
        sys.setswitchinterval(before)
