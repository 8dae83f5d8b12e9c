"""The vocabulary: which words name what the painter can paint."""


def _table(text: str) -> dict[str, str]:
    """Lines of `kind: word word …`, each word standing for its kind, and the kind for itself."""
    table: dict[str, str] = {}
    for line in text.strip().splitlines():
        kind, _, words = line.partition(":")
        for word in (kind.strip(), *words.split()):
            table.setdefault(word, kind.strip())
    return table


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# What lives: it can wear, hold and ride things.
LIVING = _table("""
fox: vixen fuchs renard
cat: kitten kitty tomcat katze
dog: puppy hound terrier corgi husky poodle hund
wolf: werewolf coyote
rabbit: bunny hare
bear: grizzly teddy teddybear
panda:
koala:
mouse: rat hamster mice
squirrel: chipmunk
lion: lioness
tiger:
raccoon:
monkey: ape gorilla chimpanzee
owl: owlet owls
penguin:
bird: robin sparrow parrot finch raven crow songbird pigeon dove seagull gull eagle hawk hummingbird
duck: duckling goose swan geese
chicken: hen rooster chick
frog: toad
horse: pony foal mare stallion
unicorn:
zebra:
deer: stag reindeer moose elk fawn
cow: bull ox calf
sheep: lamb goat
pig: piglet boar
elephant: mammoth
giraffe:
dinosaur: dino
camel: llama alpaca
dragon: wyvern
fish: goldfish salmonfish trout shark
whale: orca
dolphin:
octopus: squid kraken jellyfish
turtle: tortoise
hedgehog: porcupine
snail:
butterfly: moth butterflies
robot: android droid bot
person: man woman human people someone figure hiker traveler traveller musician chef painter artist king queen pirate
child: kid boy girl children baby toddler
wizard: witch mage sorcerer magician
astronaut: cosmonaut spaceman
snowman:
ghost: spirit
""")

# What stands, lies, floats or flies, and does not live.
THINGS = _table("""
house: cottage cabin hut barn home
castle: palace fortress
lighthouse: beacon
windmill: mill
tower: church cathedral
tree: oak birch maple willow
pine: fir spruce
palm:
flower: rose tulip daisy sunflower blossom poppy lily flowers bouquet orchid
mushroom: toadstool
cactus: cacti
boat: sailboat yacht dinghy canoe rowboat raft sailing
ship: steamer galleon ferry vessel
car: automobile taxi truck van bus jeep
train: locomotive tram
bicycle: bike cycle
balloon: airballoon
airship: zeppelin blimp
rocket: spaceship spacecraft shuttle starship
plane: airplane aeroplane aircraft jet
cake: cupcake birthday
cup: mug coffee tea teacup cocoa
teapot: kettle
book: books novel
heart: hearts love
apple: fruit
pumpkin: pumpkins
gift: present presents
umbrella: parasol
lantern: lamp
hat: cap
crown: tiara
star:
tent: camp
bridge:
planet: earth mars saturn jupiter
campfire: fire bonfire
kite:
guitar: violin
ball: football
""")

WEARABLE = _table("""
hat: cap bowler fedora beanie beret
tophat:
wizardhat:
crown: tiara
scarf: shawl
glasses: spectacles sunglasses goggles
umbrella: parasol
lantern: lamp torch
bowtie: tie ribbon
cape: cloak
balloon:
flower: rose tulip daisy sunflower bouquet
heart:
star:
book:
cup: mug coffee tea
kite:
ball:
apple:
gift: present
""")

# Worn wherever they are named; the rest of WEARABLE only after "with", "holding" and the like.
ALWAYS_WORN = frozenset(
    {
        "hat",
        "tophat",
        "wizardhat",
        "crown",
        "scarf",
        "glasses",
        "umbrella",
        "lantern",
        "bowtie",
        "cape",
    }
)
HOLDING = _words("""
    with holding holds hold carrying carries wearing wears wear reading drinking flying playing gives give put add
""")
ABOARD = _words("""
    on in aboard inside riding rides driving drives sailing steering atop onto into pedalling flying
""")
ADDING = _words("""
    another second third more add adding also
""")

VESSELS = frozenset(
    {
        "boat",
        "ship",
        "car",
        "train",
        "bicycle",
        "balloon",
        "airship",
        "rocket",
        "horse",
        "whale",
        "dragon",
        "elephant",
        "unicorn",
        "turtle",
        "camel",
        "bear",
        "deer",
        "giraffe",
        "dinosaur",
        "plane",
    }
)
LEGS_HIDDEN = frozenset({"boat", "ship", "car", "train", "balloon", "airship"})

