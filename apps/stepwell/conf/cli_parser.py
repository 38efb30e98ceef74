"""The words of the command line: commands, their options and help texts."""

from __future__ import annotations

import argparse
from typing import Any

from stepwell.conf.cli_parser_stored import add_models, add_schedules
from stepwell.conf.cli_words import Commands, add_json

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8321


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of everything but ``manage``. Parsing sets ``handler`` to ``module:function``."""
    parser = argparse.ArgumentParser(
        prog="stepwell",
        description="Pipelines as Python functions: write, run, watch, rerun and administer them.",
        epilog="example:\n  stepwell up --examples examples",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(handler="stepwell.conf.cli_setup:print_help", parser=parser)
    parser.add_argument(
        "--version", action="store_const", dest="handler", const="stepwell.conf.cli_setup:print_version"
    )
    commands = Commands(parser, title="commands", required=False)
    _add_processes(commands)
    _add_pipelines(commands)
    _add_runs(commands)
    _add_logs(commands)
    add_schedules(commands)
    add_models(commands)
    _add_secrets(commands)
    _add_tokens(commands)
    _add_stack(commands)
    _add_setup(commands)
    return parser


def _add_processes(commands: Commands) -> None:
    up = commands.add("up", "up:run_up", "Start the dashboard and a runner", "stepwell up --port 8400")
    _add_address(up)
    up.add_argument(
        "--examples", metavar="DIR", help="register the pipelines of this folder, and run one the first time"
    )
    up.add_argument("--no-runner", action="store_true", help="start the dashboard only")
    up.add_argument("--open", action="store_true", help="open it in the browser")
    web = commands.add("web", "cli_serve:serve_web", "Start the dashboard only", "stepwell web --host 0.0.0.0")
    _add_address(web)
    web.add_argument("--fd", type=int, help=argparse.SUPPRESS)
    runner = commands.add("runner", "cli_serve:serve_runner", "Start a runner only", "stepwell runner --label gpu=2")
    for parser in (up, runner):
        parser.add_argument(
            "--label",
            action="append",
            default=[],
            dest="labels",
            metavar="NAME=VALUE",
            help="say what the runner's machine has; gpu=2 lets it take steps whose gpu_count is up to 2",
        )


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default=DEFAULT_HOST, help="address to listen on (default: %(default)s)")
    parser.add_argument(
        "--port", type=_port, default=DEFAULT_PORT, help="port to listen on; 0 takes a free one (default: %(default)s)"
    )


def _add_pipelines(commands: Commands) -> None:
    run = commands.add(
        "run",
        "cli_run:run_file",
        "Run a pipeline of a file here and now",
        "stepwell run train.py --param test_size=0.3",
    )
    run.add_argument("file", metavar="FILE")
    run.add_argument("pipeline", metavar="PIPELINE", nargs="?", help="its name, when the file has several")
    _add_parameters(run)
    run.add_argument("--config", metavar="FILE", help="YAML file with parameters and options")
    run.add_argument("--strict", action="store_true", help="refuse keys of the YAML file that mean nothing")
    run.add_argument(
        "--main",
        nargs=argparse.REMAINDER,
        metavar="ARG",
        help="run the file's own main block, as python does; what follows goes to it",
    )
    register = commands.add(
        "register",
        "cli_run:register",
        "Make the pipelines of files known to the dashboard",
        "stepwell register train.py",
    )
    register.add_argument("files", metavar="FILE", nargs="+")


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", dest="parameters", help="set a parameter"
    )


def _add_runs(commands: Commands) -> None:
    runs = commands.add(
        "runs", "cli_runs:list_runs", "List runs, show, cancel or rerun one", "stepwell runs --status failed"
    )
    _add_run_filters(runs)
    below = Commands(runs, title="with one run", required=False)
    listing = below.add("list", "cli_runs:list_runs", "List runs, newest first", "stepwell runs list --limit 5")
    _add_run_filters(listing, default=argparse.SUPPRESS)
    show = below.add("show", "cli_runs:show_run", "Show a run and its steps", "stepwell runs show 42")
    _add_ref(show)
    add_json(show, default=argparse.SUPPRESS)
    cancel = below.add("cancel", "cli_runs:cancel_run", "Cancel a run", "stepwell runs cancel 42")
    _add_ref(cancel)
    answer = below.add("answer", "cli_runs:answer", "Answer what a run waits for", "stepwell runs answer 42 true")
    _add_ref(answer)
    answer.add_argument("answer", metavar="ANSWER", help="JSON; anything else is taken as text")
    answer.add_argument("--wait", metavar="NAME", help="which question, where several are open")
    rerun = below.add(
        "rerun",
        "cli_runs:rerun",
        "Run it again, with changes if wanted",
        "stepwell runs rerun 42 -p lr=0.1 -o train.retry=3",
    )
    _add_ref(rerun)
    start = rerun.add_mutually_exclusive_group()
    start.add_argument("--from", choices=["failed"], dest="scope", help="keep what was completed")
    start.add_argument(
        "--from-step",
        action="append",
        default=[],
        metavar="STEP",
        dest="from_steps",
        help="run this step and all below it, keep the rest; can be given several times",
    )
    rerun.add_argument("--newest-code", action="store_true", help="run the latest code that was kept")
    _add_parameters(rerun)
    rerun.add_argument(
        "-o",
        "--option",
        action="append",
        default=[],
        metavar="STEP.OPTION=VALUE",
        dest="options",
        help="set an option of a step: enable_cache, retry, timeout, environment.NAME, settings, step_operator, "
        "experiment_tracker, hooks_enabled",
    )


def _add_run_filters(parser: argparse.ArgumentParser, **default: Any) -> None:
    parser.add_argument("--status", action="append", metavar="STATUS", help="only runs in this status", **default)
    parser.add_argument("--pipeline", metavar="NAME", help="only runs of this pipeline", **default)
    parser.add_argument("--trigger", action="append", metavar="TRIGGER", help="only runs started this way", **default)
    parser.add_argument("--since", metavar="TIME", help="only runs made since then: 2h, 3d or a date", **default)
    parser.add_argument("--limit", type=int, help="how many (default: 20)", **(default or {"default": 20}))
    add_json(parser, **default)


def _add_ref(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("ref", metavar="RUN", help="its number, its id or the beginning of its id")


def _add_logs(commands: Commands) -> None:
    logs = commands.add(
        "logs", "cli_logs:print_logs", "Print the logs of a run or of one step", "stepwell logs 42 train -f"
    )
    _add_ref(logs)
    logs.add_argument("step", metavar="STEP", nargs="?")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until the run has ended")
    logs.add_argument("--attempt", type=int, metavar="N", help="this attempt of the step (default: the newest)")


def _add_secrets(commands: Commands) -> None:
    secrets = commands.add(
        "secrets", "cli_admin:list_secrets", "List, create, rotate or delete secrets", "stepwell secrets"
    )
    add_json(secrets)
    below = Commands(secrets, title="with one secret", required=False)
    listing = below.add(
        "list", "cli_admin:list_secrets", "List secrets, never their values", "stepwell secrets list --json"
    )
    add_json(listing, default=argparse.SUPPRESS)
    create = below.add(
        "create",
        "cli_admin:create_secret",
        "Create a secret; values are asked for",
        "stepwell secrets create warehouse DB_PASSWORD",
    )
    rotate = below.add(
        "rotate",
        "cli_admin:rotate_secret",
        "Replace a secret's values",
        "stepwell secrets rotate warehouse DB_PASSWORD --stdin < file",
    )
    for parser in (create, rotate):
        parser.add_argument("name", metavar="NAME")
        parser.add_argument("keys", metavar="KEY", nargs="+", help="name of the environment variable steps get")
        source = parser.add_mutually_exclusive_group()
        source.add_argument("--from-env", action="store_true", help="take the values from variables of the same names")
        source.add_argument("--stdin", action="store_true", help="read the values from standard input, one a line")
    below.add(
        "rekey",
        "cli_admin:rekey_secrets",
        "Make a new key and encrypt every secret with it, while everything runs",
        "stepwell secrets rekey",
    )
    delete = below.add("delete", "cli_admin:delete_secret", "Delete a secret", "stepwell secrets delete warehouse")
    delete.add_argument("name", metavar="NAME")


def _add_tokens(commands: Commands) -> None:
    tokens = commands.add(
        "tokens", "cli_admin:list_tokens", "List, create or revoke API tokens", "stepwell tokens --json"
    )
    add_json(tokens)
    below = Commands(tokens, title="with one token", required=False)
    listing = below.add("list", "cli_admin:list_tokens", "List API tokens", "stepwell tokens list")
    add_json(listing, default=argparse.SUPPRESS)
    create = below.add(
        "create",
        "cli_admin:create_token",
        "Create an API token; it is printed once",
        "stepwell tokens create ci --role operator --days 90",
    )
    create.add_argument("name", metavar="NAME")
    create.add_argument("--user", metavar="USER", help="whom it acts for (default: the first admin)")
    create.add_argument("--role", choices=["viewer", "operator", "admin"], default="operator")
    create.add_argument("--days", type=int, default=90, help="how long it works; 0 is for ever (default: %(default)s)")
    revoke = below.add("revoke", "cli_admin:revoke_token", "End a token now", "stepwell tokens revoke sw_Ab3dE")
    revoke.add_argument("token", metavar="TOKEN", help="its id, name or first characters")


def _add_stack(commands: Commands) -> None:
    stack = commands.add(
        "stack", "cli_stack:list_components", "List, add or remove trackers and operators", "stepwell stack"
    )
    add_json(stack)
    below = Commands(stack, title="with one component", required=False)
    listing = below.add("list", "cli_stack:list_components", "List components", "stepwell stack list --json")
    add_json(listing, default=argparse.SUPPRESS)
    add = below.add(
        "add",
        "cli_stack:add_component",
        "Add a component",
        "stepwell stack add experiment_tracker mlflow local tracking_uri=sqlite:////data/mlflow.db",
    )
    _add_kind(add)
    add.add_argument("flavor", metavar="FLAVOR", help="mlflow or subprocess")
    add.add_argument("name", metavar="NAME", help="what steps call it")
    add.add_argument(
        "settings", metavar="SETTING=VALUE", nargs="*", help="such as python=/opt/env/bin/python environment.NAME=value"
    )
    add.add_argument("--default", action="store_true", help="make it the default of its kind")
    remove = below.add(
        "remove", "cli_stack:remove_component", "Remove a component", "stepwell stack remove step_operator gpu"
    )
    default = below.add(
        "set-default",
        "cli_stack:set_default",
        "Choose what True in an option means",
        "stepwell stack set-default experiment_tracker local",
    )
    for parser in (remove, default):
        _add_kind(parser)
        parser.add_argument("name", metavar="NAME")


def _add_kind(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", choices=["experiment_tracker", "step_operator"], help="%(choices)s")


def _add_setup(commands: Commands) -> None:
    link = commands.add(
        "login-link", "cli_admin:login_link", "Print a link that signs in once", "stepwell login-link ana"
    )
    link.add_argument("user", metavar="USER", nargs="?", help="whom (default: the first admin)")
    doctor = commands.add("doctor", "cli_doctor:examine", "Check this installation", "stepwell doctor")
    add_json(doctor)
    check = commands.add("check", "cli_setup:check", "Check the settings", "stepwell check --deploy")
    check.add_argument("--deploy", action="store_true", help="also what matters on a network")
    backup = commands.add(
        "backup", "cli_backup:back_up", "Back up everything while it works", "stepwell backup /var/backups/stepwell"
    )
    backup.add_argument("target", metavar="FOLDER|FILE", help="a folder, or a file that ends in .tar.gz or .tar")
    restore = commands.add(
        "restore", "cli_backup:restore", "Put a backup into an empty data folder", "stepwell restore stepwell.tar.gz"
    )
    restore.add_argument("source", metavar="FILE")
    restore.add_argument("--replace", action="store_true", help="move what the data folder holds aside first")
    restore.add_argument("--check", action="store_true", help="only say whether the backup is whole")
    commands.add("manage", "cli_setup:manage", "Run one of Django's commands", "stepwell manage migrate --check")
    commands.add("version", "cli_setup:print_version", "Print the version", "stepwell version")


def _port(text: str) -> int:
    try:
        port = int(text)
    except ValueError:
        port = -1
    if not 0 <= port <= 65535:
        raise argparse.ArgumentTypeError(f"“{text[:40]}” is not a port (0 to 65535)")
    return port
