"""What a refused configuration leaves behind in a guardian that goes on with the old one: nothing."""

from __future__ import annotations

import gc

from noidlb.config.load import parse
from noidlb.errors import FarmError


def test_a_refused_text_leaves_nothing_for_the_collector() -> None:
    backends = '[{ name = "b1", address = "10.0.0.x" }, { name = "b 2", address = "10.0.0.2", weight = 0 }]'
    one = 'protocol = "ftp"\nvip = "192.0.2.1"\nwrong = 1\nscheduler = "best"'
    text = "".join(f"[farms.f{number}]\n{one}\nbackends = {backends}\n" for number in range(5))

    def refused() -> int:
        try:
            parse(text)
        except FarmError as error:
            return len(error.all)
        return 0

    refused()
    gc.collect()
    gc.disable()
    try:
        assert refused() > 5
        assert gc.collect() == 0
    finally:
        gc.enable()
