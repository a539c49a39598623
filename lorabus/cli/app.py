"""The command line: names, options, help. Each command imports its work when it is called, so that help stays fast."""

from pathlib import Path
from typing import Annotated, NoReturn

import typer

from lorabus.cli.output import quiet_logs
from lorabus.home import adopt

JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable lines on stdout, and nothing else there.")]
JobArgument = Annotated[str, typer.Argument(metavar="JOB", help="A job's id, as `lorabus submit` prints it.")]

app = typer.Typer(
    name="lorabus",
    help="Fine-tuning as an event-driven service: a Workspace in, a LoRA adapter as an OCI image out.",
    epilog="Example: lorabus up --detach && lorabus submit examples/tune-python-docs.yaml --wait",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
topics_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The Kafka topics.")
dlq_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Dead letters: records that nobody could read.")
app.add_typer(topics_app, name="topics", epilog="Example: lorabus topics apply")
app.add_typer(dlq_app, name="dlq", epilog="Example: lorabus dlq list")


def find_servers() -> None:
    """For commands that talk to servers: those of the home, unless the environment names others."""
    adopt()
    quiet_logs()


def leave(code: int) -> NoReturn:
    """End with the command's exit code."""
    raise typer.Exit(code)


@app.command(epilog="Example: lorabus validate examples/tune-python-docs.yaml --json")
def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="YAML or JSON files.")],
    as_json: JsonOption = False,
    existing: Annotated[Path | None, typer.Option(help="Check as an update of the Workspace in this file.")] = None,
) -> None:
    """Check every Workspace in the files, offline; all problems, not the first."""
    from lorabus.cli.validate import validate as run  # noqa: PLC0415

    leave(run(files, as_json, existing))


@app.command(epilog="Example: lorabus check examples/python-docs-taught.jsonl --preset tiny")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Training data, or folders of it.")],
    preset: Annotated[str, typer.Option(metavar="P", help="The model; `lorabus presets` lists them.")],
    method: Annotated[str, typer.Option(metavar="lora|qlora", help="How it would be tuned.")] = "lora",
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A training_config.yaml, or a file with its ConfigMap.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check training data, offline: every bad row, tokens, what is trained on, steps, memory, time."""
    adopt()
    from lorabus.cli.check import check_command  # noqa: PLC0415

    leave(check_command(files, preset=preset, method=method, config=config, as_json=as_json))


@app.command(epilog="Example: lorabus submit examples/tune-python-docs.yaml --wait")
def submit(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="YAML or JSON: Workspaces and their ConfigMaps.")],
    wait: Annotated[bool, typer.Option("--wait", help="Follow the job until it ends, as `watch` does.")] = False,
    rerun: Annotated[bool, typer.Option("--rerun", help="Make a new job even if the same one exists.")] = False,
    timeout: Annotated[float, typer.Option(metavar="S", min=0.1, help="Seconds to wait for the answer.")] = 30.0,
    as_json: JsonOption = False,
) -> None:
    """Ask for a job: publish the request, wait for accepted or rejected, print the job id."""
    find_servers()
    from lorabus.cli.submit import submit as run  # noqa: PLC0415

    leave(run(file, wait=wait, rerun=rerun, patience=timeout, as_json=as_json))


@app.command(epilog="Example: lorabus watch default.python-docs.0123456789ab --from-start")
def watch(
    job: JobArgument,
    as_json: JsonOption = False,
    from_start: Annotated[bool, typer.Option("--from-start", help="Show what has happened before, too.")] = False,
) -> None:
    """Follow a job until it ends. Exit 0 succeeded, 1 failed or rejected, 4 cancelled."""
    find_servers()
    from lorabus.cli.watch import watch as run  # noqa: PLC0415

    leave(run(job, from_start=from_start, as_json=as_json))


@app.command(epilog="Example: lorabus jobs --state running")
def jobs(
    state: Annotated[str | None, typer.Option(metavar="S", help="Only jobs in this state.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the jobs, the newest first."""
    find_servers()
    from lorabus.cli.jobs import jobs as run  # noqa: PLC0415

    leave(run(state, as_json=as_json))


@app.command(epilog="Example: lorabus show default.python-docs.0123456789ab")
def show(job: JobArgument, as_json: JsonOption = False) -> None:
    """Show one job with its events."""
    find_servers()
    from lorabus.cli.jobs import show as run  # noqa: PLC0415

    leave(run(job, as_json=as_json))


@app.command(epilog="Example: lorabus cancel default.python-docs.0123456789ab")
def cancel(job: JobArgument, as_json: JsonOption = False) -> None:
    """Ask for a job's end and wait for the answer."""
    find_servers()
    from lorabus.cli.cancel import cancel as run  # noqa: PLC0415

    leave(run(job, as_json=as_json))


