"""Reads, checks and tokenises every row of a dataset, shuffles and splits it: the work of the checking process."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Protocol

import numpy as np

from schemas.events.dataset import PreviewRow
from schemas.failures import Reason
from services.common.errors import UserError
from services.trainer.dataset.census import Census, Numbers, fingerprint, split
from services.trainer.dataset.formats import find_format
from services.trainer.dataset.lines import Found
from services.trainer.dataset.packs import PACKS, write_packs
from services.trainer.dataset.problems import Code, Fault, Problems
from services.trainer.dataset.reading import read_rows
from services.trainer.dataset.request import CheckFailed, CheckRequest, CheckResult, DataFile, Rules
from services.trainer.dataset.rows import Row, size, to_row
from services.trainer.dataset.select import select
from services.trainer.dataset.shapes import Columns, find_columns, first_columns
from services.trainer.dataset.tokens import EVAL, NOT_TRAINED, TRAIN, TokenisedRow, Tokens, TokenWriter
from services.trainer.planning.packing import pack

LOOKED_AT = 100
ROWS_A_BATCH, TEXT_A_BATCH = 512, 4_000_000
PREVIEW_ROWS, PREVIEW_TEXT = 3, 2000
_ALL = "all.arrow"


_Batch = list[tuple[int, Row]]


class Encoder(Protocol):
    """Rows to tokens with labels."""

    def encode(self, rows: Sequence[Row], origins: Sequence[int]) -> list[TokenisedRow | Fault]:
        """In the same order; whole rows, however long."""

    def text(self, ids: Sequence[int]) -> str:
        """Tokens as a person reads them."""


def check(request: CheckRequest, encoder: Encoder) -> CheckResult | CheckFailed:
    """Writes `train.arrow`, `packs.arrow` when rows are packed, and `eval.arrow` when some are kept for that."""
    return _Check(request, encoder).run()


class _Check:
    def __init__(self, request: CheckRequest, encoder: Encoder) -> None:
        self._request = request
        self._rules: Rules = request.rules
        self._encoder = encoder
        self._problems = Problems(request.rules.problem_limit)
        self._census = Census()
        self._seen = 0
        self._truncated = 0
        self._formats: list[str] = []

    def run(self) -> CheckResult | CheckFailed:
        everything = self._request.out / _ALL
        try:
            with TokenWriter(everything) as writer:
                for file in select(self._request.files, self._rules.dataset.dataset_path):
                    self._file(file, writer)
            self._judge()
            return self._result(everything)
        except UserError as error:
            return self._failed(error)
        finally:
            everything.unlink(missing_ok=True)

    def _file(self, file: DataFile, writer: TokenWriter) -> None:
        kind = find_format(file.name, file.path, self._rules.dataset.dataset_extension)
        rows = read_rows(file.name, file.path, kind)
        first = list(islice(rows, LOOKED_AT))
        if not first:
            return
        columns = self._columns(file, first)
        self._formats.append(f"{kind} {columns.shape}" if columns else str(kind))
        with ThreadPoolExecutor(1) as beside:
            # The tokenizer leaves Python's lock alone, so the next batch is read while it works.
            waiting: tuple[_Batch, Future[list[TokenisedRow | Fault]]] | None = None
            for good in _batches(self._good(file.name, chain(first, rows), columns)):
                encoding = beside.submit(self._encoder.encode, [row for _, row in good], range(len(good)))
                if waiting is not None:
                    self._keep_all(file.name, *waiting, writer)
                waiting = good, encoding
            if waiting is not None:
                self._keep_all(file.name, *waiting, writer)

    def _columns(self, file: DataFile, first: Sequence[Found]) -> Columns | None:
        """None when no row could be read at all: what stands in the way is told row by row."""
        seen = first_columns(row for _, row in first)
        if not seen and any(isinstance(row, Fault) for _, row in first):
            return None
        return find_columns(file.name, seen, self._rules.dataset, self._rules.text_field)

    def _good(self, name: str, found: Iterable[Found], columns: Columns | None) -> Iterator[tuple[int, Row]]:
        """Rows with their lines; what is wrong with the others is told."""
        for line, value in found:
            self._seen += 1
            row = to_row(value, columns) if columns else value
            if isinstance(row, Fault):
                self._problems.add(name, line, row)
            else:
                yield line, row  # type: ignore[misc]

    def _keep_all(
        self, name: str, good: _Batch, encoding: Future[list[TokenisedRow | Fault]], writer: TokenWriter
    ) -> None:
        for (line, row), tokens in zip(good, encoding.result(), strict=True):
            self._keep(name, line, row, tokens, writer)

    def _keep(self, name: str, line: int, row: Row, tokens: TokenisedRow | Fault, writer: TokenWriter) -> None:
        if isinstance(tokens, Fault):
            self._problems.add(name, line, tokens)
            return
        limit = self._rules.max_length
        ids, labels = (np.array(part[:limit], np.int32) for part in (tokens.input_ids, tokens.labels))
        cut = TokenisedRow(ids, labels, len(self._census))  # type: ignore[arg-type]
        trained = cut.trained
        too_long = len(tokens.input_ids) > limit
        self._truncated += too_long
        if trained == 0:
            why = f"nothing is left to train on within max_length {limit}" if too_long else "no token is trained on"
            self._problems.add(name, line, Fault(Code.NOTHING_TO_TRAIN, why))
            return
        self._census.add(len(cut.input_ids), trained, fingerprint(row))
        writer.add(cut)

    def _judge(self) -> None:
        """Raise what makes the dataset as a whole unusable."""
        if self._seen == 0:
            names = ", ".join(file.name for file in self._request.files[:5])
            raise UserError(Reason.DATASET_EMPTY, f"{names}: there is no row in it")
        bad, first = self._problems.count, self._problems.first(3)
        if bad == self._seen and set(self._problems.codes) == {Code.NOTHING_TO_TRAIN}:
            raise UserError(
                Reason.NOTHING_TO_TRAIN, f"none of {bad} rows has a token that would be trained on: {first}"
            )
        if bad > self._seen * self._rules.bad_share or bad == self._seen:
            raise UserError(
                Reason.DATASET_INVALID,
                f"{bad} of {self._seen} rows cannot be used, more than {self._rules.bad_share:.0%}: {first}",
            )

    def _result(self, everything: Path) -> CheckResult:
        dataset = self._rules.dataset
        train, evaluation = split(
            len(self._census), dataset.train_test_split, shuffle=dataset.shuffle_dataset, seed=dataset.shuffle_seed
        )
        tokens = Tokens(everything)
        train_tokens, train_trained_tokens = self._census.sums(train)
        files = {TRAIN: _write(tokens, train, self._request.out / TRAIN)}
        packs = pack(self._census.lengths[train], self._rules.max_length) if self._rules.packing else None
        if packs is not None:
            files[PACKS] = write_packs(packs, self._request.out / PACKS)
        if len(evaluation):
            files[EVAL] = _write(tokens, evaluation, self._request.out / EVAL)
        return CheckResult(
            format=self._format(),
            rows=len(train),
            eval_rows=len(evaluation),
            problems=self._problems.shown,
            problem_count=self._problems.count,
            tokens=self._census.tokens(),
            train_tokens=train_tokens,
            train_trained_tokens=train_trained_tokens,
            truncated=self._truncated,
            dropped=self._problems.count,
            duplicates=self._census.duplicates(),
            overlap=self._census.overlap(train, evaluation),
            packs=None if packs is None else len(packs),
            preview=[self._preview(tokens, number) for number in train[:PREVIEW_ROWS]],
            files=files,
        )

    def _format(self) -> str:
        """Of all files, each said once."""
        return ", ".join(dict.fromkeys(self._formats))

    def _preview(self, tokens: Tokens, number: int) -> PreviewRow:
        ids, labels = tokens.row(int(number))
        stretches: list[tuple[bool, str]] = []
        edges = [0, *(np.flatnonzero(np.diff(labels != NOT_TRAINED)) + 1).tolist(), len(ids)]
        left = PREVIEW_TEXT
        for start, end in pairwise(edges):
            text = self._encoder.text(ids[start : min(end, start + left)].tolist())[:left]
            left -= len(text)
            if text:
                stretches.append((bool(labels[start] != NOT_TRAINED), text))
        return PreviewRow(stretches=stretches)

    def _failed(self, error: UserError) -> CheckFailed:
        return CheckFailed(
            reason=error.reason,
            message=error.message,
            format=self._format(),
            rows=len(self._census),
            tokens=self._census.tokens(),
            problems=self._problems.shown,
            problem_count=self._problems.count,
        )


def _write(tokens: Tokens, rows: Numbers, path: Path) -> int:
    """Copy rows in this order; the size of the file."""
    with TokenWriter(path) as writer:
        for number in rows.tolist():
            ids, labels = tokens.row(number)
            writer.add(TokenisedRow(ids, labels, number))  # type: ignore[arg-type]
    return path.stat().st_size


def _batches(rows: Iterable[tuple[int, Row]]) -> Iterator[_Batch]:
    """So many rows that the tokenizer's threads are busy, and not so much text that the memory is."""
    batch: _Batch = []
    length = 0
    for line, row in rows:
        batch.append((line, row))
        length += size(row)
        if len(batch) >= ROWS_A_BATCH or length >= TEXT_A_BATCH:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch
