"""The first release: Prometheus and Alertmanager can't start without a configuration to read."""

import logging
from collections.abc import Callable

from controlplane.bundle import Bundle
from controlplane.models import Release
from controlplane.publishing import checks
from controlplane.publishing.attempt import Attempt, authors, unified
from controlplane.publishing.release_files import ReleaseFiles
from controlplane.publishing.rollout import Say, prove_offline, silent

LOG = logging.getLogger(__name__)
WAIT_SECONDS = 60.0


def write_first_release(files: ReleaseFiles, render: Callable[[], Bundle], say: Say = silent) -> Release | None:
    """Where nothing is current: the rendered bundle, checked as far as that goes without servers. None: there is one.

    It stays on probation: the first publish after the servers' start reloads and verifies it. Raises CheckRefused,
    CheckImpossible and OSError.
    """
    with files.lock(WAIT_SECONDS):
        if files.read(files.current_hash()) is not None:
            return None
        bundle = render()
        # Its own base: there is no way back from it.
        row = Release.objects.create(
            hash=bundle.hash, base_hash=bundle.hash, author=authors(), diff=unified(None, bundle)
        )
        attempt = Attempt(row, say)
        try:
            _write_checked(attempt, files, bundle)
        except (checks.CheckRefused, checks.CheckImpossible, OSError) as error:
            refused = isinstance(error, checks.CheckRefused)
            attempt.finish(Release.Outcome.REFUSED if refused else Release.Outcome.FAILED, str(error))
            raise
        attempt.on_probation()
        return row


def _write_checked(attempt: Attempt, files: ReleaseFiles, bundle: Bundle) -> None:
    prove_offline(attempt, files, bundle, None)
    with attempt.step("switch") as step:
        files.switch(bundle.hash)
        step.message = "the servers can start; they have not been asked yet"
