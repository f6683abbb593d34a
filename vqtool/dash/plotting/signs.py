"""Characters in the uppermost row of a chart, at places of its x axis."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vqtool.dash.columns import Floats, Integers

CROWDED_SHARE = 0.25
"""Of the columns: a sign in more of them says no more where something was."""


@dataclass(frozen=True, eq=False)
class Signs:
    """Code points at places of the x axis, and whether they are faults, all (N,); later ones are put over earlier."""

    x: Floats
    codes: NDArray[np.uint32]
    faults: NDArray[np.bool_]


NO_SIGNS = Signs(np.empty(0), np.empty(0, np.uint32), np.empty(0, np.bool_))


def placed(signs: Signs, columns: Integers, num_columns: int) -> Iterator[tuple[Integers, int, bool]]:
    """Columns, code point and fault of each kind of sign; `columns` (N,) are the signs', -1 where they are not seen.

    A sign in too many columns is left out, unless it is a fault.
    """
    for code in dict.fromkeys(signs.codes.tolist()):
        chosen = (signs.codes == code) & (columns >= 0)
        own = np.unique(columns[chosen])
        is_fault = bool(signs.faults[chosen].any())
        if len(own) and (is_fault or len(own) <= max(1, CROWDED_SHARE * num_columns)):
            yield own, code, is_fault
