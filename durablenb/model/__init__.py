"""The plain data of the house: events, actions, failures, ids, statuses, errors."""
