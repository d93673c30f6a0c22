from __future__ import annotations

from pathlib import Path

import pytest
from noidlb.config.load import parse
from noidlb.config.service import Settings, settings_of
from noidlb.errors import FarmError

VALID = (Path(__file__).parents[1] / "valid" / "service.toml").read_text()


def test_reads_the_settings() -> None:
    found = parse(VALID).settings
    assert found == Settings(hook=("/usr/local/bin/tell", "--now"), hook_timeout=5.0, metrics="[::1]:9190")
    assert found.endpoint == ("::1", 9190)
    assert Settings(metrics="127.0.0.1:80").endpoint == ("127.0.0.1", 80)


def test_without_the_table_nothing_is_set() -> None:
    assert settings_of({}) == Settings()
    assert Settings().endpoint is None


def test_an_error_names_the_setting() -> None:
    with pytest.raises(FarmError, match=r"^service\.hook-timeout: "):
        settings_of({"hook-timeout": "never"})
