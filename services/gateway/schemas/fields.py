"""The fields that more than one body, query or reply has."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints

from contracts.chat import TEXT_MAX_LENGTH


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("must be text")
    return text


Opaque = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}\z")]
OPAQUE_SCHEMA = r"^[A-Za-z0-9_-]{1,64}$"
OpaqueId = Annotated[Opaque, Field(json_schema_extra={"pattern": OPAQUE_SCHEMA})]
Text = Annotated[
    str, StringConstraints(min_length=1, max_length=TEXT_MAX_LENGTH, pattern=r"\S"), AfterValidator(_without_nul)
]
Status = Literal["queued", "active", "closed"]
Cursor = Annotated[str, StringConstraints(max_length=512)]
Limit = Annotated[int, Field(ge=1, le=200)]
Moment = Annotated[str, StringConstraints(max_length=64), Field(json_schema_extra={"format": "date-time"})]
LARGEST_VERSION = 2**31
SurveyVersion = Annotated[int, Field(ge=1, le=LARGEST_VERSION)]
AnswerValue = str | int | float | bool | Annotated[list[str], Field(max_length=100)]
