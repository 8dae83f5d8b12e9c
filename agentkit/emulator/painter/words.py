"""The vocabulary: which words name what the painter can paint."""

from agentkit.emulator.tables import kind_by_word, number_by_word, word_set

# What lives: it can wear, hold and ride things.
LIVING = kind_by_word(
    """
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
    bird: robin sparrow parrot finch raven crow songbird pigeon dove seagull gull eagle hawk
        hummingbird
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
    person: man woman human people someone figure hiker traveler traveller musician chef painter
        artist king queen pirate
    child: kid boy girl children baby toddler
    wizard: witch mage sorcerer magician
    astronaut: cosmonaut spaceman
    snowman:
    ghost: spirit
    """
)

# What stands, lies, floats or flies, and does not live.
THINGS = kind_by_word(
    """
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
    """
)

WEARABLE = kind_by_word(
    """
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
    """
)

# Worn wherever they are named; the rest of WEARABLE only after "with", "holding" and the like.
ALWAYS_WORN = word_set(
    """
    hat tophat wizardhat crown scarf glasses umbrella lantern bowtie cape
    """
)
HOLDING = word_set(
    """
    with holding holds hold carrying carries wearing wears wear reading drinking flying playing
    gives give put add
    """
)
ABOARD = word_set(
    """
    on in aboard inside riding rides driving drives sailing steering atop onto into pedalling
    flying
    """
)
ADDING = word_set("another second third more add adding also")

VESSELS = word_set(
    """
    boat ship car train bicycle balloon airship rocket horse whale dragon elephant unicorn turtle
    camel bear deer giraffe dinosaur plane
    """
)
LEGS_HIDDEN = frozenset({"boat", "ship", "car", "train", "balloon", "airship"})

SETTINGS = kind_by_word(
    """
    forest: woods wood woodland jungle wald trees pines rainforest
    sea: ocean coast harbour harbor shore bay fjord waves wave port marina
    beach: sand seaside tropical
    lake: pond river stream waterfall reflection creek
    city: town village street skyline downtown cityscape buildings skyscrapers skyscraper metropolis
        rooftop market
    mountains: mountain alps peak peaks cliff summit himalaya volcano valley
    hills: hill meadow field grass garden park countryside lawn prairie
    desert: dunes dune sahara
    space: galaxy cosmos nebula orbit universe
    lunar:
    underwater: reef coral seabed
    arctic: iceberg antarctica polar
    room: kitchen library cafe bedroom interior indoors studio table desk window office
    island:
    """
)
CITIES = word_set(
    """
    oslo bergen stockholm copenhagen helsinki paris london berlin vienna rome madrid lisbon
    amsterdam prague tokyo kyoto seoul beijing sydney york francisco chicago boston toronto mumbai
    delhi cairo istanbul moscow dublin edinburgh zurich munich hamburg venice barcelona reykjavik
    singapore bangkok
    """
)
NORDIC = word_set(
    """
    oslo bergen stockholm copenhagen helsinki reykjavik amsterdam
    """
)
BY_WATER = NORDIC | frozenset(["venice", "sydney", "istanbul", "hamburg", "lisbon", "francisco"])

TIMES = kind_by_word(
    """
    dawn: sunrise daybreak
    day: noon midday daytime daylight morning afternoon
    dusk: sunset twilight evening sundown
    night: midnight nighttime nocturnal dark moonlit moonlight starry
    """
)
WEATHER = kind_by_word(
    """
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
    """
)
SEASONS = kind_by_word(
    """
    spring: springtime blooming
    summer:
    autumn: fall autumnal leaves
    winter: wintry winterly frost frozen ice icy christmas
    """
)
STYLES = kind_by_word(
    """
    watercolour: watercolor aquarelle
    ink: sketch line line-art pencil lineart doodle charcoal-drawing woodcut etching engraving
    pixel: pixelart 8bit 16bit voxel pixels
    poster: flat minimalist minimal vector logo icon screenprint
    oil: impressionist impressionism gogh monet brushstrokes acrylic
    blueprint: schematic
    mono: monochrome noir greyscale grayscale
    sepia: vintage
    """
)

COUNTS = {
    word: int(count)
    for word, count in number_by_word(
        """
        2: two both pair couple
        3: three trio several few some family
        4: four group
        5: five herd
        6: six many
        7: seven flock crowd lots
        8: eight
        9: nine dozen
        """
    ).items()
}

NEGATION = word_set(
    """
    without no remove removing minus delete erase not instead lose drop never
    """
)
SWAPPING = word_set("replace swap turn change transform")
# Nouns that take a colour to themselves, so that "a fox under a blue sky" leaves the fox alone.
SWALLOW = word_set(
    """
    sky eyes eye light lights door roof windows beard hair dress coat shirt jacket glow water sail
    sails
    """
)
FILLER = word_set(
    """
    a an the of and or in on at by to for with from me my your our its it please draw paint
    picture image photo photograph illustration painting art artwork generate create make show
    give render want would like can could you i we is are be this that these those very really
    nice beautiful pretty lovely cute small little big large tiny huge old young new same style
    scene background foreground portrait landscape high quality detailed realistic today todays
    weather s now as into about some one just again another more less then there here wide tall
    square transparent drawn drawing painted colour color coloured colored looking face sitting
    standing 16 9 4 3 1 2 aspect ratio do not no if how what when where who only should must will
    let so but than too against under over near beside behind front between along through during
    while happy sad sleepy brave friendly cosy warm cold soft bright
    """
)
# The end of a noun phrase: what follows describes something else.
BREAKS = word_set(
    """
    , . ; : ! ? and with in on at by under over near beside behind that who which is are wearing
    holding of for from as during while from
    """
)

VERBS = word_set(
    """
    holding wearing riding sitting standing sleeping playing eating reading running flying
    """
)
