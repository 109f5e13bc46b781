"""Why a scan gave no counts. Each message says what was asked of what, and what to do."""


class ScanError(Exception):
    """The source can't be read: absent, damaged, refused, or out of memory."""


class ScanTimeout(ScanError):
    """The scan was interrupted because it ran longer than its limit."""


class SchemaMismatch(ScanError):
    """The source can be read but doesn't hold the columns that the baseline was made of, or holds other types."""
