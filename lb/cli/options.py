"""The arguments and options that several commands have."""

from __future__ import annotations

import click

from ..role import DEFAULT_RUN
from ..service.places import DEFAULT_FOLDER
from .names import DEFAULT_FILE

PAIR_FOLDER = "/etc/noidlb/pair"

file_argument = click.argument("file", envvar="NOIDLB_FILE", default=DEFAULT_FILE, type=click.Path())
other_file_option = click.option("--file", type=click.Path(), help="Take this configuration, not the one applied last.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
cut_option = click.option("--cut", is_flag=True, help="End established flows too.")
state_option = click.option(
    "--state-dir",
    "folder",
    envvar="NOIDLB_STATE",
    default=DEFAULT_FOLDER,
    show_default=True,
    type=click.Path(),
    help="The folder of the overrides.",
)
socket_option = click.option(
    "--socket",
    envvar="NOIDLB_SOCKET",
    type=click.Path(),
    help="The guardian's control socket: /run/noidlb/control, or control in another --state-dir.",
)
run_option = click.option(
    "--run-dir", default=DEFAULT_RUN, show_default=True, type=click.Path(), help="The --run-dir that pair was given."
)

pair_option = click.option(
    "--pair-dir", default=PAIR_FOLDER, show_default=True, type=click.Path(), help="The --out that pair was given."
)