SETTINGS = _table("""
forest: woods wood woodland jungle wald trees pines rainforest
sea: ocean coast harbour harbor shore bay fjord waves wave port marina
beach: sand seaside tropical
lake: pond river stream waterfall reflection creek
city: town village street skyline downtown cityscape buildings skyscrapers skyscraper metropolis rooftop market
mountains: mountain alps peak peaks cliff summit himalaya volcano valley
hills: hill meadow field grass garden park countryside lawn prairie
desert: dunes dune sahara
space: galaxy cosmos nebula orbit universe
lunar:
underwater: reef coral seabed
arctic: iceberg antarctica polar
room: kitchen library cafe bedroom interior indoors studio table desk window office
island:
""")
CITIES = _words("""
    oslo bergen stockholm copenhagen helsinki paris london berlin vienna rome madrid lisbon amsterdam prague tokyo
    kyoto seoul beijing sydney york francisco chicago boston toronto mumbai delhi cairo istanbul moscow dublin
    edinburgh zurich munich hamburg venice barcelona reykjavik singapore bangkok
""")
NORDIC = _words("""
    oslo bergen stockholm copenhagen helsinki reykjavik amsterdam
""")
BY_WATER = NORDIC | frozenset(["venice", "sydney", "istanbul", "hamburg", "lisbon", "francisco"])

TIMES = _table("""
dawn: sunrise daybreak
day: noon midday daytime daylight morning afternoon
dusk: sunset twilight evening sundown
night: midnight nighttime nocturnal dark moonlit moonlight starry
""")
WEATHER = _table("""
rain: rainy raining drizzle wet downpour shower showers
snow: snowy snowing snowfall blizzard snowflakes
fog: foggy mist misty haze hazy
cloud: cloudy overcast clouds grey-sky
wind: windy breeze breezy gust
storm: stormy thunder thunderstorm lightning tempest
sun: sunny sunshine sunlit clear
moon:
stars: starlight starry
rainbow:
aurora: borealis
confetti: celebration party festive
fireworks:
""")
SEASONS = _table("""
spring: springtime blooming
summer:
autumn: fall autumnal leaves
winter: wintry winterly frost frozen ice icy christmas
""")
STYLES = _table("""
watercolour: watercolor aquarelle
ink: sketch line line-art pencil lineart doodle charcoal-drawing woodcut etching engraving
pixel: pixelart 8bit 16bit voxel pixels
poster: flat minimalist minimal vector logo icon screenprint
oil: impressionist impressionism gogh monet brushstrokes acrylic
blueprint: schematic
mono: monochrome noir greyscale grayscale
sepia: vintage
""")

COUNTS = {
    "two": 2,
    "both": 2,
    "pair": 2,
    "couple": 2,
    "three": 3,
    "trio": 3,
    "several": 3,
    "few": 3,
    "some": 3,
    "four": 4,
    "five": 5,
    "group": 4,
    "six": 6,
    "seven": 7,
    "family": 3,
    "many": 6,
    "flock": 7,
    "herd": 5,
    "crowd": 7,
    "eight": 8,
    "nine": 9,
    "dozen": 9,
    "lots": 7,
}

NEGATION = _words("""
    without no remove removing minus delete erase not instead lose drop never
""")
SWAPPING = _words("""
    replace swap turn change transform
""")
# Nouns that take a colour to themselves, so that "a fox under a blue sky" leaves the fox alone.
SWALLOW = _words("""
    sky eyes eye light lights door roof windows beard hair dress coat shirt jacket glow water sail sails
""")
FILLER = _words("""
    a an the of and or in on at by to for with from me my your our its it please draw paint picture image photo
    photograph illustration painting art artwork generate create make show give render want would like can could you
    i we is are be this that these those very really nice beautiful pretty lovely cute small little big large tiny
    huge old young new same style scene background foreground portrait landscape high quality detailed realistic
    today todays weather s now as into about some one just again another more less then there here wide tall square
    transparent drawn drawing painted colour color coloured colored looking face sitting standing 16 9 4 3 1 2 aspect
    ratio do not no if how what when where who only should must will let so but than too against under over near
    beside behind front between along through during while happy sad sleepy brave friendly cosy warm cold soft
    bright
""")
# The end of a noun phrase: what follows describes something else.
BREAKS = _words("""
    , . ; : ! ? and with in on at by under over near beside behind that who which is are wearing holding of for from
    as during while from
""")

VERBS = _words("""
    holding wearing riding sitting standing sleeping playing eating reading running flying
""")
