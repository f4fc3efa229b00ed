"""A CSV file as rows of text, with the line of each and a reason where one cannot be read."""

import csv
import gzip
import io
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from governor.config.defects import Defect
from governor.core.policy.values import suggestion

_GZIP = b"\x1f\x8b"
_MOST_DEFECTS = 20
_LARGEST_CELL = 1 << 20
_LONGEST_LINE = 16 << 20
_MOST_UNPACKED = 1 << 30
_MOST_TIMES = 200


class InputInvalid(Exception):
    """An input that cannot be used, with what is wrong and where, in a CSV the line of the file."""

    def __init__(self, defects: Iterable[Defect]) -> None:
        """Keep the first defects in the order of their files and places."""
        every = sorted(set(defects))
        self.defects = every[:_MOST_DEFECTS]
        if len(every) > _MOST_DEFECTS:
            more = f"and {len(every) - _MOST_DEFECTS} more like these"
            self.defects.append(Defect(every[-1].file, 0, more))
        super().__init__("\n".join(str(defect) for defect in self.defects))


class _TooLargeError(Exception):
    pass


class _Unpacked(gzip.GzipFile):
    """A gzip file that ends in an error where little becomes very much."""

    def __init__(self, stream: BinaryIO) -> None:
        super().__init__(fileobj=stream)
        self._most = max(_MOST_UNPACKED, _MOST_TIMES * os.fstat(stream.fileno()).st_size)

    def read1(self, size: int = -1) -> bytes:
        """Return some of what is unpacked."""
        found = super().read1(size)
        if self.tell() > self._most:
            raise _TooLargeError(f"unpacks to more than {_MOST_TIMES} times its size, unpack it")
        return found


def _bounded(text: io.TextIOBase) -> Iterator[str]:
    while line := text.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise _TooLargeError(f"has a line of more than {_LONGEST_LINE >> 20} MiB")
        yield line


class Row(NamedTuple):
    """Cells of a row: the `number` of the row, and the `line` of the file on which it ends."""

    number: int
    line: int
    cells: list[str]


class Table:
    """The rows of a CSV or CSV.gz, a byte-order mark passed over.

    Without *columns* the first line names them; with *columns* there is no such line, and cells
    beyond them are passed over.
    """

    def __init__(self, path: Path, columns: Sequence[str] | None = None) -> None:
        """Name the file; it is opened when rows are asked for."""
        self.path = path
        self._columns = columns

    def rows(self, wanted: Sequence[str]) -> Iterator[Row]:
        """Yield the *wanted* cells of each row, blank lines passed over.

        Raises InputInvalid for a file that cannot be read on, and for a row of another width.
        """
        try:
            with self._open() as text:
                yield from self._read(text, wanted)
        except OSError as error:
            reason = (error.strerror or "it is away").lower()
            raise self.invalid(0, f"cannot be read: {reason}") from None

    def _read(self, text: io.TextIOBase, wanted: Sequence[str]) -> Iterator[Row]:
        reader = csv.reader(_bounded(text), strict=True)
        try:
            filled = (cells for cells in reader if cells)
            header = self._header(filled)
            picks = [header.index(name) for name in self._known(wanted, header)]
            width, exact = len(header), self._columns is None
            for number, cells in enumerate(filled, 1):
                if len(cells) < width or (exact and len(cells) > width):
                    words = f"has {len(cells)} cells, expected {width}"
                    raise self.invalid(reader.line_num, words)
                yield Row(number, reader.line_num, [cells[pick] for pick in picks])
        except csv.Error as error:
            raise self.invalid(reader.line_num, f"is no CSV: {error}") from None
        # A line that could not be had is not counted yet.
        except UnicodeDecodeError:
            words = "is no UTF-8 text, or a row soon after"
            raise self.invalid(reader.line_num + 1, words) from None
        except _TooLargeError as error:
            raise self.invalid(reader.line_num + 1, str(error)) from None
        except (EOFError, gzip.BadGzipFile, zlib.error):
            words = "ends in the middle of its compressed data"
            raise self.invalid(reader.line_num + 1, words) from None

    def defect(self, line: int, message: str) -> Defect:
        """Say what is wrong with a line, 0 for the whole file."""
        return Defect(str(self.path), line, message)

    def invalid(self, line: int, message: str) -> InputInvalid:
        """Build the error of a line that ends the reading."""
        return InputInvalid([self.defect(line, message)])

    @contextmanager
    def _open(self) -> Iterator[io.TextIOBase]:
        csv.field_size_limit(_LARGEST_CELL)
        with self.path.open("rb") as stream:
            zipped = stream.read(2) == _GZIP
            stream.seek(0)
            inner = _Unpacked(stream) if zipped else stream
            with io.TextIOWrapper(inner, encoding="utf-8-sig", newline="") as text:
                yield text

    def _header(self, lines: Iterator[list[str]]) -> list[str]:
        header = list(self._columns) if self._columns is not None else next(lines, [])
        if not header:
            raise self.invalid(0, "is empty, its first line names the columns")
        return header

    def _known(self, wanted: Sequence[str], header: list[str]) -> Sequence[str]:
        defects = [
            self.defect(0, f"has no column `{name}` of the map{suggestion(name, header)}")
            for name in dict.fromkeys(wanted)
            if name not in header
        ]
        if defects:
            raise InputInvalid(defects)
        return wanted
