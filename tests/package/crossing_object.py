"""Importable classes that cross only by pickle and hold what a test gives them."""

import dataclasses
from typing import Any


@dataclasses.dataclass(eq=False)
class Holder:
    """Holds one value."""

    value: Any

    def __reduce__(self) -> tuple[Any, ...]:
        """So that it does not go natively."""
        return Holder, (self.value,)
