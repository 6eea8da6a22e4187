from __app__.shared import values


def say(city: values.City) -> str:
    return f"Hello {city.name}!"
