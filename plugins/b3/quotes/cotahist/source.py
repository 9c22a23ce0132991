"""Open the text of a COTAHIST file in a path, bytes, a binary file or a ZIP, and check that it is whole."""

from __future__ import annotations

import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeAlias

from b3.errors import BadLayout, NotB3Data, NotPublished, Truncated
from b3.site import webpage

Source: TypeAlias = str | Path | bytes | BinaryIO

FETCH_AGAIN = "Delete this copy and download the file from B3 again."
_READ_SIZE = 1 << 20
_EXCERPT = 80
# zipfile and its codecs raise these on damaged bytes. To open a ZIP, RuntimeError stands for unsupported features.
_DAMAGE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, ValueError, RuntimeError)


class Text:
    """The text of a COTAHIST file, read once from beginning to end.

    Attributes:
        source: name of the source in messages.
        member: the name of the ZIP's member, None if the source was plain text.
    """

    def __init__(self, stream: BinaryIO, source: str, member: str | None = None) -> None:
        self.source = source
        self.member = member
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes; fewer only at the end of the text, b"" after it.

        Raises:
            Truncated: the ZIP ends within the member, or the member's checksum is wrong.
        """
        try:
            return self._stream.read(size)
        except _DAMAGE as error:
            raise self._damaged(error) from error
        except OSError as error:
            # bz2 raises OSError without a number on damaged bytes. A fault of the disk has one.
            if error.errno is not None:
                raise
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> Truncated:
        return Truncated(
            source=self.source,
            expected=f"the whole of its member {self.member}",
            found=f"damaged or missing data ({error or 'unexpected end'})",
            hint=FETCH_AGAIN,
        )

    def fill(self, target: memoryview) -> int:
        """Read into `target` until it is full or the text ends, and return the number of bytes read.

        Raises:
            Truncated: as `read`.
        """
        filled = 0
        while filled < len(target):
            chunk = self.read(min(_READ_SIZE, len(target) - filled))
            if not chunk:
                break
            target[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        return filled

    def check_rest(self) -> None:
        """Read on to the end of a ZIP's member, so that zipfile checks its checksum.

        Raises:
            Truncated: as `read`.
        """
        while self.member is not None and self.read(_READ_SIZE):
            pass


@contextmanager
def open_text(source: Source, name: str | None = None) -> Iterator[Text]:
    """Open the text in `source`.

    Args:
        source: path, bytes or seekable binary file of the ZIP or of its text member. A file is read from
            its beginning and left open.
        name: name of the source in messages; by default the path or the file's name.

    Raises:
        NotPublished: the source is empty.
        Truncated: the ZIP's end is missing, or its directory does not match its content.
        BadLayout: the ZIP does not hold exactly one readable member.
    """
    label = name or _name(source)
    with _open_binary(source) as stream:
        magic = stream.read(4)
        stream.seek(0)
        if not magic:
            raise NotPublished(
                source=label,
                expected="a COTAHIST file",
                found="0 bytes",
                hint="B3 publishes a session's file between 19:54 and 22:11, São Paulo time; try again later.",
            )
        if magic.startswith(b"PK") or b"PK\3\4".startswith(magic):
            with _open_member(stream, label) as text:
                yield text
        else:
            yield Text(stream, label)


def not_b3_data(source: str, beginning: bytes) -> NotB3Data:
    """Return the error for bytes that begin with `beginning` and are no COTAHIST file."""
    return NotB3Data(
        source=source,
        expected="a ZIP, or a text that begins with the record 00COTAHIST",
        found=webpage.found(beginning) or f"contents beginning {_excerpt(beginning)}",
        hint="B3 answers with a page if it has no file: check the address, and that the date is a session.",
    )


def _excerpt(beginning: bytes) -> str:
    text = beginning.decode("latin-1")
    words = " ".join(text.split()) or text
    return repr(words if len(words) <= _EXCERPT else words[:_EXCERPT] + "…")


def _name(source: Source) -> str:
    if isinstance(source, str | Path):
        return str(source)
    if isinstance(source, bytes):
        return f"<{len(source)} bytes>"
    return str(getattr(source, "name", None) or f"<{type(source).__name__}>")


def _open_binary(source: Source) -> BinaryIO:
    if isinstance(source, str | Path):
        return Path(source).open("rb")
    if isinstance(source, bytes):
        return io.BytesIO(source)
    return io.BufferedReader(_Borrowed(source), _READ_SIZE)


class _Borrowed(io.RawIOBase):
    """Wrap the caller's file: closing this one leaves it open, and its reads may return fewer bytes."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._file.seek(0)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


@contextmanager
def _open_member(stream: BinaryIO, label: str) -> Iterator[Text]:
    try:
        archive = zipfile.ZipFile(stream)
    except RuntimeError as error:
        raise _unsupported(label, "a ZIP of deflated or stored files", str(error)) from error
    except _DAMAGE as error:
        raise Truncated(
            source=label,
            expected="a ZIP with its central directory at the end",
            found=f"{stream.seek(0, io.SEEK_END):,} bytes without one ({error})",
            hint=FETCH_AGAIN,
        ) from error
    with archive:
        members = [info for info in archive.infolist() if not info.is_dir()]
        if len(members) != 1:
            names = ", ".join(info.filename for info in members[:5])
            raise _unsupported(label, "a ZIP of exactly one file", f"{len(members)}: {names}" if names else "none")
        name = members[0].filename
        try:
            member = archive.open(members[0])
        except RuntimeError as error:
            raise _unsupported(label, f"a deflated or stored member {name}, not encrypted", str(error)) from error
        except _DAMAGE as error:
            raise Truncated(
                source=label,
                expected=f"the member {name} where the ZIP's directory says",
                found=str(error),
                hint=FETCH_AGAIN,
            ) from error
        with member:
            yield Text(member, label, name)  # type: ignore[arg-type]


def _unsupported(label: str, expected: str, found: str) -> BadLayout:
    return BadLayout(
        source=label, expected=expected, found=found, hint="Check that it is a COTAHIST ZIP as B3 publishes it."
    )
