"""`lorabus up`, `down` and `status`: the whole system on this machine."""

from collections.abc import Sequence
from pathlib import Path

from deploy.native.go_tools import BuildError
from deploy.native.java import FetchError
from deploy.native.minio import BucketError
from deploy.native.part import Part
from deploy.native.process import NotHealthyError
from deploy.native.stack import PROFILES, Supervisor
from lorabus.cli.output import json_line, note, result
from lorabus.faults import DONE, BadUsage
from lorabus.home import home_folder
from lorabus.interrupts import interruptible, undisturbed
from lorabus.keeping import keep_up
from lorabus.shipped import furnish
from lorabus.system import parts, profile_of
from services.common.errors import StartError


def up(profile: str | None, *, detach: bool, as_json: bool) -> int:
    """Start what does not run; without `detach` keep it up until an interrupt, then stop everything."""
    home = home_folder()
    supervisor, wanted = Supervisor(home, say=say, detach=detach), parts(choose_profile(profile, home))
    with interruptible():
        if detach:
            start(supervisor, wanted)
            return _report(supervisor, as_json=as_json)
        try:
            start(supervisor, wanted)
            _report(supervisor, as_json=as_json)
            note("Ctrl-C stops everything")
            keep_up(supervisor, wanted, say)
        except KeyboardInterrupt:
            note("")
        finally:
            stop(supervisor)
    return DONE


def down(*, as_json: bool) -> int:
    """Stop what runs in the home."""
    with interruptible():
        stopped = stop(Supervisor(home_folder(), say=say))
    if as_json:
        for name in stopped:
            json_line({"name": name, "stopped": True})
    else:
        result(f"stopped: {', '.join(stopped)}" if stopped else f"nothing was up in {home_folder()}")
    return DONE


def status(*, as_json: bool) -> int:
    """One line a part."""
    return _report(Supervisor(home_folder()), as_json=as_json)


def start(supervisor: Supervisor, wanted: Sequence[Part]) -> None:
    """Bring the parts up; a failure is told in one message with the end of the part's log."""
    try:
        furnish(supervisor.home, say)
        supervisor.up(wanted)
    except (NotHealthyError, BuildError, FetchError, BucketError, OSError) as error:
        raise StartError(str(error)) from error


def stop(supervisor: Supervisor) -> list[str]:
    """Stop everything in reverse order, whatever else is asked meanwhile."""
    with undisturbed():
        return supervisor.down()


def say(text: str) -> None:
    """One line of progress."""
    note(f"lorabus: {text}")


def choose_profile(asked: str | None, home: Path) -> str:
    """The profile that is up, else the one asked for. A home has one at a time: each keeps jobs in another store."""
    if asked not in (None, *PROFILES):
        raise BadUsage(f"--profile must be {' or '.join(PROFILES)}, not {asked!r}")
    present = profile_of(home)
    if present and asked not in (None, present):
        raise BadUsage(f"the profile {present} is up in {home}: `lorabus down` first, or choose another LORABUS_HOME")
    return present or asked or "embedded"


def _report(supervisor: Supervisor, *, as_json: bool) -> int:
    rows = supervisor.status()
    if as_json:
        for row in rows:
            json_line(row)
    elif rows:
        lines = [f"{row['name']:<10} {row['pid'] or '-':>8}  {row['address']:<22} {_health(row)}" for row in rows]
        result("\n".join(lines))
    else:
        note(f"nothing is up in {supervisor.home}; start it with `lorabus up`")
    return DONE


def _health(row: dict[str, object]) -> str:
    if row["healthy"]:
        return "healthy"
    return "not healthy" if row["pid"] else "dead; `lorabus up` starts it again"
