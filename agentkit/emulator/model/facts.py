"""The little that the emulator knows of the world, so that a demo can chat."""

from agentkit.emulator.tables import pairs

FACTS: dict[str, str] = pairs(
    """
    fox: Red foxes live almost everywhere north of the equator, from tundra to city parks. They hunt
        by ear: a fox can hear a mouse under half a metre of snow, and leaps on it from above.
    owl: Owls fly nearly without a sound, because the edges of their feathers break up the air. They
        cannot move their eyes, so they turn their heads by up to 270 degrees instead.
    cat: Cats sleep for twelve to sixteen hours a day and purr at about 25 beats a second. A group
        of them is a clowder.
    dog: Dogs have lived with people for at least fifteen thousand years. Their noses tell apart
        smells that we do not notice.
    whale: The blue whale is the largest animal that has ever lived, up to thirty metres long. Its
        heart weighs as much as a piano.
    bear: Brown bears sleep through the winter for five months or more, living on the fat that they
        put on in autumn.
    bee: A honey bee visits a few thousand flowers a day, and tells the others where they are by
        dancing.
    penguin: Penguins fly under water: their wings are flippers. Emperor penguins dive deeper than
        500 metres.
    hedgehog: A hedgehog wears about five thousand spines and rolls into a ball when it is
        frightened.
    snow: Snowflakes grow as six-sided crystals; their shape depends on how cold and damp the air
        was on the way down.
    rain: Raindrops are not shaped like tears: small ones are round, and larger ones look like a
        bun.
    aurora: The northern lights glow where particles from the sun strike the upper air; green is
        oxygen, 100 km up.
    moon: The moon moves away from us by about four centimetres a year, and always shows us the same
        face.
    sun: The light of the sun takes eight minutes and twenty seconds to reach us.
    sea: The sea covers seventy-one per cent of the Earth, and most of its floor has never been
        seen.
    mountain: Mountains still grow: the Himalayas rise by about a centimetre a year.
    tree: The oldest single trees are bristlecone pines, some of them more than 4,800 years old.
    lighthouse: A lighthouse has a signature of its own, the rhythm of its flashes, so that sailors
        know which one they see.
    oslo: Oslo lies at the end of a long fjord, with forests so near that the tram takes you to the
        ski tracks.
    bergen: Bergen, Norway's old trading town, counts more than two hundred days of rain a year.
    paris: Paris is the capital of France; the Seine runs through it past the Louvre and Notre-Dame.
    tokyo: Tokyo, the capital of Japan, is home to some fourteen million people, and to more
        stations than one can count.
    london: London grew from a Roman town on the Thames; its underground railway, from 1863, is the
        oldest in the world.
    watercolour: Watercolour is pigment bound with gum arabic; the white in it is the paper that
        shows through.
    python: Python was first released by Guido van Rossum in 1991, and was named after Monty Python.
    """
)
CAPITALS = pairs(
    """
    france: Paris
    norway: Oslo
    sweden: Stockholm
    denmark: Copenhagen
    germany: Berlin
    italy: Rome
    spain: Madrid
    portugal: Lisbon
    japan: Tokyo
    finland: Helsinki
    iceland: Reykjavík
    austria: Vienna
    greece: Athens
    ireland: Dublin
    poland: Warsaw
    canada: Ottawa
    australia: Canberra
    india: New Delhi
    egypt: Cairo
    brazil: Brasília
    england: London
    """
)
