"""Hubs and views are closed as in the tests of the notebook: open ones are what other tests would meet."""

from tests.notebook import conftest

_shared_hubs_closed = conftest._shared_hubs_closed
_tests_draw_views = conftest._tests_draw_views
_all_hubs_closed = conftest._all_hubs_closed
