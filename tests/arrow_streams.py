"""A table as another library would hand it over."""


class ArrowStream:
    """Something that is no pyarrow table but speaks the PyCapsule interface."""

    def __init__(self, table):
        self.table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self.table.__arrow_c_stream__(requested_schema)
