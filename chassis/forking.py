"""What a process shares with those it forks."""

import gc


def share_inherited() -> None:
    """What the next children inherit stays shared with them: nobody's collector looks through it from now on.

    A collector writes to every object that it looks at, and so copies all that was shared.
    """
    gc.collect()
    gc.freeze()
