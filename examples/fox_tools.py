"""The tools of `fox.demo.yaml`: real astronomy, computed here, that can be checked against any
almanac, and prints that a person has to agree to.
"""

from datetime import date
from math import acos, cos, degrees, radians, sin, tan

from agentkit import Image, tool

#: city → latitude and longitude in degrees (north and east are positive), and hours that its
#: standard time is ahead of UTC
CITIES = {
    "Bergen": (60.39, 5.32, 1),
    "Oslo": (59.91, 10.75, 1),
    "Tromsø": (69.65, 18.96, 1),
    "Helsinki": (60.17, 24.94, 2),
    "Edinburgh": (55.95, -3.19, 0),
    "Lisbon": (38.72, -9.14, 0),
    "Quito": (-0.18, -78.47, -5),
    "Tokyo": (35.68, 139.69, 9),
    "Wellington": (-41.29, 174.78, 12),
}
PHASES = (
    "new moon",
    "waxing crescent",
    "first quarter",
    "waxing gibbous",
    "full moon",
    "waning gibbous",
    "last quarter",
    "waning crescent",
)


@tool
def sunset(city: str, day: date) -> str:
    """When the sun sets in a city.

    Args:
        city: The city's name in English.
        day: The date.
    """
    if city not in CITIES:
        raise LookupError(f"{city!r} is not in the almanac; it has {', '.join(CITIES)}")
    latitude, longitude, ahead = CITIES[city]
    # NOAA's general solar position: declination and equation of time from the day of the year
    turn = radians(360 / 365 * (day.timetuple().tm_yday - 1 + 0.25))
    tilt = (
        0.006918
        - 0.399912 * cos(turn)
        + 0.070257 * sin(turn)
        - 0.006758 * cos(2 * turn)
        + 0.000907 * sin(2 * turn)
        - 0.002697 * cos(3 * turn)
        + 0.00148 * sin(3 * turn)
    )
    early = 229.18 * (
        0.000075
        + 0.001868 * cos(turn)
        - 0.032077 * sin(turn)
        - 0.014615 * cos(2 * turn)
        - 0.040849 * sin(2 * turn)
    )
    # 90.833°: the sun's upper edge, with the bending of light at the horizon
    height = cos(radians(90.833)) / (cos(radians(latitude)) * cos(tilt)) - tan(
        radians(latitude)
    ) * tan(tilt)
    if height > 1:
        return f"In {city} the sun does not rise on {day}: it is polar night."
    if height < -1:
        return f"In {city} the sun does not set on {day}: it is midnight sun."
    minutes = round(720 - 4 * (longitude - degrees(acos(height))) - early + 60 * ahead) % 1440
    return (
        f"In {city} the sun sets at {minutes // 60:02}:{minutes % 60:02} on "
        f"{day} (standard time, UTC{ahead:+d})."
    )


@tool
def moon_phase(day: date) -> str:
    """What the moon looks like on a date, at 18:00 UTC.

    Args:
        day: The date.
    """
    # Meeus, Astronomical Algorithms, chapter 48: the elongation with its largest periodic terms
    centuries = (day.toordinal() + 1721424.5 + 0.75 - 2451545.0) / 36525
    elongation = radians((297.8501921 + 445267.1114034 * centuries) % 360)
    sun = radians((357.5291092 + 35999.0502909 * centuries) % 360)
    moon = radians((134.9633964 + 477198.8675055 * centuries) % 360)
    apart = degrees(elongation) + (
        6.289 * sin(moon)
        - 2.100 * sin(sun)
        + 1.274 * sin(2 * elongation - moon)
        + 0.658 * sin(2 * elongation)
        + 0.214 * sin(2 * moon)
        + 0.110 * sin(elongation)
    )
    lit = (1 - cos(radians(apart))) / 2
    # The four principal phases are moments; here each stands for the evenings within 12° of it,
    # about a day
    quarter = round(apart / 90) % 4
    is_principal = abs((apart - 90 * quarter + 180) % 360 - 180) < 12
    name = PHASES[2 * quarter if is_principal else 2 * (int(apart % 360) // 90) + 1]
    return f"On {day} there is a {name}, {lit:.0%} lit."


@tool(approve=True)
def order_prints(picture: Image, copies: int) -> str:
    """Order prints of a picture for the wall.

    Args:
        picture: The picture to print.
        copies: How many prints.
    """
    return f"{copies} prints of {picture.name} are ordered ({picture.width}×{picture.height})."
