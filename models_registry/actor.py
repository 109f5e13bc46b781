"""Who does something: a signed-in person, a token's user, or a part of the system."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change. `user` is None where the system acts by itself."""

    name: str
    user: Any = None

    @classmethod
    def of(cls, user: Any) -> "Actor":
        """The signed-in `user`; a stranger can't be the author of anything."""
        if not user.is_authenticated:
            raise ValueError("Only a signed-in user can change something.")
        return cls(user.get_username(), user)


SYSTEM = Actor("plumbline")
