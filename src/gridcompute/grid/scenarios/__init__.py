"""Problems ready to plan: the packaged scenario, and published traces."""
