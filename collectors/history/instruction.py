"""A step of an image's history as the line of the Dockerfile that a person would look for. Pure.

Builders write the same line in their own ways, with what differs from build to build (a checksum, the values of build
arguments) in it: without that, twelve builds of one line look like twelve lines.
"""

from __future__ import annotations

import re

# What the old builder puts before everything that ran no command.
_NO_COMMAND = re.compile(r"/bin/sh -c #\(nop\) ")
# `|2 A=1 B=two words `: the build arguments that were in force, before the shell.
_ARGUMENTS = re.compile(r"(RUN )?\|\d+ .*?(?=/bin/sh -c )", re.DOTALL)
_SHELL = re.compile(r"(RUN )?/bin/sh -c ")
_CHECKSUM = re.compile(r"\A(COPY|ADD)((?: --\S+)*) (?:file|dir|multi):[0-9a-f]{8,64} in ")
_BUILDKIT = re.compile(r"\s+# buildkit\s*\Z")
_LONGEST = 2000

_DESCRIBING = "ARG CMD ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL MAINTAINER ONBUILD SHELL STOPSIGNAL USER VOLUME"
_METADATA = frozenset(_DESCRIBING.split())


def plain(written: str) -> str:
    """`RUN make`, `COPY … /srv/app`: one line, without what only the builder knows."""
    text = _BUILDKIT.sub("", written[:_LONGEST])
    if (found := _NO_COMMAND.match(text)) is not None:
        text = text[found.end() :]
    else:
        text = _ARGUMENTS.sub(lambda found: found[1] or "", text, count=1)
        text = _SHELL.sub("RUN ", text, count=1) if _SHELL.match(text) else text
    return " ".join(_CHECKSUM.sub(r"\1\2 … ", text).split())


def is_metadata(instruction: str) -> bool:
    """Does an instruction in its plain form only describe the image, with every builder?"""
    return instruction.partition(" ")[0].upper() in _METADATA


def may_be_metadata(instruction: str) -> bool:
    """The same, or does it with some builders?"""
    return is_metadata(instruction) or instruction.partition(" ")[0].upper() == "WORKDIR"
