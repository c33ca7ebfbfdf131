"""Where a claim is written: a file of a repository at a commit, or a page with the date of the copy that was read."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from topologies.schema.network import Model
from topologies.schema.scalars import Name, SomeText


class Publication(Model):
    """One text of a vendor: documentation, or a test."""

    title: SomeText
    url: Annotated[str, Field(pattern=r"^https://[^\s]+$")]
    """The address, with the commit if the text is a file of a repository."""
    version: SomeText
    """The commit, the release, or how the text was dated."""


class ClaimSource(Model):
    """The place of one claim in a publication."""

    of: Name | None = None
    """The publication's key in `publications`. None only if no text was read."""
    at: SomeText
    """The section, the table and its row, or the name of the test."""
    verified: bool = True
    """Whether the text was read. `false`: the claim is from memory."""

    @model_validator(mode="after")
    def _names_what_was_read(self) -> Self:
        if self.verified and self.of is None:
            message = f"source {self.at!r}: got no publication, want one in `of`, or `verified: false`"
            raise ValueError(message)
        return self
