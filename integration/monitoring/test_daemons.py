"""The monitoring servers start, answer, and know after a restart what they knew before."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from integration.monitoring.icinga import Icinga
from integration.monitoring.nagios import Nagios
from integration.monitoring.objects import PLAIN
from integration.monitoring.service import wait_for

pytestmark = pytest.mark.root

NewFolder = Callable[[], Path]

PASSIVE = """
define service {
    use                     plain-service
    host_name               lab
    service_description     passive
    check_command           nothing
    active_checks_enabled   0
}
"""


def test_nagios_keeps_a_passive_result(new_folder: NewFolder) -> None:
    with Nagios(new_folder()) as nagios:
        nagios.start(PLAIN + PASSIVE, macros={})
        assert nagios.verify().returncode == 0
        nagios.command("PROCESS_SERVICE_CHECK_RESULT;lab;passive;1;a b|time=1s;;;0")
        found = wait_for(nagios, ("lab", "passive"), lambda service: service.is_checked)
        assert (found.state, found.output, found.perfdata, found.active) == (1, "a b", "time=1s;;;0", False)
        nagios.restart()
        assert nagios.services()["lab", "passive"] == found


def test_icinga_keeps_a_passive_result(new_folder: NewFolder) -> None:
    with Icinga(new_folder()) as icinga:
        icinga.start(
            'object Host "lab" { check_command = "dummy", enable_active_checks = false }\n'
            'object Service "passive" { host_name = "lab", check_command = "passive", enable_active_checks = false }'
        )
        assert icinga.verify().returncode == 0
        result = {"exit_status": 1, "plugin_output": "a b", "performance_data": ["time=1s;;;0"]}
        icinga.ask("actions/process-check-result?service=lab!passive", result)
        found = wait_for(icinga, ("lab", "passive"), lambda service: service.is_checked)
        assert (found.state, found.output, found.perfdata, found.active) == (1, "a b", "time=1s;;;0", False)
        icinga.restart()
        assert icinga.services()["lab", "passive"] == found


def test_a_wrong_configuration_is_told(new_folder: NewFolder) -> None:
    nagios, icinga = Nagios(new_folder()), Icinga(new_folder())
    nagios.configure("define service {\n}\n", macros={})
    assert nagios.verify().returncode != 0
    icinga.configure('object Service "lonely" { }')
    assert icinga.verify().returncode != 0
