"""What a check of this machine found."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "note", "broken"]


@dataclass(frozen=True)
class Finding:
    """One checked thing: `note` where something optional is missing, `broken` where something needed does not work.

    `detail` is what there is; `remedy` is what to do about it, empty where nothing needs doing.
    """

    name: str
    state: State
    detail: str
    remedy: str = ""