@app.command(epilog="Example: lorabus publish default.python-docs.0123456789ab --wait")
def publish(
    job: JobArgument,
    wait: Annotated[bool, typer.Option("--wait", help="Follow the job that publishes until it ends.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish once more what an ended job has trained, without training; print the id of the job that does it."""
    find_servers()
    from lorabus.cli.publish import publish as run  # noqa: PLC0415

    leave(run(job, wait=wait, as_json=as_json))


@app.command(epilog="Example: lorabus pull default.python-docs.0123456789ab -o adapter")
def pull(
    target: Annotated[str, typer.Argument(metavar="REF-or-JOB", help="An image, an OCI layout's folder, or a job.")],
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to put the two files.")],
    as_json: JsonOption = False,
) -> None:
    """Fetch the two adapter files, digests verified."""
    find_servers()
    from lorabus.cli.pull import pull_command as run  # noqa: PLC0415

    leave(run(target, out, as_json))


@app.command(epilog='Example: lorabus generate adapter --prompt "What does math.prod do?"')
def generate(
    target: Annotated[str, typer.Argument(metavar="JOB-or-DIR", help="A job that succeeded, or a pulled adapter.")],
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="What to ask.")],
    base: Annotated[bool, typer.Option("--base", help="Answer without the adapter.")] = False,
    plain: Annotated[
        bool, typer.Option("--plain", help="Go on from the text, without a chat template; a job is known to need it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the base model with the adapter, to see what was learned."""
    find_servers()
    from lorabus.cli.generate import generate as run  # noqa: PLC0415

    leave(run(target, prompt, base=base, plain=plain, as_json=as_json))


@app.command(epilog="Example: lorabus up --profile stack --detach")
def up(
    profile: Annotated[
        str | None,
        typer.Option(metavar="embedded|stack", help="Which servers to run; default: those that are up, or embedded."),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Return when all is healthy.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the whole system on this machine; again starts what has died."""
    quiet_logs()
    from lorabus.cli.up import up as run  # noqa: PLC0415

    leave(run(profile, detach=detach, as_json=as_json))


@app.command(epilog="Example: lorabus down")
def down(as_json: JsonOption = False) -> None:
    """Stop what `lorabus up` has started."""
    from lorabus.cli.up import down as run  # noqa: PLC0415

    leave(run(as_json=as_json))


@app.command(epilog="Example: lorabus status --json")
def status(as_json: JsonOption = False) -> None:
    """Show each part: pid, address, health."""
    from lorabus.cli.up import status as run  # noqa: PLC0415

    leave(run(as_json=as_json))


@app.command(epilog="Example: lorabus top")
def top(
    once: Annotated[bool, typer.Option("--once", help="One table instead of a live one.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One snapshot as JSON on stdout.")] = False,
) -> None:
    """Show the system at a glance, live: parts, queue, running jobs, ends, dead letters, lag. `q` leaves."""
    find_servers()
    from lorabus.cli.top import top as run  # noqa: PLC0415

    leave(run(once=once, as_json=as_json))


@app.command(epilog="Example: lorabus demo")
def demo(as_json: JsonOption = False) -> None:
    """Tune, publish, pull back and ask: the main job from start to end."""
    quiet_logs()
    from lorabus.cli.demo import demo as run  # noqa: PLC0415

    leave(run(as_json=as_json))


@app.command(epilog="Example: lorabus serve trainer")
def serve(service: Annotated[str, typer.Argument(metavar="ingest|trainer|publisher")]) -> None:
    """Run one service in the foreground, as a container does."""
    from lorabus.cli.serve import serve as run  # noqa: PLC0415

    run(service)


@topics_app.command("apply", epilog="Example: lorabus topics apply")
def topics_apply(as_json: JsonOption = False) -> None:
    """Create the topics, or check those that exist."""
    find_servers()
    from lorabus.cli.topics import apply  # noqa: PLC0415

    leave(apply(as_json=as_json))


@dlq_app.command("list", epilog="Example: lorabus dlq list --json")
def dlq_list(as_json: JsonOption = False) -> None:
    """List the dead letters: where each stood and why nobody could read it."""
    find_servers()
    from lorabus.cli.dlq import list_letters  # noqa: PLC0415

    leave(list_letters(as_json=as_json))


LetterArgument = Annotated[
    str, typer.Argument(metavar="ID", help="A dead letter's id, as `lorabus dlq list` shows it.")
]


@dlq_app.command("show", epilog="Example: lorabus dlq show 0:12")
def dlq_show(letter: LetterArgument, as_json: JsonOption = False) -> None:
    """Show one dead letter whole."""
    find_servers()
    from lorabus.cli.dlq import show_letter  # noqa: PLC0415

    leave(show_letter(letter, as_json=as_json))


@dlq_app.command("replay", epilog="Example: lorabus dlq replay 0:12")
def dlq_replay(letter: LetterArgument, as_json: JsonOption = False) -> None:
    """Send a dead letter to the topic it came from, as it was."""
    find_servers()
    from lorabus.cli.dlq import replay_letter  # noqa: PLC0415

    leave(replay_letter(letter, as_json=as_json))


@app.command(epilog="Example: lorabus presets --json")
def presets(as_json: JsonOption = False) -> None:
    """List the models that can be tuned."""
    from lorabus.cli.presets import presets_command  # noqa: PLC0415

    leave(presets_command(as_json))
