"""`lorabus presets`: the base models that can be tuned by name."""

import json
import sys

from schemas.presets import METHODS, Preset, presets


def presets_command(as_json: bool) -> int:  # The command line's shape.
    """Prints every tunable preset of `schemas/presets.yaml`, one a line."""
    tunable = [preset for preset in presets().values() if preset.tunable]
    if as_json:
        sys.stdout.writelines(f"{json.dumps(_fields(preset))}\n" for preset in tunable)
    else:
        _print_table(tunable)
    return 0


def _fields(preset: Preset) -> dict[str, object]:
    return {
        "name": preset.name,
        "aliases": list(preset.aliases),
        "repository": preset.repository,
        "revision": preset.revision,
        "contextLength": preset.context_length,
        "parameters": preset.parameters,
        "targetModules": list(preset.target_modules),
        "chatTemplate": preset.chat_template,
        "methods": list(preset.methods),
        "memoryGiB": dict(preset.memory_gib),
    }


def _print_table(tunable: list[Preset]) -> None:
    from rich.console import Console  # noqa: PLC0415  # rich costs a tenth of a second, which --json need not pay.
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    sizes = [f"GiB {method}" for method in METHODS]
    for column in ("preset", "repository", "revision", "context", "chat template", *sizes, "target modules"):
        table.add_column(column, justify="right" if column.startswith(("context", "GiB")) else "left", no_wrap=True)
    for preset in tunable:
        sizes = [str(preset.memory_gib[method]) if method in preset.methods else "-" for method in METHODS]
        modules = ", ".join(preset.target_modules)
        known = (str(preset.context_length), str(preset.chat_template))
        table.add_row(preset.name, preset.repository, preset.revision[:12], *known, *sizes, modules)
    # A pipe has no width; cut lines would be useless there.
    Console(width=None if sys.stdout.isatty() else 240).print(table)
