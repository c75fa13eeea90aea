"""Where a model comes from."""

from __future__ import annotations

import platform
from datetime import datetime, timedelta, timezone

from fsrfer.core import Provenance
from fsrfer.core.provenance import installed_versions, package_version


def test_now_is_recorded_in_utc():
    before = datetime.now(timezone.utc) - timedelta(seconds=1)
    record = Provenance.now(seed=7, dataset_ids=iter(["one", "two"]))
    created = datetime.fromisoformat(record.created)
    assert created.utcoffset() == timedelta(0)
    assert before <= created <= datetime.now(timezone.utc)
    assert (record.seed, record.dataset_ids, record.platform) == (7, ("one", "two"), platform.platform())


def test_versions_are_those_that_are_installed():
    import numpy as np

    versions = installed_versions()
    assert versions["python"] == platform.python_version()
    assert versions["numpy"] == np.__version__
    assert None not in versions.values()


def test_a_package_that_is_not_installed_has_no_version():
    assert package_version("fsrfer-no-such-distribution") is None
